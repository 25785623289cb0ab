"""test_dashboards.py - every query of the dashboards and alert rules, sent to a live server as the Infinity data source
sends it, and what Grafana's own libraries make of the answers."""

import json
import re
import subprocess
import sys

import jsonschema
import npm
import pytest
import queries
import seed
from seed import CLASSES, HOSTILE, STRANGE
from support import PATIENCE, near

QUERIES = queries.infinity_queries()
VECTORS = json.loads((npm.HERE / "vectors.json").read_text())["vectors"]
SINCE, UNTIL = seed.START - seed.MINUTE, seed.END

# What the viewer has chosen.  "All" of a variable is the value that the dashboard says it is.
CHOSEN = {"run": "unet", "base": "unet", "head": "unet-b", "split": "val", "class": "*", "score": "dice"}
CASES = {
    "all": CHOSEN,
    "some": {**CHOSEN, "class": ["tumour", STRANGE]},
    "one": {**CHOSEN, "class": ["tumour"]},
    "hostile": {**CHOSEN, "run": HOSTILE, "head": HOSTILE},
    "alias": {**CHOSEN, "score": "tv"},
    "train": {**CHOSEN, "split": "train"},
    "same": {**CHOSEN, "head": "unet"},  # as the lists stand before anything is chosen
    "no run": {**CHOSEN, "run": "nobody's", "base": "nobody's", "head": "nobody's too"},
    "no class": {**CHOSEN, "class": ["nobody's"]},
    "no score": {**CHOSEN, "score": "nobody's"},
    "no split": {**CHOSEN, "split": "nobody's"},
}
EMPTY = [case for case in CASES if case.startswith("no ")]


def variables(case, query_id):
    chosen = {**CASES[case], "__interval_ms": 15000}
    if query_id.startswith("overview") and case not in EMPTY and case != "hostile":
        chosen["run"] = "*"  # "All"
    return chosen


@pytest.fixture(scope="session")
def answers(server):
    """{(case, query ID): the answer}"""
    return {(case, name): queries.send(server, query, variables(case, name), SINCE, UNTIL)
            for case in CASES for name, (query, _) in QUERIES.items()}


@pytest.fixture(scope="session")
def results(answers):
    """What @grafana/data makes of them."""
    jobs = {f"{case}/{name}": {"target": QUERIES[name][0], "answer": answer.json(), "panel": QUERIES[name][1] or {}}
            for (case, name), answer in answers.items() if answer.status_code == 200}
    vectors = {name: {"target": v["target"], "answer": v["answer"]} for name, v in VECTORS.items()}
    return npm.grafana(jobs=jobs, vectors=vectors)


def is_missing(case, name):
    """The comparison is no route of dashboards: there a run that is not there is an error."""
    return name == "compare: Difference per class" and case in EMPTY


