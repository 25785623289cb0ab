#!/usr/bin/env python3
"""Writes the test vectors of this folder and index.tsv, which says what a reader must make of each.

    make_vectors.py          all but stock_*; needs Python alone
    make_vectors.py stock    stock_* as well; needs the packages numpy and safetensors

Every bad file breaks one rule of ../FORMAT.md.  Columns of index.tsv, separated by tabs:
file, coding (identity, gzip, zstd), outcome (ok, bad_file, bad_tensor), tensor that the error names or -,
for ok the tensors in order of the header, else words of the error's text, and the rule.
"""
import pathlib
import struct
import sys
import zlib

FOLDER = pathlib.Path(__file__).resolve().parent
rows = []

PRED = '"pred":{"dtype":"F32","shape":[1,2,2],"data_offsets":[0,16]}'
LABEL = '"label":{"dtype":"U8","shape":[1,2],"data_offsets":[16,18]}'
BOTH = "{" + PRED + "," + LABEL + "}"
DATA = struct.pack("<4f", 0.25, 0.5, 0.75, 0.5) + bytes([1, 0])
LISTED = "pred:F32[1,2,2] label:U8[1,2]"


def wrap(header, data=DATA, length=None):
    """Length, header, data."""
    if isinstance(header, str):
        header = header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def put(name, content, outcome, words, rule, tensor="-", coding="identity"):
    name += {"identity": ".safetensors", "gzip": ".safetensors.gz", "zstd": ".safetensors.zst"}[coding]
    if content is not None:
        (FOLDER / name).write_bytes(content)
    rows.append((name, coding, outcome, tensor, words, rule))


def good(name, header, listed=LISTED, rule="", data=DATA):
    put("good_" + name, wrap(header, data), "ok", listed, rule)


def bad(name, header, words, rule, data=DATA, length=None, tensor="-"):
    put("bad_" + name, wrap(header, data, length), "bad_file", words, rule, tensor)


def tensor(dtype="F32", shape="[1,2,2]", offsets="[0,16]", name="pred"):
    return '"%s":{"dtype":"%s","shape":%s,"data_offsets":%s}' % (name, dtype, shape, offsets)


# ------------------------------------------------------------------- good files
def good_files():
    good("minimal", BOTH, rule="no padding, no metadata")
    good("padded", BOTH + " " * 7, rule="spaces after the closing brace")
    good("empty", "{}", "", "no tensor at all is a sound file", b"")
    good("blanks", "{ \n\t" + PRED.replace(":", " : ").replace(",", "\r, ") + " , " + LABEL + " } ",
         rule="white space between the parts of the header")
    good("key_order", '{"pred":{"data_offsets":[0,16],"shape":[1,2,2],"dtype":"F32"},' + LABEL + "}",
         rule="dtype, shape and data_offsets in any order")
    good("offset_order", "{" + tensor("U8", "[1,2]", "[16,18]", "label") + "," + PRED + "}",
         "label:U8[1,2] pred:F32[1,2,2]", "the header's order need not be that of the data")
    good("metadata", '{"__metadata__":{"maskmeter.run":"unet","format":"pt"},' + PRED + "," + LABEL + "}",
         rule="texts under __metadata__")
    good("escapes", '{"__metadata__":{"\\u006d\\u00fc\\ud83d\\ude00":"\\"\\\\\\/\\b\\f\\n\\r\\t"},"p\\u0072ed"'
         + PRED[6:] + "," + LABEL + "}", rule="escapes, a surrogate pair among them")
    good("utf8", "{" + tensor("U8", "[18]", "[0,18]", "Größe 😀") + "}", "Größe 😀:U8[18]", "any UTF-8 name")
    good("scalar", "{" + tensor("F64", "[]", "[0,8]", "x") + "}", "x:F64[]", "rank 0 is one element", bytes(8))
    good("no_elements", "{" + tensor("F32", "[0,3]", "[16,16]", "none") + "," + PRED + "}",
         "none:F32[0,3] pred:F32[1,2,2]", "a tensor without elements lies where another ends", DATA[:16])
    good("unaligned", "{" + tensor("U8", "[1]", "[0,1]", "a") + "," + tensor("F64", "[1]", "[1,9]", "b") + "}",
         "a:U8[1] b:F64[1]", "data need not be aligned", bytes(9))
    at, parts, listed = 0, [], []
    for dtype, size in (("F64", 8), ("I64", 8), ("U64", 8), ("F32", 4), ("I32", 4), ("U32", 4), ("F16", 2),
                        ("BF16", 2), ("I16", 2), ("U16", 2), ("I8", 1), ("U8", 1), ("BOOL", 1)):
        parts.append(tensor(dtype, "[2]", "[%d,%d]" % (at, at + 2 * size), dtype))
        listed.append(dtype + ":" + dtype + "[2]")
        at += 2 * size
    good("dtypes", "{" + ",".join(parts) + "}", " ".join(listed), "every dtype", bytes(at))


