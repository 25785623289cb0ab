"""test_scopes.py - every route of the table with every kind of token gives the declared status, and nothing of one
project is seen from another."""

import itertools
import json
import re
import time

import pytest
import requests
import tokens
from requests.adapters import HTTPAdapter
from support import SLOW, Server, problem, safetensors, small_file, softmax_case
from tokens import bearer, create

ROUTES = tokens.routes()
IDS = [f"{method} {path}" for method, path, _ in ROUTES]
GOOD = small_file()
BODY = {"Content-Type": "application/octet-stream"}

# What a request needs beyond its path to succeed.
PARAMS = {
    ("GET", "/v1/evaluations"): {"run": "one", "step": "1"},
    ("GET", "/v1/compare"): {"base": "one", "head": "one", "score": "dice"},
}

KINDS = ("none", "mangled", "ingest", "read", "admin", "everything", "other", "operator", "expired", "revoked")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A server with a run "one" in two projects, and a token of each kind."""
    data = tmp_path_factory.mktemp("data")
    kinds = {scope: create(data, scope) for scope in ("ingest", "read", "admin")}
    kinds["everything"] = create(data)
    kinds["other"] = create(data, tokens.EVERYTHING, "--project", "other")
    kinds["operator"] = create(data, tokens.EVERYTHING, "--project", "*")
    end = int(time.time() + 3 * SLOW)
    kinds["expired"] = create(data, tokens.EVERYTHING, "--expires", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end)))
    kinds["revoked"] = create(data)
    kinds["mangled"] = kinds["everything"][:-1] + ("0" if kinds["everything"][-1] != "0" else "1")
    kinds["none"] = None
    server = Server(data)
    tokens.command(data, "revoke", kinds["revoked"][:11])
    time.sleep(max(0.0, end + 0.1 - time.time()))
    server.kinds = kinds
    yield server
    server.stop()


class From(HTTPAdapter):
    """Connects from an address of the loopback network."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, source_address=(self.address, 0), **kwargs)


ADDRESSES = (f"127.7.{i}.{j}" for i, j in itertools.product(range(256), range(1, 255)))


def ask(server, method, path, token, body=None, headers=None, **params):
    """From an address that nobody used before, so that a bad token is told by its own status, not by 429."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", From(next(ADDRESSES)))
        return session.request(method, server.url + path, data=body, params=params or None, timeout=60 * SLOW,
                               headers={**bearer(token), **(headers or {})}, allow_redirects=False)


def actual(server, path):
    """What stands for the variable of a path."""
    page_file = re.search(r'"(/?page/[^"]*)"', server.get("/").text).group(1)
    return path.replace("{run}", "one").replace("/page/{file}", "/" + page_file.lstrip("/"))


def expected(scope, kind):
    """The status, where 204 counts as 200.  What the other project is asked for is there too."""
    if scope is None:
        return 200
    if kind in ("none", "mangled", "expired", "revoked"):
        return 401
    if scope == "any" or kind in ("everything", "other", "operator"):
        return 200
    return 200 if kind == scope else 403


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("method", "path", "scope"), ROUTES, ids=IDS)
def test_matrix(world, method, path, scope, kind):
    for owner in ("everything", "other"):
        upload(world, world.kinds[owner], "one")
    body, headers = (GOOD, BODY) if method == "POST" else (None, None)
    status = expected(scope, kind)
    for verb in (method, "HEAD") if method == "GET" else (method,):
        answer = ask(world, verb, actual(world, path), world.kinds[kind], body, headers, **PARAMS.get((method, path), {}))
        assert (200 if answer.status_code == 204 else answer.status_code) == status, answer.text
        assert (answer.headers.get("WWW-Authenticate") == 'Bearer realm="maskmeter"') == (status == 401)
        if status >= 400 and verb != "HEAD":
            problem(answer, status)


def upload(server, token, run, step=1, body=GOOD, **params):
    answer = server.request("POST", "/v1/evaluations", body, bearer(token, **BODY), run=run, step=str(step), **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_matrix_covers_the_documented_routes():
    """A route that the test would miss is one that the OpenAPI test would miss too: both read the same table."""
    assert len(ROUTES) == len(set(ROUTES)) > 20
    assert {scope for _, _, scope in ROUTES} == {None, "any", "ingest", "read", "admin"}


# ---------------------------------------------------------------------------------------------------- projects


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A server with two projects that have the same run, split and step, of different content."""
    data = tmp_path_factory.mktemp("two")
    mine, yours = (create(data, tokens.EVERYTHING, "--project", name) for name in ("mine", "yours"))
    server = Server(data)
    for token, seed, owner in ((mine, 1, "me"), (yours, 2, "you")):
        for run, step in itertools.product(("same", f"of-{owner}"), (1, 2)):
            probs, label = softmax_case(seed=10 * seed + step)
            upload(server, token, run, step, safetensors({"pred": probs, "label": label}), classes="a,b,c",
                   image_ids=f"{owner}-1,{owner}-2", tags=f"owner={owner}", scores=f"{owner}:dice,iou")
    server.mine, server.yours = mine, yours
    yield server
    server.stop()