# ------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("case", CASES)
def test_query_is_answered(server, answers, case, name):
    answer = answers[case, name]
    if is_missing(case, name):
        assert answer.status_code in (200, 400, 404)
        return
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert answer.headers.get("Content-Encoding") in (None, "gzip")
    assert not re.search(r"\b(NaN|Infinity)\b", answer.text)
    assert answer.elapsed.total_seconds() < 0.5 * PATIENCE  # make bench says how fast it is
    document, root = answer.json(), QUERIES[name][0]["root_selector"]
    assert isinstance(document[root], list)
    if case in ("all", "hostile"):
        assert document[root], "nothing to draw"
    again = server.session.get(answer.url, headers={**queries.HEADERS, "If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


# What a panel does not depend on, on purpose.
WHOLE_SCORE = {"run: Newest value", "run: Best value", "compare: Both by step", "compare: Both over time",
               "compare: Difference per class"}
INDIFFERENT = {("class", name) for name in WHOLE_SCORE} | {
    ("class", "run: Confusion"), ("score", "run: Confusion"), ("run", "compare: Classes of the base")}


@pytest.mark.parametrize("parameter, case", [("run", "hostile"), ("split", "train"), ("class", "some"),
                                             ("score", "alias")])
def test_panels_follow_the_variables(answers, parameter, case):
    """Another choice, another answer."""
    for name, (_, panel) in QUERIES.items():
        if panel is None or (parameter == "class" and name.startswith("overview")):
            continue
        same = answers[case, name].text == answers["all", name].text
        assert same == ((parameter, name) in INDIFFERENT), name


def test_long_answers_are_compressed(server):
    query, _ = QUERIES["run: Classes over time"]
    answer = queries.send(server, query, variables("all", "run"), SINCE, UNTIL)
    assert answer.headers["Content-Encoding"] == "gzip" and answer.json()["rows"]


def test_macros_that_nobody_fills_in_are_left_out(server):
    """An alert rule knows no ${__interval_ms}, a variable without a value stays as it is."""
    query, _ = QUERIES["run: Classes over time"]
    answer = queries.send(server, query, {"run": "unet", "split": "val", "score": "dice"}, SINCE, UNTIL)
    assert "__interval_ms" in answer.url and "class" in answer.url
    assert len(answer.json()["rows"]) == len(seed.RUNS["unet"]["val"]) * len(CLASSES)


# -------------------------------------------------------------------------------------------------- frames


def fields(results, name, case="all"):
    return results["jobs"][f"{case}/{name}"]["fields"]


def by_name(found):
    return {field["display"]: field["values"] for field in found}


def column(run, index, split="val"):
    """The dice of class `index` at each evaluation; index None: the mean."""
    return [mean if index is None else values[index] for _, _, values, mean in seed.evaluations(run, split)]


def steps(*runs):
    return sorted({step for run in runs for step in seed.RUNS[run]["val"]})


def at_steps(run, wanted):
    known = {step: mean for step, _, _, mean in seed.evaluations(run)}
    return [known.get(step) for step in wanted]


def check_classes_over_time(results, case, run, classes):
    time, *series = fields(results, "run: Classes over time", case)
    assert (time["type"], time["values"]) == ("time", [at for _, at, _, _ in seed.evaluations(run)])
    assert [field["display"] for field in series] == sorted(classes)  # what the legend says
    for field in series:
        assert (field["type"], field["name"], list(field["labels"])) == ("number", "Value", ["class"])
        assert near(field["values"], column(run, CLASSES.index(field["display"])))


@pytest.mark.parametrize("case, run, classes", [("all", "unet", CLASSES), ("some", "unet", ["tumour", STRANGE]),
                                                ("one", "unet", ["tumour"]), ("hostile", HOSTILE, CLASSES)])
def test_classes_over_time(results, case, run, classes):
    check_classes_over_time(results, case, run, classes)


def test_an_undefined_value_is_a_gap(results):
    """null in the frame, in the middle of the line, and the panel draws no line over it."""
    for name in ("run: Classes over time", "run: Classes by step"):
        tumour = by_name(fields(results, name))["tumour"]
        assert tumour[2] is None and None not in tumour[:2] + tumour[3:]
        custom = QUERIES[name][1]["fieldConfig"]["defaults"]["custom"]
        assert custom["spanNulls"] is False and custom["drawStyle"] == "line"


def check_classes_by_step(results, name, run, case="all"):
    found = fields(results, name, case)
    assert {field["type"] for field in found} == {"number"}
    values = by_name(found)
    assert values.pop("step") == steps(run)
    assert sorted(values) == sorted(CLASSES[:3])  # a column of nothing but nulls would be text
    for name, got in values.items():
        assert near(got, column(run, CLASSES.index(name)))


@pytest.mark.parametrize("name, run, case", [("run: Classes by step", "unet", "all"),
                                             ("run: Classes by step", HOSTILE, "hostile"),
                                             ("compare: Classes of the base", "unet", "all"),
                                             ("compare: Classes of the head", "unet-b", "all"),
                                             ("compare: Classes of the head", HOSTILE, "hostile")])
def test_classes_by_step(results, name, run, case):
    check_classes_by_step(results, name, run, case)


@pytest.mark.parametrize("name, runs", [("overview: Runs by step", list(seed.RUNS)),
                                        ("compare: Both by step", ["unet", "unet-b"])])
def test_runs_by_step(results, name, runs):
    values = by_name(fields(results, name))
    assert values.pop("step") == steps(*runs)
    assert sorted(values) == sorted(runs)
    for run in runs:
        assert near(values[run], at_steps(run, steps(*runs)))


@pytest.mark.parametrize("name, runs", [("overview: Runs over time", list(seed.RUNS)),
                                        ("compare: Both over time", ["unet", "unet-b"])])
def test_runs_over_time(results, name, runs):
    time, *series = fields(results, name)
    times = [at for run in runs for _, at, _, _ in seed.evaluations(run)]
    assert (time["type"], time["values"]) == ("time", sorted(times))
    assert sorted(field["display"] for field in series) == sorted(runs)
    for field in series:
        assert near([value for value in field["values"] if value is not None], column(field["display"], None))
    # Their points do not meet, so that a line must reach over them.
    assert QUERIES[name][1]["fieldConfig"]["defaults"]["custom"]["spanNulls"] is True


def test_newest_value_of_each_class(results):
    shown = results["jobs"]["all/run: Newest value of each class"]["shown"]
    assert [bar["title"] for bar in shown] == CLASSES
    assert [bar["text"] for bar in shown] == [f"{value:.3f}" if value is not None else "undefined"
                                              for value in seed.evaluations("unet")[-1][2]]


def test_newest_value_of_each_run(results):
    shown = results["jobs"]["all/overview: Newest value"]["shown"]
    assert {bar["title"]: bar["text"] for bar in shown} == {run: f"{column(run, None)[-1]:.3f}" for run in seed.RUNS}


def best_of(run):
    """(step, mean), the next best mean."""
    first, second = sorted(((mean, step) for step, _, _, mean in seed.evaluations(run)), reverse=True)[:2]
    return first[1], first[0], second[0]


def test_stats_of_a_run(results):
    newest = results["jobs"]["all/run: Newest value"]["shown"]
    assert [stat["text"] for stat in newest] == [f"{column('unet', None)[-1]:.3f}"]
    step, best, second = best_of("unet")
    shown = results["jobs"]["all/run: Best value"]["shown"]
    assert {stat["title"]: stat["text"] for stat in shown} == {
        "best": f"{best:.3f}", "next best": f"{second:.3f}", "step": str(step)}


def cells(results, name, case="all"):
    """Rows of a table as {column as shown: text as shown}, columns from left to right."""
    found = fields(results, name, case)
    return [dict(zip((field["display"] for field in found), row)) for row in zip(*(field["text"] for field in found))]


def test_table_of_best_evaluations(results):
    rows = cells(results, "overview: Best evaluation of each run")
    assert list(rows[0]) == ["run", "split", "value", "next best", "step", "Time"]
    for row in rows:
        step, best, second = best_of(row["run"])
        assert (row["split"], row["value"], row["next best"], row["step"]) == (
            "val", f"{best:.3f}", f"{second:.3f}", str(step))
    assert {row["run"] for row in rows} == set(seed.RUNS)


def test_table_of_newest_evaluations(results):
    rows = cells(results, "overview: Newest evaluation of each run")
    assert list(rows[0]) == ["run", "split", "step", "value", "reason", "Time"]
    assert {(row["run"], row["step"], row["value"], row["reason"]) for row in rows} == {
        (run, str(max(seed.RUNS[run]["val"])), f"{column(run, None)[-1]:.3f}", "") for run in seed.RUNS}


def test_table_of_classes(results):
    pred, label = seed.labels(*seed.RUNS["unet"]["val"][500][1:])
    rows = cells(results, "run: Classes of the newest evaluation")
    assert list(rows[0]) == ["class", "value", "label voxels", "predicted voxels", "reason"]
    for index, row in enumerate(rows):
        value = seed.evaluations("unet")[-1][2][index]
        assert row == {"class": CLASSES[index], "value": f"{value:.3f}" if value is not None else "undefined",
                       "label voxels": f"{(label == index).sum():,}", "predicted voxels": f"{(pred == index).sum():,}",
                       "reason": "" if value is not None else "absent_in_both"}


def test_confusion(results):
    pred, label = seed.labels(*seed.RUNS["unet"]["val"][500][1:])
    rows = cells(results, "run: Confusion")
    assert [row["label"] for row in rows] == CLASSES
    for i, row in enumerate(rows):
        counts = [((label == i) & (pred == j)).sum() for j in range(len(CLASSES))]
        assert [row[name] for name in CLASSES] == [f"{count:,}" for count in counts]


def test_worst_images(results):
    found = by_name(fields(results, "run: Worst images"))
    defined = [value for value in found["value"] if value is not None]
    assert defined == sorted(defined) and found["value"][-1] is None  # undefined ones come last
    assert set(found["image"]) == {f"case {n}" for n in range(seed.IMAGES)} and set(found["class"]) == set(CLASSES)
    assert list(found) == ["image", "class", "value", "reason"]


def test_spread_over_images(results):
    rows = cells(results, "run: Spread over the images")
    assert [row["class"] for row in rows] == CLASSES
    for row, value in zip(rows, seed.evaluations("unet")[-1][2]):
        assert row["images"] == (str(seed.IMAGES) if value is not None else "0")
        assert row["mean"] == (f"{value:.3f}" if value is not None else "undefined")
        assert list(row)[3:] == ["p0", "p5", "p25", "p50", "p75", "p95", "p100"]


def test_comparison(results):
    """Runs on the images that both have: here all, of the last step of each."""
    rows = cells(results, "compare: Difference per class")
    assert list(rows[0]) == ["class", "images", "base", "head", "difference", "low", "high", "wins", "losses"]
    base, head = (seed.evaluations(run)[-1][2] for run in ("unet", "unet-b"))
    for row in rows:
        a, b = (values[CLASSES.index(row["class"])] for values in (base, head))
        if a is None or b is None:
            assert row["difference"] == "undefined"
            continue
        assert (row["base"], row["head"], row["difference"]) == (f"{a:.3f}", f"{b:.3f}", f"{b - a:.3f}")
        assert float(row["low"]) <= float(row["difference"]) <= float(row["high"])
        assert int(row["wins"]) + int(row["losses"]) <= seed.IMAGES


def test_variables(results):
    """What the drop-down lists show, and what a choice puts into the queries."""
    names = {"run": set(seed.RUNS), "base": set(seed.RUNS), "head": set(seed.RUNS), "split": {"val", "train"},
             "class": set(CLASSES), "score": {"dice", "iou", "precision", "tv"}}
    asked = [name for name in QUERIES if "$" in name]
    assert len(asked) == 3 + 4 + 5
    for name in asked:
        shown, value = fields(results, name)
        assert (shown["name"], shown["type"], value["name"], value["type"]) == ("__text", "string", "__value", "string")
        assert set(value["values"]) == names[name.split("$")[1]] and len(value["values"]) == len(set(value["values"]))
        assert all(a.startswith(b) for a, b in zip(shown["values"], value["values"]))


@pytest.mark.parametrize("name, runs", [("overview", list(seed.RUNS)), ("run", ["unet"]),
                                        ("compare", ["unet", "unet-b"])])
def test_annotations(results, name, runs):
    found = {field["name"]: field for field in fields(results, f"{name}: Best checkpoints")}
    types = {name: field["type"] for name, field in found.items()}
    assert types == {"time": "time", "timeEnd": "time", "title": "string", "text": "string", "tags": "string"}
    times = {step: at for run in runs for step, at, _, _ in seed.evaluations(run)}
    for run in runs:
        step, best, _ = best_of(run)
        at = dict((s, t) for s, t, _, _ in seed.evaluations(run))[step]
        number = found["time"]["values"].index(at)
        assert f"step {step}: dice {best:.4g}" in found["text"]["values"][number]
        assert found["title"]["values"][number] == "best val/dice"
        assert "best" in found["tags"]["values"][number].split(",")
    assert len(found["time"]["values"]) == len(runs) and times


@pytest.mark.parametrize("case", EMPTY)
def test_nothing_is_drawn_of_what_is_not_there(results, case):
    """An empty frame: the panel says "No data"."""
    parameter = "${" + case.split()[1]
    for name, (query, panel) in QUERIES.items():
        if panel is not None and parameter in json.dumps(query) and not is_missing(case, name):
            assert all(field["values"] == [] for field in fields(results, name, case)), name


# -------------------------------------------------------------------------------------------------- alerts


def fired(results, rule):
    """Its reductions and its condition, on the series of its query: the labels of those that fire."""
    data = {step["refId"]: step["model"] for step in rule["data"]}
    reduce = {"max": max, "last": lambda values: values[-1]}
    out = set()
    for field in fields(results, f"alert: {rule['title']}"):
        values = [value for value in field["values"] if value is not None]  # mode dropNN
        if field["type"] == "time" or not values:
            continue
        condition = data[rule["condition"]]["expression"].replace("&&", "and")
        for ref, model in data.items():
            if model["type"] == "reduce":
                assert model["expression"] == "A" and model["settings"] == {"mode": "dropNN"}
                condition = condition.replace(f"${ref}", repr(reduce[model["reducer"]](values)))
        assert re.fullmatch(r"[-+.0-9e<> ]+( and [-+.0-9e<> ]+)*", condition), condition
        if eval(condition):  # numbers and comparisons, as was just checked
            out.add((field["labels"]["run"], field["labels"]["class"]))
    return out


def test_alerts(results):
    fires = {rule["title"]: fired(results, rule) for rule in queries.RULES}
    assert fires == {"A class drops": {("unet", "tumour"), ("unet-b", STRANGE)},
                     "A class is lost": {("unet-b", STRANGE)}}


def test_alert_rules_are_whole():
    boards = {board["uid"]: board for board in queries.DASHBOARDS.values()}
    for rule in queries.RULES:
        assert rule["noDataState"] == "OK"  # an idle night is no alarm
        assert "${" not in json.dumps([step["model"] for step in rule["data"][1:]])
        text = json.dumps(rule["data"][0]["model"])
        assert set(re.findall(r"\$\{?(\w+)", text)) <= {"__timeFrom", "__timeTo"}  # a rule has no variables
        panel = next(panel for panel in boards[rule["dashboardUid"]]["panels"] if panel["id"] == rule["panelId"])
        assert panel["title"] == "Classes over time"
        assert rule["data"][0]["datasourceUid"] == "maskmeter"


# ------------------------------------------------------------------------------------------- the files' form


def test_infinity_rules_are_those_of_its_own_libraries(results):
    for name, vector in VECTORS.items():
        frame, expected = results["vectors"][name], vector["frame"]
        assert frame["data"]["values"] == expected["data"]["values"], name
        for field, want in zip(frame["schema"]["fields"], expected["schema"]["fields"], strict=True):
            for key in ("name", "type", "labels"):
                assert field.get(key) == want.get(key), name


def test_every_panel_is_looked_at():
    """A panel that asks maskmeter has a test of its frames here."""
    source = (npm.HERE / "test_dashboards.py").read_text()
    for name, (_, panel) in QUERIES.items():
        assert panel is None or f"{name}" in source, name


def test_files_are_what_the_generator_writes():
    subprocess.run([sys.executable, "-B", queries.GRAFANA / "generate.py", "--check"], check=True)


def test_units_exist(results):
    for name in queries.DASHBOARDS:
        for panel in queries.panels(name):
            config = panel["fieldConfig"]
            units = [config["defaults"]["unit"]]
            units += [p["value"] for o in config["overrides"] for p in o["properties"] if p["id"] == "unit"]
            assert set(units) <= set(results["units"]), panel["title"]


@pytest.mark.parametrize("name", queries.DASHBOARDS)
def test_lint(name):
    board = queries.DASHBOARDS[name]
    assert board["uid"] == name and re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name)
    assert board["schemaVersion"] == 42 and board["editable"] is False and board["id"] is None and board["description"]
    known = {variable["name"] for variable in board["templating"]["list"]}
    assert board["templating"]["list"][0]["type"] == "datasource"
    for variable in board["templating"]["list"][1:]:
        assert variable["refresh"] == 2 and variable["datasource"]["uid"] == "${datasource}"
    ids, taken = [], set()
    for panel in board["panels"]:
        ids.append(panel["id"])
        grid = panel["gridPos"]
        xs, ys = (range(grid[at], grid[at] + grid[size]) for at, size in ("xw", "yh"))
        area = {(x, y) for x in xs for y in ys}
        assert not area & taken and xs.stop <= 24, panel["title"]
        taken |= area
    assert len(set(ids)) == len(ids)
    for panel in queries.panels(name):
        assert panel["title"] and panel["description"].endswith(".") and panel["targets"]
        for holder in (panel, *panel["targets"]):
            assert holder["datasource"]["uid"] == "${datasource}"
    used = set(re.findall(r"\$\{?(\w+)", json.dumps([board["panels"], board["templating"], board["annotations"]])))
    assert used - known <= {"__timeFrom", "__timeTo", "__interval_ms", "__rate_interval", "__range", "__data",
                            "__url_time_range", "__all"}


QUERY_SCHEMA = {
    "type": "object",
    "properties": {
        "refId": {"enum": ["A", "variable", "Anno"]},
        "datasource": {"const": {"type": queries.INFINITY, "uid": "${datasource}"}},
        "type": {"const": "json"},
        "source": {"const": "url"},
        "parser": {"const": "backend"},
        "format": {"enum": ["table", "timeseries", "dataframe"]},
        "url": {"pattern": "^/v1/(grafana/[a-z/]+|compare)$"},
        "url_options": {
            "type": "object",
            "properties": {
                "method": {"const": "GET"}, "data": {"const": ""}, "headers": {"const": []},
                "params": {"type": "array", "items": {
                    "type": "object", "required": ["key", "value"], "additionalProperties": False,
                    "properties": {"key": {"pattern": "^[a-z_]+$"}, "value": {"type": "string", "minLength": 1}}}},
            },
            "required": ["method", "data", "headers", "params"],
            "additionalProperties": False,
        },
        "root_selector": {"enum": ["rows", "classes"]},
        "columns": {"type": "array", "items": {
            "type": "object", "required": ["selector", "text", "type"], "additionalProperties": False,
            "properties": {"selector": {"pattern": "^[A-Za-z_0-9]+$"}, "text": {"pattern": "^[A-Za-z_0-9 ]+$"},
                           "type": {"enum": ["string", "number", "timestamp_epoch"]}}}},
        "computed_columns": {"const": []},
        "filters": {"const": []},
        **{key: {"const": ""} for key in ("filterExpression", "summarizeExpression", "summarizeBy", "summarizeAlias",
                                          "global_query_id")},
        "pagination_mode": {"const": "none"},
    },
    "additionalProperties": False,
}
QUERY_SCHEMA["required"] = [key for key in QUERY_SCHEMA["properties"] if key != "datasource"]


@pytest.mark.parametrize("name", QUERIES)
def test_infinity_query_is_whole(name):
    """Nothing is left to the plugin's defaults, which differ between its versions; a list is always sent as csv."""
    query = QUERIES[name][0]
    jsonschema.validate(query, QUERY_SCHEMA)
    for param in query["url_options"]["params"]:
        if param["key"] in ("run", "class") and "${" in param["value"]:
            single = name.startswith("compare") or (name.startswith("run") and param["key"] == "run")
            assert single or ":csv}" in param["value"], param


# What a file may hold of a type: names of constants are text there, and what is left out has its default.
PLAIN = """type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[]
    : T extends object ? { [K in keyof T]?: Plain<T[K]> } : T;"""
KINDS = {"timeseries": "TimeSeries", "trend": "Trend", "stat": "Stat", "bargauge": "BarGauge", "table": "Table"}


def typed(board):
    """The dashboard as TypeScript, which compiles only if it and the options of each panel have Grafana's types."""
    lines = ["import type { Dashboard } from '@grafana/schema';"]
    for kind, title in KINDS.items():
        path = f"@grafana/schema/dist/esm/raw/composable/{kind}/panelcfg/x/{title}PanelCfg_types.gen"
        lines.append(f"import type * as {kind} from '{path}';")
    lines.append(PLAIN)
    for panel in board["panels"]:
        if panel["type"] != "row":
            kind, options = panel["type"], json.dumps(panel["options"], ensure_ascii=False)
            lines.append(f"({options}) satisfies Plain<{kind}.Options>;")
            custom = panel["fieldConfig"]["defaults"].get("custom")
            if custom and kind != "table":
                lines.append(f"({json.dumps(custom)}) satisfies Plain<{kind}.FieldConfig>;")
    # What an annotation asks is its data source's own affair, of which the type knows nothing.
    annotations = [dict(one) for one in board["annotations"]["list"]]
    for one in annotations:
        del one["target"]
    board = {**board, "annotations": {"list": annotations}}
    lines.append(f"export default ({json.dumps(board, ensure_ascii=False, indent=1)}) satisfies Plain<Dashboard>;")
    return "\n".join(lines)


def test_types():
    """Good files pass, and a wrong type, an unknown option and a wrong value of one do not."""
    sources = {f"{name}.ts": typed(board) for name, board in queries.DASHBOARDS.items()}
    assert npm.type_check(sources) == ""
    good = sources["maskmeter-run.ts"]
    broken = {"uid": good.replace('"uid": "maskmeter-run"', '"uid": 1'),
              "height": good.replace('"h": 5', '"h": "5"', 1),
              "option": good.replace('"graphMode"', '"graphMood"', 1),
              "value": good.replace('"drawStyle": "line"', '"drawStyle": "wavy"', 1)}
    complaints = npm.type_check({f"{name}.ts": text for name, text in broken.items()})
    for name, text in broken.items():
        assert text != good and f"types/{name}.ts" in complaints, complaints
