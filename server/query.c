/*
 * query.c - percent decoding, parameters of a target, and their checked readers.
 */
#include "server/query.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 256
#define WORD_BYTES 64 /* words longer than this are near to nothing */

/* ---------------------------------------------------------------- problems */

/* `param` has been checked: valid UTF-8 without control characters.  It is cut between characters. */
__attribute__((format(printf, 3, 4))) static mm_status bad(mm_problem *problem, const char *param, const char *format,
                                                           ...)
{
    va_list arguments;
    size_t size = strlen(param);

    if (problem == NULL)
        return MM_BAD_PARAM;
    *problem = (mm_problem){0};
    if (size >= sizeof problem->param) {
        size = sizeof problem->param - 1;
        while (((unsigned char)param[size] & 0xC0) == 0x80)
            size--;
    }
    memcpy(problem->param, param, size);
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
    return MM_BAD_PARAM;
}

/* ----------------------------------------------------------- bytes and names */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Length of the UTF-8 character at s (`left` bytes), 0 when it is none: overlong, surrogate, beyond U+10FFFF. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    static const unsigned long least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xC0 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF8 ? 4 : 0;
    unsigned long code;

    if (length < 2)
        return length;
    if (length > left)
        return 0;
    code = s[0] & (0x7FUL >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3FUL);
    }
    return code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? 0 : length;
}

/* What is wrong with decoded text, or NULL. */
static const char *text_fault(const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;

    for (size_t i = 0; i < size;) {
        const size_t length = utf8_length(s + i, size - i);

        if (length == 0)
            return "is not valid UTF-8";
        /* C0, DEL, and C1 (U+0080 .. U+009F, two bytes that begin with C2) */
        if (s[i] < 0x20 || s[i] == 0x7F || (length == 2 && s[i] == 0xC2 && s[i + 1] < 0xA0))
            return "holds a control character";
        i += length;
    }
    return NULL;
}

/* Resolves %XX (and '+' when asked) into out, which holds size + 1 bytes.  What is wrong, or NULL. */
static const char *decode(const char *text, size_t size, int plus, char *out)
{
    size_t filled = 0;

    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)text[i];

        if (c <= 0x20 || c == 0x7F || c == '#' || c == '\\')
            return "holds a character that must be percent-encoded";
        if (c == '%') {
            const int high = i + 2 < size ? hex(text[i + 1]) : -1, low = i + 2 < size ? hex(text[i + 2]) : -1;

            if (high < 0 || low < 0)
                return "holds a broken percent-escape";
            out[filled++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[filled++] = c == '+' && plus ? ' ' : (char)c;
        }
    }
    out[filled] = '\0';
    return text_fault(out, filled);
}

int mm_name_valid(const char *text)
{
    const size_t size = strlen(text);

    return size >= 1 && size <= NAME_BYTES && strchr(text, ',') == NULL && text_fault(text, size) == NULL;
}

/* ------------------------------------------------------------------- target */

/* Segments are checked decoded, so that %2e%2e is no way out; an empty one may only be the last. */
static const char *segment_fault(const char *segment, size_t size, int last, char *scratch)
{
    const char *fault = decode(segment, size, 0, scratch);

    if (fault != NULL)
        return fault;
    if (size == 0)
        return last ? NULL : "holds an empty segment";
    return strcmp(scratch, ".") == 0 || strcmp(scratch, "..") == 0 ? "holds a dot segment" : NULL;
}

mm_status mm_target_split(const char *target, size_t *path_size, const char **query, mm_problem *problem)
{
    const size_t size = strcspn(target, "?");
    const char *fault = NULL;
    char *scratch;

    if (target[0] != '/')
        return bad(problem, "", "the target is not an absolute path");
    scratch = malloc(size + 1);
    if (scratch == NULL)
        return MM_NO_MEMORY;
    for (size_t begin = 1; fault == NULL && begin <= size;) {
        const char *slash = memchr(target + begin, '/', size - begin);
        const size_t end = slash != NULL ? (size_t)(slash - target) : size;

        fault = segment_fault(target + begin, end - begin, slash == NULL, scratch);
        begin = end + 1;
    }
    free(scratch);
    if (fault != NULL)
        return bad(problem, "", "the path %s", fault);
    *path_size = size;
    *query = target[size] == '?' ? target + size + 1 : target + size;
    return MM_OK;
}

mm_status mm_path_decode(const char *segment, size_t size, char **out, mm_problem *problem)
{
    char *text = malloc(size + 1);
    const char *fault;

    if (text == NULL)
        return MM_NO_MEMORY;
    fault = decode(segment, size, 0, text);
    if (fault == NULL && !mm_name_valid(text))
        fault = "is not a name: 1 to 256 bytes, no comma";
    if (fault != NULL) {
        free(text);
        return bad(problem, "", "the name in the path %s", fault);
    }
    *out = text;
    return MM_OK;
}

