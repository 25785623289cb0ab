"""test_openapi.py - proto/openapi.yaml is valid OpenAPI 3.1 and says what the running server does.

openapi-3.1.json is the OpenAPI Initiative's schema of 2022-10-07 (Apache-2.0), unchanged.  Answers are checked more
strictly than clients should: a property that the document does not name is an error here.
"""

import copy
import json
import pathlib
import re
import sys
import urllib.parse

import jsonschema
import numpy as np
import pytest
import yaml
from support import BINARY, DATA, ROOT, safetensors, small_file, softmax_case

sys.path.insert(0, str(ROOT / "tests"))
import readme  # noqa: E402

DOCUMENT = yaml.safe_load((ROOT / "proto" / "openapi.yaml").read_text())
OFFICIAL = json.loads((pathlib.Path(__file__).parent / "openapi-3.1.json").read_text())
METHODS = ("get", "post", "put", "delete", "patch", "head", "options", "trace")
OPERATIONS = {
    (method, path): operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}
GOOD = small_file()
BODY = {"Content-Type": "application/octet-stream"}


def close_objects(node):
    """Every object that names its properties takes no others."""
    if isinstance(node, dict):
        if "properties" in node and "additionalProperties" not in node:
            node["additionalProperties"] = False
        for value in node.values():
            close_objects(value)
    elif isinstance(node, list):
        for value in node:
            close_objects(value)
    return node


STRICT = close_objects(copy.deepcopy(DOCUMENT["components"]))


def resolve(node):
    while "$ref" in node:
        target = DOCUMENT
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        node = target
    return node


def check_value(schema, value):
    """Validates against a schema of the document, in its strict form."""
    schema = close_objects(copy.deepcopy(schema))
    checker = jsonschema.FormatChecker()
    jsonschema.Draft202012Validator({**schema, "components": STRICT}, format_checker=checker).validate(value)


def parameters(method, path):
    """[(in, name, parameter)] of an operation."""
    rows = DOCUMENT["paths"][path].get("parameters", []) + OPERATIONS[method, path].get("parameters", [])
    return [(row["in"], row["name"], row) for row in map(resolve, rows)]


def query_names(method, path):
    return {name for where, name, _ in parameters(method, path) if where == "query"}


def routes():
    """(method, path, parameters) of every row in server/routes.c."""
    text = (ROOT / "server" / "routes.c").read_text()
    rows = re.findall(r'\{\s*"(GET|POST|DELETE)",\s*"(/[^"]*)"', text)
    assert rows, "the table of routes is not where this test looks for it"
    return {(method.lower(), path) for method, path in rows}


# ------------------------------------------------------------------------------------------------- the document


def test_it_is_openapi_3_1():
    jsonschema.Draft202012Validator(OFFICIAL).validate(DOCUMENT)


@pytest.mark.parametrize("change", [
    lambda d: d.pop("info"),
    lambda d: d["info"].pop("title"),
    lambda d: d.update(openapi="3.0.0"),
    lambda d: d["paths"]["/healthz"]["get"].update(response={}),
    lambda d: d["paths"]["/healthz"]["get"]["responses"]["200"].pop("description"),
    lambda d: d["components"]["parameters"]["limit"].pop("in"),
    lambda d: d["components"]["parameters"]["runInPath"].update(required=False),
])
def test_the_check_notices_mistakes(change):
    broken = copy.deepcopy(DOCUMENT)
    change(broken)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(OFFICIAL).validate(broken)


def test_every_schema_is_a_schema():
    for name, schema in DOCUMENT["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema), name


def test_every_reference_leads_somewhere_and_everything_is_used():
    text = json.dumps(DOCUMENT)
    targets = set(re.findall(r'"\$ref": "#/components/([^"]*)"', text)) | {"securitySchemes/token"}
    for target in targets:
        resolve({"$ref": f"#/components/{target}"})
    there = {f"{kind}/{name}" for kind, items in DOCUMENT["components"].items() for name in items}
    assert targets == there


def test_every_operation_is_described():
    identities = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(identities)) == len(identities)
    for operation in OPERATIONS.values():
        assert operation["summary"].endswith(".") and operation["tags"] and "default" in operation["responses"]
    for (method, path), _ in OPERATIONS.items():
        names = [(where, name) for where, name, _ in parameters(method, path)]
        assert len(set(names)) == len(names)
        assert all(row.get("description") for _, _, row in parameters(method, path))
        assert set(re.findall(r"\{(\w+)\}", path)) == {name for where, name in names if where == "path"}


