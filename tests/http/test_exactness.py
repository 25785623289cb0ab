"""test_exactness.py - the same data give the same bits, whatever threads, CPU level, layout, coding, order, split."""

import itertools
import pathlib
import platform
import random
import threading
import zlib

import numpy as np
import pytest
from support import MANIFEST, Server, bits, data_file, data_params, data_tensors, safetensors, scores_of, zstd

# Every family of natural scores and the seed's functions, with and without weights, over images and pooled.
SCORES = ",".join([
    "dice", "iou", "precision", "recall", "specificity", "accuracy", "tp", "fp", "fn", "tn",
    "dice_loss", "dice_pooled:dice_loss(over=pooled)", "jaccard_loss(smooth=1)", "tversky_loss(alpha=0.2,beta=0.8)",
    "focal_tversky_loss(gamma=0.75)", "generalized_dice_loss", "generalized_dice_loss(over=pooled)",
    "cross_entropy", "cross_entropy(over=pooled)", "cross_entropy(average=macro)",
    "binary_cross_entropy", "focal_loss", "focal_loss(gamma=1.5,alpha=0.25)",
    "mix:sum(0.3*dice_loss,0.7*cross_entropy)", "seed.categorical_dice", "seed.categorical_tversky(beta=0.3)",
    "seed.generalized_dice_loss_w", "seed.categorical_crossentropy", "seed.categorical_dicePcrossentroy(lamda=0.5)",
])
# Distances: both kinds of surface, percentiles, tolerances, neighbours, losses, and two libraries' names.
DISTANCES = [
    "hausdorff", "hd95", "hd95(of=pooled)", "assd", "masd", "rms_surface_distance", "hausdorff_percentile(q=33.3)",
    "hausdorff_directed(from=label)", "nsd(tolerance=0.7)", "nsd(tolerance=2)", "surface_overlap(tolerance=1.5)",
    "hausdorff(connectivity=2)", "assd(metric=chessboard)", "hd95(metric=taxicab)", "hausdorff(empty=diagonal)",
    "boundary_iou", "component_dice",
]
WIDE_DISTANCES = DISTANCES + [  # of two or three axes
    "hd95(surface=surfel)", "assd(surface=surfel)", "nsd(tolerance=1.2,surface=surfel)",
]
MORE_DISTANCES = [  # losses, which are of probabilities, and functions that have a value for each image
    "hausdorff_dt_loss", "boundary_loss", "distance_penalized_cross_entropy", "distance_weighted_dice_loss",
    "shape_aware_loss", "monai.HausdorffDTLoss", "segloss.HausdorffDTLoss", "segloss.BDLoss",
    "monai.compute_hausdorff_distance(percentile=95,spacing=0.7)",
    "monai.compute_average_surface_distance(symmetric=true)",
]
SPINE = "spine3d_semantic.safetensors.zst"
FILES = [
    "demo.safetensors",
    "seed3d.safetensors.zst",
    "dsb2d_probs_519x253.safetensors",
    "dsb2d_labels_519x161.safetensors.zst",
]
LABEL_SCORES = (
    "dice,iou,recall,dice_loss,tversky_loss(alpha=0.2,beta=0.8),generalized_dice_loss,specificity,"
    "mean:dice(over=pooled)"
)


def scores_for(classes, label_map=False):
    """The list for so many classes: some of the seed's functions want a number for each."""
    if label_map:
        return LABEL_SCORES
    numbers = str([round(0.4 + 0.3 * c, 1) for c in range(classes)]).replace(" ", "")
    return (
        f"{SCORES},seed.categorical_focal_loss(gamma=2,alpha={numbers}),"
        f"seed.categorical_dicePfocalloss(gamma=1.5,lamda=0.3,alpha={numbers}),"
        f"seed.weighted_categorical_crossentropy(weight_loss={numbers})"
    )


