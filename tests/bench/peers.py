"""peers.py - PyTorch and MONAI on the tensors of an upload, one step at a time.

usage: peers.py BODY THREADS

Prints one line of JSON, which packages are here, then answers each line of standard input with the seconds that the
step took and the values it gave, as JSON.
"""
import json
import sys
import time

import torch
from torch_scores import means, tensors

try:
    import monai
    from monai.losses import DiceLoss
    from monai.metrics import DiceMetric
    from monai.networks.utils import one_hot
except ImportError:
    monai = None


def torch_ops(pred, label):
    return means(pred, label, ["dice", "dice_loss", "cross_entropy", "focal_loss"])


def monai_loss(pred, label):
    return {"dice_loss": float(DiceLoss(to_onehot_y=True)(pred, label.unsqueeze(1)))}


def monai_metric(pred, label):
    classes, metric = pred.shape[1], DiceMetric(include_background=True)
    metric(
        y_pred=one_hot(pred.argmax(1, keepdim=True), num_classes=classes),
        y=one_hot(label.unsqueeze(1), num_classes=classes),
    )
    return {"dice": float(metric.aggregate())}


STEPS = {"torch": torch_ops, "monai_loss": monai_loss, "monai_metric": monai_metric}


def main():
    with open(sys.argv[1], "rb") as file:
        found = tensors(bytearray(file.read()))
    torch.set_num_threads(int(sys.argv[2]))
    print(json.dumps({"torch": torch.__version__, "monai": monai and monai.__version__}), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        with torch.no_grad():
            values = STEPS[line.strip()](found["pred"], found["label"])
        print(json.dumps({"seconds": time.perf_counter() - began, "values": values}), flush=True)


main()
