# SPDX-License-Identifier: Apache-2.0
"""Rules for call_faults.c: calls of a running program that fail, come back short, or kill it."""
import errno
import mmap
import os
import struct

from preload import library

RULE = struct.Struct("<16s128sQQIiqIIQQ56x")
HEADER_BYTES, RULE_BYTES, RULES_MAX = 256, 256, 60
ACTIVE_AT, ASKED_AT, OBEYED_AT = 180, 184, 192
KILL = {None: 0, "before": 1, "after": 2}
assert RULE.size == RULE_BYTES


class Rule:
    """One rule, active from the moment it is made until clear()."""

    def __init__(self, memory, slot):
        self._memory = memory
        self._at = HEADER_BYTES + slot * RULE_BYTES

    def _number(self, at):
        return struct.unpack_from("<Q", self._memory, self._at + at)[0]

    @property
    def asked(self):
        """How many calls fitted it."""
        return self._number(ASKED_AT)

    @property
    def obeyed(self):
        """How many of them failed, were cut short or killed."""
        return self._number(OBEYED_AT)

    def clear(self):
        struct.pack_into("<I", self._memory, self._at + ACTIVE_AT, 0)


class CallFaults:
    """The rules of one program; `environment` goes to its process."""

    def __init__(self, directory, seed=1):
        self.path = os.path.join(directory, "call_faults")
        self._slots = 0
        with open(self.path, "wb") as file:
            file.truncate(HEADER_BYTES + RULES_MAX * RULE_BYTES)
        with open(self.path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        struct.pack_into("<qQ", self._memory, 0, 0, seed)

    @property
    def environment(self):
        return {"LD_PRELOAD": library("call_faults"), "CALL_FAULTS": self.path}

    def rule(self, call, path="*", *, first=1, count=1, error=None, bytes_max=-1, probability=1.0,
             kill=None):
        """From the `first`th call on `count` of them (0: all) fail with `error`, transfer at most
        `bytes_max` bytes, or kill. `path`: a pattern for the file, or for ADDRESS:PORT of the peer."""
        slot = self._slots % RULES_MAX  # the oldest makes place
        self._slots += 1
        number = getattr(errno, error) if error else 0
        at = HEADER_BYTES + slot * RULE_BYTES
        struct.pack_into("<I", self._memory, at + ACTIVE_AT, 0)
        RULE.pack_into(self._memory, at, call.encode(), path.encode(), first, count,
                       round(probability * 1e6), number, bytes_max, KILL[kill], 0, 0, 0)
        struct.pack_into("<I", self._memory, at + ACTIVE_AT, 1)
        return Rule(self._memory, slot)

    def clear(self):
        for slot in range(min(self._slots, RULES_MAX)):
            Rule(self._memory, slot).clear()

    def move_wall_clock(self, seconds):
        """Against the machine's clock; 0: back to it."""
        struct.pack_into("<q", self._memory, 0, seconds)
