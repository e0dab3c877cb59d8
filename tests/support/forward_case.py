# SPDX-License-Identifier: Apache-2.0
"""The base of the forward protocol's conformance cases: exact bytes in, and all that can be seen.

A class has one instance (options in `SOURCE`) that writes everything to a local stream, but the tag
"oj" to one with json_compat = "oj". Each case uses connections of its own; what it stored is what
the stream has gained since it began.
"""
import json
import os
import re
import shutil
import socket
import tempfile
import unittest

from forward_client import pack
from local_stream import read_payloads
from millrace import Millrace, local_match
from waiting import until
from written import WRITTEN

SECONDS = 1700000000
TAG = "test"
LOUD = re.compile(r"\b(warn|error)\b")


def octets(text):
    """Bytes from hex; spaces do not count."""
    return bytes.fromhex(text)


X = octets("a4 74 65 73 74")                 # tag "test"
T = octets("ce 65 53 f1 00")                 # 1700000000
T_TEXT = "2023-11-14T22:13:20Z"
A1 = octets("81 a1 61 01")                   # {"a":1}
A2 = octets("81 a1 61 02")
C = octets("81 a5 63 68 75 6e 6b a2 63 31")  # {"chunk":"c1"}
ACK = octets("81 a3 61 63 6b a2 63 31")
E1 = b"\x92" + T + A1                        # an entry
E2 = b"\x92" + T + A2


def stored(record, time=T_TEXT, tag=TAG):
    """What of an event must be in the stream. `record`: the JSON text of its own members."""
    members = record.strip("{}")
    return f'{{{members}{"," if members else ""}"time":"{time}","tag":"{tag}"}}'.encode()


def bin32(data):
    return b"\xc6" + len(data).to_bytes(4, "big") + data


def option(**values):
    return pack(values)


class Peer:
    """A connection that sends bytes and keeps the bytes that come back."""

    def __init__(self, port, timeout=30, source="127.0.0.1"):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout, (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def send(self, data):
        self.sock.sendall(data)

    def read_until(self, end):
        """Until what came ends with these bytes; returns what came before them."""
        while not self.data.endswith(end):
            new = self.sock.recv(65536)
            if not new:
                raise AssertionError(f"closed after {self.data!r}, wanted {end!r}")
            self.data += new
        return self.data[:-len(end)]

    def read_to_fin(self):
        """All that comes until an orderly close; a reset is an error of its own."""
        while new := self.sock.recv(65536):
            self.data += new
        return self.data

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()


class ForwardCase(unittest.TestCase):
    SOURCE = {}
    PREFIX = ()  # what starts the process, as `prlimit --nofile=100`
    MAIN, OJ = "main", "oj"  # the streams

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="millrace-conformance-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.addClassCleanup(WRITTEN.add_files, cls.directory)
        # Only a flush seals, so that nothing depends on time.
        matches = [local_match(os.path.join(cls.directory, name), id=name, pattern=pattern,
                               json_compat=compat, buffer={"flush_interval": "1h"})
                   for name, pattern, compat in ((cls.OJ, "oj", "oj"), (cls.MAIN, "**", "valid"))]
        # The cases send the same bytes again and mean something new by it.
        cls.millrace = Millrace(cls.directory, matches,
                                system={"log_level": "debug", "dedup_window": 0},
                                source=cls.SOURCE)
        cls.addClassCleanup(cls.millrace.__exit__)
        cls.millrace.launch(cls.PREFIX).wait_running()

    def setUp(self):
        self._numbers = iter(range(1_000_000))
        self._payloads = {name: len(self._all_payloads(name)) for name in (self.MAIN, self.OJ)}
        self._metrics = self.millrace.metrics()
        self._log = len(self.millrace.log())

    def tearDown(self):
        self.assertTrue(self.millrace.is_alive())

    # Exchanges.

    def peer(self, **options):
        peer = Peer(self.millrace.port, **options)
        self.addCleanup(peer.close)
        return peer

    def probe(self, peer, as_json=False):
        """Proves that the connection is usable: a further message is stored and acked. Returns what
        was read before its ack."""
        name = f"probe-{next(self._numbers)}"
        message = ["probe", SECONDS, {"probe": name}, {"chunk": name}]
        if as_json:
            peer.send(json.dumps(message).encode())
            return peer.read_until(json.dumps({"ack": name}, separators=(",", ":")).encode())
        peer.send(pack(message))
        return peer.read_until(pack({"ack": name}))

    def open_after(self, *pieces, as_json=False):
        """Sends, proves that the connection is open, returns the reply."""
        peer = self.peer()
        for piece in pieces:
            peer.send(piece)
        return self.probe(peer, as_json)

    def fin_after(self, *pieces):
        """Sends and reads to the server's FIN; returns the reply."""
        peer = self.peer()
        for piece in pieces:
            peer.send(piece)
        return peer.read_to_fin()

    # What can be seen.

    def _all_payloads(self, stream):
        directory = os.path.join(self.directory, stream)
        return read_payloads(directory) if os.path.isdir(directory) else []

    def stored(self, stream=MAIN):
        """The payloads stored since the case began, but for the probes."""
        self.millrace.wait_idle()
        return [one for one in self._all_payloads(stream)[self._payloads[stream]:]
                if b'{"probe":' not in one]

    def assert_stored(self, *payloads):
        self.assertEqual(self.stored(), list(payloads))

    def counted(self, name, **labels):
        """By how much a counter has grown since the case began; without labels, all its rows."""
        def total(metrics):
            wanted = set(labels.items())
            rows = [value for (row, pairs), value in metrics.items()
                    if row == f"millrace_{name}" and wanted <= set(pairs)]
            self.assertTrue(rows, f"no metric {name} {labels}")
            return sum(rows)
        return total(self.millrace.metrics()) - total(self._metrics)

    def assert_counted(self, count, name, **labels):
        until(lambda: self.counted(name, **labels) >= count, f"{name} {labels} grows by {count}")
        self.assertEqual(self.counted(name, **labels), count)

    def new_log(self):
        return self.millrace.log()[self._log:].splitlines()

    def loud_log(self):
        """The lines above debug and info that the case caused."""
        return [line for line in self.new_log() if LOUD.search(line)]

    def wait_connections(self, count=0):
        """Until so many connections are left: what their clients sent has been dealt with."""
        until(lambda: self.millrace.status()["sources"][0]["connections"] == count,
              f"{count} connections")

    def memory_bytes(self):
        with open(f"/proc/{self.millrace.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))
