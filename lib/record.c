/*
 * record.c - sets of image records: growing, union, and what they hold in total.
 */
#include "lib/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void record_clear(mm_record *record)
{
    free(record->id);
    free(record->label_count);
    free(record->confusion);
    free(record->stats);
    free(record->sums);
}

mm_status mm_images_new(mm_images **out, mm_task task, size_t classes)
{
    mm_images *images = calloc(1, sizeof *images);

    if (images == NULL)
        return MM_NO_MEMORY;
    images->task = task;
    images->classes = classes;
    *out = images;
    return MM_OK;
}

void mm_images_free(mm_images *images)
{
    if (images == NULL)
        return;
    for (size_t i = 0; i < images->count; i++)
        record_clear(&images->records[i]);
    free(images->records);
    free(images->slots);
    record_clear(&images->batch);
    free(images);
}

/* FNV-1a: short ids, no adversary that matters (a bad case costs time in one evaluation, never a wrong answer). */
static size_t hash_id(const char *id)
{
    uint64_t hash = 14695981039346656037u;

    for (; *id != '\0'; id++)
        hash = (hash ^ (unsigned char)*id) * 1099511628211u;
    return (size_t)(hash ^ (hash >> 32));
}

/* The slot that holds id, or the free one where it belongs. */
static size_t find_slot(const mm_images *images, const char *id)
{
    size_t slot = hash_id(id) & (images->slot_count - 1);

    while (images->slots[slot] != 0 && strcmp(images->records[images->slots[slot] - 1].id, id) != 0)
        slot = (slot + 1) & (images->slot_count - 1);
    return slot;
}

size_t mm_images_find(const mm_images *images, const char *id)
{
    if (images->slot_count == 0)
        return images->count;
    const size_t slot = find_slot(images, id);
    return images->slots[slot] == 0 ? images->count : images->slots[slot] - 1;
}

/* Doubles the room for records and rebuilds the hash. */
static mm_status grow(mm_images *images)
{
    const size_t room = images->room == 0 ? 8 : images->room * 2;

    if (room > SIZE_MAX / 4 / sizeof(mm_record))
        return MM_NO_MEMORY;
    size_t *slots = calloc(room * 2, sizeof *slots);
    if (slots == NULL)
        return MM_NO_MEMORY;
    mm_record *records = realloc(images->records, room * sizeof *records);
    if (records == NULL) {
        free(slots);
        return MM_NO_MEMORY;
    }
    free(images->slots);
    images->records = records;
    images->room = room;
    images->slots = slots;
    images->slot_count = room * 2;
    for (size_t i = 0; i < images->count; i++)
        images->slots[find_slot(images, records[i].id)] = i + 1;
    return MM_OK;
}

static char *copy_text(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = malloc(size);

    return copy == NULL ? NULL : memcpy(copy, text, size);
}

/* Zeroed arrays of a record whose stats are already set.  The three counts share one block. */
static mm_status allocate(mm_record *record, size_t classes, int confusion)
{
    const size_t sums = mm_stats_offset(record->stats, record->stat_count, classes);

    record->label_count = calloc(classes, 3 * sizeof(uint64_t));
    if (record->label_count == NULL)
        return MM_NO_MEMORY;
    record->pred_count = record->label_count + classes;
    record->both_count = record->pred_count + classes;
    if (confusion && (record->confusion = calloc(classes, classes * sizeof(uint64_t))) == NULL)
        return MM_NO_MEMORY;
    record->sums = calloc(sums == 0 ? 1 : sums, sizeof(double));
    return record->sums == NULL ? MM_NO_MEMORY : MM_OK;
}

mm_record *mm_images_append(mm_images *images, const char *id, const mm_stat *stats, size_t stat_count, int confusion)
{
    mm_record record = {.stat_count = stat_count};

    if (images->count == images->room && grow(images) != MM_OK)
        return NULL;
    record.id = copy_text(id);
    record.stats = malloc((stat_count == 0 ? 1 : stat_count) * sizeof *stats);
    if (record.id == NULL || record.stats == NULL)
        goto failed;
    if (stat_count > 0)
        memcpy(record.stats, stats, stat_count * sizeof *stats);
    if (allocate(&record, images->classes, confusion) != MM_OK)
        goto failed;
    const size_t slot = find_slot(images, id);
    if (images->slots[slot] == 0)
        images->slots[slot] = images->count + 1;
    images->records[images->count] = record;
    return &images->records[images->count++];

failed:
    record_clear(&record);
    return NULL;
}

