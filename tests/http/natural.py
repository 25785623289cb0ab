"""natural.py - every natural score that is not a distance, from its formula over voxels, in float64.

A group is what one number is made of: the scored voxels of one class of one image, or of several classes or images put
one behind the other.  None stands for what is not defined.
"""

import itertools
import math

import numpy as np

EPS = 1e-7


class Group:
    """Voxels one behind the other: p, g, their masks, and the class."""

    def __init__(self, p, g, hard_p, hard_g, index=0, x=None):
        self.p, self.g, self.index, self.x = p, g, index, x
        self.hard_p, self.hard_g = hard_p, hard_g
        self.tp = float((hard_p & hard_g).sum())
        self.fp = float((hard_p & ~hard_g).sum())
        self.fn = float((~hard_p & hard_g).sum())
        self.tn = float((~hard_p & ~hard_g).sum())

    @staticmethod
    def joined(groups):
        parts = [np.concatenate([getattr(z, key) for z in groups]) for key in ("p", "g", "hard_p", "hard_g")]
        return Group(*parts, groups[0].index, np.concatenate([z.x for z in groups]))

    def absent(self):
        return not self.hard_p.any() and not self.hard_g.any() and self.g.sum() == 0


class Case:
    """Images with axes [N,C,...]: what was sent, what is scored, and what masks become of it."""

    def __init__(self, x, p, g, scored, exclusive, logits=False):
        self.x, self.p, self.g, self.scored, self.exclusive, self.logits = x, p, g, scored, exclusive, logits
        self.images, self.classes, self.shape = p.shape[0], p.shape[1], p.shape[2:]
        self.hard_p, self.hard_g = self.hard(p), self.hard(g)

    def hard(self, values):
        if not self.exclusive:
            return values > 0.5
        first = values.argmax(axis=1)
        return np.stack([first == c for c in range(self.classes)], axis=1)

    def group(self, n, c):
        at = self.scored[n]
        return Group(*(a[n, c][at] for a in (self.p, self.g, self.hard_p, self.hard_g)), c, self.x[n, c][at])

    def rows(self, pooled=False):
        """[images][classes] of groups; pooled: one row."""
        every = [[self.group(n, c) for c in range(self.classes)] for n in range(self.images)]
        return [[Group.joined(column) for column in zip(*every)]] if pooled else every


def ratio(above, below):
    return None if below == 0 else above / below


def mean(values):
    values = [value for value in values if value is not None]
    return sum(values) / len(values) if values else None


# ------------------------------------------------------------------------------------- overlap


def soft(z, overlap="product"):
    """TP, FP, FN."""
    p, g = (z.p**2, z.g**2) if overlap == "square" else (z.p, z.g)
    both = (p.sum() + g.sum() - abs(z.p - z.g).sum()) / 2 if overlap == "l1" else (z.p * z.g).sum()
    return both, p.sum() - both, g.sum() - both


def score(k=2.0, a=1.0, b=1.0, nr=0.0, dr=None, overlap="product"):
    dr = nr if dr is None else dr

    def of(z):
        tp, fp, fn = soft(z, overlap)
        return ratio(k * tp + nr, k * tp + a * fp + b * fn + dr)

    return of


def then(f, change):
    def of(z):
        value = f(z)
        return None if value is None else change(value)

    return of


def loss(*args, power=1.0, **kwargs):
    return then(score(*args, **kwargs), lambda s: max(1 - s, 0.0) ** power if power != 1.0 else 1 - s)


def similarity(b, s=0.0):
    return loss(1.0, 1 / (1 + b * b), b * b / (1 + b * b), s)


def asymmetric_tversky(delta=0.7, gamma=0.75, s=0.0):
    def of(z):
        value = loss(1.0, 1 - delta, delta, s)(z)
        return value if value is None or z.index == 0 else max(value, 0.0) ** (1 - gamma)

    return of


def sides(r=0.1, s=0.0):
    def of(z):
        e = (z.g - z.p) ** 2
        a, b = ratio((e * z.g).sum(), z.g.sum() + s), ratio((e * (1 - z.g)).sum(), (1 - z.g).sum() + s)
        return None if a is None or b is None else r * a + (1 - r) * b

    return of


def correlation(s):
    def of(z):
        tp, fp, fn = (value + s for value in soft(z))
        tn = ((1 - z.p) * (1 - z.g)).sum() + s
        factors = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return None if factors <= 0 else 1 - (tp * tn - fp * fn) / math.sqrt(factors)

    return of


