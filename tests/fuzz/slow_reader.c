/*
 * slow_reader.c - a second reader of safetensors files: tokens, then the grammar, then the rules, each by itself.
 */
#include "tests/fuzz/slow_reader.h"

#include <string.h>

#define HEADER_MOST ((size_t)65536)
#define NAME_MOST   ((size_t)256)

__extension__ typedef unsigned __int128 wide;

/* A bracket, comma or colon by its own letter, "s" for a string, "9" for a number, "!" for what is none of these. */
typedef struct token {
    char kind;
    const char *text; /* of a string */
    uint64_t number;
} token;

static token tokens[HEADER_MOST + 1]; /* one more for the end, which is '\0' */
static char texts[HEADER_MOST];
static const char *metas[HEADER_MOST];

/* ------------------------------------------------------------------- tokens */

typedef struct text {
    const uint8_t *at, *end;
    char *out;
} text;

/* RFC 3629, section 4, row by row: how many bytes the character has, 0 for none. */
size_t slow_utf8_size(const uint8_t *s, size_t left)
{
    static const uint8_t rows[][9] = {
        /* bytes, then the least and most of each */
        {1, 0x00, 0x7f, 0, 0, 0, 0, 0, 0},
        {2, 0xc2, 0xdf, 0x80, 0xbf, 0, 0, 0, 0},
        {3, 0xe0, 0xe0, 0xa0, 0xbf, 0x80, 0xbf, 0, 0},
        {3, 0xe1, 0xec, 0x80, 0xbf, 0x80, 0xbf, 0, 0},
        {3, 0xed, 0xed, 0x80, 0x9f, 0x80, 0xbf, 0, 0},
        {3, 0xee, 0xef, 0x80, 0xbf, 0x80, 0xbf, 0, 0},
        {4, 0xf0, 0xf0, 0x90, 0xbf, 0x80, 0xbf, 0x80, 0xbf},
        {4, 0xf1, 0xf3, 0x80, 0xbf, 0x80, 0xbf, 0x80, 0xbf},
        {4, 0xf4, 0xf4, 0x80, 0x8f, 0x80, 0xbf, 0x80, 0xbf},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const size_t size = rows[i][0];
        size_t fits = 0;

        while (fits < size && fits < left && s[fits] >= rows[i][1 + 2 * fits] && s[fits] <= rows[i][2 + 2 * fits])
            fits++;
        if (fits == size)
            return size;
    }
    return 0;
}

/* Four hexadecimal digits, or -1. */
static long code_unit(const uint8_t *s, size_t left)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    long value = 0;

    if (left < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        const char *digit = s[i] != 0 ? strchr(digits, s[i]) : NULL;

        if (digit == NULL)
            return -1;
        value = value * 16 + (digit - digits < 16 ? digit - digits : digit - digits - 6);
    }
    return value;
}

static void put_code(text *t, long code)
{
    if (code < 0x80) {
        *t->out++ = (char)code;
    } else if (code < 0x800) {
        *t->out++ = (char)(192 + code / 64);
        *t->out++ = (char)(128 + code % 64);
    } else if (code < 0x10000) {
        *t->out++ = (char)(224 + code / 4096);
        *t->out++ = (char)(128 + code / 64 % 64);
        *t->out++ = (char)(128 + code % 64);
    } else {
        *t->out++ = (char)(240 + code / 262144);
        *t->out++ = (char)(128 + code / 4096 % 64);
        *t->out++ = (char)(128 + code / 64 % 64);
        *t->out++ = (char)(128 + code % 64);
    }
}

