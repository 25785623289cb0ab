/*
 * history_merge.c - definitions that must agree, a cache of merged images, and their scores
 */
#include "server/history_merge.h"

#include <stdlib.h>
#include <string.h>

#include "server/history_rows.h"

int mm_definition_agrees(const mm_definition *evaluation, const mm_definition *part, mm_problem *problem)
{
    const char *differs = NULL;

    if (evaluation->class_count != part->class_count || strcmp(evaluation->classes, part->classes) != 0)
        differs = "classes";
    else if (evaluation->task != part->task)
        differs = "task";
    else if (evaluation->threshold < part->threshold || evaluation->threshold > part->threshold)
        differs = "threshold";
    else if (evaluation->has_ignore != part->has_ignore ||
             (part->has_ignore && evaluation->ignore_index != part->ignore_index))
        differs = "ignore_index";
    else if (evaluation->parts != -1 && part->parts != -1 && evaluation->parts != part->parts)
        differs = "parts";
    if (differs != NULL)
        mm_store_explain(problem, differs, "%s differs from what the first part of this evaluation has set", differs);
    return differs == NULL;
}

/* ------------------------------------------------------------------- cache */

mm_store_status mm_cache_grow(const mm_cache *cache, mm_cache_slot *slot, size_t bytes, size_t held,
                              mm_problem *problem)
{
    const mm_store_memory *memory = &cache->memory;
    const mm_store_status status =
        memory->take != NULL ? memory->take(memory->context, bytes, held + slot->bytes, problem) : MM_STORE_OK;

    if (status == MM_STORE_OK)
        slot->bytes += bytes;
    return status;
}

void mm_cache_shrink(const mm_cache *cache, mm_cache_slot *slot, size_t bytes)
{
    if (cache->memory.give != NULL)
        cache->memory.give(cache->memory.context, bytes);
    slot->bytes -= bytes;
}

void mm_cache_slot_empty(mm_cache *cache, mm_cache_slot *slot)
{
    mm_images_free(slot->images);
    slot->images = NULL;
    mm_cache_shrink(cache, slot, slot->bytes);
}

/* With the guard held: what is in the place, which is empty then. */
static mm_cache_slot lift(mm_cache *cache, mm_cache_slot *place)
{
    const mm_cache_slot slot = *place;

    cache->bytes -= slot.bytes;
    *place = (mm_cache_slot){0};
    return slot;
}

static void use(const mm_cache *cache, const mm_cache_slot *slot)
{
    if (cache->memory.use != NULL && slot->bytes > 0)
        cache->memory.use(cache->memory.context, slot->bytes);
}

/* With the guard held: the longest unused; of those that hold something only, when asked: NULL if there is none. */
static mm_cache_slot *oldest(mm_cache *cache, int full)
{
    mm_cache_slot *found = NULL;

    for (size_t i = 0; i < MM_CACHE_SLOTS; i++) {
        mm_cache_slot *slot = &cache->slots[i];

        if ((!full || slot->images != NULL) && (found == NULL || slot->used < found->used))
            found = slot;
    }
    return found;
}

size_t mm_cache_let_go(mm_cache *cache, size_t bytes)
{
    size_t freed = 0;

    pthread_mutex_lock(&cache->guard);
    for (mm_cache_slot *place; freed < bytes && (place = oldest(cache, 1)) != NULL;) {
        const mm_cache_slot slot = lift(cache, place);

        mm_images_free(slot.images);
        freed += slot.bytes;
    }
    pthread_mutex_unlock(&cache->guard);
    return freed;
}

/* Out of the cache and freed. */
static void drop(mm_cache *cache, mm_cache_slot *place)
{
    mm_cache_slot slot;

    pthread_mutex_lock(&cache->guard);
    slot = lift(cache, place); /* empty by now, if it was let go */
    pthread_mutex_unlock(&cache->guard);
    use(cache, &slot);
    mm_cache_slot_empty(cache, &slot);
}

mm_cache_slot mm_cache_take(mm_cache *cache, int64_t evaluation)
{
    mm_cache_slot slot = {.evaluation = evaluation};

    pthread_mutex_lock(&cache->guard);
    for (size_t i = 0; i < MM_CACHE_SLOTS && slot.images == NULL; i++)
        if (cache->slots[i].images != NULL && cache->slots[i].evaluation == evaluation)
            slot = lift(cache, &cache->slots[i]);
    pthread_mutex_unlock(&cache->guard);
    use(cache, &slot);
    return slot;
}

/* Drops the longest unused until no more than `bytes` are kept. */
static void shrink(mm_cache *cache, size_t bytes)
{
    for (;;) {
        pthread_mutex_lock(&cache->guard);
        mm_cache_slot *place = cache->bytes > bytes ? oldest(cache, 1) : NULL;

        pthread_mutex_unlock(&cache->guard);
        if (place == NULL)
            return;
        drop(cache, place);
    }
}

