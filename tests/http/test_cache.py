"""test_cache.py - entity tags, 304, gzip, HEAD: answers of the history that clients keep."""

import gzip
import itertools
import re
import zlib

import pytest
from support import small_file

CODED = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture(scope="module")
def filled(server):
    for step in range(20):
        server.score(small_file(images=8, seed=step), run="r", step=str(step))
    return server


PATHS = {
    "/v1/runs": {}, "/v1/runs/r": {}, "/v1/runs/r/evaluations": {},
    "/v1/compare": {"base": "r", "head": "r", "base_step": "1", "score": "dice"},
    "/v1/grafana/series": {"score": "dice", "run": "r"}, "/v1/grafana/latest": {"score": "dice"},
    "/v1/grafana/images": {"score": "dice", "run": "r"}, "/v1/grafana/variables/scores": {},
    "/v1/evaluations": {"run": "r", "step": "1", "format": "csv"},
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_tags_and_304(filled, path):
    params = PATHS[path]
    first = filled.request("GET", path, headers=PLAIN, **params)
    tag = first.headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{24}"', tag) and first.headers["Cache-Control"] == "private, max-age=0"
    assert filled.request("GET", path, headers=PLAIN, **params).headers["ETag"] == tag
    for value in (tag, f'"other", {tag}', "W/" + tag, "*"):
        answer = filled.request("GET", path, headers={**PLAIN, "If-None-Match": value}, **params)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["Vary"] == "Accept-Encoding" and answer.headers["ETag"][:25] == tag[:25]
    for value in ('"other"', tag[:-1], "nonsense", ""):
        answer = filled.request("GET", path, headers={**PLAIN, "If-None-Match": value}, **params)
        assert (answer.status_code, answer.content) == (200, first.content)
    # an error has no tag and is no 304
    answer = filled.request("GET", path, headers={"If-None-Match": "*"}, nonsense="1")
    assert answer.status_code == 400 and "ETag" not in answer.headers


def test_a_tag_changes_with_its_answer_only(filled):
    of = lambda path, **params: filled.get(path, **params).headers["ETag"]  # noqa: E731
    curve = {"score": "dice", "run": "r"}
    before, runs = of("/v1/grafana/series", **curve), of("/v1/runs")
    filled.score(small_file(), run="another", step="1")
    assert of("/v1/grafana/series", **curve) == before and of("/v1/runs") != runs
    filled.score(small_file(), run="r", step="1000")
    assert of("/v1/grafana/series", **curve) != before


def test_the_time_that_it_took_is_not_tagged(filled):
    """Two answers with other durations are the same evaluation: the tag is weak."""
    ask = {"run": "r", "step": "1"}
    tags = {filled.get("/v1/evaluations", **ask).headers["ETag"] for _ in range(5)}
    (tag,) = tags
    assert tag.startswith('W/"')
    answer = filled.request("GET", "/v1/evaluations", headers={"If-None-Match": tag}, **ask)
    assert answer.status_code == 304
    assert filled.get("/v1/evaluations", scores="iou", **ask).headers["ETag"] != tag


def raw_get(server, path, headers):
    """What is on the wire: the client here decodes nothing."""
    connection = server.connect()
    connection.putrequest("GET", path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_gzip(filled):
    path = "/v1/grafana/series?score=dice&run=r"
    plain, text = raw_get(filled, path, {})
    assert plain.getheader("Content-Encoding") is None and len(text) > 1024
    for value in ("gzip", "br, gzip;q=0.1", "*", "x-gzip"):
        coded, body = raw_get(filled, path, {"Accept-Encoding": value})
        assert coded.getheader("Content-Encoding") == "gzip" and gzip.decompress(body) == text
        assert int(coded.getheader("Content-Length")) == len(body) < len(text) / 2
        assert coded.getheader("ETag") == plain.getheader("ETag")[:-1] + '-gzip"'
        assert zlib.decompressobj(31).decompress(body) == text
    for value in ("gzip;q=0", "br", "identity", "*;q=0"):
        answer, body = raw_get(filled, path, {"Accept-Encoding": value})
        assert answer.getheader("Content-Encoding") is None and body == text
    small, body = raw_get(filled, "/v1/runs/r", CODED)
    assert small.getheader("Content-Encoding") is None and len(body) < 1024
    # either tag stands for what the client has
    for tag, headers in itertools.product((plain.getheader("ETag"), coded.getheader("ETag")), ({}, CODED)):
        answer, body = raw_get(filled, path, {**headers, "If-None-Match": tag})
        assert (answer.status, body) == (304, b"") and answer.getheader("Content-Encoding") is None


def test_head_says_what_get_would(filled):
    path = "/v1/grafana/series"
    for headers in (PLAIN, CODED):
        get = filled.request("GET", path, headers=headers, score="dice", run="r")
        head = filled.request("HEAD", path, headers=headers, score="dice", run="r")
        assert head.status_code == 200 and head.content == b""
        for name in ("ETag", "Content-Length", "Content-Encoding", "Content-Type", "Vary"):
            assert head.headers.get(name) == get.headers.get(name), name


def test_304_is_counted(filled):
    key = 'maskmeter_http_requests_total{method="GET",route="/v1/runs",code="304"}'
    before = filled.metrics().get(key, 0)
    filled.request("GET", "/v1/runs", headers={"If-None-Match": "*"})
    assert filled.metrics()[key] == before + 1
