"""fill.py - fills a data folder with a history of any size, for figures and for tests of dashboards.

usage: fill.py MASKMETER DATA [--runs N] [--steps N] [--classes N] [--scores N] [--images N] [--seed N]

The server itself stores the last evaluation of each run: schema, definitions, records and scores are its own.  The
evaluations before it are then copied from that one by SQL, with values that rise towards it; now and then one is not
defined.  The same arguments give the same values.
"""
import argparse
import pathlib
import sqlite3
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "http"))
import support  # noqa: E402

SCORES = ("dice", "iou", "precision", "recall", "specificity", "accuracy", "dice_loss", "jaccard_loss", "tversky_loss",
          "mcc", "f2:f_beta(beta=2)", "npv")  # fmt: skip
START, RUN_MS, STEP_MS = 1_760_000_000_000, 3_600_000, 60_000
SIDE = 32  # of an image


def body(rng, images, classes):
    """Label maps of squares, and predictions that miss some of them."""
    cells = rng.integers(0, classes, (images, 8, 8), dtype=np.uint8)
    label = cells.repeat(SIDE // 8, axis=1).repeat(SIDE // 8, axis=2)
    wrong = rng.random((images, SIDE, SIDE)) < 0.2
    pred = np.where(wrong, rng.integers(0, classes, label.shape, dtype=np.uint8), label)
    return support.safetensors({"pred": np.ascontiguousarray(pred), "label": np.ascontiguousarray(label)})


def store_last(data, runs, steps, classes, scores, images, seed):
    """The last evaluation of every run, stored by the server."""
    rng = np.random.default_rng(seed)
    server = support.Server(data)
    try:
        for run in range(runs):
            server.score(
                body(rng, images, classes), run=f"run-{run:03}", split="val", step=str(steps),
                classes=",".join(f"class-{i:02}" for i in range(classes)), scores=",".join(SCORES[:scores]),
                image_ids=",".join(f"case-{i:04}" for i in range(images)), tags=f"model=unet-{run % 7},lr=0.{run % 9 + 1}",
            )  # fmt: skip
    finally:
        server.stop()


# A number in [0, 1) from whole numbers: the upper bits of a product are as good as random here.
NOISE = "((({}) * 2654435761 + {seed} * 40503) % 1000003) / 1000003.0"

COPIES = (
    """INSERT INTO evaluations (run, split, step, time, classes, class_count, task, threshold, ignore_index, scores,
           weights, parts_expected, parts_received, images, updated)
       SELECT e.run, e.split, n.step, :start + e.run * :run_ms + n.step * :step_ms, e.classes, e.class_count, e.task,
           e.threshold, e.ignore_index, e.scores, e.weights, e.parts_expected, 0, e.images, e.updated
       FROM last e CROSS JOIN numbers n ORDER BY e.run, n.step""",
    f"""INSERT INTO scores (series, time, evaluation, step, position, value, reason)
        SELECT s.series, e.time, e.id, e.step, s.position,
            s.value * (0.3 + 0.7 * e.step / :steps) + 0.02 * {NOISE.format('e.id * 131 + s.position', seed=':seed')}, 0
        FROM last l JOIN scores s ON s.evaluation = l.id JOIN evaluations e ON e.run = l.run AND e.id <> l.id
        ORDER BY s.series, e.time, e.id""",
    f"""INSERT INTO class_scores (evaluation, position, class, value, reason)
        SELECT e.id, c.position, c.class,
            CASE WHEN (e.id * 31 + c.class * 7) % 23 = 0 THEN NULL
            ELSE c.value * (0.3 + 0.7 * e.step / :steps)
                + 0.05 * {NOISE.format('e.id * 1009 + c.position * 61 + c.class', seed=':seed')} END,
            (e.id * 31 + c.class * 7) % 23 = 0
        FROM last l JOIN evaluations e ON e.run = l.run AND e.id <> l.id JOIN class_scores c ON c.evaluation = l.id
        ORDER BY e.id, c.position, c.class""",
    """INSERT INTO class_voxels (evaluation, class, label, pred)
       SELECT e.id, v.class, v.label, v.pred
       FROM last l JOIN evaluations e ON e.run = l.run AND e.id <> l.id JOIN class_voxels v ON v.evaluation = l.id
       ORDER BY e.id, v.class""",
    "UPDATE splits SET evaluations = :steps, first_step = 1",
)


def move_last(db, where):
    """The server has given the last evaluations the time of now: they too belong into the past."""
    time = ":start + run * :run_ms + step * :step_ms"
    db.execute(f"UPDATE scores SET time = (SELECT {time} FROM evaluations e WHERE e.id = scores.evaluation)", where)
    db.execute(f"UPDATE evaluations SET time = {time}", where)
    db.execute("UPDATE runs SET created = :start + id * :run_ms, updated = :start + id * :run_ms + :steps * :step_ms",
               where)  # fmt: skip


def copy_back(data, steps, seed):
    where = {"start": START, "run_ms": RUN_MS, "step_ms": STEP_MS, "steps": steps, "seed": seed}
    db = sqlite3.connect(data / "maskmeter.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -200000")
    db.execute("BEGIN")
    db.execute("CREATE TEMP TABLE last AS SELECT * FROM evaluations ORDER BY run")
    db.execute("CREATE TEMP TABLE numbers (step INTEGER PRIMARY KEY)")
    db.executemany("INSERT INTO numbers VALUES (?)", ((step,) for step in range(1, steps)))
    move_last(db, where)
    for sql in COPIES:
        db.execute(sql, where)
    db.execute("COMMIT")
    db.close()


def fill(data, runs=200, steps=500, classes=20, scores=10, images=40, seed=1):
    data = pathlib.Path(data)
    data.mkdir(exist_ok=True)
    store_last(data, runs, steps, classes, scores, images, seed)
    copy_back(data, steps, seed)
    return runs * steps * classes * scores


def main():
    parser = argparse.ArgumentParser(description="Fills a data folder with a history of any size.")
    parser.add_argument("maskmeter", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    for name, default in (("runs", 200), ("steps", 500), ("classes", 20), ("scores", 10), ("images", 40), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    support.BINARY = options.maskmeter.resolve()
    values = fill(options.data, options.runs, options.steps, options.classes, options.scores, options.images,
                  options.seed)  # fmt: skip
    print(f"{values} values per class")


if __name__ == "__main__":
    main()
