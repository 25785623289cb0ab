"""uploads.py - real uploads: nuclei of tests/data, with predictions that are weakened by a known amount."""

import numpy as np
from support import data_tensors, safetensors

CLASSES = "background,nucleus,boundary"
SCORES = "dice,precision,hd95,cross_entropy"
IMAGES = 4
SIDE = 96

_file = data_tensors("dsb2d_probs_256x256.safetensors.zst")
PRED = np.ascontiguousarray(_file["pred"][:IMAGES, :, :SIDE, :SIDE].astype("f4"))
LABEL = np.ascontiguousarray(_file["label"][:IMAGES, :SIDE, :SIDE])
IDS = ",".join(f"nuclei-{n}" for n in range(IMAGES))


def upload(noise=0.0, seed=1, without=None):
    """noise: the share of voxels whose probabilities are those of another; without: a class that is nowhere."""
    rng = np.random.default_rng(seed)
    pred, label = PRED.copy(), LABEL.copy()
    for image in range(IMAGES):
        flat = pred[image].reshape(3, -1)
        chosen = rng.choice(flat.shape[1], int(noise * flat.shape[1]), replace=False)
        flat[:, chosen] = flat[:, rng.permutation(chosen)]
    if without is not None:
        label[label == without] = 0
        pred[:, 0] = np.minimum(1, pred[:, 0] + pred[:, without])
        pred[:, without] = 0
    return safetensors({"pred": pred, "label": label})


def send(server, run, step, noise=0.0, without=None, seed=1, **params):
    params = {"classes": CLASSES, "scores": SCORES, "image_ids": IDS, **params}
    return server.score(upload(noise, seed, without), run=run, step=str(step), **params)


def train(server, run, noises=(0.5, 0.3, 0.1, 0.0), first_without=None, **params):
    for number, noise in enumerate(noises):
        without = first_without if number == 0 else None
        send(server, run, 100 * (number + 1), noise, without=without, **params)
