#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests that the benchmark's own programs notice what they are there to notice.

usage: self_test.py BUILD_DIR   (the directory with millrace-load and millrace-sink)
Needs Python's standard library and openssl(1). No figure is asserted.
"""
import base64
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "support"))
from certificates import Certificates  # noqa: E402  (the path is set just above)

BUILD = "."
PATIENCE_S = 60


def unpack(data, at):
    """One MessagePack value of the types the generator writes: (value, next offset)."""
    head = data[at]
    if head < 0x80:
        return head, at + 1
    if head & 0xF0 == 0x80:
        pairs, at = [], at + 1
        for _ in range(head & 15):
            key, at = unpack(data, at)
            value, at = unpack(data, at)
            pairs.append((key, value))
        return dict(pairs), at
    if head & 0xF0 == 0x90:
        items, at = [], at + 1
        for _ in range(head & 15):
            item, at = unpack(data, at)
            items.append(item)
        return items, at
    if head & 0xE0 == 0xA0:
        end = at + 1 + (head & 31)
        return data[at + 1:end].decode(), end
    if head == 0xD7:
        return struct.unpack(">II", data[at + 2:at + 10]), at + 10
    if head in (0xD9, 0xDB):
        size_bytes = 1 if head == 0xD9 else 4
        start = at + 1 + size_bytes
        end = start + int.from_bytes(data[at + 1:start], "big")
        if end > len(data):
            raise IndexError
        return data[start:end] if head == 0xDB else data[start:end].decode(), end
    form = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCB: ">d"}[head]
    end = at + 1 + struct.calcsize(form)
    return struct.unpack(form, data[at + 1:end])[0], end


class Receiver:
    """A forward server that keeps every message; `answer(n, ack)` tells what to send for the n-th."""

    def __init__(self, answer=lambda number, ack: ack):
        self.messages, self.answer, self.lock = [], answer, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        data = b""
        with connection, contextlib.suppress(ConnectionError):
            while more := connection.recv(1 << 20):
                data += more
                while True:
                    try:
                        message, used = unpack(data, 0)
                    except (IndexError, struct.error):
                        break
                    data = data[used:]
                    reply = self._take(message)
                    if reply is None:
                        return
                    connection.sendall(reply)

    def _take(self, message):
        with self.lock:
            self.messages.append(message)
            chunk = message[2].get("chunk", "").encode()
            ack = b"\x81\xa3ack" + bytes([0xA0 + len(chunk)]) + chunk if chunk else b""
            return self.answer(len(self.messages), ack)

    def close(self):
        self.listener.close()


def events_of(message):
    payload = message[1]
    if message[2]["compressed"] == "gzip":
        payload = gzip.decompress(payload)
    at, events = 0, []
    while at < len(payload):
        event, at = unpack(payload, at)
        events.append(event)
    return events


class Generator(unittest.TestCase):
    def load(self, receiver, *options):
        self.addCleanup(receiver.close)
        done = subprocess.run([f"{BUILD}/millrace-load", "--port", str(receiver.port), *options],
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return done.returncode, json.loads(done.stdout)

    def expect_all(self, receiver, figures, events, first=0):
        numbers = []
        for message in receiver.messages:
            self.assertEqual(message[0], "app.web")
            found = events_of(message)
            self.assertEqual(message[2]["size"], len(found))
            numbers += [int(record["seq"]) for _, record in found]
            self.assertEqual({len(record) for _, record in found}, {11})
        self.assertEqual(sorted(numbers), list(range(first, first + events)))
        self.assertEqual((figures["events"], figures["missing"], figures["wrong"]), (events, 0, 0))

    def test_every_event_is_numbered_once(self):
        for options in ([], ["--gzip"], ["--window", "5"], ["--rate", "200000"],
                        ["--events-per-message", "333", "--connections", "3"]):
            with self.subTest(options=options):
                receiver = Receiver()
                status, figures = self.load(receiver, "--events", "10007", "--first-seq", "90",
                                            *options)
                self.assertEqual((status, figures["passed"]), (0, True))
                self.assertEqual(figures["acked"], len(receiver.messages))
                self.expect_all(receiver, figures, 10007, first=90)
                chunks = {message[2]["chunk"] for message in receiver.messages}
                self.assertEqual(len(chunks), len(receiver.messages))

    def test_events_have_the_shape_of_the_data(self):
        receiver = Receiver()
        self.load(receiver, "--events", "500")
        with open(os.path.join(os.path.dirname(__file__), "../data/events-500.msgpack"),
                  "rb") as file:
            payload = file.read()
        mine, given = events_of(receiver.messages[0]), events_of([0, payload, {"compressed": ""}])
        self.assertEqual([list(record) for _, record in mine],
                         [list(record) for _, record in given])
        self.assertEqual([time for time, _ in mine], [time for time, _ in given])
        for key, value in given[0][1].items():
            self.assertIs(type(mine[0][1][key]), type(value), key)
        self.assertAlmostEqual(len(receiver.messages[0][1]) / len(payload), 1, delta=0.02)

    def test_events_of_a_given_size(self):
        for size in (100, 10_000):
            with self.subTest(size=size):
                receiver = Receiver()
                self.load(receiver, "--events", "40", "--events-per-message", "20", "--event-bytes",
                          str(size))
                self.assertEqual([len(message[1]) for message in receiver.messages], [20 * size] * 2)
                numbers = [int(record["seq"]) for message in receiver.messages
                           for _, record in events_of(message)]
                self.assertEqual(sorted(numbers), list(range(40)))

    def test_connections_with_tags_of_their_own(self):
        receiver = Receiver()
        self.load(receiver, "--events", "1030", "--events-per-message", "100", "--connections", "4",
                  "--tags", "3")
        self.assertEqual({message[0] for message in receiver.messages},
                         {"app.web.0", "app.web.1", "app.web.2"})
        self.assertEqual(sorted(len(events_of(message)) for message in receiver.messages),
                         [30] + [100] * 10)

        receiver = Receiver()
        status, figures = self.load(receiver, "--events", "10000", "--no-acks")
        self.assertEqual((status, figures["acks"]), (0, False))
        self.assertTrue(all("chunk" not in message[2] for message in receiver.messages))
        self.expect_all(receiver, figures, 10000)

    def test_an_ack_that_is_wrong_missing_or_early_ends_in_failure(self):
        answers = {"wrong": lambda n, ack: ack[:-1] + b"!" if n == 7 else ack,
                   "of another": lambda n, ack: b"" if n == 7 else ack + ack if n == 8 else ack,
                   "missing": lambda n, ack: b"" if n == 7 else ack,
                   "torn": lambda n, ack: ack[:9] if n == 7 else ack,
                   "closed": lambda n, ack: None if n == 7 else ack}
        for name, answer in answers.items():
            with self.subTest(name):
                status, figures = self.load(Receiver(answer), "--events", "10000", "--timeout", "1")
                self.assertEqual((status, figures["passed"]), (1, False))
                self.assertGreater(figures["missing"] + figures["wrong"], 0)


def varint(value):
    out = b""
    while value >= 128:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(tag, data):
    return bytes([tag]) + varint(len(data)) + data


def aggregate(numbers, key="k", index=0, table=None):
    message = b"".join(field(0x0A, one.encode()) for one in (table or [key]))
    for number in numbers:
        event = json.dumps({"path": "/", "seq": f"{number:012}", "time": "t"},
                           separators=(",", ":")).encode()
        message += field(0x1A, b"\x08" + varint(index) + field(0x1A, event))
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message).digest()


def cbor(value):
    """RFC 8949 with shortest heads, of dicts, text and bytes."""
    kinds = {bytes: 2, str: 3, dict: 5}
    content = value.encode() if isinstance(value, str) else value
    head, size = kinds[type(value)] << 5, len(content)
    power = 0 if size < 1 << 8 else 1 if size < 1 << 16 else 2
    out = bytes([head | size]) if size < 24 else \
        bytes([head | 24 + power]) + size.to_bytes(1 << power, "big")
    if isinstance(value, dict):
        return out + b"".join(cbor(key) + cbor(one) for key, one in value.items())
    return out + content


class Sink(unittest.TestCase):
    def start(self, *options):
        self.process = subprocess.Popen([f"{BUILD}/millrace-sink", *options],
                                        stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end, self.process)
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        self.addCleanup(self.client.close)

    @staticmethod
    def end(process):
        process.kill()
        process.wait(PATIENCE_S)
        process.stdout.close()

    def post(self, data, key="k", target="PutRecord", **more):
        body = json.dumps({"StreamName": "s", "Data": base64.b64encode(data).decode(),
                           "PartitionKey": key, **more})
        reply = self.send(body, "application/x-amz-json-1.1", target)
        return reply.status, json.loads(reply.read())

    def post_cbor(self, data, key="k", **more):
        reply = self.send(cbor({"StreamName": "s", "Data": data, "PartitionKey": key, **more}),
                          "application/x-amz-cbor-1.1")
        self.assertEqual(reply.getheader("Content-Type"), "application/x-amz-cbor-1.1")
        return reply.status, reply.read()

    def send(self, body, content_type, target="PutRecord"):
        self.client.request("POST", "/", body, {"X-Amz-Target": f"Kinesis_20131202.{target}",
                                                "Content-Type": content_type})
        return self.client.getresponse()

    def stats(self):
        self.client.request("GET", "/_stats")
        return json.loads(self.client.getresponse().read())

    def test_lost_and_doubled_events_are_counted(self):
        self.start("--expect", "100", "--threads", "2")
        status, reply = self.post(aggregate(range(0, 60)))
        self.assertEqual((status, sorted(reply)), (200, ["SequenceNumber", "ShardId"]))
        self.post(aggregate(range(50, 90), key="k\"\u00e9\\", index=1, table=["a", "k\"\u00e9\\"]),
                  key="k\"\u00e9\\")
        stats = self.stats()
        self.assertEqual({name: stats[name] for name in
                          ("requests", "bad_requests", "events", "distinct", "doubled", "missing")},
                         {"requests": 2, "bad_requests": 0, "events": 100, "distinct": 90,
                          "doubled": 10, "missing": 10})
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(json.loads(self.process.stdout.read()), stats)
        self.assertEqual(self.process.wait(PATIENCE_S), 0)

    def test_a_record_that_does_not_hold_is_bad(self):
        good = aggregate(range(3))
        cases = {"no magic": good[1:], "wrong MD5": good[:-1] + bytes([good[-1] ^ 1]),
                 "a record of another partition key": aggregate(range(3), key="other"),
                 "a record without seq": good[:4] + good[4:-16].replace(b"seq", b"sex")}
        cases["a record without seq"] += hashlib.md5(cases["a record without seq"][4:]).digest()
        torn = good[4:-20]
        cases["a field has no end"] = good[:4] + torn + hashlib.md5(torn).digest()
        for problem, data in cases.items():
            with self.subTest(problem):
                self.start()
                self.post(data)
                stats = self.stats()
                self.assertEqual((stats["bad_requests"], stats["first_problem"]), (1, problem))

    def test_an_explicit_hash_key_is_bad_and_another_operation_is_refused(self):
        self.start()
        self.post(aggregate(range(3)), ExplicitHashKey="0")
        status, _ = self.post(aggregate(range(3)), target="PutRecords")
        stats = self.stats()
        self.assertEqual((status, stats["bad_requests"], stats["other_requests"]), (400, 1, 1))

    def test_cbor(self):
        self.start("--expect", "50000")
        key = "k\u00e9" * 100
        status, reply = self.post_cbor(aggregate(range(0, 20000), key=key), key=key)
        number = b"49" + b"1".rjust(54, b"0")
        self.assertEqual((status, reply), (200, cbor({"ShardId": "shardId-000000000000",
                                                      "SequenceNumber": number.decode()})))
        self.post_cbor(aggregate(range(20000, 20003)), SequenceNumberForOrdering="1")
        self.post(aggregate(range(20003, 20005)))
        stats = self.stats()
        self.assertEqual([stats[name] for name in ("requests", "bad_requests", "distinct")],
                         [3, 0, 20005])

    def test_cbor_that_does_not_hold_is_bad(self):
        good = aggregate(range(3))
        body = cbor({"StreamName": "s", "Data": good, "PartitionKey": "k"})
        bodies = {"no PutRecord body": (body[:-1], body + b"\0", cbor({"Data": good}), b"",
                                        b"\xbf" + body[1:] + b"\xff",
                                        b'{"Data":"","PartitionKey":""}'),
                  "no magic": (cbor({"Data": good[1:], "PartitionKey": "k"}),),
                  "an ExplicitHashKey": (cbor({"Data": good, "PartitionKey": "k",
                                               "ExplicitHashKey": "0"}),)}
        for problem, sent in bodies.items():
            for one in sent:
                with self.subTest(problem, body=one[:40]):
                    self.start()
                    self.send(one, "application/x-amz-cbor-1.1").read()
                    stats = self.stats()
                    self.assertEqual((stats["bad_requests"], stats["first_problem"]), (1, problem))

    def test_tls(self):
        with tempfile.TemporaryDirectory() as directory:
            certificates = Certificates(directory)
            self.start("--verify", "full", "--certificate", certificates.certificate_file, "--key",
                       certificates.key_file)
            trusted = ssl.create_default_context(cafile=certificates.ca_file)
            self.client = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE_S,
                                                      context=trusted)
            self.addCleanup(self.client.close)
            for number in range(3):  # more than a TLS record, more than one request
                status, _ = self.post(aggregate(range(number * 2000, number * 2000 + 2000)))
                self.assertEqual(status, 200)
            stats = self.stats()
        self.assertEqual((stats["distinct"], stats["doubled"], stats["bad_requests"]), (6000, 0, 0))

    def test_levels_of_verification(self):
        broken = aggregate(range(2000))[:-1] + b"\0"
        for level, bad, events in (("full", 1, 0), ("seq", 0, 2000), ("none", 0, 0)):
            with self.subTest(level):
                self.start("--verify", level)
                for number in range(1, 4):  # the connection stays in step
                    _, reply = self.post(broken)
                    self.assertTrue(reply["SequenceNumber"].endswith(f"00{number}"))
                stats = self.stats()
                self.assertEqual((stats["verify"], stats["requests"], stats["bad_requests"],
                                  stats["distinct"]), (level, 3, bad * 3, events))

    def test_bytes_one_by_one_pipelined_and_with_a_late_reply(self):
        self.start("--delay-ms", "30")
        body = json.dumps({"Data": base64.b64encode(aggregate([5])).decode(), "PartitionKey": "k"})
        request = ("POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: Kinesis_20131202.PutRecord\r\n"
                   f"expect: 100-continue\r\ncontent-length: {len(body)}\r\n\r\n{body}").encode()
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in request:
                connection.sendall(bytes([byte]))
            connection.sendall(request * 2)
            data = b""
            while data.count(b"SequenceNumber") < 3:
                more = connection.recv(65536)
                self.assertTrue(more)
                data += more
        self.assertEqual(data.count(b"HTTP/1.1 100 Continue\r\n\r\n"), 3)
        self.assertEqual((self.stats()["events"], self.stats()["bad_requests"]), (3, 0))


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    result = unittest.main(exit=False).result
    bad = len(result.failures) + len(result.errors)
    print(f"{max(result.testsRun - bad, 0)} passed, {bad} failed, {len(result.skipped)} skipped")
    sys.exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)
