"""torch_scores.py - the default scores as one writes them with PyTorch, and the tensors of an upload."""
import json
import math
import struct

import torch
import torch.nn.functional as F

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "U8": torch.uint8}


def tensors(body):
    """{name: tensor}, without a copy, of a safetensors file in a bytearray."""
    (size,) = struct.unpack_from("<Q", body)
    header = json.loads(bytes(body[8 : 8 + size]))
    found = {}
    for name, row in header.items():
        if name != "__metadata__":
            begin, count = 8 + size + row["data_offsets"][0], math.prod(row["shape"])
            flat = torch.frombuffer(body, dtype=DTYPES[row["dtype"]], count=count, offset=begin)
            found[name] = flat.reshape(row["shape"])
    return found


def means(pred, label, names):
    """{name: value} of probabilities [1,C,spatial] and class indices [1,spatial]; names: the default scores or fewer."""
    classes, dims = pred.shape[1], tuple(range(2, pred.dim()))
    target = label.long()
    onehot = F.one_hot(target, classes).movedim(-1, 1).to(pred.dtype)
    out = {}

    p, g, pg = pred.sum(dims), onehot.sum(dims), (pred * onehot).sum(dims)
    out["dice_loss"] = 1 - 2 * pg / (p + g)
    if "tversky_loss" in names:
        out["tversky_loss"] = 1 - pg / (pg + 0.3 * (p - pg) + 0.7 * (g - pg))
    out["cross_entropy"] = F.nll_loss(pred.clamp(min=1e-7).log(), target)
    at_label = pred.gather(1, target.unsqueeze(1)).squeeze(1)
    out["focal_loss"] = (-((1 - at_label) ** 2) * at_label.clamp(min=1e-7).log()).mean()

    pairs = target.flatten() * classes + pred.argmax(1).flatten()
    table = torch.bincount(pairs, minlength=classes**2).view(classes, classes).double()
    hit, in_label, in_pred = table.diagonal(), table.sum(1), table.sum(0)
    out["dice"] = 2 * hit / (in_label + in_pred)
    out["iou"] = hit / (in_label + in_pred - hit)
    out["precision"] = hit / in_pred
    out["recall"] = hit / in_label
    return {name: float(out[name].mean()) for name in names}
