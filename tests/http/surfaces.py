"""surfaces.py - distances between surfaces by brute force: every pair of elements, in float64."""

import itertools

import numpy as np


def offsets(rank, connectivity):
    """Steps to the neighbours that differ by one along at most `connectivity` axes."""
    for step in itertools.product((-1, 0, 1), repeat=rank):
        if 0 < np.abs(step).sum() <= connectivity:
            yield step


def voxel_elements(mask, spacing, connectivity=1):
    """(positions, weights) of set voxels with a neighbour that is unset or outside."""
    padded = np.pad(mask.astype(bool), 1)
    inner = tuple(slice(1, -1) for _ in mask.shape)
    core = padded[inner].copy()
    for step in offsets(mask.ndim, min(connectivity, mask.ndim)):
        core &= padded[tuple(slice(1 + s, n + 1 + s) for s, n in zip(step, mask.shape))]
    points = np.argwhere(mask.astype(bool) & ~core)
    return points * np.asarray(spacing, float), np.ones(len(points))


def surfel_elements(mask, spacing):
    """(positions, lengths) of the corners of a picture between set and unset pixels."""
    padded = np.pad(mask.astype(bool), 1)
    corners = [padded[i : padded.shape[0] - 1 + i, j : padded.shape[1] - 1 + j] for i in (0, 1) for j in (0, 1)]
    a, b, c, d = corners
    count = sum(corner.astype(int) for corner in corners)
    diagonal = float(np.hypot(*spacing))
    weight = np.zeros(count.shape)
    weight[(count == 1) | (count == 3)] = diagonal / 2
    weight[(count == 2) & (a == b)] = spacing[1]  # one row is set
    weight[(count == 2) & (a == c)] = spacing[0]  # one column
    weight[(count == 2) & (a == d)] = diagonal
    points = np.argwhere(weight > 0)
    return points * np.asarray(spacing, float), weight[weight > 0]


def nearest(of, to):
    """Distance from each point to the nearest of the others."""
    out = np.empty(len(of))
    step = max(1, 2**17 // max(1, len(to)))  # a cache full at a time
    for first in range(0, len(of), step):
        squares = 0.0
        for axis in range(of.shape[1]):
            difference = np.subtract.outer(of[first : first + step, axis], to[:, axis])
            squares = squares + difference * difference
        out[first : first + step] = np.sqrt(squares.min(axis=1))
    return out


def quantile(distances, weights, q):
    """The first distance at which the share of the weight reaches q percent."""
    order = np.lexsort((weights, distances))
    share = np.cumsum(weights[order]) / weights.sum()
    return distances[order][min(np.searchsorted(share, q / 100), len(order) - 1)]


class Pair:
    """Both directed lists of one pair of masks: a from the prediction, b from the label."""

    def __init__(self, pred, label, spacing, surface="voxel", connectivity=1):
        elements = surfel_elements if surface == "surfel" else lambda m, s: voxel_elements(m, s, connectivity)
        (p, self.wa), (g, self.wb) = elements(pred, spacing), elements(label, spacing)
        self.surface = surface
        self.reason = None if len(p) and len(g) else ("absent_in_both" if len(p) == len(g) else
                                                      "empty_label" if len(p) else "empty_prediction")  # fmt: skip
        if self.reason is None:
            self.a, self.b = nearest(p, g), nearest(g, p)

    def hausdorff(self):
        return max(self.a.max(), self.b.max())

    def percentile(self, q, of="directed"):
        if self.surface == "surfel":
            return max(quantile(self.a, self.wa, q), quantile(self.b, self.wb, q))
        if of == "pooled":
            return np.percentile(np.concatenate([self.a, self.b]), q)
        return max(np.percentile(self.a, q), np.percentile(self.b, q))

    def mean_a(self):
        return (self.wa * self.a).sum() / self.wa.sum()

    def mean_b(self):
        return (self.wb * self.b).sum() / self.wb.sum()

    def assd(self):
        return ((self.wa * self.a).sum() + (self.wb * self.b).sum()) / (self.wa.sum() + self.wb.sum())

    def masd(self):
        return (self.mean_a() + self.mean_b()) / 2

    def rms(self):
        squares = (self.wa * self.a**2).sum() + (self.wb * self.b**2).sum()
        return np.sqrt(squares / (self.wa.sum() + self.wb.sum()))

    def nsd(self, tolerance):
        """0 when one mask is empty."""
        if self.reason:
            return 0.0
        limit = tolerance**2 * (1 + 1e-9)
        inside = self.wa[self.a**2 <= limit].sum() + self.wb[self.b**2 <= limit].sum()
        return inside / (self.wa.sum() + self.wb.sum())