mm_status mm_images_set_batch(mm_images *images, const mm_stat *stats, size_t count, const double *values)
{
    const size_t size = mm_stats_offset(stats, count, images->classes) * sizeof *values;
    mm_record batch = {.stat_count = count, .stats = malloc(count * sizeof *stats), .sums = malloc(size)};

    if (batch.stats == NULL || batch.sums == NULL) {
        record_clear(&batch);
        return MM_NO_MEMORY;
    }
    memcpy(batch.stats, stats, count * sizeof *stats);
    memcpy(batch.sums, values, size);
    record_clear(&images->batch);
    images->batch = batch;
    return MM_OK;
}

/* ------------------------------------------------------------------- union */

/* Do two records of one id say the same, as far as both say it? */
static int agree(const mm_record *a, const mm_record *b, size_t classes)
{
    if (a->voxels != b->voxels || a->scored != b->scored || a->unmasked != b->unmasked)
        return 0;
    if (memcmp(a->label_count, b->label_count, 3 * classes * sizeof(uint64_t)) != 0)
        return 0;
    if (a->confusion != NULL && b->confusion != NULL &&
        memcmp(a->confusion, b->confusion, classes * classes * sizeof(uint64_t)) != 0)
        return 0;
    for (size_t i = 0; i < a->stat_count; i++) {
        const size_t j = mm_stat_find(b->stats, b->stat_count, &a->stats[i]);

        if (j < b->stat_count &&
            memcmp(a->sums + mm_stats_offset(a->stats, i, classes), b->sums + mm_stats_offset(b->stats, j, classes),
                   mm_stat_width(&a->stats[i], classes) * classes * sizeof(double)) != 0)
            return 0;
    }
    return 1;
}

static mm_status check_parts(const mm_images *into, const mm_images *part, mm_problem *problem)
{
    if (into->classes != part->classes || into->task != part->task) {
        if (problem != NULL) {
            *problem = (mm_problem){.param = "task", .text = "the parts have different tasks"};
            if (into->classes != part->classes)
                *problem = (mm_problem){.param = "classes", .text = "the parts have different numbers of classes"};
        }
        return MM_CONFLICT;
    }
    for (size_t i = 0; i < part->count; i++) {
        const size_t at = mm_images_find(into, part->records[i].id);

        if (at < into->count && !agree(&into->records[at], &part->records[i], into->classes)) {
            if (problem != NULL) {
                *problem = (mm_problem){.param = "image_ids"};
                snprintf(problem->text, sizeof problem->text,
                         "image \"%.180s\" is in two parts, with different contents", part->records[i].id);
            }
            return MM_CONFLICT;
        }
    }
    return MM_OK;
}

/* Adds to `record` the columns and the confusion table that only `other` has. */
static mm_status complete_record(mm_record *record, const mm_record *other, size_t classes)
{
    const size_t most = record->stat_count + other->stat_count;
    const size_t have = mm_stats_offset(record->stats, record->stat_count, classes);
    const size_t more = mm_stats_offset(other->stats, other->stat_count, classes);
    mm_stat *stats = realloc(record->stats, (most == 0 ? 1 : most) * sizeof *stats);

    if (stats == NULL)
        return MM_NO_MEMORY;
    record->stats = stats;
    double *sums = realloc(record->sums, (have + more == 0 ? 1 : have + more) * sizeof *sums);
    if (sums == NULL)
        return MM_NO_MEMORY;
    record->sums = sums;
    sums += have;
    for (size_t j = 0; j < other->stat_count; j++) {
        const size_t size = mm_stat_width(&other->stats[j], classes) * classes;

        if (mm_stat_find(stats, record->stat_count, &other->stats[j]) < record->stat_count)
            continue;
        stats[record->stat_count++] = other->stats[j];
        memcpy(sums, other->sums + mm_stats_offset(other->stats, j, classes), size * sizeof *sums);
        sums += size;
    }
    if (record->confusion == NULL && other->confusion != NULL) {
        record->confusion = malloc(classes * classes * sizeof(uint64_t));
        if (record->confusion == NULL)
            return MM_NO_MEMORY;
        memcpy(record->confusion, other->confusion, classes * classes * sizeof(uint64_t));
    }
    return MM_OK;
}

static mm_status append_copy(mm_images *into, const mm_record *from)
{
    mm_record *record = mm_images_append(into, from->id, from->stats, from->stat_count, from->confusion != NULL);

    if (record == NULL)
        return MM_NO_MEMORY;
    record->voxels = from->voxels;
    record->scored = from->scored;
    record->unmasked = from->unmasked;
    memcpy(record->label_count, from->label_count, 3 * into->classes * sizeof(uint64_t));
    memcpy(record->sums, from->sums, mm_stats_offset(from->stats, from->stat_count, into->classes) * sizeof(double));
    if (from->confusion != NULL)
        memcpy(record->confusion, from->confusion, into->classes * into->classes * sizeof(uint64_t));
    return MM_OK;
}

