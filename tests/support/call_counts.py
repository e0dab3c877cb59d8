# SPDX-License-Identifier: Apache-2.0
"""What call_counts.c counts of a running program: allocations and locks by kind of thread."""
import mmap
import os
import struct
from dataclasses import dataclass

from preload import library

KIND = struct.Struct("<16sQQQ24x")
KINDS = 6


@dataclass
class Counts:
    allocations: int
    allocated_bytes: int
    locks: int

    def __sub__(self, other):
        return Counts(self.allocations - other.allocations,
                      self.allocated_bytes - other.allocated_bytes, self.locks - other.locks)


class CallCounts:
    """`environment` goes to the process that is counted."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "call_counts")
        with open(self.path, "wb") as file:
            file.truncate(KIND.size * KINDS)
        with open(self.path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    @property
    def environment(self):
        return {"LD_PRELOAD": library("call_counts"), "CALL_COUNTS": self.path}

    def of(self, kind):
        """Of all threads whose names begin so: loop, commit, flush, housekeeping; or other."""
        for at in range(0, KIND.size * KINDS, KIND.size):
            name, *numbers = KIND.unpack_from(self._memory, at)
            if name.rstrip(b"\0").decode() == kind:
                return Counts(*numbers)
        raise AssertionError(f"nothing is counted for {kind}")