def test_every_route_is_documented_and_every_documented_route_exists():
    assert set(OPERATIONS) == routes()


def test_security_is_that_of_the_routes():
    text = (ROOT / "server" / "routes.c").read_text()
    rows = re.findall(r'\{\s*"(GET|POST|DELETE)",\s*"(/[^"]*)",\s*(\w+),', text)
    assert len(rows) == len(OPERATIONS)
    for method, path, word in rows:
        operation = OPERATIONS[method.lower(), path]
        scopes = {"OPEN": None, "ANY": []}.get(word, [word.lower()])
        assert operation["security"] == ([] if scopes is None else [{"token": scopes}]), (method, path)
        refusals = {"401", "403", "429"} & set(operation["responses"])
        assert refusals == (set() if scopes is None else {"401", "429"} if not scopes else {"401", "403", "429"})


def test_every_status_text_and_reason_is_documented():
    """The reasons of lib/maskmeter.h, less the one that means that there is a value."""
    header = (ROOT / "lib" / "maskmeter.h").read_text()
    block = header[header.index("#define MM_REASON_LIST") : header.index("typedef enum mm_reason")]
    reasons = set(re.findall(r'"(\w+)"\)', block)) - {"defined"}
    assert set(DOCUMENT["components"]["schemas"]["Reason"]["enum"]) == reasons


def test_every_score_is_enumerated(server):
    """ScoreName and ScoreAlias list the registry's names, in its order."""
    text = readme.OPENAPI.read_text()
    assert readme.renewed_openapi(text, str(BINARY)) == text, "proto/openapi.yaml is stale: run `make readme`"
    stale = text.replace("        dice_loss, ", "        ", 1)
    assert stale != text and readme.renewed_openapi(stale, str(BINARY)) == text
    scores = server.get("/v1/scores").json()["scores"]
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["ScoreName"]["enum"] == [row["name"] for row in scores]
    assert schemas["ScoreAlias"]["enum"] == [alias for row in scores for alias in row["aliases"]]


# ------------------------------------------------------------------------------------------------- the server


def check_answer(method, path, answer):
    """Status, headers, media type and body of an answer are documented."""
    responses = OPERATIONS[method, path]["responses"]
    status = str(answer.status_code)
    if status not in responses:
        assert status != "200"
        status = "default"
    response = resolve(responses[status])
    for name, header in response.get("headers", {}).items():
        if name in ("X-Request-Id", "Retry-After", "Accept-Post", "ETag", "WWW-Authenticate"):
            assert name in answer.headers, (status, name)
            if name in ("X-Request-Id", "ETag", "WWW-Authenticate"):
                check_value(resolve(header)["schema"], answer.headers[name])
    if "content" not in response:
        assert answer.content == b""
        return
    kind = answer.headers["Content-Type"].split(";")[0]
    assert kind in response["content"], (status, kind)
    schema = response["content"][kind]["schema"]
    check_value(schema, answer.json() if kind.endswith("json") else answer.text)


def body_of(pred, label, **more):
    return safetensors({"pred": pred, "label": label, **more})