/* Forgets the records from `count` on.  The hash is rebuilt: open addressing cannot forget one. */
static void truncate_to(mm_images *images, size_t count)
{
    for (size_t i = count; i < images->count; i++)
        record_clear(&images->records[i]);
    images->count = count;
    if (images->slot_count > 0)
        memset(images->slots, 0, images->slot_count * sizeof *images->slots);
    for (size_t i = 0; i < count; i++)
        images->slots[find_slot(images, images->records[i].id)] = i + 1;
}

mm_status mm_images_merge(mm_images *into, const mm_images *part, mm_problem *problem)
{
    const size_t before = into->count;
    mm_status status = check_parts(into, part, problem);

    if (status == MM_OK) {
        record_clear(&into->batch);
        into->batch = (mm_record){.id = NULL};
    }
    for (size_t i = 0; status == MM_OK && i < part->count; i++) {
        const size_t at = mm_images_find(into, part->records[i].id);

        status = at < before ? complete_record(&into->records[at], &part->records[i], into->classes)
                             : append_copy(into, &part->records[i]);
    }
    if (status == MM_NO_MEMORY) {
        truncate_to(into, before);
        if (problem != NULL)
            *problem = (mm_problem){.text = "out of memory"};
    }
    return status;
}

/* ------------------------------------------------------------------ totals */

size_t mm_images_count(const mm_images *images)
{
    return images->count;
}

size_t mm_images_classes(const mm_images *images)
{
    return images->classes;
}

mm_task mm_images_task(const mm_images *images)
{
    return images->task;
}

const char *mm_images_id(const mm_images *images, size_t image)
{
    return images->records[image].id;
}

uint64_t mm_images_voxels(const mm_images *images)
{
    uint64_t total = 0;

    for (size_t i = 0; i < images->count; i++)
        total += images->records[i].voxels;
    return total;
}

uint64_t mm_images_scored(const mm_images *images)
{
    uint64_t total = 0;

    for (size_t i = 0; i < images->count; i++)
        total += images->records[i].scored;
    return total;
}

double mm_images_label_voxels(const mm_images *images, size_t class_index)
{
    const mm_stat g = {.kind = MM_SUM_G};
    mm_exact total = {.count = 0};

    for (size_t i = 0; i < images->count; i++) {
        const mm_record *record = &images->records[i];
        const size_t at = mm_stat_find(record->stats, record->stat_count, &g);

        mm_exact_add(&total, at < record->stat_count
                                 ? record->sums[mm_stats_offset(record->stats, at, images->classes) + class_index]
                                 : (double)record->label_count[class_index]);
    }
    return mm_exact_round(&total);
}

double mm_images_pred_voxels(const mm_images *images, size_t class_index)
{
    uint64_t total = 0;

    for (size_t i = 0; i < images->count; i++)
        total += images->records[i].pred_count[class_index];
    return (double)total;
}

/* One class against the rest: rows and columns 0 = not in the class, 1 = in it. */
static void add_two_by_two(uint64_t *table, const mm_record *record, size_t class_index)
{
    const uint64_t tp = record->both_count[class_index];
    const uint64_t fn = record->label_count[class_index] - tp;
    const uint64_t fp = record->pred_count[class_index] - tp;

    table[0] += record->scored - tp - fn - fp;
    table[1] += fp;
    table[2] += fn;
    table[3] += tp;
}

int mm_images_confusion(const mm_images *images, uint64_t *table)
{
    const size_t classes = images->classes;
    const size_t cells = images->task == MM_MULTILABEL ? classes * 4 : classes * classes;

    memset(table, 0, cells * sizeof *table);
    for (size_t i = 0; i < images->count; i++) {
        const mm_record *record = &images->records[i];

        if (images->task == MM_MULTILABEL) {
            for (size_t c = 0; c < classes; c++)
                add_two_by_two(table + 4 * c, record, c);
            continue;
        }
        if (record->confusion == NULL)
            return 0;
        for (size_t cell = 0; cell < cells; cell++)
            table[cell] += record->confusion[cell];
    }
    return 1;
}

int mm_images_histogram(const mm_images *images, double *bins)
{
    const mm_stat stat = {.kind = MM_HISTOGRAM_P, .more = {MM_P_BINS}};
    const size_t classes = images->classes;

    memset(bins, 0, classes * 2 * MM_P_BINS * sizeof *bins);
    for (size_t n = 0; n < images->count; n++) {
        const mm_record *record = &images->records[n];
        const size_t at = mm_stat_find(record->stats, record->stat_count, &stat);

        if (at == record->stat_count)
            return 0;
        const double *from = record->sums + mm_stats_offset(record->stats, at, classes);

        for (size_t w = 0; w < 2 * MM_P_BINS; w++)
            for (size_t c = 0; c < classes; c++)
                bins[c * 2 * MM_P_BINS + w] += from[w * classes + c];
    }
    return 1;
}
