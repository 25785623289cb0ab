"""surface_peers.py - surface-distance and MONAI on the label maps of an upload, one step at a time.

usage: surface_peers.py BODY CLASSES SPACING      CLASSES: how many, 0 not counted; SPACING: a,b,c

Prints one line of JSON, which packages are here, then answers each line of standard input with the seconds that the
step took and the means over the classes that it gave, as JSON.  A step scores class after class, as their users do.
"""
import importlib
import json
import statistics
import sys
import time

import numpy as np

DTYPES = {"U8": np.uint8, "U16": np.uint16}
TOLERANCE = 1.0


def package(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


surface_distance, torch = package("surface_distance"), package("torch")
monai_metrics = package("monai.metrics") if torch else None


def maps(body):
    """(pred, label): label maps [spatial]."""
    size = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + size])
    for name in ("pred", "label"):
        row = header[name]
        begin, end = (8 + size + offset for offset in row["data_offsets"])
        yield np.frombuffer(body[begin:end], DTYPES[row["dtype"]]).reshape(row["shape"][-3:])


def deepmind(pred, label, spacing):
    """HD95, the mean of both average distances, surface Dice: by surface elements."""
    found = surface_distance.compute_surface_distances(label, pred, spacing)
    return (
        surface_distance.compute_robust_hausdorff(found, 95),
        statistics.mean(surface_distance.compute_average_surface_distance(found)),
        surface_distance.compute_surface_dice_at_tolerance(found, TOLERANCE),
    )


def monai(pred, label, spacing):
    """HD95, the average of both directions together, surface Dice: by surface voxels."""
    pair = [torch.from_numpy(mask)[None, None] for mask in (pred, label)]
    common = {"include_background": True, "spacing": list(spacing)}
    return (
        float(monai_metrics.compute_hausdorff_distance(*pair, percentile=95, **common)),
        float(monai_metrics.compute_average_surface_distance(*pair, symmetric=True, **common)),
        float(monai_metrics.compute_surface_dice(*pair, class_thresholds=[TOLERANCE], **common)),
    )


def step(score, pred, label, classes, spacing):
    """The means over the classes."""
    rows = [score(pred == c, label == c, spacing) for c in classes]
    return dict(zip(("hd95", "average", "nsd"), map(statistics.mean, zip(*rows))))


def main():
    with open(sys.argv[1], "rb") as file:
        pred, label = maps(file.read())
    classes, spacing = range(1, int(sys.argv[2])), tuple(map(float, sys.argv[3].split(",")))
    here = {"deepmind": surface_distance is not None, "monai": monai_metrics is not None}
    print(json.dumps(here), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        values = step({"deepmind": deepmind, "monai": monai}[line.strip()], pred, label, classes, spacing)
        print(json.dumps({"seconds": time.perf_counter() - began, "values": values}), flush=True)


main()
