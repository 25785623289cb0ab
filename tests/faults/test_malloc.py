"""test_malloc.py - every allocation of every route fails, once and for ever.

The answer is then the right one, 503, or a closed connection; never a crash, a wait without end, half a part or another
number.  In short form a few of the allocations are taken, others each day: MASKMETER_TEST_SEED repeats a choice.
"""

import datetime
import gzip
import http.client
import json
import os
import random
import re
import time
import urllib.parse

import fail
import numpy as np
import pytest
import support
from durable import database
from support import ROOT, SLOW, Server, eventually, parse_metrics, safetensors, small_file, softmax_case, zstd

SHORT = bool(os.environ.get("MASKMETER_TEST_SHORT"))
SEED = int(os.environ.get("MASKMETER_TEST_SEED", datetime.date.today().toordinal()))
TRIES = 14 if SHORT else 10**6  # of each route and mode: in long form all

PROBS, LABEL = softmax_case(images=2)
SMALL = small_file()
LARGE = small_file(images=4, classes=4, spatial=(48, 64))  # too large for the loop
MANY = small_file(images=200, classes=30, spatial=(2, 2))  # an answer that is too long for the loop
LOGITS = safetensors({"pred": np.log(PROBS), "label": LABEL}, {"maskmeter.pred_kind": "logits", "maskmeter.classes": "a,b,c"})
MIXED = "dice,hd95,lovasz_softmax_loss,ssim,auroc,confusion_matrix,monai.DiceLoss(softmax=true),smp.TverskyLoss(mode=multiclass),a:sum(0.5*dice_loss,0.5*cross_entropy)"


def upload(body=SMALL, coding=None, **params):
    headers = {"Content-Type": "application/octet-stream"}
    if coding:
        headers["Content-Encoding"] = coding
    return "POST", "/v1/evaluations", params, body, headers


def read(path, accept=None, **params):
    return "GET", path, params, None, {"Accept-Encoding": accept} if accept else {}


EVERYTHING = "images,confusion,histogram,explain"
REQUESTS = {
    "upload": upload(),
    "upload gzip": upload(gzip.compress(SMALL), "gzip"),
    "upload zstd": upload(zstd(SMALL), "zstd"),
    "upload metadata": upload(LOGITS),
    "upload everything": upload(include=EVERYTHING, image_ids="x,y", spacing="2,3"),
    "upload scores": upload(scores=MIXED, include="images"),
    "upload large": upload(LARGE),
    "upload distances": upload(LARGE, scores="hd95,assd,surface_dice", include="images"),
    "upload long answer": upload(MANY, scores="dice,iou,precision,recall", include="images"),
    "upload bad expression": upload(scores="dyce"),
    "upload bad tensor": upload(safetensors({"pred": PROBS})),
    "upload bad value": upload(safetensors({"pred": PROBS * np.float32(np.nan), "label": LABEL})),
    "store": upload(run="new", include="images"),
    "store zstd": upload(zstd(LARGE), "zstd", run="packed", scores="dice,hd95", tags="a=b", classes="a,b,c,d"),
    "conflict": upload(run="kept", step="1", threshold="0.25", part="other"),
    "merged": read("/v1/evaluations", run="kept", step="1"),
    "merged everything": read("/v1/evaluations", "gzip", run="kept", step="1", include=EVERYTHING),
    "merged asked": read("/v1/evaluations", run="kept", step="1", scores="iou,focal_loss(gamma=3)", weights="1,2,3"),
    "merged nowhere": read("/v1/evaluations", run="nowhere", step="1"),
    **{f"export {name}": read("/v1/evaluations", run="kept", step="1", format=name)
       for name in ("csv", "nnunet", "grand-challenge", "mlflow")},
    "compare": read("/v1/compare", base="kept", head="other", score="dice"),
    "scores": read("/v1/scores"),
    "scores gzip": read("/v1/scores", "gzip"),
    "runs": read("/v1/runs"),
    "runs page": read("/v1/runs", limit="1"),
    "run": read("/v1/runs/kept"),
    "delete": ("DELETE", "/v1/runs/gone", {}, None, {}),
    "delete nowhere": ("DELETE", "/v1/runs/nowhere", {}, None, {}),
    "evaluations": read("/v1/runs/kept/evaluations"),
    "evaluations chosen": read("/v1/runs/kept/evaluations", limit="1", split="val", first_step="0"),
    "series": read("/v1/grafana/series", run="kept", score="dice"),
    "series wide": read("/v1/grafana/series", run="kept", score="dice", shape="wide"),
    **{path: read(f"/v1/grafana/{path}", run="kept", score="dice") for path in
       ("latest", "best", "annotations", "images", "percentiles")},
    "confusion": read("/v1/grafana/confusion", run="kept"),
    "variables runs": read("/v1/grafana/variables/runs"),
    **{f"variables {path}": read(f"/v1/grafana/variables/{path}", run="kept") for path in ("splits", "classes", "scores")},
    **{path: read(path) for path in ("/healthz", "/livez", "/readyz", "/metrics", "/version", "/openapi.json", "/")},
    "page file": read("/page/{file}", "gzip"),
    "no such route": read("/nowhere"),
    "bad target": ("GET", "/v1/runs?limit=%zz", {}, None, {}),
}


