#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""As kill_loop.py, but killed at a call to the system: before or after the n-th of its kind.

    kill_points.py [--hits 50] [--first N] [--cycles N] [--seed N] [--workers 2] [--flush-threads 8] [--keep]

The points are every call by which the buffer reaches its disk and an ack or a request leaves, before
and after it, at each of its first HITS hits in a life; one life each, in random order. With --cycles
only so many of them, from the FIRST on. A life that does not reach its point is killed after a while and counted.
"""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import kill_loop
from call_faults import CallFaults
from waiting import NotReached, until

# Calls of a life that each happen many times under load, and what they are done to.
OFTEN = [("pwritev", "*/seg.*"), ("fdatasync", "*/seg.*"), ("pwritev", "*/chunks.pos"),
         ("fdatasync", "*/chunks.pos"), ("pread", "*/seg.*"), ("write", "127.0.0.1:*"),
         ("send", "127.0.0.1:*"), ("recv", "127.0.0.1:*"), ("read", "127.0.0.1:*")]
# Calls that happen a few times: at the start, at a roll, when a segment goes.
SELDOM = [("open", "*/spare.*"), ("fallocate", "*/spare.*"), ("fdatasync", "*/spare.*"),
          ("pwritev", "*/spare.*"), ("rename", "*/seg.*"), ("rename", "*.idx"),
          ("fsync", "*/buffer"), ("ftruncate", "*/seg.*"), ("unlink", "*/spare.*"),
          ("unlink", "*/seg.*"), ("rename", "*/chunks.pos")]
SELDOM_HITS_MAX = 3
LIFE_SECONDS_MAX = 8


def points(hits):
    return [(call, path, when, number) for calls, most in ((OFTEN, hits), (SELDOM, SELDOM_HITS_MAX))
            for call, path in calls for when in ("before", "after")
            for number in range(1, min(most, hits) + 1)]


class KillPoints(kill_loop.KillLoop):
    def __init__(self, options, directory):
        self._faults = CallFaults(directory)
        super().__init__(options, directory, self._faults.environment)
        self._points = points(options.hits)
        random.Random(options.seed).shuffle(self._points)
        del self._points[:options.first]
        options.cycles = min(options.cycles or len(self._points), len(self._points))
        self.reached = set()
        self.not_reached = set()

    def _cycle(self, number):
        super()._cycle(number)
        return True  # killed where it was to be, whether or not a message was in doubt then

    def _live_and_die(self, number):
        call, path, when, hit = self._points[number]
        rule = self._faults.rule(call, path, first=hit, kill=when)
        load = None
        try:
            self._millrace.launch()
            until(lambda: not self._millrace.is_alive() or self._serves(), "it serves or is killed")
            if self._millrace.is_alive():
                load = kill_loop.Load(self._senders, self._millrace.port)
                until(lambda: not self._millrace.is_alive(), "it is killed", LIFE_SECONDS_MAX)
            self.reached.add((call, path, when))
        except NotReached:
            self.not_reached.add((call, path, when, hit))
        finally:
            rule.clear()
        self._millrace.kill()
        return load or kill_loop.Load([], 0)

    def _serves(self):
        try:
            return self._millrace.is_running()
        except AssertionError:
            return False  # it has ended by now

    def shortcomings(self):
        return [] if self.reached else ["no point was reached"]

    def summary(self, verdict):
        return (f"{super().summary(verdict)}; points reached {len(self.reached)}, lives that did not "
                f"reach theirs {len(self.not_reached)}: {sorted(self.not_reached)[:12]}")


def run(arguments=()):
    parser = kill_loop.options_parser("killed at calls to the system, judged event by event")
    parser.set_defaults(cycles=0)
    parser.add_argument("--hits", type=int, default=50)
    parser.add_argument("--first", type=int, default=0)
    return kill_loop.run(arguments, parser, KillPoints)


if __name__ == "__main__":
    kill_loop.tell(*run(sys.argv[1:]))