# ------------------------------------------------------------------------ length
def bad_lengths():
    put("bad_nothing", b"", "bad_file", "empty", "a file has a length, a header, and data")
    put("bad_seven_bytes", bytes([2, 0, 0, 0, 0, 0, 0]), "bad_file", "ends inside", "the length is 8 bytes")
    bad("length_zero", BOTH, "length is 0", "the header length is not 0", length=0)
    bad("length_over_limit", BOTH, "at most 65536", "the header length is at most 64 KiB", length=65537)
    bad("length_huge", BOTH, "at most 65536", "the header length is at most 64 KiB", length=2**64 - 1)
    bad("length_past_end", BOTH, "ends inside", "the header is whole", b"", len(BOTH) + 1)
    bad("length_short", BOTH, "closing bracket was expected", "the length is the header's", length=len(BOTH) - 1)


# ----------------------------------------------------------------------- grammar
def bad_grammar():
    expected = "was expected"
    bad("not_json", "pred,label", "must begin with {", "the header is a JSON object")
    bad("array", "[]", "must begin with {", "the header is a JSON object", b"")
    bad("leading_blank", " " + BOTH, "must begin with {", "the header begins with {")
    bad("byte_order_mark", b"\xef\xbb\xbf" + BOTH.encode(), "must begin with {", "the header begins with {")
    bad("trailing_garbage", BOTH + "x", "only spaces", "only spaces follow the closing brace")
    bad("trailing_newline", BOTH + "\n", "only spaces", "only spaces follow the closing brace")
    bad("trailing_nul", BOTH + "\0", "only spaces", "only spaces follow the closing brace")
    bad("second_object", BOTH + "{}", "only spaces", "only spaces follow the closing brace")
    bad("trailing_comma", BOTH[:-1] + ",}", "a string was expected", "no comma before a closing bracket")
    bad("no_comma", "{" + PRED + LABEL + "}", expected, "members are separated by commas", tensor="-")
    bad("no_colon", BOTH.replace(":", "", 1), "a colon was expected", "a colon after a key", tensor="pred")
    bad("comment", BOTH.replace("{", "{/**/", 1), expected, "JSON has no comments")
    bad("single_quotes", BOTH.replace('"', "'"), expected, "strings stand in double quotes")
    bad("nested", "[" * 5000 + "]" * 5000, "must begin with {", "three levels and no more", b"")
    bad("nested_object", '{"pred":' + '{"dtype":' * 5000 + "}" * 5001, "a string was expected",
        "three levels and no more", b"", tensor="pred")
    bad("tensor_not_object", '{"pred":[1,2]}', "must be an object", "a tensor is an object", tensor="pred")
    bad("tensor_null", '{"pred":null}', "must be an object", "a tensor is an object", tensor="pred")