def random_case(images=5, classes=5, spatial=(37, 61), seed=3):
    """Probabilities of many magnitudes, odd sizes, an ignored patch, and a class that is nowhere in some images."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 4, (images, classes, *spatial))
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs = (probs / probs.sum(axis=1, keepdims=True)).astype("<f4")
    label = rng.integers(0, classes - 1, (images, *spatial)).astype("u1")
    label[0, :5, :7] = 255
    return probs, label


PROBS, LABEL = random_case()
INCLUDE = {"include": "images,confusion"}
RANDOM = {"ignore_index": "255", "weights": "0.3,1,2.5,0.7,1.1", "scores": scores_for(5), **INCLUDE}


def rough_case(spatial, images=3, classes=4, seed=9):
    """Probabilities and labels whose regions have surfaces: blocks, shifted and torn; the last class is rare."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, classes - 1, (images, *(-(-n // 5) for n in spatial)))
    label = np.kron(coarse, np.ones((1, *(5 for _ in spatial)), int))[(slice(None), *(slice(n) for n in spatial))]
    label[:, 0] = np.where(rng.random(label[:, 0].shape) < 0.1, classes - 1, label[:, 0])
    pred = np.where(rng.random(label.shape) < 0.04, rng.integers(0, classes, label.shape), np.roll(label, 1, axis=-1))
    pred[0][pred[0] == classes - 1] = 0
    probs = 0.2 * rng.random((images, classes, *spatial)) + np.moveaxis(np.eye(classes)[pred], -1, 1)
    return (probs / probs.sum(axis=1, keepdims=True)).astype("<f4"), label.astype("u1")


ROUGH = {"picture": rough_case((37, 61)), "volume": rough_case((11, 23, 19)), "signal": rough_case((301,))}
ROUGH_PARAMS = {
    "picture": {"spacing": "0.7,1.3", "include": "images", "scores": ",".join(WIDE_DISTANCES + MORE_DISTANCES)},
    "volume": {"spacing": "3,0.9,0.9", "include": "images", "scores": ",".join(WIDE_DISTANCES + MORE_DISTANCES)},
    "signal": {"spacing": "0.3", "include": "images", "scores": ",".join(DISTANCES)},
}


def score_rough(server, name, pred=None, label=None, **params):
    probs, index = ROUGH[name]
    tensors = {"pred": probs if pred is None else pred, "label": index if label is None else label}
    return server.score(safetensors(tensors), **{**ROUGH_PARAMS[name], **params})


def score_spine(server):
    """A volume of 512x512x17 and 15 classes: boxes that threads share."""
    body, headers = data_file(SPINE)
    scores = "hd95,assd,nsd(tolerance=2),hd95(surface=surfel),assd(surface=surfel),hausdorff(connectivity=3)"
    return server.score(body, headers, scores=scores, spacing="0.58594,0.58594,3.3", **data_params(SPINE))


def score_file(server, name):
    body, headers = data_file(name)
    scores = scores_for(MANIFEST[name]["classes"], MANIFEST[name]["layout"] == "no class axis")
    return server.score(body, headers, scores=scores, **INCLUDE, **data_params(name))


def answers(server):
    """Bits of everything that the comparisons below are about."""
    out = {}
    for name in FILES:
        out[name] = bits(score_file(server, name))
    out["random"] = bits(server.score(safetensors({"pred": PROBS, "label": LABEL}), **RANDOM))
    for kind in ("logits", "probs"):
        pred = np.log(PROBS + np.float32(1e-30)) if kind == "logits" else PROBS
        for dtype in ("<f8", "<f2"):
            body = safetensors({"pred": pred.astype(dtype), "label": LABEL})
            out[kind, dtype] = bits(server.score(body, pred_kind=kind, **RANDOM))
    onehot = np.eye(256, dtype="u1")[LABEL % 255][..., :5].transpose(0, 3, 1, 2)
    body = safetensors({"pred": PROBS, "label": np.ascontiguousarray(onehot)})
    out["multilabel"] = bits(
        server.score(body, task="multilabel", scores="dice,binary_cross_entropy,focal_loss,tversky_loss")
    )
    for name in ROUGH:
        out[name] = bits(score_rough(server, name))
    out[SPINE] = bits(score_spine(server))
    return out


@pytest.fixture(scope="module")
def reference(server):
    return answers(server)


