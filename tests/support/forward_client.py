# SPDX-License-Identifier: Apache-2.0
"""A small forward-protocol client: every mode, acks, many messages in flight.

Source: the Forward Protocol Specification v1.5 (fluent/forward-protocol). Unlike the clients in
the field it does not wait for one ack before the next message, and it says exactly what it knows:
which messages are acked, which are in doubt.
"""
import base64
import gzip
import hashlib
import json
import os
import select
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass

import msgpack

EVENT_TIME = 0


def event_time(seconds, nanoseconds):
    return msgpack.ExtType(EVENT_TIME, struct.pack(">II", seconds, nanoseconds))


def new_chunk():
    """A chunk id as Fluentd makes one for each of its buffer chunks."""
    return base64.b64encode(os.urandom(16)).decode()


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


def message_frame(tag, when, record, option=None):
    return pack([tag, when, record] if option is None else [tag, when, record, option])


def forward_frame(tag, entries, option=None):
    return pack([tag, entries] if option is None else [tag, entries, option])


def packed_frame(tag, entries, option=None, compress=False):
    """`entries`: (time, record) pairs, or bytes that are packed already."""
    if not isinstance(entries, (bytes, bytearray)):
        entries = b"".join(pack([when, record]) for when, record in entries)
    option = dict(option or {})
    if compress:
        entries = gzip.compress(entries, compresslevel=1)
        option["compressed"] = "gzip"
    return pack([tag, entries, option] if option else [tag, entries])


def rfc3339(seconds, nanoseconds):
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{nanoseconds:09d}Z" if nanoseconds else f"{text}Z"


def expected_json(tag, seconds, nanoseconds, record):
    """The payload that millrace makes of this event with `inject` on, for plain values."""
    told = dict(record)
    told["time"] = rfc3339(seconds, nanoseconds)
    told["tag"] = tag
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def digest_of(*parts):
    """A digest of the handshake: lower-case hex of the SHA-512 of all parts."""
    return hashlib.sha512(b"".join(parts)).hexdigest().encode()


class Refused(Exception):
    """The server's answer to a PING, in its words."""


