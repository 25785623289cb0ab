/*
 * header.c - strict parser of the safetensors header, then of what it says about the data.
 *
 * The rules are those of FORMAT.md, in its order.  The grammar is fixed and three levels deep, so nothing recurses;
 * strings go to one block as large as the header, since no string is longer than its own spelling.
 */
#include "proto/header.h"

#include <stdlib.h>
#include <string.h>

#include "proto/fault.h"
#include "proto/reader.h"

static const char metadata_name[] = "__metadata__";

/* What the reader found in one tensor object, before it is known to make sense. */
typedef struct described {
    char dtype[MM_WIRE_MAX_NAME + 1];
    int dtype_known;
    size_t rank;     /* may be beyond MM_MAX_RANK */
    size_t elements; /* product of the dimensions that are not 0 */
    int has_zero;    /* one is 0, so the tensor has no element */
    uint64_t begin, end;
} described;

typedef struct parsing {
    mm_reader reader;
    mm_header *header;
    size_t text_room, text_used;
    size_t meta_room;
    const char *tensor; /* whose object is being read; NULL: none */
    int has_metadata;
    int no_memory;
    int odd; /* a tensor has an unknown dtype or too high a rank; the first one is in odd_problem */
    mm_problem odd_problem;
} parsing;

/* ----------------------------------------------------------------- grammar */

/* Steps through an object or an array behind its opening bracket: 1 while there is another member. */
static int next_member(mm_reader *reader, unsigned char close, int *first)
{
    const int was_first = *first;

    *first = 0;
    mm_reader_blanks(reader);
    if (mm_reader_take(reader, close))
        return 0;
    if (!was_first) {
        mm_reader_expect(reader, ',', "a comma or a closing bracket was expected");
        mm_reader_blanks(reader);
    }
    return reader->error == NULL;
}

static void colon(mm_reader *reader)
{
    mm_reader_blanks(reader);
    mm_reader_expect(reader, ':', "a colon was expected");
    mm_reader_blanks(reader);
}

/* A string that stays as long as the header does. */
static const char *kept_string(parsing *parser, size_t *length)
{
    char *string = parser->header->text + parser->text_used;

    *length = mm_reader_string(&parser->reader, string, parser->text_room - parser->text_used);
    parser->text_used += *length + (parser->reader.error == NULL);
    return string;
}

static const char *kept_name(parsing *parser)
{
    const size_t at = parser->reader.at;
    size_t length;
    const char *name = kept_string(parser, &length);

    if (length > MM_WIRE_MAX_NAME)
        mm_reader_fail(&parser->reader, "a name is longer than 256 bytes", at);
    return name;
}

/* ---------------------------------------------------------------- metadata */

static void add_metadata(parsing *parser, const char *key, const char *value)
{
    mm_header *header = parser->header;

    if (header->meta_count == parser->meta_room) {
        const size_t room = parser->meta_room ? 2 * parser->meta_room : 16;
        mm_wire_meta *grown = realloc(header->meta, room * sizeof *grown);

        if (grown == NULL) {
            parser->no_memory = 1;
            mm_reader_fail(&parser->reader, "out of memory", parser->reader.at);
            return;
        }
        header->meta = grown;
        parser->meta_room = room;
    }
    header->meta[header->meta_count++] = (mm_wire_meta){key, value};
}

static void read_metadata(parsing *parser)
{
    mm_reader *reader = &parser->reader;

    mm_reader_expect(reader, '{', "__metadata__ must be an object");
    for (int first = 1; next_member(reader, '}', &first);) {
        const char *key = kept_name(parser);
        const char *value;
        size_t length;

        colon(reader);
        value = kept_string(parser, &length);
        if (reader->error == NULL)
            add_metadata(parser, key, value);
    }
}

/* A key by its first 8 bytes, which decide most comparisons. */
typedef struct sorted_key {
    uint64_t front;
    const char *key;
} sorted_key;

static uint64_t front_of(const char *key)
{
    uint64_t front = 0;

    for (unsigned i = 0; i < 8 && key[i] != '\0'; i++)
        front |= (uint64_t)(unsigned char)key[i] << (56 - 8 * i);
    return front;
}

static int compare_keys(const void *left, const void *right)
{
    const sorted_key *a = left;
    const sorted_key *b = right;

    if (a->front != b->front)
        return a->front < b->front ? -1 : 1;
    return strcmp(a->key, b->key);
}