def cpu_levels():
    """The levels that this machine has, below its best one."""
    if platform.machine() != "x86_64":
        return ["scalar"]
    flags = set(pathlib.Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split())
    levels = ["scalar"]
    if {"avx2", "bmi2", "fma", "f16c", "movbe"} <= flags:
        levels.append("x86-64-v3")
        if {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= flags:
            levels.append("x86-64-v4")
    return levels


@pytest.mark.parametrize("threads, level", itertools.product(["1", "2", "3"], cpu_levels()))
def test_threads_and_cpu_levels(tmp_path, reference, threads, level):
    server = Server(tmp_path, "--threads", threads, env={"MM_CPU": level})
    try:
        answer = server.score(data_file("demo.safetensors")[0], scores="dice")
        assert answer["engine"]["threads"] == int(threads)
        assert f'cpu="{level}"' in server.get("/metrics").text
        assert answers(server) == reference
    finally:
        server.stop()


def test_tensor_order_and_alignment(server, reference):
    """Either order, and data at every offset modulo 16."""
    first = {"pred": PROBS, "label": LABEL}
    last = {"label": LABEL, "pred": PROBS}
    for tensors, shift in itertools.product((first, last), range(16)):
        body = safetensors(tensors, {"note": "x" * shift}, pad=False)
        assert bits(server.score(body, **RANDOM)) == reference["random"]


def test_codings(server, reference):
    body = safetensors({"pred": PROBS, "label": LABEL})
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for coding, packed in (("zstd", zstd(body)), ("gzip", packer.compress(body) + packer.flush())):
        assert bits(server.score(packed, {"Content-Encoding": coding}, **RANDOM)) == reference["random"]


def test_layouts(server, reference):
    """Class axis first or last, in pred and in a one-hot label."""
    last = np.ascontiguousarray(np.moveaxis(PROBS, 1, -1))
    body = safetensors({"pred": last, "label": LABEL})
    assert bits(server.score(body, layout="channels_last", **RANDOM)) == reference["random"]
    name = "seed3d.safetensors.zst"
    first = {key: np.ascontiguousarray(np.moveaxis(array, -1, 1)) for key, array in data_tensors(name).items()}
    ids = ",".join(MANIFEST[name]["image_ids"])  # the file says them in its metadata
    params = {"scores": scores_for(4), **INCLUDE, **data_params(name), "layout": "channels_first", "image_ids": ids}
    assert bits(server.score(safetensors(first), **params)) == reference[name]


@pytest.mark.parametrize("dtype", ["u1", "<i2", "<i8", "?", "<f4", "<f8"])
def test_index_and_one_hot_labels(server, dtype):
    """An index map, with or without an axis of length 1, and its one-hot form in any type."""
    label = LABEL % 5
    params = {key: value for key, value in RANDOM.items() if key != "ignore_index"}
    index = bits(server.score(safetensors({"pred": PROBS, "label": label}), **params))
    with_axis = safetensors({"pred": PROBS, "label": label[:, None].astype("<i4")})
    assert bits(server.score(with_axis, **params)) == index
    onehot = np.ascontiguousarray(np.eye(5)[label].transpose(0, 3, 1, 2).astype(dtype))
    assert bits(server.score(safetensors({"pred": PROBS, "label": onehot}), **params)) == index
    last = np.ascontiguousarray(np.moveaxis(onehot, 1, -1))
    body = safetensors({"pred": np.ascontiguousarray(np.moveaxis(PROBS, 1, -1)), "label": last})
    assert bits(server.score(body, layout="channels_last", **params)) == index


@pytest.mark.parametrize("name", ROUGH)
def test_distances_of_any_layout_and_order(server, reference, name):
    """Class axis first or last, label before pred, label as an index map or one-hot."""
    probs, label = ROUGH[name]
    last = np.ascontiguousarray(np.moveaxis(probs, 1, -1))
    onehot = np.eye(4, dtype="u1")[label]
    assert bits(score_rough(server, name, last, layout="channels_last")) == reference[name]
    assert bits(score_rough(server, name, last, onehot, layout="channels_last")) == reference[name]
    first = np.ascontiguousarray(np.moveaxis(onehot, -1, 1))
    assert bits(score_rough(server, name, label=first)) == reference[name]
    body = safetensors({"label": label, "pred": probs}, {"note": "x"}, pad=False)
    assert bits(server.score(body, **ROUGH_PARAMS[name])) == reference[name]


@pytest.mark.parametrize("name", ROUGH)
def test_distances_of_probabilities_masks_and_label_maps(server, name):
    """What counts is the hard map: from probabilities, logits, one-hot masks, or as it is, in any type."""
    probs, label = ROUGH[name]
    scores = ",".join(DISTANCES if name == "signal" else WIDE_DISTANCES)
    hard = probs.argmax(axis=1)
    onehot = np.ascontiguousarray(np.moveaxis(np.eye(4, dtype="u1")[hard], -1, 1))
    first = score_rough(server, name, scores=scores)
    wanted = bits(first)
    assert len({score["value"] for score in first["scores"]}) > 10
    for pred, params in (
        (np.log(probs + np.float32(1e-3)), {"pred_kind": "logits"}),
        (onehot, {"pred_kind": "masks"}),
        (onehot.astype("?"), {"pred_kind": "masks"}),
        (onehot.astype("<f2"), {"pred_kind": "probs"}),
        (hard.astype("u1"), {"num_classes": "4"}),
        (hard.astype("<i8"), {"num_classes": "4"}),
    ):
        assert bits(score_rough(server, name, pred, scores=scores, **params)) == wanted, (pred.dtype, params)
    many = score_rough(server, name, onehot, np.moveaxis(np.eye(4, dtype="u1")[label], -1, 1), scores=scores,
                       pred_kind="masks", task="multilabel")  # fmt: skip
    assert many["scores"] == first["scores"]  # one class each, or masks that happen not to overlap


@pytest.mark.parametrize("parts", [[[2], [0], [1]], [[1, 2], [0]], [[0, 2], [1, 0]]], ids=str)
def test_distances_of_parts(server, parts):
    """Split, sent in another order, and with an image that is in two parts."""
    probs, label = ROUGH["volume"]
    params = {**ROUGH_PARAMS["volume"], "scores": ",".join(WIDE_DISTANCES), "step": "1"}
    server.score(safetensors({"pred": probs, "label": label}), run="far", image_ids="image0,image1,image2", **params)
    run = f"far {parts}".replace(",", "")
    for number, images in enumerate(parts):
        body = safetensors({"pred": probs[images], "label": label[images]})
        ids = ",".join(f"image{n}" for n in images)
        server.score(body, run=run, part=str(number), image_ids=ids, **params)
    whole = without_rows(merged(server, "far", include="images"))
    assert without_rows(merged(server, run, include="images")) == whole
    assert '"hd95"' in whole


def test_label_types(server, reference):
    for dtype in ("<u2", "<i2", "<u4", "<i4", "<u8", "<i8"):
        body = safetensors({"pred": PROBS, "label": LABEL.astype(dtype)})
        assert bits(server.score(body, **RANDOM)) == reference["random"], dtype


def test_wide_floats_hold_narrow_ones(server):
    """F16 widened to F32 or F64 is the same number, so the same bits."""
    half = PROBS.astype("<f2")
    wanted = bits(server.score(safetensors({"pred": half, "label": LABEL}), **RANDOM))
    for dtype in ("<f4", "<f8"):
        assert bits(server.score(safetensors({"pred": half.astype(dtype), "label": LABEL}), **RANDOM)) == wanted


def test_mask_and_ignore_are_the_same(server, reference):
    mask = LABEL != 255
    body = safetensors({"pred": PROBS, "label": LABEL, "mask": mask})
    params = {key: value for key, value in RANDOM.items() if key != "ignore_index"}
    assert bits(server.score(body, **params)) == reference["random"]


def splits():
    """Ways to cut 5 images into parts, and orders to send them in."""
    yield "one by one", [[0], [1], [2], [3], [4]]
    yield "backwards", [[4], [3], [2], [1], [0]]
    yield "unequal", [[0, 1, 2], [3], [4]]
    yield "interleaved", [[0, 3], [1, 4], [2]]
    rng = random.Random(5)
    for n in range(3):
        order = rng.sample(range(5), 5)
        cut = rng.randint(1, 4)
        yield f"random {n}", [order[:cut], order[cut:]]


def send_parts(server, run, parts, names=None):
    for number, images in enumerate(parts):
        body = safetensors({"pred": PROBS[images], "label": LABEL[images]})
        ids = ",".join(f"image{n}" for n in images)
        part = names[number] if names else str(number)
        server.score(body, run=run, step="1", part=part, image_ids=ids, **RANDOM)


def merged(server, run, **params):
    answer = server.get("/v1/evaluations", run=run, split="val", step="1", **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def without_rows(document):
    """Bits of what does not depend on the order of images: the rows of per_image are keyed by image id."""
    ids = document.pop("image_ids")
    for score in document["scores"]:
        if "per_image" in score:
            score["per_image"] = dict(zip(ids, score["per_image"]))
    return bits({**document, "ids": sorted(ids)})


@pytest.fixture(scope="module")
def whole(server):
    """All five images in one part."""
    ids = ",".join(f"image{n}" for n in range(5))
    server.score(safetensors({"pred": PROBS, "label": LABEL}), run="whole", step="1", image_ids=ids, **RANDOM)
    return without_rows(merged(server, "whole", include="images,confusion"))


@pytest.mark.parametrize("name, parts", splits(), ids=lambda x: x if isinstance(x, str) else "")
def test_parts(server, whole, name, parts):
    send_parts(server, name, parts)
    assert without_rows(merged(server, name, include="images,confusion")) == whole


def test_part_numbers_in_any_order(server, whole):
    send_parts(server, "numbers", [[0, 1], [2], [3, 4]], names=["7", "rank-3", "0"])
    assert without_rows(merged(server, "numbers", include="images,confusion")) == whole


def test_parts_sent_again(server, whole):
    """Sending a part again replaces it: first with other data, then with its own, then once more."""
    for images in ([1, 2], [0, 1], [0, 1]):
        body = safetensors({"pred": PROBS[images], "label": LABEL[images]})
        ids = ",".join(f"image{n}" for n in images)
        server.score(body, run="again", step="1", part="a", image_ids=ids, **RANDOM)
    body = safetensors({"pred": PROBS[2:], "label": LABEL[2:]})
    for _ in range(2):
        server.score(body, run="again", step="1", part="b", image_ids="image2,image3,image4", **RANDOM)
    document = merged(server, "again", include="images,confusion")
    assert document["evaluation"]["parts_received"] == 2
    assert without_rows(document) == whole


def test_padded_samples_count_once(server, whole):
    """A distributed loader repeats images to fill its last batch: the same id with an equal record is one image."""
    send_parts(server, "padded", [[0, 1, 2], [3, 4, 0]])
    assert without_rows(merged(server, "padded", include="images,confusion")) == whole


def test_an_answer_is_the_same_as_the_stored_evaluation(server):
    """What the upload said and what the history says are the same bits."""
    body = safetensors({"pred": PROBS, "label": LABEL})
    sent = server.score(body, run="same", step="1", **RANDOM)
    sent.pop("warnings")
    read = merged(server, "same", include="images,confusion")
    read.pop("warnings")
    assert bits(sent) == bits(read)
    for name, score in scores_of(sent).items():
        assert scores_of(read)[name] == score


def test_eight_clients_at_once(server, reference):
    """Small and large uploads mixed, from eight connections, each against its own reference."""
    failures = []

    def client(number):
        local = Server(server.data, start=False)
        local.url = server.url
        try:
            for turn in range(4):
                name = FILES[(number + turn) % len(FILES)]
                if bits(score_file(local, name)) != reference[name]:
                    failures.append((number, name))
                name = list(ROUGH)[(number + turn) % len(ROUGH)]
                if bits(score_rough(local, name)) != reference[name]:
                    failures.append((number, name))
                answer = local.score(safetensors({"pred": PROBS, "label": LABEL}), **RANDOM)
                if bits(answer) != reference["random"]:
                    failures.append((number, "random"))
        except Exception as error:  # a thread must not lose it
            failures.append((number, repr(error)))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_eight_clients_send_parts_of_one_evaluation(server, whole):
    """Parts that arrive at the same time merge to the same bits."""
    parts = [[0], [1], [2], [3], [4], [0, 1], [2, 3], [4, 0]]
    failures = []

    def client(number, images):
        local = Server(server.data, start=False)
        local.url = server.url
        try:
            ids = ",".join(f"image{n}" for n in images)
            body = safetensors({"pred": PROBS[images], "label": LABEL[images]})
            local.score(body, run="crowd", step="1", part=str(number), image_ids=ids, **RANDOM)
        except Exception as error:  # a thread must not lose it
            failures.append(repr(error))

    threads = [threading.Thread(target=client, args=item) for item in enumerate(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    document = merged(server, "crowd", include="images,confusion")
    assert document["evaluation"]["parts_received"] == len(parts)
    assert without_rows(document) == whole
