/*
 * writer.c - bytes and JSON text, built with a sticky error.
 */
#include "proto/writer.h"

#include <stdlib.h>
#include <string.h>

#include "proto/reader.h"

int mm_writer_failed(const mm_writer *writer)
{
    return writer->no_memory || writer->not_utf8;
}

static void resize(mm_writer *writer, size_t room)
{
    unsigned char *grown = realloc(writer->bytes, room);

    if (grown == NULL) {
        writer->no_memory = 1;
        return;
    }
    writer->bytes = grown;
    writer->room = room;
}

void mm_writer_reserve(mm_writer *writer, size_t more)
{
    if (mm_writer_failed(writer) || writer->room - writer->size >= more)
        return;
    if (more > PTRDIFF_MAX - writer->size) /* no block is larger */
        writer->no_memory = 1;
    else
        resize(writer, writer->size + more);
}

void mm_writer_bytes(mm_writer *writer, const void *bytes, size_t size)
{
    if (size == 0 || mm_writer_failed(writer))
        return;
    if (writer->room - writer->size < size)
        mm_writer_reserve(writer, size > writer->size + 256 ? size : writer->size + 256); /* at least twice as much */
    if (mm_writer_failed(writer))
        return;
    memcpy(writer->bytes + writer->size, bytes, size);
    writer->size += size;
}

void mm_writer_text(mm_writer *writer, const char *text)
{
    mm_writer_bytes(writer, text, strlen(text));
}

void mm_writer_number(mm_writer *writer, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    mm_writer_bytes(writer, digits + at, sizeof digits - at);
}

void mm_writer_u64(mm_writer *writer, uint64_t value)
{
    unsigned char bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    mm_writer_bytes(writer, bytes, sizeof bytes);
}

/* One character of a string: as it is where JSON allows that. */
static void write_character(mm_writer *writer, const char *bytes, size_t length, uint32_t code)
{
    static const char hex[] = "0123456789abcdef";

    if (code == '"' || code == '\\') {
        mm_writer_text(writer, "\\");
        mm_writer_bytes(writer, bytes, length);
    } else if (code < 0x20) {
        const char escape[6] = {'\\', 'u', '0', '0', hex[code >> 4], hex[code & 15]};

        mm_writer_bytes(writer, escape, sizeof escape);
    } else {
        mm_writer_bytes(writer, bytes, length);
    }
}

void mm_writer_string(mm_writer *writer, const char *text)
{
    const size_t size = strlen(text);
    size_t at = 0;

    mm_writer_text(writer, "\"");
    while (at < size && !mm_writer_failed(writer)) {
        uint32_t code = 0;
        const size_t length = mm_utf8_decode(text + at, size - at, &code);

        if (length == 0)
            writer->not_utf8 = 1;
        else
            write_character(writer, text + at, length, code);
        at += length;
    }
    mm_writer_text(writer, "\"");
}
