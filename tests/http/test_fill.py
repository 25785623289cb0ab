"""test_fill.py - tests/bench/fill.py makes a history that the server takes for its own, the same one every time."""

import sqlite3
import sys

from support import ROOT

sys.path.insert(0, str(ROOT / "tests" / "bench"))
import fill  # noqa: E402

SIZE = {"runs": 3, "steps": 12, "classes": 4, "scores": 5, "images": 5}


def test_everything_is_there(start, tmp_path):
    data = tmp_path / "filled"
    assert fill.fill(data, **SIZE) == 3 * 12 * 4 * 5
    server = start(data=data)
    runs = server.get("/v1/runs").json()["runs"]
    assert [(run["run"], run["evaluations"], run["first_step"], run["last_step"]) for run in runs] == [
        (f"run-00{i}", 12, 1, 12) for i in (2, 1, 0)
    ]
    ask = {"run": "run-001", "split": "val", "score": "dice"}
    rows = server.get("/v1/grafana/series", **ask).json()["rows"]
    assert len(rows) == 12 * 4 and [row["Time"] for row in rows] == sorted(row["Time"] for row in rows)
    assert any(row["Value"] is None for row in server.get("/v1/grafana/series", score="dice").json()["rows"])
    whole = server.get("/v1/evaluations", run="run-001", step="12").json()
    assert [row["Value"] for row in rows[-4:]] == whole["scores"][0]["per_class"] and whole["images"] == 5
    assert len(server.get("/v1/runs/run-001/evaluations").json()["evaluations"][3]["scores"]) == 5
    for path in ("latest", "best", "annotations", "confusion", "images", "percentiles"):
        params = {key: ask[key] for key in ("run", "split", *(["score"] if path != "confusion" else []))}
        assert server.get(f"/v1/grafana/{path}", **params).json()["rows"], path
    compared = server.get("/v1/compare", base="run-000", head="run-001", score="dice").json()
    assert compared["images"] == 5 and len(compared["classes"]) == 4
    server.score(b"".join([fill.body(fill.np.random.default_rng(1), 5, 4)]), run="run-001", step="13", num_classes="4")
    assert server.get("/v1/runs/run-001").json()["last_step"] == 13


def test_the_same_arguments_give_the_same_values(tmp_path):
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        fill.fill(tmp_path / name, **SIZE, seed=seed)
        with sqlite3.connect(tmp_path / name / "maskmeter.db") as db:
            found.append(db.execute("SELECT * FROM class_scores ORDER BY 1, 2, 3").fetchall())
        db.close()
    assert found[0] == found[1] != found[2] and len(found[0]) == 3 * 12 * 4 * 5