/* Behind "\u". */
static int unicode(text *t)
{
    const long unit = code_unit(t->at, (size_t)(t->end - t->at));
    long low;

    if (unit <= 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return 0;
    t->at += 4;
    if (unit < 0xd800 || unit > 0xdbff) {
        put_code(t, unit);
        return 1;
    }
    if (t->end - t->at < 6 || t->at[0] != '\\' || t->at[1] != 'u')
        return 0;
    low = code_unit(t->at + 2, 4);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    t->at += 6;
    put_code(t, 0x10000 + (unit - 0xd800) * 1024 + (low - 0xdc00));
    return 1;
}

/* Behind the opening quote, up to and with the closing one. */
static int string(text *t)
{
    while (t->at < t->end && *t->at != '"') {
        const size_t size = slow_utf8_size(t->at, (size_t)(t->end - t->at));

        if (size == 0 || *t->at < 32)
            return 0;
        if (*t->at != '\\') {
            memcpy(t->out, t->at, size);
            t->out += size;
            t->at += size;
        } else if (t->end - t->at < 2) {
            return 0;
        } else if (t->at[1] == 'u') {
            t->at += 2;
            if (!unicode(t))
                return 0;
        } else {
            static const char pairs[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
            size_t i = 0;

            while (pairs[i] != '\0' && pairs[i] != (char)t->at[1])
                i += 2;
            if (pairs[i] == '\0')
                return 0;
            *t->out++ = pairs[i + 1];
            t->at += 2;
        }
    }
    if (t->at == t->end)
        return 0;
    t->at++;
    *t->out++ = '\0';
    return 1;
}

static int number(text *t, uint64_t *value)
{
    const uint8_t *first = t->at;
    wide sum = 0;

    for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
        sum = sum * 10 + (wide)(*t->at - '0');
        if (sum > UINT64_MAX)
            return 0;
    }
    *value = (uint64_t)sum;
    if (t->at < t->end && (*t->at == '.' || *t->at == 'e' || *t->at == 'E'))
        return 0;
    return *first != '0' || t->at == first + 1;
}

static token next_token(text *t)
{
    token next = {.kind = (char)*t->at};

    if (strchr("{}[]:,", *t->at) != NULL && *t->at != 0) {
        t->at++;
    } else if (*t->at == '"') {
        t->at++;
        next.text = t->out;
        next.kind = string(t) ? 's' : '!';
    } else if (*t->at >= '0' && *t->at <= '9') {
        next.kind = number(t, &next.number) ? '9' : '!';
    } else {
        next.kind = '!';
    }
    return next;
}

/* 0 when the bytes are no tokens, or end in other blanks than spaces. */
static int tokenize(const uint8_t *json, size_t size)
{
    text t = {json, json + size, texts};
    size_t count = 0;

    if (json[0] != '{')
        return 0;
    while (t.at < t.end) {
        const uint8_t *before = t.at;

        while (t.at < t.end && (*t.at == ' ' || *t.at == '\t' || *t.at == '\n' || *t.at == '\r'))
            t.at++;
        if (t.at == t.end) {
            while (before < t.end)
                if (*before++ != ' ')
                    return 0;
            break;
        }
        tokens[count] = next_token(&t);
        if (tokens[count++].kind == '!')
            return 0;
    }
    tokens[count].kind = '\0';
    return 1;
}

/* ------------------------------------------------------------------ grammar */

/* Is the next token of that kind?  Then it is passed. */
static int pass(const token **at, char kind)
{
    if ((*at)->kind != kind)
        return 0;
    ++*at;
    return 1;
}

/* `"key":`, the key a name. */
static const char *key_of(const token **at)
{
    const token *key = *at;

    return pass(at, 's') && pass(at, ':') && strlen(key->text) <= NAME_MOST ? key->text : NULL;
}

static int metadata(slow_file *file, const token **at)
{
    if (!pass(at, '{'))
        return 0;
    if (pass(at, '}'))
        return 1;
    do {
        const char *key = key_of(at);

        if (key == NULL || (*at)->kind != 's')
            return 0;
        metas[2 * file->meta_count] = key;
        metas[2 * file->meta_count++ + 1] = (*at)->text;
        ++*at;
    } while (pass(at, ','));
    return pass(at, '}');
}

/* What a shape says.  `product` is that of the dimensions that are not 0: it must fit 64 bits also where one is. */
typedef struct extent {
    wide product;
    int empty;
} extent;

static int shape(slow_tensor *tensor, const token **at, extent *size)
{
    *size = (extent){1, 0};
    if (!pass(at, '['))
        return 0;
    if (pass(at, ']'))
        return 1;
    do {
        const uint64_t dim = (*at)->number;

        if (!pass(at, '9'))
            return 0;
        if (tensor->rank < SLOW_RANK)
            tensor->dim[tensor->rank] = dim;
        tensor->rank++;
        size->empty |= dim == 0;
        size->product *= dim > 0 ? dim : 1;
        if (size->product > UINT64_MAX)
            return 0;
    } while (pass(at, ','));
    return pass(at, ']');
}

static size_t dtype_bytes(const char *dtype)
{
    static const char *const names[] = {"BOOL1", "U81",  "I81",  "U162", "I162", "F162", "BF162",
                                        "U324",  "I324", "F324", "U648", "I648", "F648"};
    const size_t length = strlen(dtype);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == length + 1 && strncmp(names[i], dtype, length) == 0)
            return (size_t)(names[i][length] - '0');
    return 0;
}

