"""openapi_json.py - prints openapi.yaml as a C file that holds the same document as JSON (declared in wire.h).

Usage: openapi_json.py openapi.yaml > openapi_json.c
"""
import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    text = json.dumps(yaml.safe_load(file), separators=(",", ":")).encode()
print('#include "proto/wire.h"')
print("const size_t mm_openapi_json_size = %d;" % len(text))
print("const char mm_openapi_json[] = {")
for at in range(0, len(text), 32):
    print("".join("%d," % byte for byte in text[at : at + 32]))
print("0};")
