/*
 * reader.c - bytes and JSON text, read with a sticky error.
 */
#include "proto/reader.h"

void mm_reader_init(mm_reader *reader, const void *data, size_t size)
{
    *reader = (mm_reader){.data = data, .size = size};
}

void mm_reader_fail(mm_reader *reader, const char *rule, size_t at)
{
    if (reader->error == NULL) {
        reader->error = rule;
        reader->error_at = at;
    }
    reader->at = reader->size;
}

uint64_t mm_reader_u64(mm_reader *reader)
{
    uint64_t value = 0;

    if (reader->size - reader->at < 8) {
        mm_reader_fail(reader, "8 bytes were expected", reader->at);
        return 0;
    }
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)reader->data[reader->at++] << (8 * i);
    return value;
}

unsigned char mm_reader_peek(const mm_reader *reader)
{
    return reader->at < reader->size ? reader->data[reader->at] : 0;
}

int mm_reader_take(mm_reader *reader, unsigned char byte)
{
    if (reader->at == reader->size || reader->data[reader->at] != byte)
        return 0;
    reader->at++;
    return 1;
}

void mm_reader_expect(mm_reader *reader, unsigned char byte, const char *rule)
{
    if (!mm_reader_take(reader, byte))
        mm_reader_fail(reader, rule, reader->at);
}

void mm_reader_blanks(mm_reader *reader)
{
    while (mm_reader_take(reader, ' ') || mm_reader_take(reader, '\t') || mm_reader_take(reader, '\n') ||
           mm_reader_take(reader, '\r'))
        ;
}

/* ----------------------------------------------------------------- numbers */

static int is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

uint64_t mm_reader_number(mm_reader *reader)
{
    const size_t start = reader->at;
    const unsigned char first = mm_reader_peek(reader);
    uint64_t value = 0;

    if (first == '-')
        mm_reader_fail(reader, "a number is negative", start);
    else if (!is_digit(first))
        mm_reader_fail(reader, "a whole number was expected", start);
    while (is_digit(mm_reader_peek(reader))) {
        const unsigned digit = mm_reader_peek(reader) - (unsigned)'0';

        if (value > (UINT64_MAX - digit) / 10) {
            mm_reader_fail(reader, "a number does not fit 64 bits", start);
            break;
        }
        value = value * 10 + digit;
        reader->at++;
    }
    if (first == '0' && reader->error == NULL && reader->at - start > 1)
        mm_reader_fail(reader, "a number has a leading zero", start);
    switch (mm_reader_peek(reader)) {
    case '.':
    case 'e':
    case 'E':
        mm_reader_fail(reader, "a number has a fraction or an exponent", start);
        break;
    default:
        break;
    }
    return reader->error ? 0 : value;
}

/* ----------------------------------------------------------------- strings */

size_t mm_utf8_decode(const void *text, size_t size, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* by length: what is below is overlong */
    const unsigned char *byte = text;
    size_t length;
    uint32_t value;

    if (size == 0)
        return 0;
    if (byte[0] < 0x80) {
        *code = byte[0];
        return 1;
    }
    length = byte[0] >= 0xf0 ? 4 : byte[0] >= 0xe0 ? 3 : 2;
    if (byte[0] < 0xc0 || byte[0] > 0xf7 || size < length)
        return 0;
    value = byte[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (byte[i] & 0x3fU);
    }
    if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *code = value;
    return length;
}

/* Writes a valid code point to out[0 .. 4); its length. */
static size_t utf8_encode(uint32_t code, unsigned char *out)
{
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (unsigned char)(0xc0 | code >> 6);
        out[1] = (unsigned char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (unsigned char)(0xe0 | code >> 12);
        out[1] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (unsigned char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (unsigned char)(0xf0 | code >> 18);
    out[1] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (unsigned char)(0x80 | (code & 0x3f));
    return 4;
}

/* The four digits behind \u. */
static uint32_t hex4(mm_reader *reader)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 4; i++) {
        const unsigned char c = mm_reader_peek(reader);

        if (is_digit(c))
            value = value << 4 | (c - (uint32_t)'0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (c - (uint32_t)'a' + 10);
        else if (c >= 'A' && c <= 'F')
            value = value << 4 | (c - (uint32_t)'A' + 10);
        else {
            mm_reader_fail(reader, "\\u needs four hexadecimal digits", reader->at);
            return 0;
        }
        reader->at++;
    }
    return value;
}

/* What follows \u: one code unit, or a surrogate pair. */
static uint32_t unicode_escape(mm_reader *reader, size_t start)
{
    const uint32_t high = hex4(reader);
    uint32_t low;

    if (high == 0)
        mm_reader_fail(reader, "a string holds a NUL", start);
    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high > 0xdbff || !mm_reader_take(reader, '\\') || !mm_reader_take(reader, 'u')) {
        mm_reader_fail(reader, "a surrogate stands alone", start);
        return 0;
    }
    low = hex4(reader);
    if (low < 0xdc00 || low > 0xdfff) {
        mm_reader_fail(reader, "a surrogate stands alone", start);
        return 0;
    }
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* What follows a backslash, which stands at `start`. */
static uint32_t escape(mm_reader *reader, size_t start)
{
    static const char letter[] = "\"\\/bfnrt";
    static const char meaning[] = "\"\\/\b\f\n\r\t";

    if (mm_reader_take(reader, 'u'))
        return unicode_escape(reader, start);
    for (size_t i = 0; letter[i] != '\0'; i++)
        if (mm_reader_take(reader, (unsigned char)letter[i]))
            return (uint32_t)meaning[i];
    mm_reader_fail(reader, "a string holds an unknown escape", start);
    return 0;
}

/* One character of a string, as its code point; 0 after an error only. */
static uint32_t character(mm_reader *reader)
{
    const size_t start = reader->at;
    uint32_t code = 0;
    size_t length;

    if (start == reader->size) {
        mm_reader_fail(reader, "a string does not end", start);
        return 0;
    }
    if (mm_reader_take(reader, '\\'))
        return escape(reader, start);
    length = mm_utf8_decode(reader->data + start, reader->size - start, &code);
    if (length == 0)
        mm_reader_fail(reader, "a string is not UTF-8", start);
    else if (code < 0x20)
        mm_reader_fail(reader, "a string holds a raw control byte", start);
    else
        reader->at += length;
    return code;
}

/* Does it stand for itself in a string, where it is not the '"' at the end?  0 at the end of all. */
static int is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '\\';
}

size_t mm_reader_string(mm_reader *reader, char *out, size_t room)
{
    const size_t start = reader->at;
    size_t length = 0;

    mm_reader_expect(reader, '"', "a string was expected");
    while (reader->error == NULL && !mm_reader_take(reader, '"')) {
        unsigned char utf8[4];
        size_t size;

        if (is_plain(mm_reader_peek(reader)) && room - length > 1) { /* nearly all there is */
            out[length++] = (char)reader->data[reader->at++];
            continue;
        }
        size = utf8_encode(character(reader), utf8);
        if (room - length <= size)
            mm_reader_fail(reader, "a string is too long", start);
        for (size_t i = 0; i < size && reader->error == NULL; i++)
            out[length++] = (char)utf8[i];
    }
    if (reader->error != NULL)
        length = 0;
    if (room > 0)
        out[length] = '\0';
    return length;
}
