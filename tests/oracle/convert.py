#!/usr/bin/env python3
"""convert.py - writes the arrays of .npz files as .safetensors files, once, so that C tests can read them.

Usage: convert.py OUT_FOLDER FILE.npz...

The arrays keep their names, shapes, types and bits.  Needs NumPy.
"""

import json
import pathlib
import struct
import sys

import numpy as np

DTYPES = {"float64": "F64", "float32": "F32", "int32": "I32", "uint8": "U8"}


def safetensors(arrays):
    """The bytes of one file: widest types first, so that every tensor is aligned to its type."""
    header, blobs, offset = {}, [], 0
    for name in sorted(arrays, key=lambda key: (-arrays[key].itemsize, key)):
        blob = np.ascontiguousarray(arrays[name]).tobytes()
        header[name] = {
            "dtype": DTYPES[str(arrays[name].dtype)],
            "shape": list(arrays[name].shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(blobs)


def main(out, *files):
    for file in map(pathlib.Path, files):
        with np.load(file) as arrays:
            target = pathlib.Path(out) / (file.stem + ".safetensors")
            target.write_bytes(safetensors({key: arrays[key] for key in arrays}))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