# ----------------------------------------------------------------------- strings
def bad_strings():
    def name(text, words, rule, file):
        data = b'{"' + text + b'":{"dtype":"U8","shape":[18],"data_offsets":[0,18]}}'
        bad("name_" + file, data, words, rule)
    name(b"a\0b", "raw control", "no raw control bytes", "raw_nul")
    name(b"a\nb", "raw control", "no raw control bytes", "raw_newline")
    name(b"pred\\u0000x", "NUL", "no NUL, not even as an escape", "escaped_nul")
    name(b"\\ud800", "surrogate", "surrogates come in pairs", "high_surrogate")
    name(b"\\udc00", "surrogate", "surrogates come in pairs", "low_surrogate")
    name(b"\\ud800\\u0041", "surrogate", "surrogates come in pairs", "broken_pair")
    name(b"\\x41", "unknown escape", "only the escapes of JSON", "unknown_escape")
    name(b"\\u12g4", "hexadecimal", "four digits after \\u", "bad_hex")
    name(b"\xc0\xaf", "UTF-8", "no overlong UTF-8", "overlong")
    name(b"\xed\xa0\x80", "UTF-8", "no surrogates in UTF-8", "utf8_surrogate")
    name(b"\xf4\x90\x80\x80", "UTF-8", "nothing above U+10FFFF", "above_unicode")
    name(b"\xe2\x82", "UTF-8", "no half characters", "half_character")
    name(b"\xff", "UTF-8", "no bytes that UTF-8 does not know", "byte_ff")
    name(b"n" * 257, "longer than 256", "a name has at most 256 bytes", "too_long")
    bad("unclosed_string", '{"pred', "does not end", "a string ends", b"")


# ----------------------------------------------------------------------- numbers
def bad_numbers():
    for file, number, words in (("negative", "-1", "negative"), ("minus_zero", "-0", "negative"),
                                ("fraction", "1.0", "fraction"), ("exponent", "1e0", "exponent"),
                                ("leading_zero", "01", "leading zero"), ("plus", "+1", "whole number"),
                                ("overflow", "18446744073709551616", "64 bits"), ("string", '"1"', "whole number"),
                                ("hexadecimal", "0x1", "closing bracket"), ("nan", "NaN", "whole number"),
                                ("nothing", "", "closing bracket")):
        shape = "[%s,2,2]" % number if number else "[1 2,2]"
        bad("number_" + file, "{" + tensor(shape=shape) + "," + LABEL + "}", words,
            "numbers are whole, in 0 … 2^64-1, in their shortest spelling", tensor="pred")


# ---------------------------------------------------------------- tensor objects
def bad_objects():
    twice = "a key appears twice"
    bad("duplicate_tensor", "{" + tensor("U8", "[1]", "[0,1]") + "," + tensor("U8", "[1]", "[1,2]") + "}",
        "name appears twice", "a name appears once", bytes(2), tensor="pred")
    bad("duplicate_by_escape", "{" + tensor("U8", "[1]", "[0,1]") + ","
        + tensor("U8", "[1]", "[1,2]", "\\u0070red") + "}", "name appears twice",
        "a name appears once, whatever its spelling", bytes(2), tensor="pred")
    bad("duplicate_dtype", BOTH.replace('"dtype":"F32"', '"dtype":"F32","dtype":"F32"'), twice,
        "dtype, shape, data_offsets appear once", tensor="pred")
    bad("duplicate_dtype_by_escape", BOTH.replace('"dtype":"F32"', '"dtype":"F32","d\\u0074ype":"F32"'), twice,
        "dtype, shape, data_offsets appear once, whatever their spelling", tensor="pred")
    bad("unknown_key", BOTH.replace('"dtype":"F32"', '"dtype":"F32","x":1'), "has only",
        "a tensor has dtype, shape, data_offsets and nothing else", tensor="pred")
    bad("key_case", BOTH.replace('"dtype"', '"DType"', 1), "has only", "keys are in lower case", tensor="pred")
    for key, text in (("dtype", '"dtype":"F32",'), ("shape", '"shape":[1,2,2],'), ("data_offsets", ',"data_offsets":[0,16]')):
        bad("missing_" + key, BOTH.replace(text, "", 1), "lacks", "a tensor has dtype, shape and data_offsets",
            tensor="pred")
    bad("dtype_number", BOTH.replace('"F32"', "32", 1), "a string was expected", "dtype is a string", tensor="pred")
    bad("shape_object", BOTH.replace("[1,2,2]", "{}", 1), "shape must be", "shape is an array", tensor="pred")
    bad("shape_nested", BOTH.replace("[1,2,2]", "[[1],2,2]", 1), "whole number", "shape holds numbers", tensor="pred")
    bad("offsets_one", BOTH.replace("[0,16]", "[16]", 1), "two numbers", "data_offsets are two", tensor="pred")
    bad("offsets_three", BOTH.replace("[0,16]", "[0,16,16]", 1), "two numbers", "data_offsets are two", tensor="pred")
    bad("offsets_reversed", BOTH.replace("[0,16]", "[16,0]", 1), "ends before", "begin is at most end", tensor="pred")
    many = ",".join(tensor("U8", "[1]", "[%d,%d]" % (i, i + 1), "t%d" % i) for i in range(65))
    bad("too_many_tensors", "{" + many + "}", "more than 64", "at most 64 tensors", bytes(65), tensor="t64")


