# SPDX-License-Identifier: Apache-2.0
"""The bytes of a record: envelope, fragments, keys, checks."""
import importlib.util
import json
import os
import subprocess

import cases
import foreign_kpl
import judges
import vectors
from forward_client import pack
from kinesis_case import (SECONDS, TAG, KinesisCase, event_json, fragment_bytes, record_bytes)
from kpl_reader import read_aggregate, read_own_aggregate
from millrace import kinesis_match, run_command
from waiting import until

ALL_READERS = ("java", "pip", "npm")
THEN = 1293974055  # 2011-01-02T13:14:15Z
FULL_RANGE = (0, 2 ** 128 - 1)


def python_protobuf(directory):
    """The module that protoc makes of the repository's proto, for Python's own runtime."""
    place = os.path.join(cases.REPOSITORY, "proto")
    subprocess.run(["protoc", f"--python_out={directory}", "-I", place, f"{place}/kpl.proto"],
                   check=True, timeout=60)
    spec = importlib.util.spec_from_file_location("kpl_pb2", os.path.join(directory, "kpl_pb2.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Golden(KinesisCase):
    """Records whose every byte is known."""

    def check(self, expected, key, records, **options):
        self.start(fixed_partition_key=key, **options)
        self.send(*records, when=THEN)
        record = self.only_record()
        self.assertEqual((record.key, record.data.hex()), (key, expected))
        self.assertFalse(self.requests()[0].explicit_hash)

    def kinesis_case_01(self):
        """One event, fixed key, nothing injected: 37 known bytes, no ExplicitHashKey."""
        self.check(vectors.A1, "pk", [{"a": 1}], inject=False)

    def kinesis_case_02(self):
        """Fluentd's form (kpl_compat): the two events that its plugin's tests have, 155 bytes."""
        self.check(vectors.A2, "test_partition_key", [{"a": 1}, {"a": 2}], kpl_compat="fluentd")

    def kinesis_case_03(self):
        """Fluentd's form: text is UTF-8, not escaped; lengths count bytes."""
        self.check(vectors.A14, "test_partition_key", [{"a": "インストール"}], kpl_compat="fluentd")


class Events(KinesisCase):
    @cases.needs_judges(*ALL_READERS)
    def kinesis_case_04(self):
        """An event without a byte. No option makes one today (there is only JSON), so: the known
        record whose fragment is `1A 04 08 00 1A 00` is read as one empty event by each reader and by
        `decode`; the shortest event that can be written, {}, is `1A 06 08 00 1A 02 7B 7D`, and each
        reader has it."""
        self.assertEqual(bytes.fromhex(vectors.A4)[4:-16].hex(), "0a02706b" "1a0408001a00")
        empty = {"key": "pk", "data": bytes.fromhex(vectors.A4), "range": FULL_RANGE}
        for judge in ALL_READERS:
            self.assertEqual(foreign_kpl.read(judge, [empty]), [[("pk", b"")]], judge)
        decoded = run_command("decode", stdin=bytes.fromhex(vectors.A4))
        self.assertEqual((decoded.returncode, decoded.stdout), (0, b"\n"))
        self.start(fixed_partition_key="pk", inject=False)
        self.send({})
        record = self.only_record()
        self.assertEqual(record.data[4:-16].hex(), "0a02706b" "1a0608001a027b7d")
        for judge in ALL_READERS:
            self.assertEqual(self.read_by(judge, [record]), [[("pk", b"{}")]], judge)

    @cases.needs_judges(*ALL_READERS)
    def kinesis_case_06(self):
        """1 000 events: every reader has them in order, numbered 0 to 999, all under the key."""
        self.start(fixed_partition_key="pk")
        self.send(*({"n": n} for n in range(1000)))
        record = self.only_record()
        expected = [("pk", event_json({"n": n})) for n in range(1000)]
        self.assertEqual([(one.key, one.data) for one in read_aggregate(record.data).records],
                         expected)
        self.assertEqual(judges.protoc_events(record.data), [data for _, data in expected])
        for judge in ALL_READERS:  # the sub-sequence numbers are checked there
            self.assertEqual(self.read_by(judge, [record]), [expected], judge)

    def kinesis_case_07(self):
        """A chunk of one event is enveloped all the same."""
        self.start()
        self.send({"a": 1})
        record = self.only_record()
        self.assertEqual(read_own_aggregate(record.data, record.key), [event_json({"a": 1})])

    @cases.needs_judges(*ALL_READERS)
    def kinesis_case_08(self):
        """Bytes that are no UTF-8 are carried unchanged (json_compat = "oj")."""
        octets = bytes(range(0x80, 0x100)) + b"\xc0\x80\xed\xa0\x80\xf5"
        entry = (b"\x92" + pack(SECONDS) + b"\x81" + pack("d") + b"\xd9" + bytes([len(octets)]) +
                 octets)
        self.start(json_compat="oj", inject=False)
        self.send(entry)
        record = self.only_record()
        payload = b'{"d":"' + octets + b'"}'
        self.assertEqual(read_own_aggregate(record.data, record.key), [payload])
        for judge in ALL_READERS:
            self.assertEqual(self.read_by(judge, [record]), [[(record.key, payload)]], judge)

    @cases.needs_judges(*ALL_READERS)
    def kinesis_case_09(self):
        """A key of 256 two-byte characters: its length is `80 04`, and it counts twice."""
        key = "é" * 256
        self.start(fixed_partition_key=key, inject=False)
        self.send({"a": 1})
        record = self.only_record()
        self.assertEqual(record.data[:7], bytes.fromhex("f3899ac2" "0a8004"))
        self.assertEqual(self.requests()[0].size,
                         record_bytes(fragment_bytes(len(b'{"a":1}')), 512))
        self.assertEqual(self.requests()[0].size, len(record.data) + 512)
        for judge in ALL_READERS:
            self.assertEqual(self.read_by(judge, [record]), [[(key, b'{"a":1}')]], judge)

    def kinesis_case_11(self):
        """A key that is no UTF-8, or has a lone surrogate, is a configuration error."""
        match = kinesis_match("http://127.0.0.1:9", fixed_partition_key="KEY")
        instance = self.millrace([match], start=False, environment={"MY_KEY": "ok"})
        with open(instance.config_path, "rb") as file:
            text = file.read()
        wrong = {"surrogate": rb'"\ud800"', "bytes": b'"\xff\xfe"', "surrogate in bytes":
                 b'"\xed\xa0\x80"', "257 characters": b'"' + b"k" * 257 + b'"'}
        for name, key in wrong.items():
            with self.subTest(name):
                self.assert_refused(instance, text.replace(b'"KEY"', key))
        for name, value in {"bytes": b"\xff", "surrogate": b"\xed\xa0\x80"}.items():
            with self.subTest(f"from the environment: {name}"):
                self.assert_refused(instance, text.replace(b'"KEY"', b'"${MY_KEY}"'),
                                    {b"MY_KEY": value})

    def assert_refused(self, instance, text, environment=None):
        with open(instance.config_path, "wb") as file:
            file.write(text)
        for command in ("check", "run"):
            done = run_command(command, "-c", instance.config_path, environment=environment)
            self.assertEqual(done.returncode, 78, done.stderr)
            line = 1 + text[:text.index(b"fixed_partition_key")].count(b"\n")
            self.assertIn(f"{instance.config_path}:{line}: ".encode(), done.stderr)

    def kinesis_case_13(self):
        """Messages without an event: acked, no chunk, no request."""
        self.start(buffer={"flush_interval": "50ms"})
        client = self.connect(self.instance)
        for n, frame in enumerate(([TAG, [], {"chunk": "c0"}], [TAG, b"", {"chunk": "c1"}])):
            client.send(pack(frame))
            self.assertEqual(client.wait_acks(n + 1)[n], f"c{n}")
        self.assertEqual(self.instance.flush(), 0)
        self.send({"a": 1})  # is delivered, and alone
        self.assertEqual(len(self.delivered()), 1)
        self.assertEqual(len(self.requests()), 1)
        self.assertEqual(len(self.instance.finished("C")), 1)

    @cases.needs_judges(*ALL_READERS)
    def kinesis_case_14(self):
        """aws-kinesis-agg with checksums, protoc, Python's protobuf, the KCL: the same events."""
        self.start(buffer={"chunk_limit_records": 40})
        records = [{"n": n, "text": "é😀" * (n % 7), "d": "x" * (n * 37 % 400)} for n in range(200)]
        self.send(*records)
        stored = self.delivered()
        kpl = python_protobuf(self.directory)
        expected = [event_json(record) for record in records]
        own = [[(record.key, data) for data in read_own_aggregate(record.data, record.key)]
               for record in stored]
        self.assertEqual(sorted(data for record in own for _, data in record), sorted(expected))
        for record, events in zip(stored, own):
            self.assertEqual(judges.protoc_events(record.data), [data for _, data in events])
            message = kpl.AggregatedRecord.FromString(record.data[4:-16])
            self.assertEqual([(message.partition_key_table[one.partition_key_index], one.data)
                              for one in message.records], events)
        for judge in ALL_READERS:
            self.assertEqual(self.read_by(judge, stored), own, judge)


class Damage(KinesisCase):
    @cases.needs_judges("java", "pip")
    def kinesis_case_12(self):
        """Any byte flipped: readers take the record for a raw one, `decode` refuses it unless it is
        the magic that is gone. And what the disk flipped is not sent: each record is checked when it
        is read back from the buffer. (Node's reader checks nothing.)"""
        self.start(fixed_partition_key="pk", inject=False)
        self.send({"a": 1}, {"a": 2})
        good = bytes(self.only_record().data)
        flipped = [{"key": "pk", "data": good[:n] + bytes([good[n] ^ 1 << n % 8]) + good[n + 1:],
                    "range": FULL_RANGE} for n in range(len(good))]
        for judge in ("java", "pip"):
            self.assertEqual(foreign_kpl.read(judge, flipped), [None] * len(flipped), judge)
        for n, one in enumerate(flipped):
            done = run_command("decode", stdin=one["data"])
            if n >= 4:
                self.assertEqual((done.returncode, done.stdout), (65, b""), n)
            else:  # without the magic it was never aggregated, as for every reader: one raw record
                self.assertEqual(done.returncode, 0)
                self.assertIsInstance(json.loads(done.stdout), str)
        self.check_damaged_buffer()

    def check_damaged_buffer(self):
        endpoint = self.endpoint()
        endpoint.faults.always(500)
        self.start(endpoint=endpoint, name="damaged", inject=False)
        self.send({"a": "first event"})
        self.send({"a": "MARKED EVENT"})
        self.send({"a": "third event"})
        self.instance.flush()
        until(endpoint.requests, "a try")
        self.instance.kill()
        self.flip_on_disk(b"MARKED EVENT")
        endpoint.faults.clear()
        self.instance.start()
        self.instance.wait_idle()
        stored = [payload for record in self.delivered()
                  for payload in read_own_aggregate(record.data, record.key)]
        self.assertEqual(stored, [b'{"a":"first event"}', b'{"a":"third event"}'])
        self.assertEqual(self.counted("discarded_records_total", reason="damaged"), 1)
        self.assertIn("a damaged chunk is sent without the records", self.instance.log())

    def flip_on_disk(self, marker):
        for place, _, names in os.walk(self.instance.root):
            for name in names:
                path = os.path.join(place, name)
                if not os.path.isfile(path):
                    continue
                with open(path, "r+b") as file:
                    at = file.read().find(marker)
                    if at >= 0:
                        file.seek(at)
                        file.write(b"n")
                        return
        raise AssertionError(f"{marker} is in no file")
