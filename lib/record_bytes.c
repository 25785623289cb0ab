/*
 * record_bytes.c - image records as bytes: versioned, checksummed, refused when damaged or newer.
 *
 * All numbers little endian.  "count" is a varint: 7 bits a byte, lowest first, top bit set while more follow.
 *
 *   8   "MMIMAGES"
 *   2   version, now 1
 *   1   task (mm_task), 1 byte 0
 *   4   classes
 *   4   number of records
 *   then per record
 *     2       length of the id, and the id (UTF-8, no NUL)
 *     1       number of columns, 1 byte: 1 when there is a confusion table
 *     count   voxels, count scored voxels
 *     18      per column: kind, flags (1 each), gamma, eps (double)
 *     count   per class: in label; then per class: in prediction; then per class: in both
 *     count   confusion table, row by row, when there is one
 *     8       per column and class: the sum (double)
 *   4   CRC-32 (IEEE 802.3) of all that is before it
 */
#include "lib/record.h"

#include <stdlib.h>
#include <string.h>

#define VERSION      1
#define HEAD_BYTES   20
#define COLUMN_BYTES 18
#define CRC_BYTES    4

static const char magic[8] = {'M', 'M', 'I', 'M', 'A', 'G', 'E', 'S'};

static uint32_t crc32(const unsigned char *bytes, size_t size)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

/* ----------------------------------------------------------------- writing */

/* Grows as needed; after a failure it stays empty-handed and later writes do nothing. */
typedef struct writer {
    unsigned char *bytes;
    size_t size, room;
    int failed;
} writer;

static void put(writer *w, const void *bytes, size_t size)
{
    if (w->failed)
        return;
    if (size > w->room - w->size) {
        const size_t room = (w->room + size) * 2;
        unsigned char *grown = room < w->room ? NULL : realloc(w->bytes, room);

        if (grown == NULL) {
            w->failed = 1;
            return;
        }
        w->bytes = grown;
        w->room = room;
    }
    if (size > 0)
        memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

static void put_fixed(writer *w, uint64_t value, size_t size)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    put(w, bytes, size);
}

static void put_double(writer *w, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    put_fixed(w, bits, 8);
}

static void put_count(writer *w, uint64_t value)
{
    unsigned char bytes[10];
    size_t size = 0;

    do {
        bytes[size] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
        size++;
    } while (value > 0);
    put(w, bytes, size);
}

static void put_counts(writer *w, const uint64_t *counts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_count(w, counts[i]);
}

static void put_record(writer *w, const mm_record *record, size_t classes)
{
    const size_t length = strlen(record->id);

    if (length > UINT16_MAX || record->stat_count > UINT8_MAX) {
        w->failed = 1;
        return;
    }
    put_fixed(w, length, 2);
    put(w, record->id, length);
    put_fixed(w, record->stat_count, 1);
    put_fixed(w, record->confusion != NULL, 1);
    put_count(w, record->voxels);
    put_count(w, record->scored);
    for (size_t i = 0; i < record->stat_count; i++) {
        put_fixed(w, record->stats[i].kind, 1);
        put_fixed(w, record->stats[i].flags, 1);
        put_double(w, record->stats[i].gamma);
        put_double(w, record->stats[i].eps);
    }
    put_counts(w, record->label_count, 3 * classes);
    if (record->confusion != NULL)
        put_counts(w, record->confusion, classes * classes);
    for (size_t i = 0; i < record->stat_count * classes; i++)
        put_double(w, record->sums[i]);
}

mm_status mm_images_save(const mm_images *images, unsigned char **bytes, size_t *size)
{
    writer w = {.bytes = NULL};

    put(&w, magic, sizeof magic);
    put_fixed(&w, VERSION, 2);
    put_fixed(&w, (uint64_t)images->task, 2);
    put_fixed(&w, images->classes, 4);
    put_fixed(&w, images->count, 4);
    for (size_t i = 0; i < images->count; i++)
        put_record(&w, &images->records[i], images->classes);
    if (!w.failed)
        put_fixed(&w, crc32(w.bytes, w.size), CRC_BYTES);
    if (w.failed) {
        free(w.bytes);
        return MM_NO_MEMORY;
    }
    *bytes = w.bytes;
    *size = w.size;
    return MM_OK;
}

/* ----------------------------------------------------------------- reading */

/* Sticky: after an error it is at its end and yields zeros. */
typedef struct reader {
    const unsigned char *bytes;
    size_t left;
    int failed;
} reader;

static const unsigned char *get(reader *r, size_t size)
{
    static const unsigned char zeros[8] = {0};

    if (r->failed || size > r->left) {
        r->failed = 1;
        return size <= sizeof zeros ? zeros : NULL;
    }
    r->bytes += size;
    r->left -= size;
    return r->bytes - size;
}