def bad_metadata():
    def meta(file, text, words, rule, before="", after=""):
        bad("metadata_" + file, "{" + before + '"__metadata__":' + text + "," + PRED + "," + LABEL + after + "}", words,
            rule)
    meta("array", "[]", "must be an object", "__metadata__ is an object")
    meta("null", "null", "must be an object", "__metadata__ is an object")
    meta("number", '{"epoch":3}', "a string was expected", "metadata values are strings")
    meta("nested", '{"a":{"b":"c"}}', "a string was expected", "metadata values are strings")
    meta("nul", '{"a":"x\\u0000"}', "NUL", "metadata hold no NUL")
    meta("long_key", '{"%s":"x"}' % ("k" * 257), "longer than 256", "a metadata key has at most 256 bytes")
    meta("duplicate", '{"a":"1","b":"2","a":"3"}', "key twice", "a metadata key appears once")
    meta("duplicate_by_escape", '{"a":"1","\\u0061":"2"}', "key twice",
         "a metadata key appears once, whatever its spelling")
    meta("twice", "{}", "__metadata__ appears twice", "__metadata__ appears once", after=',"__metadata\\u005f_":{}')


# -------------------------------------------------------------------- layout
def bad_layout():
    def two(first, second, file, words, rule, who, data=DATA):
        bad("layout_" + file, "{" + tensor("U8", *first, "a") + "," + tensor("U8", *second, "b") + "}", words, rule, data,
            tensor=who)
    two(("[8]", "[0,8]"), ("[12]", "[6,18]"), "overlap", "overlap", "tensors do not overlap", "b")
    two(("[8]", "[0,8]"), ("[8]", "[10,18]"), "hole", "hole", "tensors leave no hole", "b")
    two(("[8]", "[1,9]"), ("[9]", "[9,18]"), "start", "hole", "the first tensor begins at 0", "a")
    two(("[9]", "[0,9]"), ("[9]", "[0,9]"), "shared", "overlap", "tensors do not share bytes", "b", bytes(9))
    two(("[18]", "[0,18]"), ("[0]", "[9,9]"), "empty_inside", "overlap",
        "a tensor without elements lies between others", "b")
    two(("[18]", "[0,18]"), ("[0]", "[99,99]"), "empty_outside", "hole",
        "a tensor without elements lies within the data", "b")
    size = "do not enclose"
    bad("size_small", "{" + tensor("F32", "[4]", "[0,15]") + "}", size, "end - begin is what shape and dtype say", DATA[:15],
        tensor="pred")
    bad("size_large", "{" + tensor("F32", "[4]", "[0,17]") + "}", size, "end - begin is what shape and dtype say", DATA[:17],
        tensor="pred")
    bad("size_zero_shape", "{" + tensor("F32", "[0]", "[0,16]") + "}", size,
        "a tensor without elements has no bytes", DATA[:16], tensor="pred")
    bad("size_wraps", "{" + tensor("U8", "[4294967296,4294967296]", "[0,0]") + "}", "64 bits",
        "the number of elements fits 64 bits", b"", tensor="pred")
    bad("size_bytes_wrap", "{" + tensor("F64", "[2305843009213693952]", "[0,0]") + "}", "64 bits",
        "the number of bytes fits 64 bits", b"", tensor="pred")
    bad("size_wraps_with_zero", "{" + tensor("U8", "[0,4294967296,4294967296]", "[0,0]") + "}", "64 bits",
        "a dimension of 0 excuses no overflow", b"", tensor="pred")
    bad("end_beyond_any_file", "{" + tensor("U8", "[18446744073709551615]", "[0,18446744073709551615]") + "}",
        "any file's end", "the file's size fits 63 bits", b"")
    bad("tail", BOTH, "more follow", "the file ends where the last tensor does", DATA + b"\0")
    bad("truncated_data", BOTH, "only", "the file ends where the last tensor does", DATA[:-1])