/* Thousands of keys fit a header, so they are sorted and not compared each with each. */
static mm_wire_status check_metadata(const mm_header *header, mm_problem *problem)
{
    const size_t count = header->meta_count;
    mm_wire_status status = MM_WIRE_OK;
    sorted_key *sorted;

    if (count < 2)
        return MM_WIRE_OK;
    sorted = malloc(count * sizeof *sorted);
    if (sorted == NULL)
        return mm_fault(MM_WIRE_NO_MEMORY, problem, NULL, "out of memory");
    for (size_t i = 0; i < count; i++)
        sorted[i] = (sorted_key){front_of(header->meta[i].key), header->meta[i].key};
    qsort(sorted, count, sizeof *sorted, compare_keys);
    for (size_t i = 1; i < count && status == MM_WIRE_OK; i++)
        if (compare_keys(&sorted[i - 1], &sorted[i]) == 0) {
            status = mm_fault(MM_WIRE_BAD_FILE, problem, NULL, "safetensors header: __metadata__ holds a key twice");
            if (problem != NULL)
                mm_fault_name(problem->param, sizeof problem->param, sorted[i].key);
        }
    free(sorted);
    return status;
}

/* ----------------------------------------------------------------- tensors */

static void read_shape(mm_reader *reader, mm_header_tensor *tensor, described *found)
{
    mm_reader_expect(reader, '[', "shape must be an array");
    found->elements = 1;
    for (int first = 1; next_member(reader, ']', &first); found->rank++) {
        const size_t at = reader->at;
        const size_t dim = (size_t)mm_reader_number(reader);

        if (found->rank < MM_MAX_RANK)
            tensor->dim[found->rank] = dim;
        if (dim == 0)
            found->has_zero = 1;
        else if (found->elements > SIZE_MAX / dim)
            mm_reader_fail(reader, "the shape has more elements than 64 bits can count", at);
        else
            found->elements *= dim;
    }
}

static void read_offsets(mm_reader *reader, described *found)
{
    const size_t at = reader->at;

    mm_reader_expect(reader, '[', "data_offsets must be an array of two numbers");
    mm_reader_blanks(reader);
    found->begin = mm_reader_number(reader);
    mm_reader_blanks(reader);
    mm_reader_expect(reader, ',', "data_offsets must be an array of two numbers");
    mm_reader_blanks(reader);
    found->end = mm_reader_number(reader);
    mm_reader_blanks(reader);
    mm_reader_expect(reader, ']', "data_offsets must be an array of two numbers");
    if (found->begin > found->end)
        mm_reader_fail(reader, "a tensor ends before it begins", at);
}

/* {"dtype":word,"shape":[...],"data_offsets":[begin,end]}, the three in any order. */
static void read_tensor(mm_reader *reader, mm_header_tensor *tensor, described *found)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    const size_t start = reader->at;
    unsigned seen = 0; /* bit i: keys[i] */
    char key[MM_WIRE_MAX_NAME + 1];

    mm_reader_expect(reader, '{', "a tensor must be an object");
    for (int first = 1; next_member(reader, '}', &first);) {
        const size_t at = reader->at;
        unsigned which = 0;

        mm_reader_string(reader, key, sizeof key);
        while (which < 3 && strcmp(key, keys[which]) != 0)
            which++;
        if (which == 3)
            mm_reader_fail(reader, "a tensor has only dtype, shape and data_offsets", at);
        if (seen & 1U << which)
            mm_reader_fail(reader, "a key appears twice in a tensor", at);
        seen |= 1U << which;
        colon(reader);
        if (which == 0)
            mm_reader_string(reader, found->dtype, sizeof found->dtype);
        else if (which == 1)
            read_shape(reader, tensor, found);
        else
            read_offsets(reader, found);
    }
    if (seen != 7)
        mm_reader_fail(reader, "a tensor lacks dtype, shape or data_offsets", start);
}

/* Is this a word that one may quote?  Other formats' dtypes are: F8_E4M3, C64, I4. */
static int is_word(const char *text)
{
    const size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    return length > 0 && length <= 16 && text[length] == '\0';
}

/* Rank and dtype are the tensor's own fault, to be told only when the file's structure is sound. */
static void check_kind(parsing *parser, mm_header_tensor *tensor, described *found)
{
    const size_t number = parser->header->count + 1;

    found->dtype_known = mm_dtype_find(found->dtype, &tensor->dtype);
    tensor->rank = found->rank <= MM_MAX_RANK ? (unsigned)found->rank : 0;
    if (parser->odd || (found->dtype_known && found->rank <= MM_MAX_RANK))
        return;
    parser->odd = 1;
    if (found->rank > MM_MAX_RANK)
        mm_fault(MM_WIRE_BAD_TENSOR, &parser->odd_problem, tensor->name,
                 "tensor number %zu of the header has rank %zu; at most %d is allowed", number, found->rank,
                 MM_MAX_RANK);
    else
        mm_fault(
            MM_WIRE_BAD_TENSOR, &parser->odd_problem, tensor->name,
            "tensor number %zu of the header has %s%s; known are F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL",
            number, is_word(found->dtype) ? "dtype " : "an unknown dtype", is_word(found->dtype) ? found->dtype : "");
}