static uint64_t get_fixed(reader *r, size_t size)
{
    const unsigned char *bytes = get(r, size);
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

/* A finite double: sums of finite terms, and parameters. */
static double get_double(reader *r)
{
    const uint64_t bits = get_fixed(r, 8);
    double value;

    memcpy(&value, &bits, sizeof value);
    if (((bits >> 52) & 0x7ff) == 0x7ff) {
        r->failed = 1;
        return 0.0;
    }
    return value;
}

static uint64_t get_count(reader *r)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint64_t byte = get_fixed(r, 1);

        if (shift == 63 && byte > 1)
            break;
        value |= (byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
    r->failed = 1;
    return 0;
}

/* Counts of voxels, none above `most`. */
static void get_counts(reader *r, uint64_t *counts, size_t count, uint64_t most)
{
    for (size_t i = 0; i < count; i++) {
        counts[i] = get_count(r);
        if (counts[i] > most)
            r->failed = 1;
    }
}

static void get_columns(reader *r, mm_stat *stats, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        stats[i].kind = (unsigned)get_fixed(r, 1);
        stats[i].flags = (unsigned)get_fixed(r, 1);
        stats[i].gamma = get_double(r);
        stats[i].eps = get_double(r);
    }
}

/* Enough bytes left for what the head of a record announces?  Checked before anything is allocated. */
static int plausible(const reader *r, size_t classes, size_t columns, int confusion)
{
    const size_t least = columns * COLUMN_BYTES + 3 * classes + columns * classes * 8;

    if (r->failed || least > r->left)
        return 0;
    return !confusion || classes <= (r->left - least) / classes;
}

static mm_status get_record(reader *r, mm_images *images)
{
    const size_t length = (size_t)get_fixed(r, 2);
    const unsigned char *id = get(r, length);
    char text[UINT16_MAX + 1];
    mm_stat stats[UINT8_MAX];

    if (r->failed || memchr(id, 0, length) != NULL)
        return MM_BAD_RECORD;
    memcpy(text, id, length);
    text[length] = '\0';
    const size_t columns = (size_t)get_fixed(r, 1);
    const int confusion = (int)get_fixed(r, 1);
    const uint64_t voxels = get_count(r), scored = get_count(r);

    if (!plausible(r, images->classes, columns, confusion) || confusion > 1 || scored > voxels)
        return MM_BAD_RECORD;
    if (mm_images_find(images, text) < images->count)
        return MM_BAD_RECORD;
    get_columns(r, stats, columns);
    mm_record *record = mm_images_append(images, text, stats, columns, confusion);
    if (record == NULL)
        return MM_NO_MEMORY;
    record->voxels = voxels;
    record->scored = scored;
    get_counts(r, record->label_count, 3 * images->classes, scored);
    if (confusion)
        get_counts(r, record->confusion, images->classes * images->classes, scored);
    for (size_t i = 0; i < columns * images->classes; i++)
        record->sums[i] = get_double(r);
    return r->failed ? MM_BAD_RECORD : MM_OK;
}

/* The fixed part before the records.  Returns their number through `count`. */
static mm_status get_head(reader *r, mm_task *task, size_t *classes, size_t *count)
{
    if (memcmp(get(r, sizeof magic), magic, sizeof magic) != 0)
        return MM_BAD_RECORD;
    const uint64_t version = get_fixed(r, 2), task_number = get_fixed(r, 2);

    *classes = (size_t)get_fixed(r, 4);
    *count = (size_t)get_fixed(r, 4);
    if (version != VERSION || (task_number != MM_MULTICLASS && task_number != MM_MULTILABEL))
        return MM_BAD_RECORD;
    *task = (mm_task)task_number;
    return *classes == 0 || r->failed ? MM_BAD_RECORD : MM_OK;
}

mm_status mm_images_load(mm_images **out, const unsigned char *bytes, size_t size)
{
    mm_images *images = NULL;
    mm_task task;
    size_t classes, count;

    if (size < HEAD_BYTES + CRC_BYTES)
        return MM_BAD_RECORD;
    reader r = {.bytes = bytes, .left = size - CRC_BYTES};
    reader tail = {.bytes = bytes + size - CRC_BYTES, .left = CRC_BYTES};
    mm_status status = get_head(&r, &task, &classes, &count);

    if (status == MM_OK && get_fixed(&tail, CRC_BYTES) != crc32(bytes, size - CRC_BYTES))
        status = MM_BAD_RECORD;
    if (status == MM_OK)
        status = mm_images_new(&images, task, classes);
    for (size_t i = 0; status == MM_OK && i < count; i++)
        status = get_record(&r, images);
    if (status == MM_OK && r.left != 0)
        status = MM_BAD_RECORD;
    if (status != MM_OK) {
        mm_images_free(images);
        return status;
    }
    *out = images;
    return MM_OK;
}
