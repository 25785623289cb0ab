/*
 * json.c - JSON text, written straight into one growing buffer.
 */
#include "server/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ----------------------------------------------------------------- buffer */

void mm_json_begin(mm_json *json, size_t room)
{
    *json = (mm_json){.bytes = malloc(room), .room = room};
    json->failed = json->bytes == NULL;
}

char *mm_json_end(mm_json *json, size_t *size)
{
    char *bytes = json->bytes;

    if (json->failed) {
        free(bytes);
        bytes = NULL;
    } else {
        bytes[json->size] = '\0';
        *size = json->size;
    }
    *json = (mm_json){.failed = 1};
    return bytes;
}

/* Makes room for `more` bytes and a NUL.  Out of line: the caller has checked that there is none. */
static int grow(mm_json *json, size_t more)
{
    size_t room = json->room;
    char *bytes;

    if (json->failed || more > SIZE_MAX / 4) /* what is there already is far from that */
        goto fail;
    while (room - json->size <= more)
        room = 2 * room + 64;
    bytes = realloc(json->bytes, room);
    if (bytes == NULL)
        goto fail;
    json->bytes = bytes;
    json->room = room;
    return 1;

fail:
    json->failed = 1;
    return 0;
}

/* Where to write up to `more` bytes; NULL when there is no memory. */
static inline char *reserve(mm_json *json, size_t more)
{
    if ((json->failed || json->room - json->size <= more) && !grow(json, more))
        return NULL;
    return json->bytes + json->size;
}

static inline void finish(mm_json *json, const char *end)
{
    json->size = (size_t)(end - json->bytes);
}

/* The comma before a value or a name, when it is not the first. */
static inline char *separate(mm_json *json, char *at)
{
    if (json->comma)
        *at++ = ',';
    json->comma = 1;
    return at;
}

/* -------------------------------------------------------------- structure */

void mm_json_open(mm_json *json, char bracket)
{
    char *at = reserve(json, 2);

    if (at == NULL)
        return;
    at = separate(json, at);
    *at++ = bracket;
    finish(json, at);
    json->comma = 0;
}

void mm_json_close(mm_json *json, char bracket)
{
    char *at = reserve(json, 1);

    if (at == NULL)
        return;
    *at++ = bracket;
    finish(json, at);
    json->comma = 1;
}

void mm_json_name(mm_json *json, const char *name, size_t length)
{
    char *at = reserve(json, length + 4);

    if (at == NULL)
        return;
    at = separate(json, at);
    *at++ = '"';
    memcpy(at, name, length);
    at += length;
    *at++ = '"';
    *at++ = ':';
    finish(json, at);
    json->comma = 0;
}

void mm_json_raw(mm_json *json, const char *text, size_t length)
{
    char *at = reserve(json, length + 1);

    if (at == NULL)
        return;
    at = separate(json, at);
    memcpy(at, text, length);
    finish(json, at + length);
}

/* Control characters, the quote and the backslash are escaped; the rest is UTF-8 and goes as it is. */
void mm_json_string(mm_json *json, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t length;
    char *at;

    if (text == NULL) {
        MM_JSON_RAW(json, "null");
        return;
    }
    length = strlen(text);
    at = reserve(json, 6 * length + 3); /* the text lies in memory, so that six times its length is a number */
    if (at == NULL)
        return;
    at = separate(json, at);
    *at++ = '"';
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) {
            *at++ = (char)c;
        } else if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else {
            memcpy(at, "\\u00", 4);
            at[4] = hex[c >> 4];
            at[5] = hex[c & 15];
            at += 6;
        }
    }
    *at++ = '"';
    finish(json, at);
}

void mm_json_colon(mm_json *json)
{
    char *at = reserve(json, 1);

    if (at == NULL)
        return;
    *at++ = ':';
    finish(json, at);
    json->comma = 0;
}

/* ---------------------------------------------------------------- numbers */

__extension__ typedef unsigned __int128 wide;

#define TEN_16 UINT64_C(10000000000000000)
#define TEN_17 UINT64_C(100000000000000000)

