"""test_stock.py - files of the stock safetensors writer and reader, where that package is installed."""

import numpy as np
import pytest
from support import bits, data_tensors, safetensors, softmax_case

stock = pytest.importorskip("safetensors.numpy", reason="the package safetensors is not installed")


def test_files_of_the_stock_writer_work_unchanged(server):
    """Whatever order it puts the tensors in, and with the metadata that frameworks write."""
    probs, label = softmax_case()
    own = bits(server.score(safetensors({"pred": probs, "label": label})))
    for metadata in (None, {"format": "pt"}, {"format": "np", "note": '\u03b1 "quoted" \\ \n'}):
        assert bits(server.score(stock.save({"pred": probs, "label": label}, metadata=metadata))) == own


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_types_of_the_stock_writer(server, dtype):
    probs, label = softmax_case(dtype=dtype)
    for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"):
        tensors = {"pred": probs, "label": label.astype(kind), "mask": np.ones(label.shape, "?")}
        assert bits(server.score(stock.save(tensors))) == bits(server.score(safetensors(tensors)))


def test_the_stock_reader_reads_our_test_data():
    tensors = data_tensors("demo.safetensors")
    read = stock.load(safetensors(tensors))
    assert all(np.array_equal(read[name], tensors[name]) for name in tensors)