/* --------------------------------------------------------------- parameters */

const char *mm_query_get(const mm_query *query, const char *name)
{
    for (size_t i = 0; i < query->count; i++)
        if (strcmp(query->pairs[i].name, name) == 0)
            return query->pairs[i].value;
    return NULL;
}

/* Takes over name, whose block holds the value as well. */
static mm_status append(mm_query *query, char *name, char *value, mm_problem *problem)
{
    mm_status status = MM_OK;

    if (name[0] == '\0')
        status = bad(problem, "", "a parameter of the query has no name");
    else if (mm_query_get(query, name) != NULL)
        status = bad(problem, name, "the parameter is given more than once");
    else if (query->count == MM_QUERY_MAX)
        status = bad(problem, name, "more than %d parameters", MM_QUERY_MAX);
    if (status == MM_OK)
        query->pairs[query->count++] = (mm_pair){name, value};
    else
        free(name);
    return status;
}

static mm_status parse_pair(mm_query *query, const char *text, size_t size, mm_problem *problem)
{
    const char *equals = memchr(text, '=', size);
    const size_t name_size = equals != NULL ? (size_t)(equals - text) : size;
    const size_t value_at = equals != NULL ? name_size + 1 : size;
    char *name = malloc(size + 2), *value;
    const char *fault;
    mm_status status;

    if (name == NULL)
        return MM_NO_MEMORY;
    fault = decode(text, name_size, 1, name);
    if (fault != NULL) {
        status = bad(problem, "", "a parameter name of the query %s", fault);
        goto done;
    }
    value = name + name_size + 1;
    fault = decode(text + value_at, size - value_at, 1, value);
    if (fault != NULL) {
        status = bad(problem, name, "the value %s", fault);
        goto done;
    }
    status = append(query, name, value, problem);
    name = NULL;
done:
    free(name);
    return status;
}

mm_status mm_query_parse(mm_query *query, const char *text, size_t size, mm_problem *problem)
{
    mm_status status = MM_OK;

    for (size_t begin = 0; size > 0 && begin <= size && status == MM_OK;) {
        const char *ampersand = memchr(text + begin, '&', size - begin);
        const size_t end = ampersand != NULL ? (size_t)(ampersand - text) : size;

        status = parse_pair(query, text + begin, end - begin, problem);
        begin = end + 1;
    }
    return status;
}

void mm_query_free(mm_query *query)
{
    for (size_t i = 0; i < query->count; i++)
        free(query->pairs[i].name);
    query->count = 0;
}

mm_status mm_query_add(mm_query *query, const char *name, const char *value, mm_problem *problem)
{
    const size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
    const char *fault = text_fault(name, name_size - 1);
    char *block;

    if (fault != NULL)
        return bad(problem, "", "a parameter name %s", fault);
    if (mm_query_get(query, name) != NULL)
        return MM_OK;
    fault = text_fault(value, value_size - 1);
    if (fault != NULL)
        return bad(problem, name, "the value %s", fault);
    block = malloc(name_size + value_size);
    if (block == NULL)
        return MM_NO_MEMORY;
    memcpy(block, name, name_size);
    memcpy(block + name_size, value, value_size);
    return append(query, block, block + name_size, problem);
}

/* ---------------------------------------------------------------- word lists */

/* The next word of a '|'-separated list; *list moves past it.  NULL at the end. */
static const char *next_word(const char **list, size_t *size)
{
    const char *word = *list;

    if (*word == '\0')
        return NULL;
    *size = strcspn(word, "|");
    *list = word + *size + (word[*size] == '|');
    return word;
}

static int is_word(const char *text, const char *word, size_t size)
{
    return strncmp(text, word, size) == 0 && text[size] == '\0';
}

/* Insertions, deletions and replacements that make b of a; both at most WORD_BYTES long. */
static size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t row[WORD_BYTES + 1];

    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            const size_t shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = replaced < shorter ? replaced : shorter;
        }
    }
    return row[b_size];
}

const char *mm_nearest_word(const char *text, const char *words, size_t *size)
{
    const size_t text_size = strlen(text);
    const char *word, *best = NULL;
    size_t word_size, least = text_size / 3 + 2; /* further away is no help */

    if (text_size > WORD_BYTES)
        return NULL;
    while ((word = next_word(&words, &word_size)) != NULL) {
        const size_t distance = word_size <= WORD_BYTES ? edit_distance(text, text_size, word, word_size) : least;

        if (distance < least) {
            least = distance;
            best = word;
            *size = word_size;
        }
    }
    return best;
}

