/*
 * target.h - what the fuzz targets share.
 *
 * Each fuzz_NAME.c has one LLVMFuzzerTestOneInput().  libFuzzer brings the main() that makes inputs up; replay.c one
 * that only runs the files it is given, for compilers and tools that libFuzzer does not go with.
 */
#ifndef MM_FUZZ_TARGET_H
#define MM_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libFuzzer's own mutator, and the hook for one that knows the format. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* What must hold for every input: if it does not, the process ends as by a crash. */
void demand(int holds);

#define FUZZ_BLOCKS 3

/* Copies the bytes to one of FUZZ_BLOCKS static blocks, of which the address sanitizer then allows these bytes alone:
 * as a block from malloc() of that size, a hundred times as fast.  Larger inputs are cut. */
const uint8_t *fuzz_block(unsigned which, const uint8_t *data, size_t *size);
/* Nothing of it may be touched until it is filled again. */
void fuzz_forget(unsigned which);

/* The input as a NUL-terminated text, up to its first NUL; free(). */
char *fuzz_text(const uint8_t *data, size_t size);

/* Is it UTF-8 (by RFC 3629) without control characters, C1 included?  Written apart from the server's own check. */
int fuzz_is_clean(const char *text);

/* Bytes that were allocated since fuzz_count_bytes(); 0 without the address sanitizer. */
void fuzz_count_bytes(void);
size_t fuzz_counted_bytes(void);

/* A number that depends on every byte: for choices that no byte of the input should stand for. */
uint64_t fuzz_hash(const uint8_t *data, size_t size);

#endif