class Victim:
    """A server whose allocations fail on demand."""

    def __init__(self, folder):
        self.faults = fail.Faults(folder)
        self.server = Server(folder / "data", "--threads", "2", env=self.faults.environment())
        self.page = re.search(r'"(/page/[^"]*\.css)"', self.server.get("/").text).group(1)
        for run, step in (("kept", "1"), ("kept", "2"), ("other", "1")):
            self.server.score(SMALL, run=run, step=step, parts="2", classes="a,b,c", include="confusion")
        self.server.score(small_file(seed=5), run="kept", step="1", part="b", classes="a,b,c")

    def ask(self, request):
        """(status, headers, body), or None when the connection was closed without an answer."""
        method, path, params, body, headers = request
        path = path.replace("/page/{file}", self.page)
        if params:
            path += "?" + urllib.parse.urlencode(params)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20 * SLOW)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except TimeoutError:
            raise AssertionError("no answer, and the connection is still open") from None
        except (http.client.HTTPException, OSError):
            return None
        finally:
            connection.close()

    def is_idle(self):
        metrics = parse_metrics(self.ask(read("/metrics"))[2].decode())
        return metrics["maskmeter_http_inflight_requests"] == 1 and metrics["maskmeter_memory_used_bytes"] == 0

    def left(self):
        """Evaluations of deleted runs that are not swept away yet."""
        with database(self.server.data) as stored:
            query = "SELECT count(*) FROM evaluations e JOIN runs r ON r.id = e.run WHERE r.project = char(1)"
            return stored.execute(query).fetchone()[0]

    def is_ready(self):
        """A store that had no memory for its housekeeping says so until the next, a second later."""
        return self.ask(read("/readyz"))[0] == 200


@pytest.fixture(scope="module")
def victims(tmp_path_factory):
    made = []
    yield made
    for victim in made:
        victim.server.stop()


@pytest.fixture
def victim(victims, tmp_path_factory):
    """One for all tests, and another after a crash."""
    if not victims or victims[-1].server.process.poll() is not None:
        victims[:] = [Victim(tmp_path_factory.mktemp("malloc"))]
    return victims[-1]


def content(request, answer):
    """What must be the same whenever it is asked for."""
    status, headers, body = answer
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    if request[1] == "/metrics":
        return status, set(parse_metrics(body.decode()))
    if headers.get("Content-Type", "").split(";")[0] not in ("application/json", "application/problem+json"):
        return status, body
    document = json.loads(body)
    if isinstance(document, dict):
        for name in ("engine", "request_id", "evaluation"):
            document.pop(name, None)
    return status, json.dumps(document)


def same(request, answer, expected):
    got = content(request, answer)
    if request[1] == "/metrics":
        return got[0] == expected[0] and got[1] >= expected[1]
    return got == expected


def is_bare(answer, expected):
    """The right error without its text, for which there was no memory."""
    return answer[0] == expected[0] >= 400 and not answer[2]