OVERLAP = {
    "dice_loss": loss(),
    "dice_loss(smooth=1)": loss(nr=1.0),
    "dice_loss(smooth=0.3)": loss(nr=0.3),
    "dice_loss(smooth_nr=0.2,smooth_dr=0.7,overlap=square)": loss(nr=0.2, dr=0.7, overlap="square"),
    "dice_loss(overlap=l1)": loss(overlap="l1"),
    "squared_dice_loss(smooth=1)": loss(nr=1.0, overlap="square"),
    "soft_dice_loss": loss(overlap="l1"),
    "jaccard_loss": loss(1.0),
    "jaccard_loss(overlap=l1,smooth=0.5)": loss(1.0, nr=0.5, overlap="l1"),
    "squared_jaccard_loss": loss(1.0, overlap="square"),
    "log_dice_loss": then(score(), lambda s: -math.log(max(s, EPS))),
    "log_dice_loss(eps=0.5,gamma=0.3)": then(score(), lambda s: (-math.log(max(s, 0.5))) ** 0.3),
    "log_dice_loss(eps=1e-6,gamma=0.3)": then(score(), lambda s: (-math.log(max(s, 1e-6))) ** 0.3),
    "log_jaccard_loss(smooth=0.1)": then(score(1.0, nr=0.1), lambda s: -math.log(max(s, EPS))),
    "log_cosh_dice_loss": then(loss(), lambda x: math.log(math.cosh(x))),
    "log1p_dice_loss": then(loss(), math.log1p),
    "negative_dice_loss": then(score(), lambda s: -s),
    "tversky_loss": loss(1.0, 0.3, 0.7),
    "tversky_loss(alpha=0.8,beta=0.1,smooth=0.5,overlap=square)": loss(1.0, 0.8, 0.1, 0.5, overlap="square"),
    "focal_tversky_loss": loss(1.0, 0.3, 0.7, power=0.75),
    "focal_tversky_loss(gamma=2,alpha=0.5,beta=0.5)": loss(1.0, 0.5, 0.5, power=2.0),
    "asymmetric_similarity_loss": similarity(1.5),
    "asymmetric_similarity_loss(b=0.5,smooth=1)": similarity(0.5, 1.0),
    "asymmetric_focal_tversky_loss": asymmetric_tversky(),
    "asymmetric_focal_tversky_loss(delta=0.4,gamma=0.5)": asymmetric_tversky(0.4, 0.5),
    "asymmetric_focal_tversky_loss(delta=0.4,gamma=0.2,smooth=1)": asymmetric_tversky(0.4, 0.2, 1.0),
    "sensitivity_specificity_loss": sides(),
    "sensitivity_specificity_loss(r=0.6,smooth=0.2)": sides(0.6, 0.2),
    "mcc_loss(smooth=0.5)": correlation(0.5),
    "mcc_loss": correlation(0.0),
}

# ------------------------------------------------------------------------------------- rates of counts


def rate(above, below):
    return lambda z: ratio(above(z), below(z))


def of_rates(f, *rates):
    def of(z):
        values = [r(z) for r in rates]
        return None if None in values else f(*values)

    return of


tpr = rate(lambda z: z.tp, lambda z: z.tp + z.fn)
tnr = rate(lambda z: z.tn, lambda z: z.tn + z.fp)
ppv = rate(lambda z: z.tp, lambda z: z.tp + z.fp)
npv = rate(lambda z: z.tn, lambda z: z.tn + z.fn)
fpr = rate(lambda z: z.fp, lambda z: z.tn + z.fp)
fnr = rate(lambda z: z.fn, lambda z: z.tp + z.fn)


def voxels(z):
    return z.tp + z.fp + z.fn + z.tn


def fbeta(b):
    return rate(lambda z: (1 + b * b) * z.tp, lambda z: (1 + b * b) * z.tp + b * b * z.fn + z.fp)


def matthews(z):
    below = (z.tp + z.fp) * (z.tp + z.fn) * (z.tn + z.fp) * (z.tn + z.fn)
    return None if below == 0 else (z.tp * z.tn - z.fp * z.fn) / math.sqrt(below)


def threshold(sensitive, specific):
    return ratio(math.sqrt(sensitive * (1 - specific)) + specific - 1, sensitive + specific - 1)