def uploads():
    """(body, parameters) of uploads that between them reach every part of an answer."""
    probs, label = softmax_case(images=2)
    onehot = np.ascontiguousarray(np.eye(3, dtype="u1")[label].transpose(0, 3, 1, 2))
    off = probs.copy()
    off[0, :, 0, 0] = 0.2
    both = "images,confusion"
    everything = "images,confusion,histogram,explain"
    yield GOOD, {}
    yield GOOD, {"include": both}
    yield GOOD, {"run": "tour", "step": "3", "include": both, "classes": "a,b,c", "image_ids": "x,y"}
    yield GOOD, {"run": "tour", "step": "4", "part": "p", "parts": "3", "time": "2026-01-01T00:00:00Z"}
    yield GOOD, {"scores": "dice(classes=[1]),a:iou(over=pooled),generalized_dice_loss", "include": "images"}
    yield GOOD, {"scores": "seed.categorical_dice,seed.categorical_tversky(beta=0.3),seed.binary_focal"}
    lists = "monai.DiceLoss(reduction=none),confusion_matrix,torchmetrics.multiclass_stat_scores(average=none),smp.get_stats(mode=multiclass)"
    yield GOOD, {"scores": lists, "include": everything}
    yield GOOD, {"include": everything}
    yield GOOD, {"scores": "generalized_wasserstein_dice_loss(matrix=[[0,1,1],[1,0,0.5],[1,0.5,0]]),auroc,ssim,kappa",
                 "include": everything}
    yield body_of(off, label), {"scores": "dice"}
    yield body_of(probs, np.zeros_like(label)), {"include": "images"}
    yield body_of(probs, label, mask=np.zeros_like(label)), {"include": both}
    yield body_of(label, label), {"num_classes": "3", "include": everything}
    yield body_of(probs, onehot), {"task": "multilabel", "include": everything}
    yield body_of(probs, onehot.astype("f4") * np.float32(0.5)), {"weights": "1,2,3"}
    yield (DATA / "demo.safetensors").read_bytes(), {"spacing": "3,3,3"}


def test_tour_of_uploads(server):
    for body, params in uploads():
        answer = server.post(body, **params)
        assert answer.status_code == 200, (params, answer.text)
        check_answer("post", "/v1/evaluations", answer)


def test_tour_of_what_is_read(server):
    probs, label = softmax_case(images=2)
    server.score(GOOD, run="read", step="1", parts="2", scores="dice,cross_entropy")
    server.score(body_of(probs, label * 0), run="read", step="2", part="b")
    for params in ({}, {"include": "images,confusion,histogram,explain"}, {"scores": "iou,focal_loss(gamma=3.5)"}, {"weights": "1,0,2"}):
        for step in ("1", "2"):
            answer = server.get("/v1/evaluations", run="read", split="val", step=step, **params)
            assert answer.status_code == 200, answer.text
            check_answer("get", "/v1/evaluations", answer)
    for answer_format in ("csv", "nnunet", "grand-challenge", "mlflow"):
        answer = server.get("/v1/evaluations", run="read", step="1", format=answer_format)
        assert answer.status_code == 200, answer.text
        check_answer("get", "/v1/evaluations", answer)
    answer = server.get("/v1/compare", base="read", head="read", base_step="1", score="dice")
    assert answer.status_code == 200, answer.text
    check_answer("get", "/v1/compare", answer)
    for path in (path for _, path in OPERATIONS if path.startswith("/v1/grafana/") and "variables" not in path):
        for params in ({"run": "read"}, {"score": "dice"}, {"run": "read", "score": "cross_entropy"}, {"run": "nobody"}):
            shapes = ("long", "value", "wide", "wide_runs") if path.endswith("/series") else ("long", "value")
            for shape in shapes if "shape" in query_names("get", path) else (None,):
                known = {name: value for name, value in params.items() if name in query_names("get", path)}
                answer = server.get(path, **known, **({"shape": shape} if shape else {}))
                assert answer.status_code == (400 if shape == "wide" and "run" not in params else 200), answer.text
                check_answer("get", path, answer)
    answer = server.request("GET", "/v1/runs", headers={"If-None-Match": server.get("/v1/runs").headers["ETag"]})
    assert answer.status_code == 304
    check_answer("get", "/v1/runs", answer)
    for path, actual in (
        ("/v1/runs/{run}", "/v1/runs/read"),
        ("/v1/runs/{run}/evaluations", "/v1/runs/read/evaluations"),
    ):
        for params in ({}, {"limit": "1"}) if actual.endswith("s") else ({},):
            answer = server.get(actual, **params)
            assert answer.status_code == 200, answer.text
            check_answer("get", path, answer)
    for method, path in OPERATIONS:
        if method == "get" and "{" not in path and path not in ("/v1/evaluations", "/v1/compare"):
            answer = server.get(path)
            assert answer.status_code == 200, (path, answer.text)
            check_answer("get", path, answer)
    server.score(GOOD, run="doomed", step="1")
    answer = server.request("DELETE", "/v1/runs/doomed")
    assert answer.status_code == 204
    check_answer("delete", "/v1/runs/{run}", answer)


