#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`millrace decode` of records that others made: known vectors, and the aggregators of the Java,
Python and Node libraries, which write several keys and explicit hash keys as the KPL does.
"""
import base64
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
import foreign_kpl
import vectors
from kpl_reader import read_aggregate
from millrace import run_command

ONE = [("pk", b'{"a":1}')]
TWO = [("test_partition_key", b'{"a":%d,"time":"2011-01-02T13:14:15Z","tag":"test"}' % n)
       for n in (1, 2)]
MULTIBYTE = [("test_partition_key",
              '{"a":"インストール","time":"2011-01-02T13:14:15Z","tag":"test"}'.encode())]
READABLE = {"A1": ONE, "A2": TWO, "A14": MULTIBYTE, "A3": ONE, "A4": [("pk", b"")], "A8": [],
            "A9": ONE, "A10": ONE, "A11": [("pk", b"x"), ("pk", b"y")]}
DAMAGED = ("A5", "A6", "A7", "A12")

HASH_KEYS = (None, "0", str(2 ** 128 - 1), "170141183460469231731687303715884105728")
KEYS = ("pk", "user-1", "é" * 100, "\U0001f600", "k" * 256)
PAYLOADS = (b'{"n":1}', b'{"text":"\xc3\xa9\xf0\x9f\x98\x80"}', b"plain text", b"\x00\xff\xfe",
            b"x" * 123, b"x" * 124, b"x" * 127, b"x" * 128, b"y" * 16379, b"z" * 16384,
            b"[1,2]", b'"quoted"', b"0")


def foreign_records():
    """Records to be made by others: lists of (key, explicit hash key or None, payload)."""
    one_key = [("pk", None, b'{"n":%d}' % n) for n in range(1000)]
    sizes = [("pk", None, payload) for payload in PAYLOADS]
    keys = [(KEYS[n % len(KEYS)], None, payload) for n, payload in enumerate(PAYLOADS)]
    hashes = [(KEYS[n % 3], HASH_KEYS[n % 4], payload) for n, payload in enumerate(PAYLOADS)]
    many_keys = [(f"key-{n}", None, b"%d" % n) for n in range(300)]
    large = [("pk", None, b"L" * 90_000)] * 11
    return {"one event": one_key[:1], "one key": one_key, "sizes": sizes, "several keys": keys,
            "explicit hash keys": hashes, "300 keys": many_keys, "nearly 1 MiB": large}


def shown(payload):
    """What --meta makes of a payload: its member and value."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return "data_base64", base64.b64encode(payload).decode()
    try:
        return "data", json.loads(text)
    except ValueError:
        return "data", text


def stream_line(number, key, data):
    return json.dumps({"SequenceNumber": str(number), "ApproximateArrivalTimestamp": 1.5,
                       "PartitionKey": key, "Data": base64.b64encode(data).decode()})


class Decode(unittest.TestCase):
    def check_events(self, data, events, sequences):
        """`events`: (key, payload) lists, one of each record, whose sequence numbers are given."""
        done = run_command("decode", "--meta", stdin=data)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        expected = []
        for record, sequence in zip(events, sequences):
            for sub, (key, payload) in enumerate(record):
                name, value = shown(payload)
                expected.append({"partition_key": key, "sub_sequence": sub,
                                 "sequence_number": sequence, name: value})
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()], expected)

    def test_known_vectors(self):
        for name, events in READABLE.items():
            with self.subTest(name):
                data = bytes.fromhex(getattr(vectors, name))
                self.check_events(data, [events], [None])
                done = run_command("decode", stdin=data)
                self.assertEqual(done.stdout, b"".join(payload + b"\n" for _, payload in events))
        stream = "\n".join(stream_line(n, "any", bytes.fromhex(getattr(vectors, name)))
                           for n, name in enumerate(READABLE))
        self.check_events(stream.encode() + b"\n", READABLE.values(),
                          [str(n) for n in range(len(READABLE))])

    def test_damaged_vectors(self):
        for name in DAMAGED:
            with self.subTest(name):
                done = run_command("decode", stdin=bytes.fromhex(getattr(vectors, name)))
                self.assertEqual((done.returncode, done.stdout), (65, b""))
                self.assertIn(b"damaged record", done.stderr)

    def check_foreign(self, judge):
        wanted = foreign_records()
        made = foreign_kpl.make(judge, list(wanted.values()))
        for (name, record), data in zip(wanted.items(), made):
            with self.subTest(name, bytes=len(data)):
                events = [(key, payload) for key, _, payload in record]
                self.assertEqual([(one.key, one.data) for one in read_aggregate(data).records],
                                 events)
                self.check_events(data, [events], [None])
        records = [{"SequenceNumber": str(n), "PartitionKey": "a",
                    "Data": base64.b64encode(data).decode()} for n, data in enumerate(made)]
        with self.subTest("as `aws kinesis get-records` prints them"):
            events = [[(key, payload) for key, _, payload in record] for record in wanted.values()]
            self.check_events(json.dumps({"Records": records}, indent=4).encode(), events,
                              [str(n) for n in range(len(made))])

    @cases.needs_judges("java")
    def test_java_amazon_kinesis_aggregator(self):
        self.check_foreign("java")

    @cases.needs_judges("pip")
    def test_python_aws_kinesis_agg(self):
        self.check_foreign("pip")

    @cases.needs_judges("npm")
    def test_node_aws_kinesis_agg(self):
        self.check_foreign("npm")


if __name__ == "__main__":
    cases.main(__file__)
