"""transform_peers.py - SciPy's exact distance transform of a mask, one step at a time.

usage: transform_peers.py FILE SHAPE SPACING      FILE: a byte per voxel; SHAPE: DxHxW; SPACING: a,b,c

Prints the version of SciPy, then answers each line of standard input, `outside` or `inside`, with the seconds that the
step took and the sum of all distances.
"""
import sys
import time

import numpy as np
import scipy
from scipy.ndimage import distance_transform_edt


def main():
    shape, spacing = (int(n) for n in sys.argv[2].split("x")), [float(s) for s in sys.argv[3].split(",")]
    mask = np.fromfile(sys.argv[1], np.uint8).reshape(*shape)
    masks = {"inside": mask, "outside": 1 - mask}
    sampling = {} if spacing == [1, 1, 1] else {"sampling": spacing}
    print(scipy.__version__, flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        found = distance_transform_edt(masks[line.strip()], **sampling)
        print(f"{time.perf_counter() - began:.9f} {found.sum()!r}", flush=True)


main()
