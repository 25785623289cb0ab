"""test_operations.py - whatever is sent to an operation of openapi.yaml, the answer is one that it declares."""

import urllib.parse

import pytest
from examples import HOSTILE, TEXT, bodies, examples
from hypothesis import given
from hypothesis import strategies as st
from support import small_file
from test_openapi import OPERATIONS, check_answer, parameters, resolve

OVERLOAD = {503, 507}


def values(schema):
    """What a parameter's schema allows."""
    schema = resolve(schema)
    if "enum" in schema:
        return st.sampled_from([str(word) for word in schema["enum"]])
    kind = schema.get("type")
    if kind == "array":
        return st.lists(values(schema.get("items", {})), max_size=4).map(",".join)
    if kind == "integer":
        return st.integers(schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1)).map(str)
    if kind == "number":
        return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False).map(repr)
    if kind == "boolean":
        return st.sampled_from(["true", "false"])
    return st.sampled_from(["kept", "val", "dice", "2026-01-01T00:00:00Z", "a"]) | TEXT


@st.composite
def requests(draw, method, path):
    """(target, body): some of the operation's parameters, now and then wrong, repeated or unknown ones."""
    pairs = []
    for where, name, row in parameters(method, path):
        fitting = draw(st.sampled_from([True, True, True, False]))
        value = draw(values(row["schema"]) if fitting else HOSTILE)
        if where == "path":
            path = path.replace("{" + name + "}", urllib.parse.quote(value or "kept", safe=""))
        elif where == "query" and (row.get("required") or draw(st.booleans())):
            pairs += [(name, value)] * draw(st.sampled_from([1] * 12 + [2]))
    if draw(st.sampled_from([False] * 5 + [True])):
        pairs.append((draw(TEXT), draw(HOSTILE)))
    query = urllib.parse.urlencode(draw(st.permutations(pairs)))
    return path + ("?" + query if query else ""), draw(bodies()) if method == "post" else None


@pytest.fixture(scope="module")
def filled(server):
    for step in "12":
        server.score(small_file(), run="kept", step=step, include="confusion")
    return server


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_every_answer_is_declared(filled, operation):
    method, path = operation

    @examples(80 if method == "post" else 15, 3000 if method == "post" else 500)
    @given(requests(method, path))
    def check(request):
        target, body = request
        headers = {"Content-Type": "application/octet-stream"} if body is not None else None
        answer = filled.request(method.upper(), target, body, headers)
        declared = OPERATIONS[operation]["responses"]
        assert answer.status_code < 500 or answer.status_code in OVERLOAD, (target, answer.text)
        assert str(answer.status_code) in declared or 400 <= answer.status_code < 500, (target, answer.status_code)
        check_answer(method, path, answer)

    check()
    assert filled.get("/healthz").status_code == 200 and not filled.noise