def test_tour_of_errors(server):
    """Every documented status that a client can bring about, with its form."""
    nan = softmax_case()[0] * np.float32("nan")
    server.score(GOOD, run="errors", step="1")
    post, get = ("post", "/v1/evaluations"), ("get", "/v1/evaluations")
    tour = [
        (400, post, server.post(b"")),
        (400, post, server.post(GOOD, task="x")),
        (400, post, server.post(GOOD, scores="dyce")),
        (409, post, server.post(GOOD, run="errors", step="1", part="b", threshold="0.1")),
        (411, post, server.request("POST", "/v1/evaluations", iter([GOOD]), BODY)),
        (413, post, server.announce(2**45)),
        (415, post, server.request("POST", "/v1/evaluations", GOOD, {"Content-Type": "text/plain"})),
        (422, post, server.post(body_of(nan, softmax_case()[1]))),
        (422, post, server.post(safetensors({"pred": softmax_case()[0]}))),
        (405, post, server.request("PUT", "/v1/evaluations")),
        (400, get, server.get("/v1/evaluations")),
        (404, get, server.get("/v1/evaluations", run="nowhere", step="1")),
        (400, ("get", "/v1/runs"), server.get("/v1/runs", limit="0")),
        (400, ("get", "/v1/runs"), server.get("/v1/runs", cursor="x")),
        (404, ("get", "/v1/runs/{run}"), server.get("/v1/runs/nowhere")),
        (404, ("delete", "/v1/runs/{run}"), server.request("DELETE", "/v1/runs/nowhere")),
        (404, ("get", "/v1/runs/{run}/evaluations"), server.get("/v1/runs/nowhere/evaluations")),
    ]
    tour += [
        (400, (m, p), server.request(m, p.replace("{run}", "x") + "?nonsense=1")) for m, p in OPERATIONS if m != "post"
    ]
    for status, operation, answer in tour:
        assert answer.status_code == status, (operation, answer.status_code, answer.text)
        check_answer(*operation, answer)


def test_parameters_are_those_that_the_server_takes(server):
    """A documented name is known to its route, and a name of another route is unknown to it."""
    everything = set().union(*(query_names(*operation) for operation in OPERATIONS))
    for method, path in OPERATIONS:
        mine = query_names(method, path)
        for name in sorted(everything):
            upload = (GOOD, BODY) if method == "post" else ()
            answer = server.request(method, path.replace("{run}", "nowhere"), *upload, **{name: "nonsense"})
            unknown = answer.status_code == 400 and "no such parameter" in answer.text
            assert unknown == (name not in mine), (method, path, name, answer.text)


def test_examples_of_expressions_are_taken(server):
    for name, example in DOCUMENT["components"]["parameters"]["scores"]["examples"].items():
        logits = {"pred_kind": "logits"} if name == "peer" else {}
        assert server.score(GOOD, scores=example["value"], **logits)["scores"], name


