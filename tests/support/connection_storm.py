# SPDX-License-Identifier: Apache-2.0
"""Clients that nobody wants: many connections that open, send, stall, half-close and reset at random.

What they send is tagged `storm.*`: messages in every mode, messages cut anywhere, noise, other
protocols, acks that nobody reads. One thread, random by a seed, bounded in connections and time.
A client that half-closes after whole messages reads its acks, and must get all of them.
"""
import json
import os
import random
import resource
import socket
import struct
import threading
import time
from collections import Counter

from forward_client import event_time, forward_frame, message_frame, new_chunk, packed_frame

STEPS_PER_TURN = 200
TURN_SECONDS = 0.002  # so that the storm does not take the machine from those it is to disturb
OPEN_PER_TURN_MAX = 20
READ_ACKS_SECONDS_MAX = 60


def _messages(chance, count):
    for _ in range(count):
        entries = [[event_time(1700000000, n), {"storm": n, "text": "x" * chance.randrange(300)}]
                   for n in range(chance.choice([1, 3, 30]))]
        option = {"chunk": new_chunk()}
        kind = chance.randrange(4)
        if kind == 0:
            yield message_frame("storm.message", *entries[0], option)
        elif kind == 1:
            yield forward_frame("storm.forward", entries, option)
        else:
            yield packed_frame("storm.packed", entries, option, compress=kind == 3)


def _whole(chance):
    return list(_messages(chance, chance.choice([1, 2, 10])))


def _cut(chance):
    frames = _whole(chance)
    frames[-1] = frames[-1][:chance.randrange(1, len(frames[-1]))]
    return frames


def _large(chance):
    text = os.urandom(chance.randrange(100_000, 400_000))
    frame = packed_frame("storm.large", [[1700000000, {"text": text}]], {"chunk": new_chunk()})
    return [frame[:chance.randrange(1, len(frame))]]


def _noise(chance):
    return [chance.randbytes(chance.choice([1, 20, 3000]))]


def _foreign(chance):
    return [chance.choice([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
                           b"SSH-2.0-storm\r\n", b"\x00", b"\xc1", b"\xdf\xff\xff\xff\xff"])]


def _json(chance):
    value = json.dumps(["storm.json", 1700000000, {"n": chance.random()}, {"chunk": "q=="}])
    return [value.encode(), value.encode()[:chance.randrange(1, len(value))]]


def _nothing(_chance):
    return []


class _Visitor:
    """One connection: its pieces, then its end."""

    def __init__(self, chance, port, ends):
        self._chance = chance
        self._ends = ends
        makers = [_whole, _whole, _whole, _cut, _large, _noise, _foreign, _json, _nothing]
        maker = chance.choice(makers)
        self.pieces = maker(chance)
        self.acks_due = len(self.pieces) if maker is _whole else 0
        self.end = chance.choice(["fin", "reset", "half_close", "stall"])
        self.reading_until = None
        self.got = b""
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex(("127.0.0.1", port))

    def step(self):
        """Does the next little thing; false when the connection is gone."""
        try:
            if self.reading_until is not None:
                return self._read()
            if self.pieces:
                self._send()
                return True
            return self._finish()
        except BlockingIOError:
            return True
        except OSError:  # millrace has closed it, which most of these have earned
            self.sock.close()
            self._ends["closed_by_millrace"] += 1
            return False

    def _send(self):
        piece = self.pieces[0]
        most = self._chance.choice([1, 100, 5000, 1 << 20])
        sent = self.sock.send(piece[:most])
        if sent == len(piece):
            self.pieces.pop(0)
        else:
            self.pieces[0] = piece[sent:]

    def _finish(self):
        if self.end == "stall" and self._chance.random() < 0.99:
            return True
        self._ends[self.end] += 1
        if self.end == "half_close":
            self.sock.shutdown(socket.SHUT_WR)
            self.reading_until = time.monotonic() + READ_ACKS_SECONDS_MAX
            return True
        if self.end == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        return False

    def _read(self):
        if time.monotonic() > self.reading_until:
            raise AssertionError(f"half-closed for {READ_ACKS_SECONDS_MAX} s and not closed back")
        data = self.sock.recv(65536)
        if data:
            self.got += data
            return True
        self.sock.close()
        acks = self.got.count(b"\xa3ack")
        if self.acks_due and acks != self.acks_due:
            raise AssertionError(f"{acks} acks of {self.acks_due} after a half-close")
        self._ends["acks_read"] += acks
        return False


class ConnectionStorm:
    def __init__(self, port, connections, seed):
        self.ends = Counter()
        self.opened = 0
        self.open_most = 0
        self._port = port
        self._connections = connections
        self._chance = random.Random(seed)
        self._visitors = []
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def run(self, seconds):
        """Keeps up to that many connections open and busy for so long, then drops all of them."""
        deadline = time.monotonic() + seconds
        clock = threading.Event()
        while time.monotonic() < deadline:
            self._turn()
            clock.wait(TURN_SECONDS)
        for visitor in self._visitors:
            visitor.sock.close()
        self.ends["dropped_at_the_end"] += len(self._visitors)
        self._visitors.clear()

    def _turn(self):
        missing = self._connections - len(self._visitors)
        for _ in range(min(missing, OPEN_PER_TURN_MAX)):
            self._visitors.append(_Visitor(self._chance, self._port, self.ends))
            self.opened += 1
        self.open_most = max(self.open_most, len(self._visitors))
        for _ in range(STEPS_PER_TURN):
            at = self._chance.randrange(len(self._visitors))
            if not self._visitors[at].step():
                self._visitors[at] = self._visitors[-1]
                self._visitors.pop()
                if not self._visitors:
                    return