RATES = {
    "dice": fbeta(1),
    "f1": fbeta(1),
    "iou": rate(lambda z: z.tp, lambda z: z.tp + z.fp + z.fn),
    "jaccard": rate(lambda z: z.tp, lambda z: z.tp + z.fp + z.fn),
    "threat_score": rate(lambda z: z.tp, lambda z: z.tp + z.fp + z.fn),
    "fbeta": fbeta(1),
    "fbeta(beta=2)": fbeta(2),
    "fbeta(beta=0.5)": fbeta(0.5),
    "tversky": rate(lambda z: z.tp, lambda z: z.tp + 0.3 * z.fp + 0.7 * z.fn),
    "tversky(alpha=0.9,beta=0.2)": rate(lambda z: z.tp, lambda z: z.tp + 0.9 * z.fp + 0.2 * z.fn),
    "accuracy": rate(lambda z: z.tp + z.tn, voxels),
    "precision": ppv,
    "ppv": ppv,
    "false_discovery_rate": rate(lambda z: z.fp, lambda z: z.tp + z.fp),
    "recall": tpr,
    "sensitivity": tpr,
    "tpr": tpr,
    "miss_rate": fnr,
    "fnr": fnr,
    "specificity": tnr,
    "tnr": tnr,
    "fall_out": fpr,
    "fpr": fpr,
    "npv": npv,
    "false_omission_rate": rate(lambda z: z.fn, lambda z: z.tn + z.fn),
    "balanced_accuracy": of_rates(lambda a, b: (a + b) / 2, tpr, tnr),
    "informedness": of_rates(lambda a, b: a + b - 1, tpr, tnr),
    "markedness": of_rates(lambda a, b: a + b - 1, ppv, npv),
    "prevalence_threshold": of_rates(threshold, tpr, tnr),
    "fowlkes_mallows": of_rates(lambda a, b: math.sqrt(a * b), ppv, tpr),
    "mcc": matthews,
    "positive_likelihood_ratio": of_rates(ratio, tpr, fpr),
    "negative_likelihood_ratio": of_rates(ratio, fnr, tnr),
    "volume_similarity": rate(lambda z: 2 * z.tp + z.fp + z.fn - abs(z.fp - z.fn), lambda z: 2 * z.tp + z.fp + z.fn),
    "relative_volume_difference": rate(lambda z: z.fp - z.fn, lambda z: z.tp + z.fn),
    "hamming_distance": rate(lambda z: z.fp + z.fn, voxels),
}
COUNTS = {name: (lambda z, name=name: getattr(z, name)) for name in ("tp", "fp", "fn", "tn")}

# ------------------------------------------------------------------------------------- calibration and ranks


def bins_of(q, right, bins):
    """(share, gap) of each bin that has voxels."""
    at = np.minimum(np.floor(q * bins), bins - 1).astype(int)
    inside = [at == b for b in range(bins)]
    return [(i.mean(), abs(right[i].mean() - q[i].mean())) for i in inside if i.any()]


def calibration(norm, bins=15):
    def of(q, right):
        gaps = bins_of(q, right, bins)
        if norm == "max":
            return max(gap for _, gap in gaps)
        total = sum(share * gap ** (2 if norm == "rms" else 1) for share, gap in gaps)
        return math.sqrt(total) if norm == "rms" else total

    return of


CALIBRATION = {
    "expected_calibration_error": calibration("mean"),
    "expected_calibration_error(bins=4)": calibration("mean", 4),
    "rms_calibration_error": calibration("rms"),
    "max_calibration_error": calibration("max"),
    "max_calibration_error(bins=7)": calibration("max", 7),
}


def auroc(z):
    of, others = z.p[z.hard_g], z.p[~z.hard_g]
    if not len(of) or not len(others):
        return None
    return float((np.greater.outer(of, others) + 0.5 * np.equal.outer(of, others)).mean())


def average_precision(z):
    if z.hard_g.all() or not z.hard_g.any():
        return None
    total, before = 0.0, 0.0
    for level in np.unique(z.p)[::-1]:
        over = z.p >= level
        recall = z.hard_g[over].sum() / z.hard_g.sum()
        total, before = total + (recall - before) * z.hard_g[over].mean(), recall
    return total


def lovasz(errors, g):
    order = np.argsort(-errors, kind="stable")
    e, g = errors[order], g[order].astype(float)
    if g.sum() == 0:
        return float(max(e[0], 0))
    jaccard = 1 - (g.sum() - g.cumsum()) / (g.sum() + (1 - g).cumsum())
    return float((np.maximum(e, 0) * np.diff(jaccard, prepend=0)).sum())


def lovasz_softmax(present):
    return lambda z: None if present and not z.hard_g.any() else lovasz(abs(z.hard_g - z.p), z.hard_g)


RANKS = {
    "auroc": auroc,
    "average_precision": average_precision,
    "lovasz_softmax_loss": lovasz_softmax(True),
    "lovasz_softmax_loss(present=false)": lovasz_softmax(False),
}
LOGITS = {"lovasz_hinge_loss": lambda z: lovasz(1 - z.x * (2.0 * z.hard_g - 1), z.hard_g)}

