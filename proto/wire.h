/*
 * wire.h - bytes of a request body to tensors, and back.  The only header of proto/ that server/ sees.
 *
 * FORMAT.md describes the bytes.  Readers trust no length; every bound is checked here and only here.
 * Errors are mm_wire_status; `problem` (lib/maskmeter.h) says what to tell the client.
 */
#ifndef MM_WIRE_H
#define MM_WIRE_H

#include "lib/maskmeter.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mm_wire_status {
    MM_WIRE_OK = 0,
    MM_WIRE_MORE = 1,       /* fine so far, more bytes are needed */
    MM_WIRE_BAD_FILE = 2,   /* the structure is broken: HTTP 400 */
    MM_WIRE_BAD_TENSOR = 3, /* the structure is sound, a tensor makes no sense (dtype, rank): HTTP 422 */
    MM_WIRE_TOO_LARGE = 4,  /* expands beyond the limit: HTTP 413 */
    MM_WIRE_NO_MEMORY = 5
} mm_wire_status;

/* ------------------------------------------------------------ safetensors */

#define MM_WIRE_MAX_HEADER  ((size_t)64 << 10)
#define MM_WIRE_MAX_TENSORS 64
#define MM_WIRE_MAX_NAME    256 /* bytes of a tensor name or metadata key */

/* Incremental reader.  The file lies in one buffer that fills from the front; after each arrival, feed tells how
 * much of it is there.  The header is parsed once, as soon as it is whole; structure errors surface then. */
typedef struct mm_wire mm_wire;

mm_wire_status mm_wire_new(mm_wire **out);
void mm_wire_free(mm_wire *wire); /* NULL is fine */
/* data[0 .. filled) is the front of the file.  MM_WIRE_MORE until the whole file as its header describes it is there,
 * then MM_WIRE_OK.  More bytes than that: MM_WIRE_BAD_FILE.  An error is final and is given again. */
mm_wire_status mm_wire_feed(mm_wire *wire, const unsigned char *data, size_t filled, mm_problem *problem);
/* The body has ended with `filled` bytes: MM_WIRE_OK only for a whole file. */
mm_wire_status mm_wire_end(mm_wire *wire, const unsigned char *data, size_t filled, mm_problem *problem);
/* Size of the whole file once the header is parsed, else 0. */
size_t mm_wire_size(const mm_wire *wire);

/* After the header is parsed.  Views point into `data` of mm_wire_end() or of the last mm_wire_feed(); before the whole
 * file is there (MM_WIRE_OK) shape and dtype are right, and data is not NULL but must not be read. */
size_t mm_wire_count(const mm_wire *wire);
const char *mm_wire_name(const mm_wire *wire, size_t index);
const mm_tensor *mm_wire_tensor(const mm_wire *wire, size_t index);   /* in file order of the header */
const mm_tensor *mm_wire_find(const mm_wire *wire, const char *name); /* NULL if there is none */
/* __metadata__: NUL-terminated, escapes resolved.  A value never holds a NUL. */
size_t mm_wire_meta_count(const mm_wire *wire);
const char *mm_wire_meta_key(const mm_wire *wire, size_t index);
const char *mm_wire_meta_value(const mm_wire *wire, size_t index);

/* ----------------------------------------------------------------- writer */

typedef struct mm_wire_item {
    const char *name; /* UTF-8 */
    mm_tensor tensor;
} mm_wire_item;

typedef struct mm_wire_meta {
    const char *key, *value;
} mm_wire_meta;

/* A whole safetensors file, tensors in the given order; free(*bytes). */
mm_wire_status mm_wire_write(unsigned char **bytes, size_t *size, const mm_wire_item *items, size_t count,
                             const mm_wire_meta *meta, size_t meta_count, mm_problem *problem);

/* -------------------------------------------------------- content codings */

/* A streaming decoder for one body.  Several members (gzip) or frames (zstd) are decoded one after the other. */
typedef struct mm_coding mm_coding;

/* name: "gzip", "x-gzip" or "zstd", any case.  1 when known. */
int mm_coding_known(const char *name);
const char *mm_coding_names(void); /* "gzip, zstd": for Accept-Encoding and error texts */
/* MM_WIRE_BAD_FILE when the name is not known. */
mm_wire_status mm_coding_new(mm_coding **out, const char *name);
void mm_coding_free(mm_coding *coding); /* NULL is fine */
/* Bytes of working memory that one decoder may take at most, for admission. */
size_t mm_coding_memory(const char *name);
/* Decodes in[0 .. in_size) to out[*out_filled .. out_room).  Sets *in_used, advances *out_filled.  MM_WIRE_OK: all
 * input was used and all that it gives is in `out`, which may now be full; MM_WIRE_TOO_LARGE: the output is full and
 * there is at least one byte more (enlarge it and call again with the rest of the input, also when nothing is left of
 * it, or give up); MM_WIRE_BAD_FILE: not a stream of this coding, or trailing bytes.  Errors but MM_WIRE_TOO_LARGE are
 * final. */
mm_wire_status mm_coding_feed(mm_coding *coding, const unsigned char *in, size_t in_size, size_t *in_used,
                              unsigned char *out, size_t out_room, size_t *out_filled, mm_problem *problem);
/* The body has ended: MM_WIRE_BAD_FILE when it stopped inside a member. */
mm_wire_status mm_coding_end(mm_coding *coding, mm_problem *problem);

/* The other way, for answers: `in` as one gzip member; free(*out).  MM_WIRE_NO_MEMORY, also for more than 1 GiB. */
mm_wire_status mm_gzip(unsigned char **out, size_t *out_size, const unsigned char *in, size_t in_size);

/* ---------------------------------------------------------------- OpenAPI */

extern const char mm_openapi_json[]; /* openapi.yaml as JSON; the build makes it */
extern const size_t mm_openapi_json_size;

#ifdef __cplusplus
}
#endif
#endif