class ForwardClient:
    """One connection. `acks` are the values of the acks read so far, in order."""

    def __init__(self, port, host="127.0.0.1", timeout=60, source=""):
        self.sock = socket.create_connection((host, port), timeout, (source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.acks = []
        self._unpacker = msgpack.Unpacker(raw=False)

    def send(self, data):
        self.sock.sendall(data)

    def read_helo(self):
        """What the server says first: (nonce, salt of the password)."""
        word, told = self._read_value()
        if word != b"HELO" or set(told) != {b"nonce", b"auth", b"keepalive"}:
            raise AssertionError(f"not a HELO: {word!r} {told!r}")
        return told[b"nonce"], told[b"auth"]

    def read_pong(self):
        """The name and the digest of a server that takes the PING; Refused, if it does not."""
        word, taken, reason, name, digest = self._read_value()
        if word != b"PONG":
            raise AssertionError(f"not a PONG: {word!r}")
        if not taken:
            raise Refused(reason.decode())
        return name, digest

    def _read_value(self):
        # As Fluentd and Fluent Bit: one read, and it is there whole.
        return msgpack.unpackb(self.sock.recv(512), raw=True)

    def shake_hands(self, shared_key, *, user="", password="", hostname="client.example"):
        """The whole handshake; the server's name, or Refused."""
        nonce, auth = self.read_helo()
        salt = os.urandom(16)
        key = shared_key.encode()
        self.send(pack(["PING", hostname, salt,
                        digest_of(salt, hostname.encode(), nonce, key).decode(), user,
                        digest_of(auth, user.encode(), password.encode()).decode()]))
        name, digest = self.read_pong()
        if digest != digest_of(salt, name, nonce, key):
            raise AssertionError("the server does not have the key")
        return name.decode()

    def receive(self):
        """Reads what is there; the new acks, or None at the end of the connection."""
        data = self.sock.recv(65536)
        if not data:
            return None
        self._unpacker.feed(data)
        new = []
        for reply in self._unpacker:
            if not isinstance(reply, dict) or list(reply) != ["ack"]:
                raise AssertionError(f"not an ack: {reply!r}")
            new.append(reply["ack"])
        self.acks += new
        return new

    def wait_acks(self, count):
        """Until `count` acks were read in all; ConnectionError when the server closes first."""
        while len(self.acks) < count:
            if self.receive() is None:
                raise ConnectionError(f"closed after {len(self.acks)} of {count} acks")
        return self.acks

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def wait_closed(self):
        """Reads until the server closes; an ack on the way is kept."""
        try:
            while self.receive() is not None:
                pass
        except ConnectionResetError:
            pass

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def send_acked(port, frames_with_chunks, timeout=60):
    """Sends (frame, chunk) pairs over one connection and waits for all acks, in order."""
    with ForwardClient(port, timeout=timeout) as client:
        for frame, _ in frames_with_chunks:
            client.send(frame)
        acks = client.wait_acks(len(frames_with_chunks))
    chunks = [chunk for _, chunk in frames_with_chunks]
    if acks != chunks:
        raise AssertionError(f"acks {acks[:5]}... for chunks {chunks[:5]}...")


@dataclass
class Message:
    """A message of consecutive numbered events. It keeps its chunk id and bytes when sent again."""
    first: int
    count: int
    chunk: str
    frame: bytes


class NumberedSender:
    """Sends numbered events over one connection with at most `window` messages unacked.

    Event n is {"client": NAME, "n": n, "text": ...}. After an error `doubtful` holds the messages
    that were (at least partly) sent and not acked; they go first when send() is called again.
    """

    def __init__(self, name, tag, *, per_message=50, window=8, text_bytes=180, modes=("packed",)):
        self.name = name
        self.tag = tag
        self.doubtful = deque()
        self.acked = []  # (first, count) of acked messages
        self.acked_events = 0
        self.last_ack = 0.0  # time.monotonic() of the newest ack
        self._next = 0
        self._per_message = per_message
        self._window = window
        self._text_bytes = text_bytes
        self._modes = modes

    @property
    def sent_events(self):
        return self._next

    def record(self, n):
        text = f"{self.name} {n} ".ljust(self._text_bytes, "abcdefgh"[n % 8])
        return {"client": self.name, "n": n, "text": text}

    def payload(self, n):
        """What of event n must reach the stream."""
        return expected_json(self.tag, 1700000000 + n, n % 1000, self.record(n))

    def make_message(self):
        first, count = self._next, self._per_message
        self._next += count
        chunk = new_chunk()
        entries = [[event_time(1700000000 + n, n % 1000), self.record(n)]
                   for n in range(first, first + count)]
        mode = self._modes[(first // count) % len(self._modes)]
        option = {"chunk": chunk, "size": count}
        if mode == "forward":
            frame = forward_frame(self.tag, entries, option)
        elif mode == "gzip":
            frame = packed_frame(self.tag, entries, option, compress=True)
        else:
            frame = packed_frame(self.tag, entries, option)
        return Message(first, count, chunk, frame)

    def run(self, port, keep_going, on_ack=lambda: None, timeout=60):
        """Sends while keep_going() says so, then waits for the acks of what is in flight.

        Raises ConnectionError or OSError when the server goes away.
        """
        again = deque(self.doubtful)
        self.doubtful.clear()
        try:
            with ForwardClient(port, timeout=timeout) as client:
                self._exchange(client, again, keep_going, on_ack)
        finally:
            self.doubtful.extend(again)

    def _exchange(self, client, again, keep_going, on_ack):
        while True:
            while len(self.doubtful) < self._window and (again or keep_going()):
                message = again.popleft() if again else self.make_message()
                self.doubtful.append(message)
                client.send(message.frame)
                if select.select([client.sock], [], [], 0)[0]:
                    break
            if not self.doubtful:
                return
            new = client.receive()
            if new is None:
                raise ConnectionError("closed by the server")
            for chunk in new:
                self._take_ack(chunk)
                on_ack()

    def _take_ack(self, chunk):
        message = self.doubtful.popleft()
        if message.chunk != chunk:
            raise AssertionError(f"ack {chunk!r}, expected {message.chunk!r}")
        self.last_ack = time.monotonic()
        self.acked.append((message.first, message.count))
        self.acked_events += message.count
