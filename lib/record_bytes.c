/*
 * record_bytes.c - image records as bytes: versioned, checksummed, refused when damaged or newer.
 *
 * All numbers little endian.  "count" is a varint: 7 bits a byte, lowest first, top bit set while more follow.
 *
 *   8   "MMIMAGES"
 *   2   version, now 1
 *   2   task (mm_task)
 *   4   classes
 *   4   number of records
 *   2   number of lists of columns; per list
 *     1       number of columns; per column
 *       3     kind, flags, form (1 each)
 *       64    gamma, eps, six more (doubles)
 *   then per record
 *     2       length of the id, and the id (UTF-8, no NUL)
 *     2       which list of columns
 *     1       1 when there is a confusion table, else 0
 *     count   voxels, scored voxels, scored or ignored voxels
 *     count   per class: in label; then per class: in prediction; then per class: in both
 *     count   confusion table, row by row, when there is one
 *     8       per column, value and class: the value (double)
 *   4   CRC-32 (IEEE 802.3) of all that is before it
 */
#include "lib/record.h"

#include <stdlib.h>
#include <string.h>

#define VERSION      1
#define HEAD_BYTES   22
#define COLUMN_BYTES (3 + 8 * (2 + MM_STAT_MORE))
#define BLOCK_BYTES  32 /* that the allocator may add to a block */
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

/* A list of columns, borrowed from the first record that has it. */
typedef struct column_list {
    const mm_stat *stats;
    size_t count;
} column_list;

/* The lists that the records have, each once; normally there is one. */
typedef struct column_lists {
    column_list *list;
    size_t count;
} column_lists;

static int same_columns(const column_list *list, const mm_record *record)
{
    size_t i = 0;

    if (list->count != record->stat_count)
        return 0;
    while (i < list->count && mm_stat_equal(&list->stats[i], &record->stats[i]))
        i++;
    return i == list->count;
}

static size_t find_list(const column_lists *lists, const mm_record *record)
{
    size_t i = 0;

    while (i < lists->count && !same_columns(&lists->list[i], record))
        i++;
    return i;
}

static mm_status collect_lists(column_lists *lists, const mm_images *images)
{
    for (size_t i = 0; i < images->count; i++) {
        const mm_record *record = &images->records[i];

        if (find_list(lists, record) < lists->count)
            continue;
        if (lists->count == UINT16_MAX || record->stat_count > UINT8_MAX)
            return MM_NO_MEMORY;
        column_list *grown = realloc(lists->list, (lists->count + 1) * sizeof *grown);
        if (grown == NULL)
            return MM_NO_MEMORY;
        lists->list = grown;
        lists->list[lists->count++] = (column_list){record->stats, record->stat_count};
    }
    return MM_OK;
}

static void put_list(writer *w, const column_list *list)
{
    put_fixed(w, list->count, 1);
    for (size_t i = 0; i < list->count; i++) {
        const mm_stat *stat = &list->stats[i];

        put_fixed(w, stat->kind, 1);
        put_fixed(w, stat->flags, 1);
        put_fixed(w, stat->form, 1);
        put_double(w, stat->gamma);
        put_double(w, stat->eps);
        for (size_t k = 0; k < MM_STAT_MORE; k++)
            put_double(w, stat->more[k]);
    }
}

static void put_record(writer *w, const mm_record *record, size_t list, size_t classes)
{
    const size_t length = strlen(record->id);
    const size_t values = mm_stats_offset(record->stats, record->stat_count, classes);

    if (length > UINT16_MAX) {
        w->failed = 1;
        return;
    }
    put_fixed(w, length, 2);
    put(w, record->id, length);
    put_fixed(w, list, 2);
    put_fixed(w, record->confusion != NULL, 1);
    put_count(w, record->voxels);
    put_count(w, record->scored);
    put_count(w, record->unmasked);
    put_counts(w, record->label_count, 3 * classes);
    if (record->confusion != NULL)
        put_counts(w, record->confusion, classes * classes);
    for (size_t i = 0; i < values; i++)
        put_double(w, record->sums[i]);
}