def choose(count, name, most=TRIES):
    """Which of the calls fail: all, or the first, the last and some others."""
    if count <= most:
        return range(1, count + 1)
    return sorted({1, count, *random.Random(f"{SEED} {name}").sample(range(1, count + 1), most - 2)})


def prepared(victim, name, request, step):
    """What has to be there before; the request that counts."""
    method, path, params, body, headers = request
    if name.startswith("store"):
        params = {**params, "step": str(step)}
    if name == "delete":
        assert victim.ask(upload(run="gone", step="1"))[0] == 200
    return method, path, params, body, headers


def stored(victim, request):
    params = {key: request[2][key] for key in ("run", "step")}
    answer = victim.ask(read("/v1/evaluations", **params))
    return content(read("/v1/evaluations"), answer)


def check_stored(victim, request, answer):
    """All of the part is there, or nothing; all where it was acknowledged."""
    status, document = stored(victim, request)
    assert status in ((200,) if answer is not None and answer[0] == 200 else (200, 404)), (status, answer)
    return document if status == 200 else None


@pytest.mark.parametrize("forever", [False, True], ids=["once", "forever"])
@pytest.mark.parametrize("name", REQUESTS)
def test_failing_allocations(victim, name, forever):
    eventually(victim.is_ready)
    request = prepared(victim, name, REQUESTS[name], 0)
    expected = content(request, victim.ask(request))
    assert expected[0] < 500, expected
    request = prepared(victim, name, request, 1)
    victim.faults.arm()
    victim.ask(request)
    count = victim.faults.disarm()
    right = stored(victim, request) if name.startswith("store") else None
    for nth in choose(count + 2, f"{name} {forever}"):
        where = f"{name}, allocation {nth} of {count}, seed {SEED}"
        request = prepared(victim, name, request, 1 + nth)
        victim.faults.arm(nth, forever)
        answer = victim.ask(request)
        victim.faults.disarm()
        assert victim.server.process.poll() is None, f"{where}: the server is gone: {victim.server.noise}"
        if answer is not None and answer[0] != 503 and not is_bare(answer, expected):
            assert same(request, answer, expected), (where, content(request, answer), expected)
        if name.startswith("store"):
            document = check_stored(victim, request, answer)
            assert document in (None, right[1]), (where, document)
        if name == "/readyz":
            eventually(victim.is_ready)
        again = victim.ask(prepared(victim, name, request, 1 + nth))
        assert again is not None and same(request, again, expected), (where, again, expected)
    eventually(victim.is_idle)
    assert not victim.server.noise, victim.server.noise


SWEPT = 300  # evaluations: several sweeps after the DELETE


@pytest.mark.parametrize("forever", [False, True], ids=["once", "forever"])
def test_failing_sweeps(victim, forever):
    """What a deleted run has left goes in the end, whatever fails meanwhile, and uploads are taken."""
    for step in range(SWEPT):
        assert victim.ask(upload(run="swept", step=str(step), scores="dice"))[0] == 200
    assert victim.ask(("DELETE", "/v1/runs/swept", {}, None, {}))[0] == 204
    nth = 1
    while victim.left() > 0:
        victim.faults.arm(nth, forever)
        time.sleep(0.002)
        victim.faults.disarm()
        assert victim.server.process.poll() is None, (nth, victim.server.noise)
        assert victim.ask(upload(run="beside", step="1"))[0] == 200
        nth += 7
    victim.ask(("DELETE", "/v1/runs/beside", {}, None, {}))
    eventually(victim.is_idle)
    assert not victim.server.noise, victim.server.noise


def test_every_route_is_there():
    table = re.findall(r'\{\s*"(GET|POST|DELETE)",\s*"(/[^"]*)"', (ROOT / "server" / "routes.c").read_text())
    asked = {(request[0], request[1]) for request in REQUESTS.values()}
    for method, pattern in table:
        form = re.compile(re.sub(r"\{\w+\}", "[^/]+", pattern))
        assert any(method == asked_method and form.fullmatch(path) for asked_method, path in asked), (method, pattern)