static char *put_count(char *at, uint64_t number)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445"
        "46474849505152535455565758596061626364656667686970717273747576777879808182838485868788899091"
        "9293949596979899";
    char digits[20];
    size_t first = sizeof digits;

    while (number >= 100) {
        first -= 2;
        memcpy(digits + first, pairs + 2 * (number % 100), 2);
        number /= 100;
    }
    if (number >= 10) {
        first -= 2;
        memcpy(digits + first, pairs + 2 * number, 2);
    } else {
        digits[--first] = (char)('0' + number);
    }
    memcpy(at, digits + first, sizeof digits - first);
    return at + (sizeof digits - first);
}

/* Writes significand * 10^x with the point after the first digit: 0.00123, 12.5, 1.5e-07. */
static char *put_decimal(char *at, uint64_t significand, int x)
{
    char digits[20];
    int count;

    while (significand % 10000 == 0)
        significand /= 10000;
    while (significand % 10 == 0)
        significand /= 10;
    count = (int)(put_count(digits, significand) - digits);
    if (x < -5 || x > 15) {
        *at++ = digits[0];
        if (count > 1) {
            *at++ = '.';
            memcpy(at, digits + 1, (size_t)count - 1);
            at += count - 1;
        }
        *at++ = 'e';
        *at++ = x < 0 ? '-' : '+';
        if (x > -10 && x < 10)
            *at++ = '0';
        return put_count(at, (uint64_t)(x < 0 ? -x : x));
    }
    if (x < 0) {
        memcpy(at, "0.00000", 7);
        at += 1 - x;
        memcpy(at, digits, (size_t)count);
        return at + count;
    }
    if (count <= x + 1) { /* an integer of 2^53 or more */
        memcpy(at, digits, (size_t)count);
        memset(at + count, '0', (size_t)(x + 1 - count));
        return at + x + 1;
    }
    memcpy(at, digits, (size_t)x + 1);
    at += x + 1;
    *at++ = '.';
    memcpy(at, digits + x + 1, (size_t)(count - x - 1));
    return at + (count - x - 1);
}

static wide power_of_five(int exponent)
{
    /* clang-format off */
    static const uint64_t powers[28] = {
        1, 5, 25, 125, 625, 3125, 15625, 78125, 390625, 1953125, 9765625, 48828125, 244140625, 1220703125,
        6103515625, 30517578125, 152587890625, 762939453125, 3814697265625, 19073486328125, 95367431640625,
        476837158203125, 2384185791015625, 11920928955078125, 59604644775390625, 298023223876953125,
        1490116119384765625, 7450580596923828125,
    };
    /* clang-format on */

    return exponent < 28 ? (wide)powers[exponent] : (wide)powers[27] * powers[exponent - 27];
}

/*
 * The 17 digits of a positive number, exactly, and then as few of them as read back.
 *
 * number = m 2^e with m < 2^53.  With k such that number * 10^k has 17 digits before the point,
 *     number * 10^k = V / 2^s,   V = m 5^k < 2^128,   s = -(e + k) >= 0,
 * and half the distance to the next double is 5^k / 2 in the unit of V.  A candidate reads back when it is no further
 * away than that (a tie goes to the even m); below a power of two the distance is half as long.
 * Returns 0 for numbers that this does not fit: those below 1e-16 and those with no fraction.
 */