mm_status mm_query_only(const mm_query *query, const char *allowed, mm_problem *problem)
{
    for (size_t i = 0; i < query->count; i++) {
        const char *name = query->pairs[i].name, *list = allowed, *word;
        size_t size = 0;

        do
            word = next_word(&list, &size);
        while (word != NULL && !is_word(name, word, size));
        if (word != NULL)
            continue;
        word = mm_nearest_word(name, allowed, &size);
        if (word != NULL)
            return bad(problem, name, "no such parameter here; did you mean %.*s?", (int)size, word);
        return bad(problem, name, "no such parameter here");
    }
    return MM_OK;
}

mm_status mm_query_word(const mm_query *query, const char *name, const char *words, int *out, mm_problem *problem)
{
    const char *text = mm_query_get(query, name), *list = words, *word;
    size_t size;

    if (text == NULL)
        return MM_OK;
    for (int i = 0; (word = next_word(&list, &size)) != NULL; i++)
        if (is_word(text, word, size)) {
            *out = i;
            return MM_OK;
        }
    return bad(problem, name, "must be one of %s", words);
}

/* ------------------------------------------------------------------ numbers */

static mm_status bad_integer(mm_problem *problem, const char *name, int64_t min, int64_t max)
{
    return bad(problem, name, "must be an integer from %lld to %lld", (long long)min, (long long)max);
}

mm_status mm_query_integer(const mm_query *query, const char *name, int64_t min, int64_t max, int64_t *out,
                           mm_problem *problem)
{
    const char *text = mm_query_get(query, name);
    uint64_t magnitude = 0;
    size_t digits;
    int negative;
    int64_t value;

    if (text == NULL)
        return MM_OK;
    negative = text[0] == '-';
    text += negative;
    digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 19 || text[digits] != '\0') /* 19 digits fit into the unsigned type */
        return bad_integer(problem, name, min, max);
    for (size_t i = 0; i < digits; i++)
        magnitude = magnitude * 10 + (uint64_t)(text[i] - '0');
    if (magnitude > (uint64_t)INT64_MAX + (unsigned)negative)
        return bad_integer(problem, name, min, max);
    value = negative && magnitude > 0 ? -1 - (int64_t)(magnitude - 1) : (int64_t)magnitude;
    if (value < min || value > max)
        return bad_integer(problem, name, min, max);
    *out = value;
    return MM_OK;
}

/* number: as in JSON, also .5, 5. and +1.  Bytes that belong to it, 0 when there is none. */
static size_t number_length(const char *text)
{
    size_t size = text[0] == '-' || text[0] == '+', whole, fraction = 0;

    whole = strspn(text + size, "0123456789");
    size += whole;
    if (text[size] == '.') {
        fraction = strspn(text + size + 1, "0123456789");
        size += 1 + fraction;
    }
    if (whole + fraction == 0)
        return 0;
    if (text[size] == 'e' || text[size] == 'E') {
        const size_t sign = text[size + 1] == '-' || text[size + 1] == '+';
        const size_t digits = strspn(text + size + 1 + sign, "0123456789");

        if (digits == 0)
            return 0;
        size += 1 + sign + digits;
    }
    return size;
}

/* A number that is followed by `end` or by the text's end; *rest moves past it. */
static int read_number(const char **rest, char end, double min, double max, double *out)
{
    const size_t size = number_length(*rest);
    const double value = size > 0 ? strtod(*rest, NULL) : 0.0; /* the locale is "C" throughout */
    const char after = (*rest)[size];

    if (size == 0 || (after != '\0' && after != end) || !isfinite(value) || value < min || value > max)
        return 0;
    *out = value;
    *rest += size;
    return 1;
}

mm_status mm_query_number(const mm_query *query, const char *name, double min, double max, double *out,
                          mm_problem *problem)
{
    const char *text = mm_query_get(query, name);

    if (text == NULL || read_number(&text, '\0', min, max, out))
        return MM_OK;
    return bad(problem, name, "must be a number from %g to %g", min, max);
}

static size_t count_members(const char *text)
{
    size_t count = 1;

    for (; *text != '\0'; text++)
        count += *text == ',';
    return count;
}

mm_status mm_query_numbers(const mm_query *query, const char *name, double min, double max, size_t max_count,
                           double **numbers, size_t *count, mm_problem *problem)
{
    const char *text = mm_query_get(query, name);
    size_t members;
    double *list;

    if (text == NULL)
        return MM_OK;
    members = count_members(text);
    if (members > max_count)
        return bad(problem, name, "more than %zu numbers", max_count);
    list = calloc(members, sizeof *list);
    if (list == NULL)
        return MM_NO_MEMORY;
    for (size_t i = 0; i < members; i++) {
        if (!read_number(&text, ',', min, max, &list[i])) {
            free(list);
            return bad(problem, name, "number %zu must be from %g to %g", i + 1, min, max);
        }
        text += *text == ',';
    }
    *numbers = list;
    *count = members;
    return MM_OK;
}

