# SPDX-License-Identifier: Apache-2.0
"""What the strict Kinesis endpoint does instead of answering well, when a test asks for it.

An action is written as JSON:

    "ok"                                  the good answer
    500 | 502 | 503 | 504 | 413           that status, nothing stored (500 and 503 as AWS words
                                          them, the others as a proxy: a page of HTML)
    "AccessDeniedException"               that error with status 400, nothing stored
    {"error": NAME, "status": N, "message": TEXT}
    {"do": "drop"} {"do": "reset"}        connection ended, nothing stored
    {"do": "store_drop"} {"do": "store_reset"}          stored, then the connection ended
    {"do": "store_delay", "seconds": N}   stored, the good answer N seconds later
    {"do": "store_trickle", "seconds": N} stored, the good answer's bytes N seconds apart
    {"do": "store_short"}                 stored, a Content-Length larger than the good answer
    {"do": "no_shard_id"} {"do": "invalid_json"} {"do": "empty"}   a broken 200, stored; with
                                          "stored": false not ("invalid_json": invalid CBOR,
                                          if the request was CBOR)
"""
import threading
from collections import deque
from dataclasses import dataclass

BROKEN = {"no_shard_id", "invalid_json", "empty"}  # bodies: kinesis_bodies.py
STORING = {"store_drop", "store_reset", "store_delay", "store_trickle", "store_short"}
NOT_STORING = {"ok", "error", "drop", "reset"}
SERVICE_ERRORS = {500: "InternalFailure", 503: "ServiceUnavailable"}


@dataclass
class Action:
    do: str = "ok"
    status: int = 200
    code: str = ""  # empty with "error": a page that is not JSON
    message: str = ""
    seconds: float = 0
    stored: bool = True  # before the answer goes wrong


def parse_action(value):
    """Raises ValueError for anything that is not an action."""
    if value == "ok":
        return Action()
    if isinstance(value, int):
        return Action("error", value, SERVICE_ERRORS.get(value, ""), "scripted", stored=False)
    if isinstance(value, str):
        value = {"error": value}
    if "error" in value:
        return Action("error", value.get("status", 400), value["error"],
                      value.get("message", "scripted"), stored=False)
    do = value["do"]
    if do in BROKEN:
        return Action(do, stored=value.get("stored", True))
    if do not in STORING | NOT_STORING:
        raise ValueError(f"no action {value!r}")
    return Action(do, seconds=value.get("seconds", 0), stored=do in STORING)


class FaultScript:
    """Gives each PutRecord its action. Three sources, asked in this order:

    `queue`: used up request by request. `per_key`: each partition key runs through the list from
    its start. `always`: for every request, until it is changed.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self.clear()

    def clear(self):
        with self._lock:
            self._queue = deque()
            self._per_key = []
            self._seen = {}
            self._always = Action()

    def queue(self, actions):
        with self._lock:
            self._queue.extend(parse_action(one) for one in actions)

    def per_key(self, actions):
        with self._lock:
            self._per_key = [parse_action(one) for one in actions]
            self._seen = {}

    def always(self, action):
        with self._lock:
            self._always = parse_action(action)

    def next(self, key):
        with self._lock:
            if self._queue:
                return self._queue.popleft()
            seen = self._seen.get(key, 0)
            if seen < len(self._per_key):
                self._seen[key] = seen + 1
                return self._per_key[seen]
            return self._always


class Gate:
    """Holds requests while it is shut, and counts those in hand with their greatest number."""

    def __init__(self):
        self._changed = threading.Condition()
        self._shut = None  # None, "before" or "after" the store
        self._stopped = False
        self.concurrent = 0
        self.concurrent_max = 0

    def enter(self):
        with self._changed:
            self.concurrent += 1
            self.concurrent_max = max(self.concurrent_max, self.concurrent)
            self._changed.notify_all()

    def leave(self):
        with self._changed:
            self.concurrent -= 1
            self._changed.notify_all()

    def hold(self, when="after"):
        if when not in ("before", "after"):
            raise ValueError(when)
        with self._changed:
            self._shut = when

    def release(self):
        with self._changed:
            self._shut = None
            self._changed.notify_all()

    def reset_max(self):
        with self._changed:
            self.concurrent_max = self.concurrent

    def pass_through(self, when):
        """Waits while the gate is shut at this place; False when the server stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._shut != when)
            return not self._stopped

    def pause(self, seconds):
        """Waits that long; False when the server stops first."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._stopped, timeout=seconds)

    def stop(self):
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