mm_status mm_images_save(const mm_images *images, unsigned char **bytes, size_t *size)
{
    writer w = {.bytes = NULL};
    column_lists lists = {.list = NULL};

    w.failed = collect_lists(&lists, images) != MM_OK;
    put(&w, magic, sizeof magic);
    put_fixed(&w, VERSION, 2);
    put_fixed(&w, (uint64_t)images->task, 2);
    put_fixed(&w, images->classes, 4);
    put_fixed(&w, images->count, 4);
    put_fixed(&w, lists.count, 2);
    for (size_t i = 0; i < lists.count; i++)
        put_list(&w, &lists.list[i]);
    for (size_t i = 0; i < images->count; i++)
        put_record(&w, &images->records[i], find_list(&lists, &images->records[i]), images->classes);
    if (!w.failed)
        put_fixed(&w, crc32(w.bytes, w.size), CRC_BYTES);
    free(lists.list);
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

/* The lists of columns, owned by this struct. */
typedef struct read_lists {
    mm_stat *stats; /* of all lists, one after the other */
    size_t *first;  /* where each begins; one more for the end */
    size_t count;
} read_lists;

static void get_column(reader *r, mm_stat *stat)
{
    stat->kind = (unsigned)get_fixed(r, 1);
    stat->flags = (unsigned)get_fixed(r, 1);
    stat->form = (unsigned)get_fixed(r, 1);
    stat->gamma = get_double(r);
    stat->eps = get_double(r);
    for (size_t k = 0; k < MM_STAT_MORE; k++)
        stat->more[k] = get_double(r);
    if (!mm_stat_known(stat))
        r->failed = 1;
}

static mm_status get_lists(reader *r, read_lists *lists)
{
    size_t total = 0;

    lists->count = (size_t)get_fixed(r, 2);
    if (lists->count > r->left) /* each has at least a byte */
        return MM_BAD_RECORD;
    lists->first = calloc(lists->count + 1, sizeof *lists->first);
    if (lists->first == NULL)
        return MM_NO_MEMORY;
    for (size_t i = 0; i < lists->count && !r->failed; i++) {
        const size_t columns = (size_t)get_fixed(r, 1);

        if (r->failed || columns * COLUMN_BYTES > r->left)
            return MM_BAD_RECORD;
        mm_stat *grown = realloc(lists->stats, (total + columns + 1) * sizeof *grown);
        if (grown == NULL)
            return MM_NO_MEMORY;
        lists->stats = grown;
        for (size_t k = 0; k < columns; k++) {
            get_column(r, &lists->stats[total + k]);
            if (mm_stat_find(grown + total, k, grown + total + k) < k) /* which of the two would be it? */
                r->failed = 1;
        }
        total += columns;
        lists->first[i + 1] = total;
    }
    return r->failed ? MM_BAD_RECORD : MM_OK;
}

/* Enough bytes left for what a record announces?  Checked before anything is allocated. */
static int plausible(const reader *r, size_t classes, const mm_stat *stats, size_t columns, int confusion)
{
    size_t left = r->left;

    if (r->failed || classes > left / 3)
        return 0;
    left -= 3 * classes;
    for (size_t i = 0; i < columns; i++) {
        const size_t width = mm_stat_width(&stats[i], classes);

        if (width > left / 8 / classes)
            return 0;
        left -= width * 8 * classes;
    }
    return !confusion || classes <= left / classes;
}

/* What comes before the numbers of a record. */
typedef struct record_head {
    char id[UINT16_MAX + 1];
    const mm_stat *stats;
    size_t columns;
    int confusion;
    uint64_t voxels, scored, unmasked;
} record_head;

static mm_status get_record_head(reader *r, const read_lists *lists, size_t classes, record_head *head)
{
    const size_t length = (size_t)get_fixed(r, 2);
    const unsigned char *id = get(r, length);

    if (r->failed || memchr(id, 0, length) != NULL)
        return MM_BAD_RECORD;
    memcpy(head->id, id, length);
    head->id[length] = '\0';
    const size_t list = (size_t)get_fixed(r, 2);

    if (list >= lists->count)
        return MM_BAD_RECORD;
    head->stats = lists->stats + lists->first[list];
    head->columns = lists->first[list + 1] - lists->first[list];
    head->confusion = (int)get_fixed(r, 1);
    head->voxels = get_count(r);
    head->scored = get_count(r);
    head->unmasked = get_count(r);
    if (head->confusion > 1 || head->scored > head->unmasked || head->unmasked > head->voxels)
        return MM_BAD_RECORD;
    return plausible(r, classes, head->stats, head->columns, head->confusion) ? MM_OK : MM_BAD_RECORD;
}

static mm_status get_record(reader *r, const read_lists *lists, mm_images *images)
{
    record_head head;
    const mm_status status = get_record_head(r, lists, images->classes, &head);

    if (status != MM_OK)
        return status;
    if (mm_images_find(images, head.id) < images->count)
        return MM_BAD_RECORD;
    mm_record *record = mm_images_append(images, head.id, head.stats, head.columns, head.confusion);
    if (record == NULL)
        return MM_NO_MEMORY;
    record->voxels = head.voxels;
    record->scored = head.scored;
    record->unmasked = head.unmasked;
    get_counts(r, record->label_count, 3 * images->classes, head.scored);
    if (head.confusion)
        get_counts(r, record->confusion, images->classes * images->classes, head.scored);
    const size_t values = mm_stats_offset(head.stats, head.columns, images->classes);

    for (size_t i = 0; i < values; i++)
        record->sums[i] = get_double(r);
    return r->failed ? MM_BAD_RECORD : MM_OK;
}

/* The fixed part before the columns.  Returns the number of records through `count`. */
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

/* a * b + c, or SIZE_MAX. */
static size_t linear(size_t a, size_t b, size_t c)
{
    return b != 0 && a > (SIZE_MAX - c) / b ? SIZE_MAX : a * b + c;
}

/* An image's place in tables that double, and what the allocator adds to the blocks of its record. */
#define IMAGE_BYTES (2 * sizeof(mm_record) + 4 * sizeof(size_t) + 5 * BLOCK_BYTES)
#define TABLE_BYTES ((size_t)4096) /* however few images there are */

size_t mm_images_memory(const mm_images *images)
{
    const size_t classes = images->classes;
    size_t bytes = TABLE_BYTES;

    for (size_t i = 0; i < images->count; i++) {
        const mm_record *record = &images->records[i];

        bytes += IMAGE_BYTES + strlen(record->id) + record->stat_count * sizeof *record->stats;
        bytes += 3 * classes * sizeof(uint64_t) +
                 mm_stats_offset(record->stats, record->stat_count, classes) * sizeof(double);
        bytes += record->confusion != NULL ? classes * classes * sizeof(uint64_t) : 0;
    }
    return bytes;
}

/* Counts are 8 bytes in memory and may be a single one in the file, sums are 8 in both, columns are written once for
 * all images that share them but have at least a value each.  All images of an upload have a confusion table or none.
 */
size_t mm_images_bound(size_t images, size_t classes, size_t saved)
{
    const size_t image = linear(classes, 3 * sizeof(uint64_t), IMAGE_BYTES);
    const size_t table = linear(images, linear(classes, classes, 0), 0);
    const size_t counts = linear(images, image, table > saved ? 0 : table * sizeof(uint64_t));
    const size_t columns = classes == 0 ? 0 : linear(saved / classes, sizeof(mm_stat) / sizeof(double) + 1, 0);

    return linear(saved, 1, linear(1, columns, linear(1, counts, TABLE_BYTES)));
}

mm_status mm_images_load(mm_images **out, const unsigned char *bytes, size_t size)
{
    mm_images *images = NULL;
    read_lists lists = {.stats = NULL};
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
        status = get_lists(&r, &lists);
    if (status == MM_OK)
        status = mm_images_new(&images, task, classes);
    for (size_t i = 0; status == MM_OK && i < count; i++)
        status = get_record(&r, &lists, images);
    if (status == MM_OK && r.left != 0)
        status = MM_BAD_RECORD;
    free(lists.stats);
    free(lists.first);
    if (status != MM_OK) {
        mm_images_free(images);
        return status;
    }
    *out = images;
    return MM_OK;
}
