/*
 * test_coding.c - gzip and zstd bodies, packed by the stock libraries: any chunks, any room, bombs, damage.
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "tests/wire_tools.h"

#define PLAIN_SIZE 3000

static unsigned char plain[PLAIN_SIZE];

/* Text that can be packed, but not to nothing. */
static void fill_plain(void)
{
    uint64_t random = 3;

    for (size_t i = 0; i < PLAIN_SIZE; i++)
        plain[i] = i >= 40 && wire_random(&random) % 4 > 0 ? plain[i - 40] : (unsigned char)wire_random(&random);
}

static wire_bytes pack_gzip(const void *data, size_t size)
{
    z_stream stream = {0};
    wire_bytes packed = {malloc(size + 1000), 0};

    CU_ASSERT_PTR_NOT_NULL_FATAL(packed.data);
    CU_ASSERT_EQUAL_FATAL(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = data;
    stream.avail_in = (uInt)size;
    stream.next_out = packed.data;
    stream.avail_out = (uInt)size + 1000;
    CU_ASSERT_EQUAL_FATAL(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed.size = stream.total_out;
    deflateEnd(&stream);
    return packed;
}

/* window_log and long_range 0: as the level has them. */
static wire_bytes pack_zstd(const void *data, size_t size, int level, int checksum, int window_log)
{
    const size_t room = ZSTD_compressBound(size);
    wire_bytes packed = {malloc(room), 0};
    ZSTD_CCtx *context = ZSTD_createCCtx();

    CU_ASSERT_FATAL(packed.data != NULL && context != NULL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    packed.size = ZSTD_compress2(context, packed.data, room, data, size);
    CU_ASSERT_FATAL(!ZSTD_isError(packed.size));
    ZSTD_freeCCtx(context);
    return packed;
}

static wire_bytes pack(const char *name, const void *data, size_t size)
{
    return strcmp(name, "gzip") == 0 ? pack_gzip(data, size) : pack_zstd(data, size, 3, 1, 0);
}

static wire_bytes join(const wire_bytes *left, const void *right, size_t size)
{
    wire_bytes both = {malloc(left->size + size), left->size + size};

    CU_ASSERT_PTR_NOT_NULL_FATAL(both.data);
    for (size_t i = 0; both.data != NULL && i < both.size; i++)
        both.data[i] = i < left->size ? left->data[i] : ((const unsigned char *)right)[i - left->size];
    return both;
}

/* Decodes in pieces of at most in_step bytes, into room that grows by out_step whenever it is full, up to `limit`.
 * Input and output blocks are exactly as large as the decoder may touch. */
static mm_wire_status decode(const char *name, const unsigned char *in, size_t in_size, size_t in_step, size_t out_step,
                             size_t limit, wire_bytes *out, mm_problem *problem)
{
    mm_coding *coding = NULL;
    size_t used = 0, room = out_step < limit ? out_step : limit;
    mm_wire_status status = MM_WIRE_OK;

    *out = (wire_bytes){malloc(room > 0 ? room : 1), 0};
    CU_ASSERT_PTR_NOT_NULL_FATAL(out->data);
    CU_ASSERT_EQUAL_FATAL(mm_coding_new(&coding, name), MM_WIRE_OK);
    while (status == MM_WIRE_TOO_LARGE || (status == MM_WIRE_OK && used < in_size)) {
        const size_t left = in_size - used;
        const wire_bytes piece = wire_copy(in + used, left < in_step ? left : in_step);
        size_t taken = 0;

        CU_ASSERT_PTR_NOT_NULL_FATAL(piece.data);
        if (status == MM_WIRE_TOO_LARGE && room == limit) {
            free(piece.data);
            break;
        }
        if (status == MM_WIRE_TOO_LARGE) {
            room = out_step < limit - room ? room + out_step : limit;
            out->data = realloc(out->data, room);
            CU_ASSERT_PTR_NOT_NULL_FATAL(out->data);
        }
        status = mm_coding_feed(coding, piece.data, piece.size, &taken, out->data, room, &out->size, problem);
        CU_ASSERT(taken <= piece.size);
        CU_ASSERT(out->size <= room);
        CU_ASSERT(status != MM_WIRE_OK || taken == piece.size);
        used += taken;
        free(piece.data);
    }
    if (status == MM_WIRE_OK)
        status = mm_coding_end(coding, problem);
    mm_coding_free(coding);
    return status;
}

/* Decodes in one step with plenty of room; the status, and whether the output is `expected`. */
static mm_wire_status decode_all(const char *name, const wire_bytes *in, const void *expected, size_t expected_size,
                                 mm_problem *problem)
{
    const mm_problem none = {0};
    wire_bytes out;
    mm_wire_status status;

    *problem = none;
    status = decode(name, in->data, in->size, in->size + 1, 1 << 20, 1 << 20, &out, problem);
    if (status == MM_WIRE_OK) {
        CU_ASSERT_EQUAL(out.size, expected_size);
        CU_ASSERT(out.size != expected_size || expected_size == 0 || memcmp(out.data, expected, expected_size) == 0);
    } else {
        CU_ASSERT_STRING_NOT_EQUAL(problem->text, "");
    }
    free(out.data);
    return status;
}

static const char *const names[] = {"gzip", "zstd"};

static void test_names(void)
{
    mm_coding *coding = NULL;

    CU_ASSERT(mm_coding_known("gzip") && mm_coding_known("x-gzip") && mm_coding_known("zstd"));
    CU_ASSERT(mm_coding_known("GZip") && mm_coding_known("ZSTD"));
    CU_ASSERT(!mm_coding_known("") && !mm_coding_known("gzi") && !mm_coding_known("gzip ") && !mm_coding_known("br"));
    CU_ASSERT_EQUAL(mm_coding_new(&coding, "br"), MM_WIRE_BAD_FILE);
    CU_ASSERT_PTR_NULL(coding);
    CU_ASSERT_EQUAL(mm_coding_memory("br"), 0);
    CU_ASSERT_STRING_EQUAL(mm_coding_names(), "gzip, zstd");
    mm_coding_free(NULL);
}

/* The same bytes, whatever the pieces of input and of room. */
static void test_chunks(void)
{
    static const size_t steps[] = {1, 2, 7, 100, PLAIN_SIZE, PLAIN_SIZE + 1};

    fill_plain();
    for (size_t n = 0; n < 2; n++) {
        const wire_bytes packed = pack(names[n], plain, PLAIN_SIZE);

        CU_ASSERT(packed.size < PLAIN_SIZE);
        for (size_t i = 0; i < 6; i++)
            for (size_t k = 0; k < 6; k++) {
                wire_bytes out;

                CU_ASSERT_EQUAL(decode(names[n], packed.data, packed.size, steps[i], steps[k], PLAIN_SIZE, &out, NULL),
                                MM_WIRE_OK);
                CU_ASSERT_EQUAL_FATAL(out.size, PLAIN_SIZE);
                CU_ASSERT_EQUAL(memcmp(out.data, plain, PLAIN_SIZE), 0);
                free(out.data);
            }
        free(packed.data);
    }
}

/* Room for all but the last byte is too small; the front is there and nothing behind it was touched. */
static void test_room(void)
{
    fill_plain();
    for (size_t n = 0; n < 2; n++) {
        const wire_bytes packed = pack(names[n], plain, PLAIN_SIZE);

        for (size_t room = 0; room <= PLAIN_SIZE; room += room < 3 || room >= PLAIN_SIZE - 3 ? 1 : 331) {
            wire_bytes out;
            mm_wire_status status =
                decode(names[n], packed.data, packed.size, packed.size, room > 0 ? room : 1, room, &out, NULL);

            CU_ASSERT_EQUAL(status, room < PLAIN_SIZE ? MM_WIRE_TOO_LARGE : MM_WIRE_OK);
            CU_ASSERT_EQUAL(out.size, room);
            CU_ASSERT(room == 0 || memcmp(out.data, plain, room) == 0);
            free(out.data);
        }
        free(packed.data);
    }
}

/* An end that comes before all output was taken is not taken for a whole body. */
static void test_end_before_output(void)
{
    for (size_t n = 0; n < 2; n++) {
        const wire_bytes packed = pack(names[n], "abc", 3);
        mm_coding *coding = NULL;
        unsigned char out[3];
        size_t used = 0, filled = 0;

        CU_ASSERT_EQUAL_FATAL(mm_coding_new(&coding, names[n]), MM_WIRE_OK);
        CU_ASSERT_EQUAL(mm_coding_feed(coding, packed.data, packed.size, &used, out, 2, &filled, NULL),
                        MM_WIRE_TOO_LARGE);
        CU_ASSERT_EQUAL(mm_coding_end(coding, NULL), MM_WIRE_TOO_LARGE);
        CU_ASSERT_EQUAL(mm_coding_feed(coding, packed.data + used, packed.size - used, &used, out, 3, &filled, NULL),
                        MM_WIRE_OK);
        CU_ASSERT_EQUAL(filled, 3);
        for (int i = 0; i < 40; i++) /* nothing more comes, however often one asks */
            CU_ASSERT_EQUAL(mm_coding_feed(coding, NULL, 0, &used, out, 3, &filled, NULL), MM_WIRE_OK);
        CU_ASSERT_EQUAL(mm_coding_end(coding, NULL), MM_WIRE_OK);
        CU_ASSERT_EQUAL(memcmp(out, "abc", 3), 0);
        mm_coding_free(coding);
        free(packed.data);
    }
}

static void test_truncated(void)
{
    mm_problem problem;

    fill_plain();
    for (size_t n = 0; n < 2; n++) {
        const wire_bytes packed = pack(names[n], plain, 200);

        for (size_t size = 0; size < packed.size; size++) {
            const wire_bytes front = {packed.data, size};

            CU_ASSERT_EQUAL(decode_all(names[n], &front, NULL, 0, &problem), MM_WIRE_BAD_FILE);
        }
        CU_ASSERT_EQUAL(decode_all(names[n], &packed, plain, 200, &problem), MM_WIRE_OK);
        free(packed.data);
    }
}

/* Each bit turned: an error, or the same bytes (a bit that says nothing), but never other bytes. */
static void test_damaged(void)
{
    mm_problem problem;
    unsigned same = 0;

    fill_plain();
    for (size_t n = 0; n < 2; n++) {
        const wire_bytes packed = pack(names[n], plain, 150);

        for (size_t bit = 0; bit < 8 * packed.size; bit++) {
            packed.data[bit / 8] ^= (unsigned char)(1U << bit % 8);
            same += decode_all(names[n], &packed, plain, 150, &problem) == MM_WIRE_OK;
            packed.data[bit / 8] ^= (unsigned char)(1U << bit % 8);
        }
        free(packed.data);
    }
    CU_ASSERT(same < 100); /* gzip: time, system, level */
}

/* Members and frames one after the other, empty ones too; truncated at every byte it is whole only between them. */
static void test_members(void)
{
    mm_problem problem;

    fill_plain();
    for (size_t n = 0; n < 2; n++) {
        const wire_bytes first = pack(names[n], plain, 60), none = pack(names[n], "", 0);
        const wire_bytes last = pack(names[n], plain + 60, 90);
        const wire_bytes two = join(&first, none.data, none.size), all = join(&two, last.data, last.size);

        for (size_t size = 0; size <= all.size; size++) {
            const wire_bytes front = {all.data, size};
            const int whole = size == first.size || size == two.size || size == all.size;

            CU_ASSERT_EQUAL(decode_all(names[n], &front, plain, size == all.size ? 150 : 60, &problem),
                            whole ? MM_WIRE_OK : MM_WIRE_BAD_FILE);
        }
        free(first.data);
        free(none.data);
        free(last.data);
        free(two.data);
        free(all.data);
    }
}

static void test_trailing(void)
{
    static const char *const tails[] = {"\n", "garbage", "\x1f", "\x28\xb5\x2f", "\x1f\x8b\x07"};
    mm_problem problem;

    fill_plain();
    for (size_t n = 0; n < 2; n++) {
        const wire_bytes packed = pack(names[n], plain, 60);
        const wire_bytes other = pack(names[1 - n], plain, 60);
        wire_bytes both = join(&packed, other.data, other.size);

        CU_ASSERT_EQUAL(decode_all(names[n], &both, plain, 60, &problem), MM_WIRE_BAD_FILE);
        CU_ASSERT(wire_says(problem.text, "bytes follow"));
        CU_ASSERT_EQUAL(decode_all(names[n], &other, plain, 60, &problem), MM_WIRE_BAD_FILE);
        CU_ASSERT(!wire_says(problem.text, "bytes follow"));
        free(both.data);
        for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
            both = join(&packed, tails[i], strlen(tails[i]));
            CU_ASSERT_EQUAL(decode_all(names[n], &both, plain, 60, &problem), MM_WIRE_BAD_FILE);
            free(both.data);
        }
        both = join(&packed, "\0\0\0\0", 4);
        CU_ASSERT_EQUAL(decode_all(names[n], &both, plain, 60, &problem), MM_WIRE_BAD_FILE);
        free(both.data);
        free(packed.data);
        free(other.data);
    }
}

/* An error stays: the rest of the body changes nothing. */
static void test_final_error(void)
{
    for (size_t n = 0; n < 2; n++) {
        const wire_bytes packed = pack(names[n], "abc", 3);
        mm_coding *coding = NULL;
        mm_problem problem = {0}, again = {0};
        unsigned char out[8];
        size_t used = 0, filled = 0;

        CU_ASSERT_EQUAL_FATAL(mm_coding_new(&coding, names[n]), MM_WIRE_OK);
        CU_ASSERT_EQUAL(
            mm_coding_feed(coding, (const unsigned char *)"not packed", 10, &used, out, 8, &filled, &problem),
            MM_WIRE_BAD_FILE);
        CU_ASSERT_EQUAL(mm_coding_feed(coding, packed.data, packed.size, &used, out, 8, &filled, &again),
                        MM_WIRE_BAD_FILE);
        CU_ASSERT_STRING_EQUAL(again.text, problem.text);
        CU_ASSERT_EQUAL(mm_coding_end(coding, &again), MM_WIRE_BAD_FILE);
        CU_ASSERT_EQUAL(filled, 0);
        mm_coding_free(coding);
        free(packed.data);
    }
}

/* 64 MiB of zeros in a few KiB: the room of 1,000 bytes is filled and that is all. */
static void test_bomb(void)
{
    const size_t size = (size_t)64 << 20;
    unsigned char *zeros = calloc(size, 1);

    CU_ASSERT_PTR_NOT_NULL_FATAL(zeros);
    for (size_t n = 0; n < 2; n++) {
        const wire_bytes packed = n == 0 ? pack_gzip(zeros, size / 8) : pack_zstd(zeros, size, 3, 1, 0);
        wire_bytes out;

        CU_ASSERT(packed.size < 20000);
        CU_ASSERT_EQUAL(decode(names[n], packed.data, packed.size, packed.size, 1000, 1000, &out, NULL),
                        MM_WIRE_TOO_LARGE);
        CU_ASSERT_EQUAL(out.size, 1000);
        free(out.data);
        free(packed.data);
    }
    free(zeros);
}

/* A window of 8 MiB is read, a larger one is refused before anything is allocated for it. */
static void test_window(void)
{
    const size_t size = ((size_t)8 << 20) + 4096;
    unsigned char *data = calloc(size, 1);

    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    for (int log = 23; log <= 27; log += 2) {
        const wire_bytes packed = pack_zstd(data, size, 1, 1, log);
        mm_problem problem = {0};
        wire_bytes out;
        mm_wire_status status = decode("zstd", packed.data, packed.size, packed.size, size, size, &out, &problem);

        CU_ASSERT_EQUAL(status, log == 23 ? MM_WIRE_OK : MM_WIRE_BAD_FILE);
        CU_ASSERT_EQUAL(strstr(problem.text, "window of more than 8 MiB") == NULL, log == 23);
        free(out.data);
        free(packed.data);
    }
    free(data);
}

/* A frame that was packed with a dictionary. */
static void test_dictionary(void)
{
    static const char dictionary[] = "any text will do for a raw dictionary, as long as it is known to both sides";
    unsigned char packed[256];
    ZSTD_CCtx *context = ZSTD_createCCtx();
    wire_bytes frame = {packed, 0};
    mm_problem problem;

    CU_ASSERT_PTR_NOT_NULL_FATAL(context);
    /* A raw dictionary has no identifier, so the frame's header is given one by hand: flag 1, one byte. */
    frame.size = ZSTD_compress_usingDict(context, packed, sizeof packed - 1, dictionary, sizeof dictionary, dictionary,
                                         sizeof dictionary, 3);
    CU_ASSERT_FATAL(!ZSTD_isError(frame.size));
    memmove(packed + 6, packed + 5, frame.size - 5);
    packed[4] |= 1;
    packed[5] = 42;
    frame.size++;
    CU_ASSERT_EQUAL(decode_all("zstd", &frame, NULL, 0, &problem), MM_WIRE_BAD_FILE);
    CU_ASSERT(wire_says(problem.text, "dictionary"));
    ZSTD_freeCCtx(context);
}

/* Skippable frames are passed over, also when they come first or alone, and must be whole. */
static void test_skippable(void)
{
    static unsigned char skip[] = {0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'};
    const wire_bytes alone = {skip, sizeof skip};
    const wire_bytes packed = pack("zstd", "abc", 3);
    const wire_bytes before = join(&alone, packed.data, packed.size);
    const wire_bytes between = join(&before, before.data, before.size);
    mm_problem problem;

    CU_ASSERT_EQUAL(decode_all("zstd", &alone, "", 0, &problem), MM_WIRE_OK);
    CU_ASSERT_EQUAL(decode_all("zstd", &before, "abc", 3, &problem), MM_WIRE_OK);
    CU_ASSERT_EQUAL(decode_all("zstd", &between, "abcabc", 6, &problem), MM_WIRE_OK);
    for (size_t size = 0; size < alone.size; size++) {
        const wire_bytes front = {alone.data, size};

        CU_ASSERT_EQUAL(decode_all("zstd", &front, NULL, 0, &problem), MM_WIRE_BAD_FILE);
    }
    free(packed.data);
    free(before.data);
    free(between.data);
}

/* A frame with the rest of its header made up as a whole frame of its own: zstd 1.5.4 decodes that one when it gets the
 * first four bytes alone.  Whatever the pieces, this frame is not whole and needs a dictionary. */
static void test_frame_in_header(void)
{
    static const unsigned char frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x55, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 0, 0, 0, 0, 3, 0};

    for (size_t step = 1; step <= sizeof frame; step++) {
        mm_problem problem = {0};
        wire_bytes out;

        CU_ASSERT_EQUAL(decode("zstd", frame, sizeof frame, step, 4096, 4096, &out, &problem), MM_WIRE_BAD_FILE);
        CU_ASSERT(wire_says(problem.text, "dictionary"));
        free(out.data);
    }
}

/* What gzip's header may carry: a name, a comment, an extra field, its own checksum. */
static void test_gzip_header(void)
{
    static unsigned char extra[] = "extra", name[] = "name", comment[] = "comment";
    z_stream stream = {0};
    gz_header header = {.extra = extra, .extra_len = 5, .name = name, .comment = comment, .hcrc = 1};
    unsigned char packed[256];
    wire_bytes member = {packed, 0};
    mm_problem problem;

    CU_ASSERT_EQUAL_FATAL(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    CU_ASSERT_EQUAL(deflateSetHeader(&stream, &header), Z_OK);
    stream.next_in = (const unsigned char *)"abc";
    stream.avail_in = 3;
    stream.next_out = packed;
    stream.avail_out = sizeof packed;
    CU_ASSERT_EQUAL(deflate(&stream, Z_FINISH), Z_STREAM_END);
    member.size = stream.total_out;
    deflateEnd(&stream);
    CU_ASSERT_EQUAL(decode_all("gzip", &member, "abc", 3, &problem), MM_WIRE_OK);
    packed[14] ^= 1; /* a letter of the extra field, which the header's checksum covers */
    CU_ASSERT_EQUAL(decode_all("gzip", &member, "abc", 3, &problem), MM_WIRE_BAD_FILE);
}

/* mm_coding_memory() is no less than what the libraries say they take for the largest window. */
static void test_memory(void)
{
    const size_t size = (size_t)24 << 20;
    unsigned char *data = calloc(size, 1);
    wire_bytes packed;
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer in;
    ZSTD_outBuffer out;
    size_t most = 0;

    CU_ASSERT_FATAL(data != NULL && context != NULL);
    packed = pack_zstd(data, size, 19, 1, 23);
    in = (ZSTD_inBuffer){packed.data, 0, 0};
    out = (ZSTD_outBuffer){data, size, 0};
    while (in.pos < packed.size) {
        size_t code, now;

        in.size += in.size < packed.size; /* byte by byte, or the library takes a short cut without a window */
        code = ZSTD_decompressStream(context, &out, &in);
        now = ZSTD_sizeof_DCtx(context);
        CU_ASSERT_FATAL(!ZSTD_isError(code));
        most = now > most ? now : most;
    }
    CU_ASSERT(most > (size_t)8 << 20);
    CU_ASSERT(mm_coding_memory("zstd") >= most);
    CU_ASSERT(mm_coding_memory("zstd") < (size_t)10 << 20);
    CU_ASSERT(mm_coding_memory("gzip") >= 44 << 10);
    ZSTD_freeDCtx(context);
    free(packed.data);
    free(data);
}

static CU_TestInfo tests[] = {
    {"names", test_names},
    {"pieces of every size", test_chunks},
    {"room that is too small", test_room},
    {"an end before all output was taken", test_end_before_output},
    {"truncated at every byte", test_truncated},
    {"every bit turned", test_damaged},
    {"several members, truncated at every byte", test_members},
    {"trailing bytes", test_trailing},
    {"an error is final", test_final_error},
    {"bombs", test_bomb},
    {"zstd windows", test_window},
    {"a zstd dictionary", test_dictionary},
    {"zstd's skippable frames", test_skippable},
    {"a zstd frame in another's header", test_frame_in_header},
    {"gzip's header", test_gzip_header},
    {"memory", test_memory},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_coding = {"coding", tests};