# ------------------------------------------------------------------------------------- windows


def gaussian(size, sigma):
    off = np.arange(size) - (size - 1) / 2
    weights = np.exp(-(off**2) / (2 * sigma**2)) if sigma else np.ones(size)
    return weights / weights.sum()


def windows(a, weights):
    """Weighted means of all whole windows."""
    for axis in range(a.ndim):
        a = np.lib.stride_tricks.sliding_window_view(a, len(weights), axis=axis) @ weights
    return a


def structure(p, g, scored, size, sigma, k1, k2, span):
    """ssim and cs of the windows that are scored; None: there are none."""
    weights = gaussian(size, sigma)
    if min(p.shape) < size:
        return None
    whole = windows((~scored).astype(float), np.ones(size)) == 0
    c1, c2 = (k1 * span) ** 2, (k2 * span) ** 2
    mp, mg = windows(p, weights), windows(g, weights)
    vp, vg, both = windows(p * p, weights) - mp**2, windows(g * g, weights) - mg**2, windows(p * g, weights) - mp * mg
    cs = (2 * both + c2) / (vp + vg + c2)
    ssim = (2 * mp * mg + c1) / (mp**2 + mg**2 + c1) * cs
    return (ssim[whole].mean(), cs[whole].mean()) if whole.any() else None


def clear(case, n, c):
    """p and g of a class, 0 where not scored."""
    return case.p[n, c] * case.scored[n], case.g[n, c] * case.scored[n]


def ssim(size=11, sigma=1.5, k1=0.01, k2=0.03, span=1.0):
    def of(case, n, c):
        found = structure(*clear(case, n, c), case.scored[n], size, sigma, k1, k2, span)
        return None if found is None else found[0]

    return of


