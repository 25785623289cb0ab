"""fastapi_app.py - the upload, score, answer of this project as a FastAPI + PyTorch service does it.

usage: fastapi_app.py PORT THREADS
"""
import sys

import torch
import uvicorn
from fastapi import FastAPI, Request
from torch_scores import means, tensors

NAMES = ["dice", "iou", "precision", "recall", "dice_loss", "tversky_loss", "cross_entropy", "focal_loss"]
app = FastAPI()


@app.post("/v1/evaluations")
async def evaluate(request: Request):
    """One upload at a time, which is all that it is asked here."""
    found = tensors(bytearray(await request.body()))
    with torch.no_grad():
        values = means(found["pred"], found["label"], NAMES)
    return {"scores": [{"name": name, "value": value} for name, value in values.items()]}


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