static int shortest(double number, uint64_t *significand, int *x)
{
    static const uint64_t steps[3] = {100, 10, 1}; /* 15, 16, 17 digits */
    int exponent;
    const uint64_t m = (uint64_t)ldexp(frexp(number, &exponent), 53);
    const int e = exponent - 53;
    int k, s;
    wide five, v;
    uint64_t whole;

    *x = (int)(((int64_t)(exponent - 1) * 78913) >> 18); /* floor(log10(2^(exponent - 1))): right or one too small */
    if (*x < -16 || *x > 15)
        return 0;
    for (;;) {
        k = 16 - *x;
        s = -(e + k);
        if (s < 0)
            return 0;
        five = power_of_five(k);
        v = five * m;
        whole = (uint64_t)(v >> s);
        if (whole < TEN_17)
            break;
        ++*x;
    }
    for (size_t i = 0;; i++) {
        const wide step = (wide)steps[i] << s;
        const wide rest = ((wide)(whole % steps[i]) << s) | (v & (((wide)1 << s) - 1));
        uint64_t digits = whole / steps[i];
        const int up = 2 * rest > step || (2 * rest == step && digits % 2 == 1);
        const wide away = 2 * (up ? step - rest : rest) * (!up && m == UINT64_C(1) << 52 ? 2 : 1);

        if (i < 2 && away >= five)
            continue;
        digits += (uint64_t)up;
        *significand = digits;
        if (digits * steps[i] == TEN_17) /* 9.99… became 10 */
            ++*x;
        return 1;
    }
}

/* The same by the C library, for the numbers that shortest() leaves. */
static void shortest_by_library(double number, uint64_t *significand, int *x)
{
    char text[MM_NUMBER_ROOM];
    int precision = 14; /* digits behind the first one; 16 are enough for any number */

    do
        snprintf(text, sizeof text, "%.*e", precision, number);
    while (++precision < 17 && strtod(text, NULL) != number);
    *significand = 0;
    for (const char *c = text; *c != 'e'; c++)
        if (*c != '.')
            *significand = 10 * *significand + (uint64_t)(*c - '0');
    *x = atoi(strchr(text, 'e') + 1);
}

static char *put_number(char *at, double number)
{
    const int negative = signbit(number) != 0;
    uint64_t significand;
    int x;

    if (!isfinite(number)) {
        memcpy(at, "null", 4);
        return at + 4;
    }
    if (negative) {
        *at++ = '-';
        number = -number;
    }
    if (number < 9007199254740992.0 && number == (double)(uint64_t)number) {
        at = put_count(at, (uint64_t)number);
        if (number == 0.0 && negative) {
            memcpy(at, ".0", 2); /* "-0" would be read as the integer 0 */
            at += 2;
        }
        return at;
    }
    if (!shortest(number, &significand, &x))
        shortest_by_library(number, &significand, &x);
    return put_decimal(at, significand, x);
}

size_t mm_number_text(double number, char *text)
{
    char *end = put_number(text, number);

    *end = '\0';
    return (size_t)(end - text);
}

void mm_json_number(mm_json *json, double number)
{
    char *at = reserve(json, MM_NUMBER_ROOM + 1);

    if (at != NULL)
        finish(json, put_number(separate(json, at), number));
}

void mm_json_count(mm_json *json, uint64_t number)
{
    char *at = reserve(json, MM_NUMBER_ROOM);

    if (at != NULL)
        finish(json, put_count(separate(json, at), number));
}

void mm_json_integer(mm_json *json, int64_t number)
{
    char *at = reserve(json, MM_NUMBER_ROOM);

    if (at == NULL)
        return;
    at = separate(json, at);
    if (number < 0)
        *at++ = '-';
    finish(json, put_count(at, number < 0 ? 0 - (uint64_t)number : (uint64_t)number));
}

void mm_json_boolean(mm_json *json, int yes)
{
    if (yes)
        MM_JSON_RAW(json, "true");
    else
        MM_JSON_RAW(json, "false");
}

void mm_json_time(mm_json *json, int64_t milliseconds)
{
    const int64_t part = (milliseconds % 1000 + 1000) % 1000;
    const time_t seconds = (time_t)(milliseconds / 1000 - (milliseconds % 1000 < 0));
    struct tm utc = {.tm_mday = 1};
    char text[128];

    (void)gmtime_r(&seconds, &utc); /* no year of theirs is more than an int can hold */
    /* Always as long, so that times sort as text; strftime() writes years before 1000 with fewer digits. */
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
             utc.tm_hour, utc.tm_min, utc.tm_sec, (int)part);
    mm_json_string(json, text);
}