static int offsets(slow_tensor *tensor, const token **at)
{
    const token *begin = *at + 1, *end = *at + 3;

    if (!pass(at, '[') || !pass(at, '9') || !pass(at, ',') || !pass(at, '9') || !pass(at, ']'))
        return 0;
    tensor->begin = begin->number;
    tensor->end = end->number;
    return begin->number <= end->number;
}

/* Three fields, each once.  *odd: dtype or rank is not for us. */
static int tensor_of(slow_tensor *tensor, const token **at, int *odd)
{
    int have_shape = 0, have_offsets = 0;
    extent size = {0, 0};
    size_t each;

    if (!pass(at, '{'))
        return 0;
    do {
        const char *key = key_of(at);

        if (key != NULL && strcmp(key, "dtype") == 0 && tensor->dtype == NULL && (*at)->kind == 's') {
            tensor->dtype = (*at)->text;
            ++*at;
        } else if (key != NULL && strcmp(key, "shape") == 0 && !have_shape && shape(tensor, at, &size)) {
            have_shape = 1;
        } else if (key != NULL && strcmp(key, "data_offsets") == 0 && !have_offsets && offsets(tensor, at)) {
            have_offsets = 1;
        } else {
            return 0;
        }
    } while (pass(at, ','));
    if (!pass(at, '}') || tensor->dtype == NULL || !have_shape || !have_offsets || strlen(tensor->dtype) > NAME_MOST)
        return 0;
    each = dtype_bytes(tensor->dtype);
    *odd |= each == 0 || tensor->rank > SLOW_RANK;
    if (each == 0)
        return 1;
    return size.product * each <= UINT64_MAX && tensor->end - tensor->begin == (size.empty ? 0 : size.product * each);
}

static int header(slow_file *file, int *odd)
{
    const token *at = tokens;
    int have_metadata = 0;

    if (!pass(&at, '{'))
        return 0;
    if (pass(&at, '}'))
        return at->kind == '\0';
    do {
        const char *name = key_of(&at);

        if (name == NULL)
            return 0;
        if (strcmp(name, "__metadata__") == 0) {
            if (have_metadata++ || !metadata(file, &at))
                return 0;
            continue;
        }
        if (file->count == SLOW_TENSORS)
            return 0;
        file->tensor[file->count].name = name;
        if (!tensor_of(&file->tensor[file->count++], &at, odd))
            return 0;
    } while (pass(&at, ','));
    return pass(&at, '}') && at->kind == '\0';
}

/* -------------------------------------------------------------------- rules */

static int all_differ(const slow_file *file)
{
    for (size_t i = 0; i < file->count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(file->tensor[i].name, file->tensor[k].name) == 0)
                return 0;
    for (size_t i = 0; i < file->meta_count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(metas[2 * i], metas[2 * k]) == 0)
                return 0;
    return 1;
}

/* Walks from 0 from tensor to tensor.  *end: where that ends; 0 when a tensor was not met. */
static int all_touch(const slow_file *file, uint64_t *end)
{
    int met[SLOW_TENSORS] = {0};
    size_t left = file->count;

    *end = 0;
    while (left > 0) {
        size_t best = SLOW_TENSORS;

        for (size_t i = 0; i < file->count; i++) /* the empty ones of a place come first */
            if (!met[i] && file->tensor[i].begin == *end &&
                (best == SLOW_TENSORS || file->tensor[i].end < file->tensor[best].end))
                best = i;
        if (best == SLOW_TENSORS)
            return 0;
        met[best] = 1;
        left--;
        *end = file->tensor[best].end;
    }
    return 1;
}

slow_verdict slow_read(slow_file *file, const uint8_t *data, size_t size)
{
    uint64_t length = 0, end = 0;
    int odd = 0;

    memset(file, 0, sizeof *file);
    file->meta = metas;
    for (size_t i = 0; i < 8 && size >= 8; i++)
        length = length * 256 + data[7 - i];
    if (length == 0 || length > HEADER_MOST || length > size - 8)
        return SLOW_BAD_FILE;
    if (!tokenize(data + 8, (size_t)length) || !header(file, &odd) || !all_differ(file) || !all_touch(file, &end))
        return SLOW_BAD_FILE;
    if (odd) /* known as soon as the header is sound, however long the data are */
        return SLOW_BAD_TENSOR;
    file->data_at = 8 + (size_t)length;
    return end == size - file->data_at ? SLOW_SOUND : SLOW_BAD_FILE;
}