def bad_tensors():
    def odd(file, words, rule, **how):
        put("bad_" + file, wrap("{" + tensor(**how) + "," + LABEL + "}"), "bad_tensor", words, rule, "pred")
    odd("dtype_f8", "dtype F8_E4M3", "dtypes without whole bytes or of other formats are not read", dtype="F8_E4M3")
    odd("dtype_complex", "dtype C64", "dtypes of other formats are not read", dtype="C64")
    odd("dtype_lower_case", "dtype f32", "dtypes are in upper case", dtype="f32")
    odd("dtype_empty", "unknown dtype", "a dtype is one of the thirteen words", dtype="")
    odd("rank_6", "rank 6", "at most 5 axes", shape="[1,1,1,1,2,2]")
    bad("dtype_unknown_and_hole", "{" + tensor("F8_E5M2", "[4]", "[0,4]", "a") + "," + tensor("U8", "[4]", "[5,9]", "b")
        + "}", "hole", "a fault of the structure comes before one of a tensor", bytes(9), tensor="b")


# ---------------------------------------------------------------- content codings
def member(data, level=9):
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def frame(data, checksum=b"", descriptor=0, window=b"\x00", extra=b""):
    """A zstd frame of one raw block."""
    descriptor |= 4 if checksum else 0
    block = struct.pack("<I", len(data) << 3 | 1)[:3] + data
    return b"\x28\xb5\x2f\xfd" + bytes([descriptor]) + window + extra + block + checksum