void mm_cache_keep(mm_cache *cache, mm_cache_slot slot)
{
    if (slot.images == NULL) {
        mm_cache_shrink(cache, &slot, slot.bytes);
        return;
    }
    shrink(cache, slot.bytes < MM_CACHE_BYTES ? MM_CACHE_BYTES - slot.bytes : 0);
    pthread_mutex_lock(&cache->guard);
    mm_cache_slot *place = oldest(cache, 0); /* an empty one, if any: those were never used */

    pthread_mutex_unlock(&cache->guard);
    drop(cache, place);
    if (cache->memory.keep != NULL)
        cache->memory.keep(cache->memory.context, slot.bytes);
    pthread_mutex_lock(&cache->guard);
    slot.used = ++cache->clock;
    cache->bytes += slot.bytes;
    *place = slot;
    pthread_mutex_unlock(&cache->guard);
}

void mm_cache_drop_run(mm_cache *cache, int64_t run)
{
    for (size_t i = 0; i < MM_CACHE_SLOTS; i++) {
        pthread_mutex_lock(&cache->guard);
        const int found = cache->slots[i].run == run;

        pthread_mutex_unlock(&cache->guard);
        if (found)
            drop(cache, &cache->slots[i]);
    }
}

void mm_cache_trim(mm_cache *cache)
{
    shrink(cache, MM_CACHE_BYTES);
}

void mm_cache_clear(mm_cache *cache)
{
    for (size_t i = 0; i < MM_CACHE_SLOTS; i++)
        drop(cache, &cache->slots[i]);
}

/* ------------------------------------------------------------------ scores */

/* "1,2,.5": as many numbers as there are classes, or *out is NULL: all 1. */
static mm_status read_weights(double **out, const char *text, size_t classes)
{
    size_t count = 0;

    *out = NULL;
    if (*text == '\0')
        return MM_OK;
    if (classes > SIZE_MAX / sizeof(double))
        return MM_NO_MEMORY;
    double *weights = malloc(classes * sizeof *weights);

    if (weights == NULL)
        return MM_NO_MEMORY;
    for (char *end; count < classes; text = end + 1) {
        weights[count] = strtod(text, &end);
        if (end == text)
            break;
        count++;
        if (*end != ',')
            break;
    }
    if (count == classes)
        *out = weights;
    else
        free(weights);
    return MM_OK;
}

mm_status mm_scored_new(mm_scored *out, const mm_definition *definition, const mm_images *images)
{
    /* Any sums may be there; a score whose sums are not says so itself. */
    const mm_shape shape = {.images = mm_images_count(images),
                            .classes = definition->class_count,
                            .task = definition->task,
                            .pred_kind = MM_PROBS,
                            .label_kind = MM_LABEL_AUTO,
                            .pred_has_classes = 1,
                            .label_has_classes = 1};
    mm_scored scored = {0};
    double *weights = NULL;
    mm_status status = mm_plan_new(&scored.plan, definition->scores, NULL);

    if (status == MM_OK) {
        mm_plan_keep_images(scored.plan, 0);
        status = mm_plan_bind(scored.plan, &shape, NULL);
    }
    if (status == MM_OK)
        status = read_weights(&weights, definition->weights, definition->class_count);
    if (status == MM_OK)
        status = mm_images_score(&scored.results, images, scored.plan, weights, NULL);
    free(weights);
    if (status == MM_NO_MEMORY) {
        mm_scored_free(&scored);
        return status;
    }
    *out = scored;
    return MM_OK;
}

size_t mm_scored_count(const mm_scored *scored)
{
    return scored->plan == NULL ? 0 : mm_plan_count(scored->plan);
}

mm_value mm_scored_value(const mm_scored *scored, size_t index)
{
    if (scored->results == NULL)
        return (mm_value){0, MM_NOT_IN_SUMS};
    const mm_result *result = mm_results_at(scored->results, index);

    return result->rank == 0 ? result->value : (mm_value){0, MM_NOT_CHOSEN};
}

const mm_value *mm_scored_classes(const mm_scored *scored, size_t index, size_t class_count)
{
    if (scored->results == NULL)
        return NULL;
    const mm_result *result = mm_results_at(scored->results, index);

    if (result->per_class == NULL && result->rank == 1 && result->dim[0] == class_count)
        return result->list; /* a peer's own list of classes */
    return result->per_class;
}

void mm_scored_free(mm_scored *scored)
{
    mm_results_free(scored->results);
    mm_plan_free(scored->plan);
    *scored = (mm_scored){0};
}
