"""fail.py - the other end of fail.c: makes calls of a running server fail, and counts them."""

import mmap
import os
import pathlib
import struct

LIBRARY = pathlib.Path(os.environ.get("MASKMETER_FAIL", pathlib.Path(__file__).parents[2] / "build/tests/faults/fail.so"))
MEMORY, THREAD, RANDOM = 1, 2, 4
NEVER = 2**62


class Faults:
    """The file that fail.c maps: kinds, nth, forever, seen, live."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "faults"
        self.path.write_bytes(bytes(40))
        with open(self.path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 40)

    def environment(self):
        before = os.environ.get("LD_PRELOAD")
        # The server starts itself again where the waiting policy is unset: calls would be counted twice.
        return {"MM_FAULTS": str(self.path), "OMP_WAIT_POLICY": "passive",
                "LD_PRELOAD": f"{LIBRARY}:{before}" if before else str(LIBRARY)}

    def _set(self, at, value):
        struct.pack_into("<q", self.shared, 8 * at, value)

    def _get(self, at):
        return struct.unpack_from("<q", self.shared, 8 * at)[0]

    def arm(self, nth=NEVER, forever=False, kinds=MEMORY):
        """From now on the nth such call fails."""
        for at, value in ((1, nth), (2, forever), (3, 0), (0, kinds)):
            self._set(at, value)

    def disarm(self):
        """-> how many such calls there were."""
        self._set(0, 0)
        return self._get(3)

    def live(self):
        """Blocks of memory that the server holds."""
        return self._get(4)
