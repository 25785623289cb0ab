"""test_surface_data.py - distances of whole files of tests/data, all classes at once; random maps by brute force."""

import functools
import json

import numpy as np
import pytest
from support import DATA, MANIFEST, ORACLE, data_file, data_params, data_tensors, near, safetensors, scores_of
from surfaces import Pair

CASES = json.loads((ORACLE / "surface" / "surface_oracle.json").read_text())["cases"]
SPINES = ["spine3d_semantic.safetensors.zst", "spine3d_matched_instance.safetensors.zst"]
NUCLEI = ["dsb2d_labels_256x256.safetensors.zst", "dsb2d_labels_519x161.safetensors.zst"]
# (name of the score, expression, its field in the oracle)
ORACLE_FIELDS = [
    ("pooled", "hd95(of=pooled)", lambda case: case["medpy"]["hd95"]),
    ("directed", "hd95", lambda case: case["medpy"]["derived"]["hd95_max_directed"]),
    ("assd", "assd", lambda case: case["medpy"]["assd"]),
    ("nsd", "nsd(tolerance=2)", lambda case: case["medpy"]["derived"]["nsd_voxel"]["2.0"]),
    ("surfel95", "hd95(surface=surfel)", lambda case: case["deepmind"]["robust_hausdorff"]["p95"]),
    ("surfel", "assd(surface=surfel)", lambda case: case["deepmind"]["derived"]["assd_pooled"]),
    ("area", "nsd(tolerance=1,surface=surfel)", lambda case: case["deepmind"]["surface_dice"]["1.0"]),
]
SCORES = ",".join(f"{name}:{expression}" for name, expression, _ in ORACLE_FIELDS)
# (name, expression, the same by brute force)
VOXEL = [
    ("hausdorff", "hausdorff", Pair.hausdorff),
    ("hd95", "hd95", lambda x: x.percentile(95)),
    ("pooled", "hd95(of=pooled)", lambda x: x.percentile(95, "pooled")),
    ("median", "hausdorff_percentile(q=50)", lambda x: x.percentile(50)),
    ("mean", "average_surface_distance", Pair.mean_a),
    ("back", "average_surface_distance(from=label)", Pair.mean_b),
    ("assd", "assd", Pair.assd),
    ("masd", "masd", Pair.masd),
    ("rms", "rms_surface_distance", Pair.rms),
    ("nsd", "nsd(tolerance=1)", lambda x: x.nsd(1)),
]
SURFEL = [
    ("s_hausdorff", "hausdorff(surface=surfel)", Pair.hausdorff),
    ("s_hd95", "hd95(surface=surfel)", lambda x: x.percentile(95)),
    ("s_assd", "assd(surface=surfel)", Pair.assd),
    ("s_rms", "rms_surface_distance(surface=surfel)", Pair.rms),
    ("s_nsd", "nsd(surface=surfel,tolerance=0.5)", lambda x: x.nsd(0.5)),
]


def text_of(rows):
    return ",".join(f"{name}:{expression}" for name, expression, _ in rows)


def spacing_of(numbers):
    return ",".join(map(repr, numbers))


@pytest.mark.parametrize("name", SPINES)
def test_whole_spine(server, name):
    """All classes of a 512x512x17 volume in one upload: each as its pair of masks alone had it."""
    body, headers = data_file(name)
    answer = server.score(body, headers, scores=SCORES, spacing=spacing_of(MANIFEST[name]["spacing_mm"]),
                          **data_params(name))  # fmt: skip
    cases = [case for case in CASES if case["source"] == name]
    assert len(cases) == MANIFEST[name]["classes"] - 1
    for score, (_, _, field) in zip(answer["scores"], ORACLE_FIELDS):
        for case in cases:
            (c,) = case["classes"]
            assert near(score["per_class"][c], field(case)), (score["expression"], c)
        chosen = [value for value in score["per_class"] if value is not None]
        assert near(score["value"], float(np.mean(chosen))) and len(chosen) == len(score["per_class"])


def test_spine_from_the_files_of_a_scanner(server):
    """The label maps as NIfTI has them, first axis fastest: the same numbers once the axes are in order again."""
    name = SPINES[0]
    tensors = data_tensors(name)
    turned = {key: np.ascontiguousarray(array.transpose(0, 3, 2, 1)) for key, array in tensors.items()}
    spacing = spacing_of(MANIFEST[name]["spacing_mm"][::-1])
    answer = server.score(safetensors(turned), scores=SCORES, spacing=spacing, **data_params(name))
    for score, (_, _, field) in zip(answer["scores"], ORACLE_FIELDS):
        for case in CASES:
            if case["source"] == name:
                assert near(score["per_class"][case["classes"][0]], field(case)), (score["expression"], case["id"])


def check_pairs(answer, rows, pred, label, spacing, surface, first=0, step=1):
    """Every step-th image and each class from `first` on against brute force; how many had a distance."""
    scores, defined = scores_of(answer), 0
    for n in range(0, len(label), step):
        for c in range(first, len(answer["classes"])):
            pair = Pair(pred[n] == c, label[n] == c, spacing, surface)
            defined += pair.reason is None
            for name, expression, value in rows:
                got = scores[name]["per_image"][n][c]
                if pair.reason is None:
                    want = float(value(pair))
                else:
                    want = 0.0 if expression.startswith("nsd") and pair.reason != "absent_in_both" else None
                assert near(got, want), (expression, n, c, got, want)
    return defined


