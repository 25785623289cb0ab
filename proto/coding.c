/*
 * coding.c - decodes a request body; the join of the content codings.
 */
#include "proto/coding.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/fault.h"

static const mm_coding_row *const rows[] = {&mm_coding_gzip, &mm_coding_zstd};

#define ROW_COUNT (sizeof rows / sizeof rows[0])

struct mm_coding {
    const mm_coding_row *row;
    void *state;
    mm_wire_status status; /* MM_WIRE_OK, or the error that is given again */
    mm_problem problem;
    uint64_t taken; /* input bytes so far, for error texts */
    int was_full;   /* the last step filled its output, so the decoder may hold more */
    int has_extra;  /* a byte that did not fit the output any more */
    unsigned char extra;
};

static const mm_coding_row *find(const char *name)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strcasecmp(name, rows[i]->name) == 0 || (rows[i]->alias != NULL && strcasecmp(name, rows[i]->alias) == 0))
            return rows[i];
    return NULL;
}

int mm_coding_known(const char *name)
{
    return find(name) != NULL;
}

const char *mm_coding_names(void)
{
    return "gzip, zstd";
}

size_t mm_coding_memory(const char *name)
{
    const mm_coding_row *row = find(name);

    return row != NULL ? sizeof(mm_coding) + row->memory : 0;
}

mm_wire_status mm_coding_new(mm_coding **out, const char *name)
{
    const mm_coding_row *row = find(name);
    mm_coding *coding;

    if (row == NULL)
        return MM_WIRE_BAD_FILE;
    coding = calloc(1, sizeof *coding);
    if (coding == NULL)
        return MM_WIRE_NO_MEMORY;
    coding->row = row;
    coding->state = row->open();
    if (coding->state == NULL) {
        free(coding);
        return MM_WIRE_NO_MEMORY;
    }
    *out = coding;
    return MM_WIRE_OK;
}

void mm_coding_free(mm_coding *coding)
{
    if (coding == NULL)
        return;
    coding->row->close(coding->state);
    free(coding);
}

static mm_wire_status give(const mm_coding *coding, mm_problem *problem)
{
    if (coding->status != MM_WIRE_OK && problem != NULL)
        *problem = coding->problem;
    return coding->status;
}

static void fail(mm_coding *coding, mm_wire_status status, const char *fault)
{
    coding->status = mm_fault(status, &coding->problem, NULL, "%s body, byte %llu: %s", coding->row->name,
                              (unsigned long long)coding->taken, fault);
}

/* One step of the decoder, kept account of. */
static void decode(mm_coding *coding, mm_coding_step *step)
{
    const mm_wire_status status = coding->row->decode(coding->state, step);

    coding->taken += step->in_used;
    coding->was_full = step->out_used == step->out_size;
    if (status == MM_WIRE_NO_MEMORY)
        fail(coding, status, "out of memory");
    else if (status != MM_WIRE_OK)
        fail(coding, status, step->fault);
    else if (step->in_size > 0 && step->in_used == 0 && step->out_used == 0)
        fail(coding, MM_WIRE_BAD_FILE, "it does not go on"); /* never loop on a decoder that is stuck */
}

/* Output that is full need not be too small: what is left of the input may be a checksum.  So the decoder is given
 * room for one byte more, which is kept for the next call when it comes. */
mm_wire_status mm_coding_feed(mm_coding *coding, const unsigned char *in, size_t in_size, size_t *in_used,
                              unsigned char *out, size_t out_room, size_t *out_filled, mm_problem *problem)
{
    *in_used = 0;
    in = in != NULL ? in : (const unsigned char *)""; /* nothing may come as NULL */
    if (coding->has_extra && *out_filled < out_room && coding->status == MM_WIRE_OK) {
        out[(*out_filled)++] = coding->extra;
        coding->has_extra = 0;
        coding->was_full = 1;
    }
    while (coding->status == MM_WIRE_OK && !coding->has_extra && (*in_used < in_size || coding->was_full)) {
        const int full = *out_filled == out_room;
        mm_coding_step step = {.in = in + *in_used,
                               .in_size = in_size - *in_used,
                               .out = full ? &coding->extra : out + *out_filled,
                               .out_size = full ? 1 : out_room - *out_filled};

        decode(coding, &step);
        *in_used += step.in_used;
        if (full)
            coding->has_extra = step.out_used == 1;
        else
            *out_filled += step.out_used;
    }
    return coding->status == MM_WIRE_OK && coding->has_extra ? MM_WIRE_TOO_LARGE : give(coding, problem);
}

mm_wire_status mm_coding_end(mm_coding *coding, mm_problem *problem)
{
    if (coding->status == MM_WIRE_OK && (coding->has_extra || coding->was_full))
        return mm_fault(MM_WIRE_TOO_LARGE, problem, NULL, "%s body: there is more output than was taken",
                        coding->row->name);
    if (coding->status == MM_WIRE_OK && coding->taken == 0)
        fail(coding, MM_WIRE_BAD_FILE, "it is empty");
    else if (coding->status == MM_WIRE_OK && !coding->row->is_whole(coding->state))
        fail(coding, MM_WIRE_BAD_FILE, "its last member or frame is not whole");
    return give(coding, problem);
}