def test_enumerations_are_those_that_the_server_takes(server):
    """Each documented word is taken, another is not."""
    probs, label = softmax_case()
    bodies = {
        "labels": body_of(label, label), "masks": body_of(np.zeros((2, 3, 16, 20), "?"), label),
        "probs_u8": body_of(np.zeros((2, 3, 16, 20), "u1"), label),
        "channels_last": body_of(np.ascontiguousarray(np.moveaxis(probs, 1, -1)), label),
        "onehot": body_of(probs, np.ascontiguousarray(np.eye(3, dtype="u1")[label].transpose(0, 3, 1, 2))),
        "multilabel": body_of(probs, np.ascontiguousarray(np.eye(3, dtype="u1")[label].transpose(0, 3, 1, 2))),
    }
    for _, name, row in parameters("post", "/v1/evaluations"):
        schema = row["schema"].get("items", row["schema"])
        if "enum" not in schema or row["in"] != "query":
            continue
        for word in schema["enum"]:
            more = {"num_classes": "3"} if word == "labels" else {}
            server.score(bodies.get(word, GOOD), scores="dice", **{name: word}, **more)
        assert server.post(GOOD, **{name: "nonsense"}).json()["param"] == name


# ------------------------------------------------------------------------------------------------- served, examples


def test_the_served_document_is_the_same(server):
    assert server.get("/openapi.json").json() == json.loads(json.dumps(DOCUMENT))


def test_the_version_is_that_of_the_server(server):
    assert DOCUMENT["info"]["version"] == server.get("/version").json()["version"]


SCHEMA_OF = {
    "demo": "Evaluation",
    "runs": "RunList",
    "evaluations": "EvaluationList",
    "badExpression": "Problem",
    "badValue": "Problem",
}


@pytest.mark.parametrize("name", SCHEMA_OF)
def test_examples_fit_their_schemas(name):
    example = DOCUMENT["components"]["examples"][name]
    assert example["summary"]
    check_value({"$ref": f"#/components/schemas/{SCHEMA_OF[name]}"}, example["value"])


def without_moments(value):
    """Leaves out what differs from call to call: times, durations, threads, request ids."""
    if isinstance(value, dict):
        moments = {"engine", "time", "created", "updated", "request_id"}
        return {key: without_moments(item) for key, item in value.items() if key not in moments}
    return [without_moments(item) for item in value] if isinstance(value, list) else value


def example_answers(server):
    """The requests behind the examples."""
    demo = (DATA / "demo.safetensors").read_bytes()
    params = {
        "classes": "background,liver,gallbladder,kidney_right", "scores": "dice,tversky_loss(alpha=0.3,beta=0.7)",
        "run": "unet", "step": "1200", "include": "confusion",
    }
    bad = np.full((1, 2, 2, 2), 0.5, "<f4")
    bad.reshape(-1)[5] = 1.5
    return {
        "demo": server.post(demo, **params).json(),
        "runs": server.get("/v1/runs").json(),
        "evaluations": server.get("/v1/runs/unet/evaluations").json(),
        "badExpression": server.post(GOOD, scores="dyce").json(),
        "badValue": server.post(body_of(bad, np.zeros((1, 2, 2), "u1"))).json(),
    }


def test_examples_are_real_answers(start):
    answers = example_answers(start())
    for name in SCHEMA_OF:
        assert without_moments(DOCUMENT["components"]["examples"][name]["value"]) == without_moments(
            answers[name]
        ), name


def test_names_are_what_the_pattern_says(server):
    """The server refuses the same characters as the document, in a query and in a path."""
    pattern = re.compile(DOCUMENT["components"]["schemas"]["Name"]["pattern"])
    for code in [*range(1, 0xA2), 0x2028, 0x202E, 0xFEFF, 0xFFFE, 0x1F600]:
        name = f"a{chr(code)}b"
        expected = 404 if pattern.search(name) else 400
        for path in ("/v1/evaluations?step=1&run=", "/v1/runs/"):
            answer = server.get(path + urllib.parse.quote(name, safe=""))
            assert answer.status_code == expected, (path, hex(code), answer.text)


def test_integers_end_where_the_format_does(server):
    """int64, to its last values."""
    server.score(GOOD, run="ends", step=str(2**63 - 1), scores="dice")
    for value, status in ((-(2**63), 200), (2**63 - 1, 200), (-(2**63) - 1, 400), (2**63, 400)):
        answer = server.get("/v1/grafana/series", run="ends", score="dice", **{"from": str(value)})
        assert answer.status_code == status, (value, answer.text)