@pytest.mark.parametrize("name", NUCLEI)
def test_nuclei(server, name):
    """Every fourth picture of a file of nuclei, each class but the background, by brute force."""
    body, headers = data_file(name)
    answer = server.score(body, headers, scores=text_of(VOXEL + SURFEL), include="images", spacing="1,1",
                          **data_params(name))  # fmt: skip
    maps = [data_tensors(name)[key] for key in ("pred", "label")]
    for surface, rows in (("voxel", VOXEL), ("surfel", SURFEL)):
        assert check_pairs(answer, rows, *maps, (1, 1), surface, first=1, step=4) > 0


@functools.lru_cache(maxsize=None)
def random_maps(spatial, classes, seed):
    """Blobs and specks: two maps that agree in most places."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, classes, [-(-n // 4) for n in spatial])
    label = np.kron(coarse, np.ones([4] * len(spatial), int))[tuple(slice(n) for n in spatial)]
    shifted = np.roll(label, 1, axis=-1)
    noise = rng.random(spatial) < 0.03
    pred = np.where(noise, rng.integers(0, classes, spatial), shifted)
    return pred.astype("u1")[None], label.astype("u1")[None]


RANDOM = [
    ((97,), (0.7,), 4, 1), ((1,), (2.0,), 2, 2), ((23, 31), (1.0, 1.0), 4, 3), ((31, 23), (0.3, 2.5), 4, 4),
    ((1, 40), (1.5, 0.5), 3, 5), ((40, 1), (1.5, 0.5), 3, 6), ((9, 14, 11), (3.0, 0.9, 0.9), 4, 7),
    ((1, 17, 13), (3.0, 1.0, 1.0), 3, 8), ((17, 13, 1), (1.0, 1.0, 4.0), 3, 9), ((13, 1, 17), (0.1, 0.7, 0.3), 3, 10),
]  # fmt: skip


@pytest.mark.parametrize("spatial, spacing, classes, seed", RANDOM, ids=lambda x: str(x).replace(" ", ""))
def test_random_maps(server, spatial, spacing, classes, seed):
    """Signals, pictures and volumes of any aspect, one voxel thin too; pictures also by their surface elements."""
    pred, label = random_maps(spatial, classes, seed)
    params = {"num_classes": str(classes), "spacing": spacing_of(spacing), "include": "images"}
    body = safetensors({"pred": pred, "label": label})
    answer = server.score(body, scores=text_of(VOXEL), **params)
    assert check_pairs(answer, VOXEL, pred, label, spacing, "voxel") > 0
    if len(spatial) == 2:
        answer = server.score(body, scores=text_of(SURFEL), **params)
        assert check_pairs(answer, SURFEL, pred, label, spacing, "surfel") > 0


@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_neighbours_that_make_a_surface(server, connectivity):
    pred, label = random_maps((9, 14, 11), 3, 11)
    rows = [("pooled", f"hd95(of=pooled,connectivity={connectivity})", lambda x: x.percentile(95, "pooled")),
            ("assd", f"assd(connectivity={connectivity})", Pair.assd)]  # fmt: skip
    answer = server.score(safetensors({"pred": pred, "label": label}), scores=text_of(rows), num_classes="3",
                          spacing="2,1,1", include="images")  # fmt: skip
    for c in range(3):
        pair = Pair(pred[0] == c, label[0] == c, (2, 1, 1), connectivity=connectivity)
        for name, _, value in rows:
            assert near(scores_of(answer)[name]["per_image"][0][c], float(value(pair)))


def test_voxels_that_are_not_scored_are_outside(server):
    """Ignored and masked voxels belong to no mask: the surface runs along them."""
    pred, label = random_maps((31, 23), 3, 12)
    mask = np.ones_like(label)
    mask[0, 5:12, 3:20] = 0
    answer = server.score(safetensors({"pred": pred, "label": label, "mask": mask}), scores=text_of(VOXEL + SURFEL),
                          num_classes="3", spacing="1,1", include="images")  # fmt: skip
    p, g = (np.where(mask, array, 99) for array in (pred, label))
    check_pairs(answer, VOXEL, p, g, (1, 1), "voxel")
    check_pairs(answer, SURFEL, p, g, (1, 1), "surfel")


def test_tolerance_is_inclusive(server):
    """A shift by one voxel is a distance equal to the spacing, whatever the spacing's last bits are."""
    for spacing in (0.1, 0.3, 0.7, 1.1, 3.3):
        label = np.zeros((1, 12, 12), "u1")
        label[0, 3:8, 3:8] = 1
        pred = np.roll(label, 1, axis=1)
        below = float(np.nextafter(spacing, 0)) * (1 - 1e-8)
        text = f"at:nsd(tolerance={spacing!r}),below:nsd(tolerance={below!r})"
        answer = server.score(safetensors({"pred": pred, "label": label}), scores=text, num_classes="2",
                              spacing=f"{spacing!r},1")  # fmt: skip
        scores = scores_of(answer)
        assert scores["at"]["per_class"][1] == 1 and scores["below"]["per_class"][1] < 1
