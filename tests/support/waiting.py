# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition with a deadline, the only way a test here waits."""
import threading
import time


class NotReached(AssertionError):
    pass


def until(condition, what, seconds=30, pause=0.01):
    """Returns the first true value of condition(); NotReached after `seconds`."""
    deadline = time.monotonic() + seconds
    clock = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise NotReached(f"not within {seconds} s: {what}; last seen: {value!r}")
        clock.wait(pause)