def ms_ssim(size, sigma=1.5, small=None):
    def of(case, n, c):
        (p, g), value = clear(case, n, c), 1.0
        if min(p.shape) // 16 < size:
            return None if small is None else small(case, n, c)
        for scale, power in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
            found = structure(p, g, np.ones(p.shape, bool), size, sigma, 0.01, 0.03, 1.0)
            value *= max(found[0] if scale == 4 else found[1], 0.0) ** power
            for axis in range(p.ndim):
                pairs = [slice(None)] * axis + [slice(0, p.shape[axis] // 2 * 2)]
                p, g = (
                    a[tuple(pairs)].reshape(*a.shape[:axis], a.shape[axis] // 2, 2, *a.shape[axis + 1 :]).mean(axis + 1)
                    for a in (p, g)
                )
        return value

    return of


def one_minus(f):
    def of(case, n, c):
        value = f(case, n, c)
        return None if value is None else 1 - value

    return of


def correlated(beta=0.1, small=0.01, size=3, sigma=1.5):
    def of(case, n, c):
        p, g = clear(case, n, c)
        weights, reach = gaussian(size, sigma), size // 2
        if min(p.shape) < size:
            return None
        whole = windows((~case.scored[n]).astype(float), np.ones(size)) == 0
        middle = tuple(slice(reach, length - reach) for length in p.shape)

        def standard(a):
            mu = windows(a, weights)
            sigma = np.sqrt(np.maximum(windows(a * a, weights) - mu**2, 0))
            return (a[middle] - mu + small) / (sigma + small)

        e = abs(standard(g) - standard(p))[whole]
        bce = binary(case, n, c)[middle][whole]
        far = e > beta * e.max() if len(e) else []
        return float((e * bce)[far].mean()) if np.any(far) else None

    return of


def binary(case, n, c):
    """Binary cross-entropy of every voxel."""
    p, g = case.p[n, c], case.g[n, c]
    if case.logits and not case.exclusive:
        x = case.x[n, c]
        return np.maximum(x, 0) + np.log1p(np.exp(-abs(x))) - x * g
    if case.logits:  # softmax: the rest is the sum over the other classes
        rest = sum(case.p[n, k] for k in range(case.classes) if k != c)
        return -(g * np.log(p) + (1 - g) * np.log(rest))
    return -(g * np.log(np.maximum(p, EPS)) + (1 - g) * np.log(np.maximum(1 - p, EPS)))


# ------------------------------------------------------------------------------------- skeletons and objects


def shifted(a, step, fill):
    """a at the place `step` away; `fill` outside the image."""
    out = np.full(a.shape, fill)
    to = tuple(slice(max(0, -s), a.shape[i] - max(0, s)) for i, s in enumerate(step))
    of = tuple(slice(max(0, s), a.shape[i] - max(0, -s)) for i, s in enumerate(step))
    out[to] = a[of]
    return out


def erode(a):
    steps = [tuple(s if i == axis else 0 for i in range(a.ndim)) for axis in range(a.ndim) for s in (-1, 0, 1)]
    return np.min([shifted(a, step, np.inf) for step in steps], axis=0)


def opened(a):
    steps = itertools.product((-1, 0, 1), repeat=a.ndim)
    return np.max([shifted(erode(a), step, -np.inf) for step in steps], axis=0)


def skeleton(a, iterations):
    """iterations None: until nothing is left."""
    out, k = np.maximum(a - opened(a), 0), 0
    while (k < iterations) if iterations is not None else a.any() and k < max(a.shape):
        a = erode(a)
        delta = np.maximum(a - opened(a), 0)
        out, k = out + np.maximum(delta - out * delta, 0), k + 1
    return out


def centerline(iterations=3, s=1.0):
    def of(case, n, c):
        p, g = clear(case, n, c)
        sp, sg = skeleton(p, iterations), skeleton(g, iterations)
        a, b = ratio((sp * g).sum() + s, sp.sum() + s), ratio((sg * p).sum() + s, sg.sum() + s)
        return None if a is None or b is None else 1 - 2 * a * b / (a + b)

    return of


def hard_centerline(case, n, c):
    p, g = (a[n, c] * case.scored[n] * 1.0 for a in (case.hard_p, case.hard_g))
    if not p.any() or not g.any() or p.all() or g.all():
        return None
    sp, sg = skeleton(p, None), skeleton(g, None)
    if not sp.any() or not sg.any():
        return None
    a, b = (sp * g).sum() / sp.sum(), (sg * p).sum() / sg.sum()
    return 2 * a * b / (a + b) if a + b else 0.0


def components(mask, connectivity):
    """A number for each part that hangs together, 0 outside."""
    steps = [s for s in itertools.product((-1, 0, 1), repeat=mask.ndim) if 0 < np.abs(s).sum() <= connectivity]
    ids, before = mask * np.arange(1, mask.size + 1).reshape(mask.shape), None
    while not np.array_equal(ids, before):
        before, ids = ids, mask * np.max([ids, *(shifted(ids, step, 0) for step in steps)], axis=0)
    return ids


def objects(which, iou=0.5, connectivity=1):
    def of(case, n, c):
        p, g = (components(a[n, c] & case.scored[n], connectivity) for a in (case.hard_p, case.hard_g))
        (of_p, count_p), (of_g, count_g) = (np.unique(a[a > 0], return_counts=True) for a in (p, g))
        pairs, both = np.unique(np.stack([p, g])[:, (p > 0) & (g > 0)], axis=1, return_counts=True)
        union = count_p[np.searchsorted(of_p, pairs[0])] + count_g[np.searchsorted(of_g, pairs[1])] - both
        matches = [value for value in both / union if value > iou]  # above one half there is one at most
        objects = len(matches) + (len(of_p) - len(matches)) / 2 + (len(of_g) - len(matches)) / 2
        if which == "segmentation":
            return ratio(sum(matches), len(matches))
        return ratio(sum(matches) if which == "panoptic" else len(matches), objects)

    return of


IMAGES = {
    "ssim(window=3)": ssim(3),
    "ssim(window=5,sigma=0.8,k1=0.02,k2=0.05,range=2)": ssim(5, 0.8, 0.02, 0.05, 2.0),
    "ssim(window=3,kernel=uniform)": ssim(3, 0.0),
    "ssim": ssim(),
    "ssim_loss": one_minus(ssim()),
    "ssim_loss(window=3)": one_minus(ssim(3)),
    "ms_ssim(window=3)": ms_ssim(3),
    "ms_ssim_loss(window=3)": one_minus(ms_ssim(3)),
    "ms_ssim_loss(window=4,too_small=ssim)": one_minus(ms_ssim(4, small=ssim(4))),
    "ms_ssim_loss(too_small=ssim)": one_minus(ms_ssim(11, small=ssim())),
    "correlation_ssim_loss": correlated(),
    "correlation_ssim_loss(beta=0.4,c=0.1,window=5,sigma=0.8)": correlated(0.4, 0.1, 5, 0.8),
    "cldice": hard_centerline,
    "cldice_loss": centerline(),
    "cldice_loss(iterations=1,smooth=0.1)": centerline(1, 0.1),
    "panoptic_quality": objects("panoptic"),
    "panoptic_quality(iou=0.6,connectivity=2)": objects("panoptic", 0.6, 2),
    "segmentation_quality": objects("segmentation"),
    "recognition_quality": objects("recognition"),
}

# ------------------------------------------------------------------------------------- entropy: a sum, and over what


def clamped(case, z):
    """-log p and -log(1-p) of a group: exact of logits, else clamped."""
    if not case.logits:
        return -np.log(np.maximum(z.p, EPS)), -np.log(np.maximum(1 - z.p, EPS))
    if case.exclusive:
        return -np.log(z.p), -np.log1p(-z.p)
    return np.logaddexp(0, -z.x), np.logaddexp(0, z.x)


def cross_entropy(e=0.0):
    def of(case, z):
        pos, neg = clamped(case, z)
        if case.exclusive:
            t = (1 - e) * z.g + e / case.classes
            return (t * pos).sum(), z.g.sum()
        return binary_cross_entropy(1.0, e)(case, z)

    return of


def binary_cross_entropy(pw=1.0, e=0.0, nw=1.0):
    def of(case, z):
        pos, neg = clamped(case, z)
        t = z.g * (1 - e) + (1 - z.g) * e
        weight = pw[z.index] if isinstance(pw, list) else pw
        other = 1 - weight if nw is None else nw
        return (weight * t * pos + other * (1 - t) * neg).sum(), len(z.g)

    return of


def focal(gamma=2.0, alpha=None):
    def of(case, z):
        pos, neg = clamped(case, z)
        if case.exclusive:
            a = 1.0 if alpha is None else alpha[z.index] if isinstance(alpha, list) else alpha if z.index else 1 - alpha
            return (a * z.g * (1 - z.p) ** gamma * pos).sum(), z.g.sum()
        a, b = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
        return (a * z.g * (1 - z.p) ** gamma * pos + b * (1 - z.g) * z.p**gamma * neg).sum(), len(z.g)

    return of


def apart(case, z):
    """BCE of each class against the rest: of logits the sigmoid, else p."""
    pos, neg = (np.logaddexp(0, -z.x), np.logaddexp(0, z.x)) if case.logits else clamped(case, z)
    return z.g * pos + (1 - z.g) * neg


def sigmoid_focal(gamma=2.0, alpha=None, limit=None, normalized=False):
    def of(case, z):
        bce = apart(case, z)
        p_t = np.exp(-bce)
        factor = (1 - p_t) ** gamma
        if limit is not None:
            factor = np.where(p_t < limit, 1.0, ((1 - p_t) / limit) ** gamma)
        a = 1.0 if alpha is None else alpha * z.g + (1 - alpha) * (1 - z.g)
        return (a * factor * bce).sum(), max(factor.sum(), 1e-6) if normalized else len(z.g)

    return of


def asymmetric_focal(delta=0.7, gamma=2.0):
    def of(case, z):
        pos, _ = clamped(case, z)
        factor = (1 - delta) * (1 - z.p) ** gamma if z.index == 0 else delta
        return (z.g * factor * pos).sum(), z.g.sum()

    return of


def exp_log_entropy(gamma=0.3):
    def of(case, z):
        pos, neg = clamped(case, z)
        count, label = len(z.g), z.g.sum()
        inside = math.sqrt(count / label) * (z.g * np.maximum(pos, 0) ** gamma).sum() if label else 0.0
        if case.exclusive:
            return inside, label
        rest = count - label
        outside = math.sqrt(count / rest) * ((1 - z.g) * np.maximum(neg, 0) ** gamma).sum() if rest else 0.0
        return inside + outside, count

    return of


ENTROPY = {
    "cross_entropy": cross_entropy(),
    "cross_entropy(label_smoothing=0.2)": cross_entropy(0.2),
    "binary_cross_entropy": binary_cross_entropy(),
    "binary_cross_entropy(pos_weight=3,label_smoothing=0.1)": binary_cross_entropy(3.0, 0.1),
    "weighted_binary_cross_entropy": binary_cross_entropy(2.0),
    "balanced_binary_cross_entropy": binary_cross_entropy(0.5, nw=None),
    "balanced_binary_cross_entropy(beta=0.8)": binary_cross_entropy(0.8, nw=None),
    "focal_loss": focal(),
    "focal_loss(gamma=0.5,alpha=0.25)": focal(0.5, 0.25),
    "sigmoid_focal_loss": sigmoid_focal(),
    "sigmoid_focal_loss(gamma=1,alpha=0.25)": sigmoid_focal(1.0, 0.25),
    "normalized_focal_loss": sigmoid_focal(normalized=True),
    "normalized_focal_loss(alpha=0.3)": sigmoid_focal(alpha=0.3, normalized=True),
    "reduced_focal_loss": sigmoid_focal(limit=0.5),
    "reduced_focal_loss(threshold=0.3,gamma=1,alpha=0.7)": sigmoid_focal(1.0, 0.7, 0.3),
    "asymmetric_focal_loss": asymmetric_focal(),
    "asymmetric_focal_loss(delta=0.4,gamma=0.5)": asymmetric_focal(0.4, 0.5),
    "exp_log_cross_entropy": exp_log_entropy(),
}
BY_CLASS = {"normalized_focal_loss"}  # averaged over the classes


def is_mean_over_voxels(case, text):
    """Without weights: the sum of the terms over the number of voxels, whatever soft labels sum to."""
    name = text.split("(")[0]
    by_label = case.exclusive and name in ("cross_entropy", "focal_loss", "exp_log_cross_entropy")
    return by_label or name == "asymmetric_focal_loss"


# ------------------------------------------------------------------------------------- joint: the classes of one image


def volume_weights(labels, how):
    weights = [0.0 if how != "uniform" and g == 0 else {"square": g**-2.0 if g else 0, "simple": 1 / g if g else 0,
               "uniform": 1.0}[how] for g in labels]  # fmt: skip
    return [w if w else max(weights) for w in weights]


def generalized(how, s=0.0, hard=False):
    """The score."""

    def of(case, row):
        if hard:
            parts = [(z.tp, z.fp, z.fn) for z in row]
        else:
            parts = [soft(z) for z in row]
        weights = volume_weights([tp + fn for tp, fp, fn in parts], how)
        above = sum(2 * w * tp for w, (tp, fp, fn) in zip(weights, parts))
        below = sum(w * (2 * tp + fp + fn) for w, (tp, fp, fn) in zip(weights, parts))
        return None if all(z.absent() for z in row) else ratio(above + s, below + s)

    return of


def generalized_loss(how="square", s=0.0, k=None):
    def of(case, row):
        value = generalized(how, s)(case, row)
        if value is None or k is None:
            return None if value is None else 1 - value
        return (1 - value) / (1 + k * value)

    return of


def wasserstein(matrix=None, gdl=False, s=0.0):
    def of(case, row):
        costs = 1 - np.eye(len(row)) if matrix is None else np.asarray(matrix(len(row)))
        y = np.argmax([z.hard_g for z in row], axis=0)
        w = sum((costs / costs.max())[y, c] * row[c].p for c in range(len(row)))
        labels = np.array([z.hard_g.sum() for z in row])
        a = 1 / (labels[y] + 1) if gdl else (y != 0) * 1.0
        right = (a * (1 - w)).sum()
        below = (a * (2 - w)).sum() + s if gdl else 2 * right + w.sum() + s
        return None if all(z.absent() for z in row) or below == 0 else 1 - (2 * right + s) / below

    return of


def table(case, row):
    """Rows: labels; columns: predictions.  Independent masks: of all together, others and of the class."""
    if case.exclusive:
        return np.array([[float((a.hard_g & b.hard_p).sum()) for b in row] for a in row])
    return sum(np.array([[z.tn, z.fp], [z.fn, z.tp]]) for z in row)


def kappa(power):
    def of(case, row):
        m = table(case, row)
        i, j = np.indices(m.shape)
        w = (i != j) * 1.0 if power == 0 else abs(i - j) ** float(power)
        e = np.outer(m.sum(1), m.sum(0)) / m.sum()
        below = (w * e).sum()
        return None if below == 0 else 1 - (w * m).sum() / below

    return of


def matthews_of_all(case, row):
    m = table(case, row)
    t, p, total = m.sum(1), m.sum(0), m.sum()
    below = (total**2 - (p**2).sum()) * (total**2 - (t**2).sum())
    return None if below <= 0 else (np.trace(m) * total - (t * p).sum()) / math.sqrt(below)


def all_right(row):
    return np.all([z.hard_p == z.hard_g for z in row], axis=0)


def top(f):
    def of(case, row):
        q = np.max([z.p for z in row], axis=0)
        return f(q, np.all([z.hard_p == z.hard_g for z in row], axis=0) * 1.0)

    return of


def topk(k):
    def of(case, row):
        if case.exclusive:
            terms = sum(z.g * clamped(case, z)[0] for z in row)
        else:
            terms = np.concatenate([z.g * clamped(case, z)[0] + (1 - z.g) * clamped(case, z)[1] for z in row])
        return float(np.sort(terms)[::-1][: max(int(len(terms) * k / 100), 1)].mean())

    return of


def uneven(classes):
    return [[0 if i == j else 1 + 0.5 * ((i + 2 * j) % 3) for j in range(classes)] for i in range(classes)]


JOINT = {
    "generalized_dice_loss": generalized_loss(),
    "generalized_dice_loss(weight=simple,smooth=0.5)": generalized_loss("simple", 0.5),
    "generalized_dice_loss(weight=uniform)": generalized_loss("uniform"),
    "penalty_generalized_dice_loss": generalized_loss(k=2.5),
    "penalty_generalized_dice_loss(k=1,weight=simple)": generalized_loss("simple", k=1.0),
    "generalized_dice": generalized("square", hard=True),
    "generalized_dice(weight=simple)": generalized("simple", hard=True),
    "pixel_accuracy": lambda case, row: all_right(row).mean(),
    "kappa": kappa(0),
    "kappa(weights=linear)": kappa(1),
    "kappa(weights=quadratic)": kappa(2),
    "mcc_multiclass": matthews_of_all,
}
EXCLUSIVE = {
    "generalized_wasserstein_dice_loss": wasserstein(),
    "generalized_wasserstein_dice_loss(mode=gdl,smooth=0.5)": wasserstein(gdl=True, s=0.5),
    "generalized_wasserstein_dice_loss(matrix={uneven})": wasserstein(uneven),
}
BY_IMAGE = {  # the mean over the images, also pooled; or not pooled at all
    "exact_match": lambda case, row: float(all_right(row).all()),
}
ORDERED = {"topk_cross_entropy": topk(10), "topk_cross_entropy(k=35)": topk(35)}


def nacl(alpha=0.1, size=3, power=1, sigma=0.0):
    """Of image n: the mean cross-entropy, and the distance of the logits from the label's mean around."""

    def of(case, n):
        weights, reach, terms = gaussian(size, sigma), size // 2, []
        whole = windows(np.pad((~case.scored[n]).astype(float), reach), np.ones(size)) == 0
        for c in range(case.classes):
            around = windows(np.pad(case.g[n, c] * case.scored[n], reach), weights)
            terms.append((abs(around - case.x[n, c]) ** power)[whole])
        row = [case.group(n, c) for c in range(case.classes)]
        sums = [cross_entropy()(case, z) for z in row]
        entropy = sum(s for s, _ in sums) / (len(row[0].g) * (1 if case.exclusive else case.classes))
        return entropy + alpha * np.concatenate(terms).mean() if whole.any() else None

    return of


NACL = {"nacl_loss": nacl(), "nacl_loss(alpha=2,size=5,norm=l2,kernel=gaussian,sigma=0.7)": nacl(2.0, 5, 2, 0.7)}

# name: [(factor, of which)]
SUMS = {
    "dice_ce_loss": [(1, "dice_loss"), (1, "cross_entropy")],
    "dice_ce_loss(lambda_dice=0.3,lambda_ce=2)": [(0.3, "dice_loss"), (2, "cross_entropy")],
    "dice_bce_loss": [(0.5, "binary_cross_entropy"), (0.5, "dice_loss")],
    "dice_focal_loss": [(1, "dice_loss"), (1, "focal_loss")],
    "dice_focal_loss(gamma=0.5,alpha=0.25)": [(1, "dice_loss"), (1, "focal_loss(gamma=0.5,alpha=0.25)")],
    "generalized_dice_focal_loss": [(1, "generalized_dice_loss"), (1, "focal_loss")],
    "unified_focal_loss(weight=0.3,gamma=0.5,delta=0.4)": [
        (0.3, "asymmetric_focal_loss(delta=0.4,gamma=0.5)"),
        (0.7, "asymmetric_focal_tversky_loss(delta=0.4,gamma=0.5)"),
    ],
    "combo_loss": [(0.5, "balanced_binary_cross_entropy"), (0.5, "negative_dice_loss")],
    "combo_loss(alpha=0.2,beta=0.8)": [(0.2, "balanced_binary_cross_entropy(beta=0.8)"), (0.8, "negative_dice_loss")],
    "exp_log_loss": [(0.8, "log_dice_loss(eps=1e-6,gamma=0.3)"), (0.2, "exp_log_cross_entropy")],
    "log1p_dice_bce_loss": [(0.5, "binary_cross_entropy"), (1, "log1p_dice_loss")],
    "dice_topk_loss": [(1, "dice_loss"), (1, "topk_cross_entropy")],
    "dice_cldice_loss": [(0.5, "dice_loss(smooth=1)"), (0.5, "cldice_loss")],
    "basnet_loss": [(1, "binary_cross_entropy"), (1, "ssim_loss"), (1, "jaccard_loss")],
    "unet3p_loss": [(1, "focal_loss"), (1, "ms_ssim_loss(too_small=ssim)"), (1, "jaccard_loss")],
}