/* Elements times their size is what the offsets enclose; a dimension of 0 excuses nothing. */
static void check_size(mm_reader *reader, mm_header_tensor *tensor, const described *found, size_t at)
{
    const size_t each = found->dtype_known ? mm_dtype_size(tensor->dtype) : 1;

    if (found->elements > SIZE_MAX / each)
        mm_reader_fail(reader, "the shape has more bytes than 64 bits can count", at);
    else if (found->dtype_known && tensor->end - tensor->begin != (found->has_zero ? 0 : found->elements * each))
        mm_reader_fail(reader, "data_offsets do not enclose as many bytes as shape and dtype say", at);
}

static void add_tensor(parsing *parser, const char *name, size_t at)
{
    mm_header *header = parser->header;
    mm_header_tensor *tensor = &header->tensor[header->count];
    described found = {0};

    if (header->count == MM_WIRE_MAX_TENSORS) {
        mm_reader_fail(&parser->reader, "there are more than 64 tensors", at);
        return;
    }
    for (size_t i = 0; i < header->count; i++)
        if (strcmp(header->tensor[i].name, name) == 0)
            mm_reader_fail(&parser->reader, "a tensor name appears twice", at);
    tensor->name = name;
    read_tensor(&parser->reader, tensor, &found);
    tensor->begin = (size_t)found.begin;
    tensor->end = (size_t)found.end;
    if (parser->reader.error != NULL)
        return;
    check_kind(parser, tensor, &found);
    check_size(&parser->reader, tensor, &found, at);
    header->count += parser->reader.error == NULL;
}

static void read_header(parsing *parser)
{
    mm_reader *reader = &parser->reader;

    mm_reader_expect(reader, '{', "the header must begin with {");
    for (int first = 1; next_member(reader, '}', &first);) {
        const size_t at = reader->at;
        const char *name = kept_name(parser);
        const int meta = strcmp(name, metadata_name) == 0;

        parser->tensor = meta || reader->error ? NULL : name;
        if (meta && parser->has_metadata)
            mm_reader_fail(reader, "__metadata__ appears twice", at);
        parser->has_metadata |= meta;
        colon(reader);
        if (reader->error != NULL)
            return;
        if (meta)
            read_metadata(parser);
        else
            add_tensor(parser, name, at);
        if (reader->error == NULL)
            parser->tensor = NULL;
    }
    while (mm_reader_take(reader, ' '))
        ;
    if (reader->at < reader->size)
        mm_reader_fail(reader, "only spaces may follow the closing brace", reader->at);
}

/* ------------------------------------------------------------------ layout */

typedef struct place {
    size_t begin, end;
    size_t index; /* of the tensor, in order of the header */
} place;

static int compare_places(const void *left, const void *right)
{
    const place *a = left;
    const place *b = right;

    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end)
        return a->end < b->end ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index); /* so that an error always names the same one */
}

/* Sorted by offset, tensors begin at 0 and touch.  The last one's end is the size of the data section. */
static mm_wire_status check_layout(mm_header *header, mm_problem *problem)
{
    place sorted[MM_WIRE_MAX_TENSORS] = {0};
    size_t at = 0;

    for (size_t i = 0; i < header->count; i++)
        sorted[i] = (place){header->tensor[i].begin, header->tensor[i].end, i};
    qsort(sorted, header->count, sizeof sorted[0], compare_places);
    for (size_t i = 0; i < header->count; i++) {
        if (sorted[i].begin != at)
            return mm_fault(MM_WIRE_BAD_FILE, problem, header->tensor[sorted[i].index].name,
                            "safetensors header: a tensor begins at %zu of the data where the one before it ends at "
                            "%zu; they %s",
                            sorted[i].begin, at, sorted[i].begin < at ? "overlap" : "leave a hole");
        at = sorted[i].end;
    }
    header->data_size = at;
    return MM_WIRE_OK;
}

mm_wire_status mm_header_parse(mm_header *header, const unsigned char *json, size_t size, mm_problem *problem)
{
    mm_wire_status status = MM_WIRE_BAD_FILE;
    parsing parser = {.header = header, .text_room = size};

    memset(header, 0, sizeof *header);
    header->text = malloc(size > 0 ? size : 1);
    if (header->text == NULL)
        return mm_fault(MM_WIRE_NO_MEMORY, problem, NULL, "out of memory");
    mm_reader_init(&parser.reader, json, size);
    read_header(&parser);
    if (parser.no_memory)
        status = mm_fault(MM_WIRE_NO_MEMORY, problem, NULL, "out of memory");
    else if (parser.reader.error != NULL)
        mm_fault(status, problem, parser.tensor, "safetensors header, byte %zu: %s", parser.reader.error_at,
                 parser.reader.error);
    else
        status = check_metadata(header, problem);
    if (status == MM_WIRE_OK)
        status = check_layout(header, problem);
    if (status == MM_WIRE_OK && parser.odd) {
        status = MM_WIRE_BAD_TENSOR;
        if (problem != NULL)
            *problem = parser.odd_problem;
    }
    if (status != MM_WIRE_OK)
        mm_header_free(header);
    return status;
}

void mm_header_free(mm_header *header)
{
    free(header->text);
    free(header->meta);
    memset(header, 0, sizeof *header);
}
