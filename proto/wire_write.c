/*
 * wire_write.c - writer of a safetensors file: length, header, data.
 */
#include "proto/wire.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proto/fault.h"
#include "proto/writer.h"

#define LENGTH_BYTES 8

/* What the reader would refuse is refused here.  *bytes is the size of the tensor's data. */
static mm_wire_status check_item(const mm_wire_item *items, size_t index, size_t *bytes, mm_problem *problem)
{
    const mm_wire_item *item = &items[index];
    const mm_tensor *tensor = &item->tensor;

    if (strlen(item->name) > MM_WIRE_MAX_NAME)
        return mm_fault(MM_WIRE_BAD_TENSOR, problem, item->name, "a tensor name is longer than %d bytes",
                        MM_WIRE_MAX_NAME);
    if (strcmp(item->name, "__metadata__") == 0)
        return mm_fault(MM_WIRE_BAD_TENSOR, problem, item->name, "no tensor can have this name");
    for (size_t i = 0; i < index; i++)
        if (strcmp(items[i].name, item->name) == 0)
            return mm_fault(MM_WIRE_BAD_TENSOR, problem, item->name, "two tensors have this name");
    if (tensor->rank > MM_MAX_RANK || (unsigned)tensor->dtype >= MM_DTYPE_COUNT)
        return mm_fault(MM_WIRE_BAD_TENSOR, problem, item->name, "a tensor has an unknown dtype or too high a rank");
    if (mm_tensor_bytes(tensor, bytes) != MM_OK)
        return mm_fault(MM_WIRE_BAD_TENSOR, problem, item->name, "the shape has more bytes than 64 bits can count");
    if (tensor->data == NULL && *bytes > 0)
        return mm_fault(MM_WIRE_BAD_TENSOR, problem, item->name, "a tensor has no data");
    return MM_WIRE_OK;
}

static mm_wire_status check_meta(const mm_wire_meta *meta, size_t count, mm_problem *problem)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(meta[i].key) > MM_WIRE_MAX_NAME)
            return mm_fault(MM_WIRE_BAD_FILE, problem, NULL, "a metadata key is longer than %d bytes",
                            MM_WIRE_MAX_NAME);
        for (size_t k = 0; k < i; k++)
            if (strcmp(meta[k].key, meta[i].key) == 0)
                return mm_fault(MM_WIRE_BAD_FILE, problem, NULL, "a metadata key is given twice");
    }
    return MM_WIRE_OK;
}

static void write_meta(mm_writer *writer, const mm_wire_meta *meta, size_t count)
{
    mm_writer_text(writer, "\"__metadata__\":{");
    for (size_t i = 0; i < count; i++) {
        mm_writer_text(writer, i > 0 ? "," : "");
        mm_writer_string(writer, meta[i].key);
        mm_writer_text(writer, ":");
        mm_writer_string(writer, meta[i].value);
    }
    mm_writer_text(writer, "}");
}

static void write_item(mm_writer *writer, const mm_wire_item *item, size_t begin, size_t end)
{
    const mm_tensor *tensor = &item->tensor;

    mm_writer_string(writer, item->name);
    mm_writer_text(writer, ":{\"dtype\":\"");
    mm_writer_text(writer, mm_dtype_name(tensor->dtype));
    mm_writer_text(writer, "\",\"shape\":[");
    for (unsigned i = 0; i < tensor->rank; i++) {
        mm_writer_text(writer, i > 0 ? "," : "");
        mm_writer_number(writer, tensor->dim[i]);
    }
    mm_writer_text(writer, "],\"data_offsets\":[");
    mm_writer_number(writer, begin);
    mm_writer_text(writer, ",");
    mm_writer_number(writer, end);
    mm_writer_text(writer, "]}");
}

static void write_header(mm_writer *writer, const mm_wire_item *items, const size_t *bytes, size_t count,
                         const mm_wire_meta *meta, size_t meta_count)
{
    size_t at = 0;

    mm_writer_u64(writer, 0); /* the length, put in when it is known */
    mm_writer_text(writer, "{");
    if (meta_count > 0)
        write_meta(writer, meta, meta_count);
    for (size_t i = 0; i < count; i++) {
        mm_writer_text(writer, i > 0 || meta_count > 0 ? "," : "");
        write_item(writer, &items[i], at, at + bytes[i]);
        at += bytes[i];
    }
    mm_writer_text(writer, "}");
    while (writer->size % 8 != 0 && !mm_writer_failed(writer)) /* the data begin at a multiple of 8 */
        mm_writer_text(writer, " ");
}

static mm_wire_status writer_fault(const mm_writer *writer, mm_problem *problem)
{
    if (writer->not_utf8)
        return mm_fault(MM_WIRE_BAD_FILE, problem, NULL, "a name or metadata text is not UTF-8");
    return mm_fault(MM_WIRE_NO_MEMORY, problem, NULL, "out of memory");
}

mm_wire_status mm_wire_write(unsigned char **bytes, size_t *size, const mm_wire_item *items, size_t count,
                             const mm_wire_meta *meta, size_t meta_count, mm_problem *problem)
{
    size_t each[MM_WIRE_MAX_TENSORS] = {0};
    size_t total = 0;
    size_t header;
    mm_writer writer = {0};
    mm_wire_status status = MM_WIRE_OK;

    if (count > MM_WIRE_MAX_TENSORS)
        return mm_fault(MM_WIRE_BAD_FILE, problem, NULL, "more than %d tensors", MM_WIRE_MAX_TENSORS);
    for (size_t i = 0; i < count && status == MM_WIRE_OK; i++) {
        status = check_item(items, i, &each[i], problem);
        if (status == MM_WIRE_OK && each[i] > PTRDIFF_MAX / 2 - total)
            status = mm_fault(MM_WIRE_TOO_LARGE, problem, NULL, "the tensors are larger than any file");
        total += status == MM_WIRE_OK ? each[i] : 0;
    }
    if (status == MM_WIRE_OK)
        status = check_meta(meta, meta_count, problem);
    if (status != MM_WIRE_OK)
        goto done;
    write_header(&writer, items, each, count, meta, meta_count);
    header = writer.size;
    if (header - LENGTH_BYTES > MM_WIRE_MAX_HEADER && !mm_writer_failed(&writer)) {
        status = mm_fault(MM_WIRE_BAD_FILE, problem, NULL, "the header is longer than %zu bytes", MM_WIRE_MAX_HEADER);
        goto done;
    }
    mm_writer_reserve(&writer, total);
    if (mm_writer_failed(&writer)) {
        status = writer_fault(&writer, problem);
        goto done;
    }
    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        writer.bytes[i] = (unsigned char)((header - LENGTH_BYTES) >> (8 * i));
    for (size_t i = 0; i < count; i++)
        mm_writer_bytes(&writer, items[i].tensor.data, each[i]);
    *bytes = writer.bytes;
    *size = writer.size;
    writer.bytes = NULL;
done:
    free(writer.bytes);
    return status;
}