def codings():
    whole = wrap(BOTH)

    def coded(file, coding, content, words, rule, outcome="bad_file"):
        put(("good_" if outcome == "ok" else "bad_") + file, content, outcome, words, rule, coding=coding)
    packed = member(whole)
    coded("gzip", "gzip", packed, LISTED, "a gzip body", "ok")
    coded("gzip_members", "gzip", member(whole[:50]) + member(b"") + member(whole[50:]), LISTED,
          "members are joined", "ok")
    coded("gzip_truncated", "gzip", packed[:-1], "not whole", "a member is whole")
    coded("gzip_trailing", "gzip", packed + b"\0", "not whole", "nothing follows the last member")
    coded("gzip_trailing_text", "gzip", packed + b"tail", "no further member", "nothing follows the last member")
    coded("gzip_checksum", "gzip", packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:], "data check",
          "the checksum is right")
    coded("gzip_length", "gzip", packed[:-1] + bytes([packed[-1] ^ 1]), "length check", "the length is right")
    coded("gzip_zlib", "gzip", zlib.compress(whole), "header", "zlib's own format is not gzip")
    coded("gzip_plain", "gzip", whole, "header", "what is named gzip is gzip")
    coded("gzip_empty", "gzip", b"", "empty", "there is at least one member")
    packed = frame(whole)
    coded("zstd", "zstd", packed, LISTED, "a zstd body", "ok")
    coded("zstd_frames", "zstd", frame(whole[:50]) + frame(b"") + frame(whole[50:]), LISTED, "frames are joined", "ok")
    coded("zstd_skippable", "zstd", b"\x5f\x2a\x4d\x18" + struct.pack("<I", 3) + b"abc" + packed, LISTED,
          "skippable frames are passed over", "ok")
    coded("zstd_window_8_mib", "zstd", frame(whole, window=bytes([13 << 3])), LISTED, "a window of 8 MiB is allowed", "ok")
    coded("zstd_window_over_8_mib", "zstd", frame(whole, window=bytes([13 << 3 | 1])), "window",
          "the window is at most 8 MiB")
    coded("zstd_dictionary", "zstd", frame(whole, descriptor=1, extra=b"\x07"), "dictionary", "no dictionary")
    coded("zstd_frame_in_header", "zstd", bytes.fromhex("28b52ffd552a4d18050000000000000300"), "dictionary",
          "a frame is one, whatever the chunks that it comes in")
    coded("zstd_truncated", "zstd", packed[:-1], "not whole", "a frame is whole")
    coded("zstd_trailing", "zstd", packed + b"\0", "not whole", "nothing follows the last frame")
    coded("zstd_trailing_text", "zstd", packed + b"tail", "no further frame", "nothing follows the last frame")
    coded("zstd_checksum", "zstd", frame(whole, b"\1\2\3\4"), "checksum", "the checksum is right")
    coded("zstd_reserved_bit", "zstd", frame(whole, descriptor=8), "damaged", "reserved bits are 0")
    coded("zstd_old_format", "zstd", b"\x27\xb5\x2f\xfd" + packed[4:], "not a zstd", "formats before RFC 8878 are not read")
    coded("zstd_plain", "zstd", whole, "not a zstd", "what is named zstd is zstd")
    coded("zstd_empty", "zstd", b"", "empty", "there is at least one frame")


# ------------------------------------------------------------- the stock writer
def stock(write):
    listed = "pred:F32[2,3,4] label:U8[2,4] mask:BOOL[2,4]"
    if write:
        import numpy
        from safetensors.numpy import save
        tensors = {"label": numpy.arange(8, dtype=numpy.uint8).reshape(2, 4),
                   "mask": (numpy.arange(8) % 3 == 0).reshape(2, 4),
                   "pred": (numpy.arange(24, dtype=numpy.float32) / 32).reshape(2, 3, 4)}
        (FOLDER / "stock_numpy.safetensors").write_bytes(save(tensors))
        (FOLDER / "stock_metadata.safetensors").write_bytes(save(tensors, {"maskmeter.run": 'ü "quoted"\n\x01😀'}))
        (FOLDER / "stock_empty.safetensors").write_bytes(save({}))
        (FOLDER / "stock_no_elements.safetensors").write_bytes(save({"none": numpy.zeros((0, 3), numpy.float32), **tensors}))
    put("stock_numpy", None, "ok", listed, "written by safetensors.numpy.save")
    put("stock_metadata", None, "ok", listed, "written by safetensors.numpy.save with metadata")
    put("stock_empty", None, "ok", "", "written by safetensors.numpy.save without tensors")
    put("stock_no_elements", None, "ok", "none:F32[0,3] " + listed, "written by safetensors.numpy.save with an axis of 0")


def main():
    for make in (good_files, bad_lengths, bad_grammar, bad_strings, bad_numbers, bad_objects, bad_metadata, bad_layout,
                 bad_tensors, codings):
        make()
    stock(sys.argv[1:] == ["stock"])
    with open(FOLDER / "index.tsv", "w", encoding="utf-8") as index:
        index.write("file\tcoding\toutcome\ttensor\ttensors or words of the error\trule\n")
        for row in rows:
            index.write("\t".join(row) + "\n")


if __name__ == "__main__":
    main()