/* -------------------------------------------------------------------- names */

mm_status mm_query_name(const mm_query *query, const char *name, const char **out, mm_problem *problem)
{
    const char *text = mm_query_get(query, name);

    if (text == NULL)
        return MM_OK;
    if (!mm_name_valid(text))
        return bad(problem, name, "must be 1 to %d bytes without comma", NAME_BYTES);
    *out = text;
    return MM_OK;
}

mm_status mm_query_names(const mm_query *query, const char *name, size_t max, char ***names, size_t *count,
                         mm_problem *problem)
{
    const char *text = mm_query_get(query, name);
    size_t members;
    char **list, *rest;

    if (text == NULL)
        return MM_OK;
    members = count_members(text);
    if (members > max)
        return bad(problem, name, "more than %zu names", max);
    list = malloc(members * sizeof *list + strlen(text) + 1);
    if (list == NULL)
        return MM_NO_MEMORY;
    rest = (char *)(list + members);
    memcpy(rest, text, strlen(text) + 1);
    for (size_t i = 0; i < members; i++) {
        const size_t size = strcspn(rest, ",");

        rest[size] = '\0';
        if (!mm_name_valid(rest)) {
            free(list);
            return bad(problem, name, "name %zu must be 1 to %d bytes", i + 1, NAME_BYTES);
        }
        list[i] = rest;
        rest += size + 1;
    }
    *names = list;
    *count = members;
    return MM_OK;
}

/* --------------------------------------------------------------------- time */

/* `digits` decimal digits from text, within [min, max]; -1 otherwise. */
static int read_digits(const char *text, int digits, int min, int max)
{
    int value = 0;

    for (int i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value < min || value > max ? -1 : value;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; years are counted from March, so that the leap day is
 * the last of its year. */
static int64_t days_from_date(int year, int month, int day)
{
    const int64_t y = month > 2 ? year : year - 1;
    const int64_t from_march = (month + 9) % 12;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 1 - 719468;
}

static int days_in_month(int year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* Minutes east of Greenwich of "Z" or "+01:30", which must end the text; 0 when it is none. */
static int read_zone(const char *text, int *minutes)
{
    int hour, minute;

    *minutes = 0;
    if ((text[0] == 'Z' || text[0] == 'z') && text[1] == '\0')
        return 1;
    /* An unescaped '+' of a query arrives as a blank. */
    if ((text[0] != '+' && text[0] != '-' && text[0] != ' ') || strlen(text) != 6 || text[3] != ':')
        return 0;
    hour = read_digits(text + 1, 2, 0, 23);
    minute = read_digits(text + 4, 2, 0, 59);
    if (hour < 0 || minute < 0)
        return 0;
    *minutes = (text[0] == '-' ? -1 : 1) * (hour * 60 + minute);
    return 1;
}

/* 2026-01-31T12:00:00.250+01:00; a leap second counts as the first second of the next minute. */
static int read_time(const char *text, int64_t *out)
{
    const char *zone = text + 19;
    int year, month, day, hour, minute, second, milliseconds = 0, east;

    if (strlen(text) < 20 || text[4] != '-' || text[7] != '-' || strchr("Tt ", text[10]) == NULL || text[13] != ':' ||
        text[16] != ':')
        return 0;
    year = read_digits(text, 4, 1, 9999);
    month = read_digits(text + 5, 2, 1, 12);
    day = read_digits(text + 8, 2, 1, 31);
    hour = read_digits(text + 11, 2, 0, 23);
    minute = read_digits(text + 14, 2, 0, 59);
    second = read_digits(text + 17, 2, 0, 60);
    if (year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 || second < 0 || day > days_in_month(year, month))
        return 0;
    if (zone[0] == '.') {
        const size_t digits = strspn(zone + 1, "0123456789");

        if (digits == 0)
            return 0;
        for (size_t i = 1; i <= 3; i++)
            milliseconds = milliseconds * 10 + (i <= digits ? zone[i] - '0' : 0);
        zone += 1 + digits;
    }
    if (!read_zone(zone, &east))
        return 0;
    *out = (((days_from_date(year, month, day) * 24 + hour) * 60 + minute - east) * 60 + second) * 1000 + milliseconds;
    return 1;
}

mm_status mm_query_time(const mm_query *query, const char *name, int64_t *out, mm_problem *problem)
{
    const char *text = mm_query_get(query, name);

    if (text == NULL || read_time(text, out))
        return MM_OK;
    return bad(problem, name, "must be a time like 2026-01-31T12:00:00Z");
}
