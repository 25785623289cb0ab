"""seed.py - what the store holds while dashboards are tested: small label maps, and by hand what their dice must be."""

import time

import numpy as np
from support import safetensors

HOSTILE = 'na\u00efve "<b>"/run \U0001f600 a+b&c=d'
STRANGE = "vessel.left|#1 @x*?"  # every sign that would lead a selector elsewhere
CLASSES = ["background", "tumour", STRANGE, "implant"]  # there is never an implant
SCORES = "dice,iou,precision,tv:tversky_loss(alpha=0.3,beta=0.7)"
IMAGES, SIDE = 3, 24
MINUTE = 60_000
START = (int(time.time()) - 3600) // 60 * 60_000  # an hour ago, in ms
END = START + 60 * MINUTE

# run: split: step: (minutes after START, shift of the tumour, shift of the vessel); None: the class is in no image
RUNS = {
    "unet": {
        "val": {100: (0, 6, 5), 200: (1, 4, 4), 300: (2, None, 3), 400: (3, 1, 2), 500: (4, 4, 1)},
        "train": {100: (0.5, 5, 5), 500: (4.5, 2, 0)},
    },
    "unet-b": {"val": {100: (10, 6, 6), 200: (11, 5, 1), 350: (12, 3, 2), 500: (13, 2, 24)},
               "train": {500: (13.5, 1, 1)}},
    HOSTILE: {"val": {7: (20, 2, 2), 8: (21, 1, 1)}},
}


def labels(tumour, vessel):
    """(prediction, label) [IMAGES, SIDE, SIDE]: squares, and where the network puts them."""
    label, pred = np.zeros((2, IMAGES, SIDE, SIDE), "u1")
    for n in range(IMAGES):
        for index, shift, top in ((1, tumour, 2), (2, vessel, 13)):
            if shift is None:
                continue
            label[n, top : top + 8, 2 + n : 10 + n] = index
            if shift < SIDE:  # else it finds none
                pred[n, top : top + 8, 2 + n + shift : 10 + n + shift] = index
    return pred, label


def dice(tumour, vessel):
    """[dice per class], their mean: over the images, where a class is in neither it is None."""
    pred, label = labels(tumour, vessel)
    per_class = []
    for index in range(len(CLASSES)):
        a, b = pred == index, label == index
        sums = (a | b).sum(axis=(1, 2)) > 0
        both, total = (a & b).sum(axis=(1, 2)), a.sum(axis=(1, 2)) + b.sum(axis=(1, 2))
        per_class.append(float(np.mean(2 * both[sums] / total[sums])) if sums.any() else None)
    defined = [value for value in per_class if value is not None]
    return per_class, sum(defined) / len(defined)


def evaluations(run, split="val"):
    """[(step, time in ms, dice per class, mean)] by step."""
    return [(step, int(START + at * MINUTE), *dice(tumour, vessel))
            for step, (at, tumour, vessel) in sorted(RUNS[run][split].items())]


def upload(server, run, split, step, time_ms, tumour, vessel):
    pred, label = labels(tumour, vessel)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_ms // 1000)) + f".{time_ms % 1000:03d}Z"
    server.score(safetensors({"pred": pred, "label": label}), run=run, split=split, step=step, time=stamp,
                 scores=SCORES, classes=",".join(CLASSES), image_ids=",".join(f"case {n}" for n in range(IMAGES)))


def fill(server):
    for run, splits in RUNS.items():
        for split, steps in splits.items():
            for step, (at, tumour, vessel) in steps.items():
                upload(server, run, split, step, int(START + at * MINUTE), tumour, vessel)