READS = [
    ("/v1/runs", {}), ("/v1/runs/same", {}), ("/v1/runs/same/evaluations", {}),
    ("/v1/evaluations", {"run": "same", "step": "1", "include": "images"}),
    *(("/v1/evaluations", {"run": "same", "step": "1", "format": name})
      for name in ("csv", "nnunet", "grand-challenge", "mlflow")),
    ("/v1/compare", {"base": "same", "head": "same", "base_step": "1", "score": "iou"}),
    *((path, {"run": "same", "score": "iou"}) for path in
      ("/v1/grafana/series", "/v1/grafana/latest", "/v1/grafana/annotations", "/v1/grafana/images",
       "/v1/grafana/percentiles", "/v1/grafana/best")),
    ("/v1/grafana/confusion", {"run": "same"}),
    ("/v1/grafana/variables/runs", {}),
    *((f"/v1/grafana/variables/{name}", {"run": "same"}) for name in ("splits", "classes", "scores")),
]
# What differs between the two: the other answers are equal, since so are the names in them.
SAME_IN_BOTH = {"/v1/grafana/variables/splits", "/v1/grafana/variables/classes"}


def stable(text):
    """Without the time that the answer took."""
    return re.sub(r'"(receive|compute)_ms":[0-9.e+-]+', "", text)


@pytest.mark.parametrize(("path", "params"), READS, ids=[f"{path} {params.get('format', '')}" for path, params in READS])
def test_each_project_sees_its_own(two, path, params):
    """In turns, so that whatever is kept for reuse would show; a tag of one project's answer means nothing in the
    other, and neither does HEAD give another length away."""
    answers = {}
    for owner, token in (("me", two.mine), ("you", two.yours), ("me", two.mine), ("you", two.yours)):
        answer = two.request("GET", path, None, bearer(token), **params)
        assert answer.status_code == 200, answer.text
        other = "you" if owner == "me" else "me"
        assert not re.search(rf"\b(of-)?{other}(-[12])?\b", answer.text), answer.text
        assert stable(answer.text) == stable(answers.setdefault(owner, answer).text)
    mine, yours = answers["me"], answers["you"]
    if path not in SAME_IN_BOTH:
        assert stable(mine.text) != stable(yours.text)
        if "ETag" in mine.headers:
            tagged = bearer(two.yours, **{"If-None-Match": mine.headers["ETag"]})
            assert two.request("GET", path, None, tagged, **params).status_code == 200
    assert mine.headers.get("Cache-Control", "private").startswith("private")
    head = two.request("HEAD", path, None, bearer(two.yours), **params)
    if "ETag" in head.headers:
        assert head.headers["ETag"] == yours.headers["ETag"]


@pytest.mark.parametrize(("path", "params"), [
    ("/v1/runs/of-you", {}), ("/v1/runs/of-you/evaluations", {}), ("/v1/evaluations", {"run": "of-you", "step": "1"}),
    ("/v1/evaluations", {"run": "of-you", "step": "1", "format": "csv"}),
    ("/v1/compare", {"base": "same", "head": "of-you", "score": "iou"}),
])
def test_another_projects_run_is_not_there(two, path, params):
    """As a run that nobody has: the same words."""
    answer = two.request("GET", path, None, bearer(two.mine), **params)
    nobody = two.request("GET", path.replace("of-you", "of-nobody"), None, bearer(two.mine),
                         **{key: value.replace("of-you", "of-nobody") for key, value in params.items()})
    assert problem(answer, 404)["detail"] == problem(nobody, 404)["detail"]


def test_panels_know_nothing_of_another_projects_run(two):
    for path in (path for method, path, _ in ROUTES if path.startswith("/v1/grafana/")):
        params = {} if path.endswith("variables/runs") else {"run": "of-you"}
        answer = two.request("GET", path, None, bearer(two.mine), **params)
        assert answer.status_code == 200 and "you" not in answer.text, (path, answer.text)


def test_cursors_do_not_cross(two):
    """A cursor is a place in a list; in another project's list it leads to that project's own rows."""
    page = two.request("GET", "/v1/runs", None, bearer(two.yours), limit="1").json()
    rest = two.request("GET", "/v1/runs", None, bearer(two.mine), cursor=page["next"]).json()
    assert all(row["tags"] == {"owner": "me"} for row in rest["runs"])
    page = two.request("GET", "/v1/runs/same/evaluations", None, bearer(two.yours), limit="1").json()
    rest = two.request("GET", "/v1/runs/same/evaluations", None, bearer(two.mine), cursor=page["next"]).json()
    assert "you" not in json.dumps(rest)


def test_parts_and_conflicts_do_not_cross(two):
    """The same part of the same evaluation in two projects is two parts; classes that differ are no conflict."""
    for token, names in ((two.mine, "a,b,c"), (two.yours, "x,y,z")):
        answer = upload(two, token, "parts", classes=names, image_ids="p,q")
        assert answer["evaluation"]["parts_received"] == 1


def test_deletion_stays_at_home(two):
    upload(two, two.mine, "doomed")
    upload(two, two.yours, "doomed")
    assert two.request("DELETE", "/v1/runs/of-you", None, bearer(two.mine)).status_code == 404
    assert two.request("DELETE", "/v1/runs/doomed", None, bearer(two.mine)).status_code == 204
    assert two.request("GET", "/v1/runs/doomed", None, bearer(two.mine)).status_code == 404
    assert two.request("GET", "/v1/runs/doomed", None, bearer(two.yours)).status_code == 200
