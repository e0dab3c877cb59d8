# SPDX-License-Identifier: Apache-2.0
"""Every record that the tests of this program saw millrace write, held to what consumers need.

The bases of the tests hand over what their streams hold when a test ends. Each record is read at
once and put to the KCL rule; a user record that would be dropped fails the test. A program that
says `WRITTEN.keep()` also keeps the records, for EveryRecordJudged to ask the foreign readers at
its end.
"""
import base64
import hashlib
import json
import os
import threading
import unittest

import cases
import foreign_kpl
from kcl_rule import lossy_ranges, ranges_of
from kpl_reader import read_aggregate
from local_stream import FILE_NAME

FULL_RANGE = (0, 2 ** 128 - 1)


class Written:
    def __init__(self):
        self._lock = threading.Lock()
        self._kept = None
        self.records = 0
        self.user_records = 0
        self.dropped = 0

    def keep(self):
        self._kept = []

    def add(self, key, data, shard_range=None):
        aggregate = read_aggregate(data)
        lossy = lossy_ranges(aggregate, key, shard_range)
        with self._lock:
            self.records += 1
            self.user_records += len(aggregate.records)
            self.dropped += len(aggregate.records) if lossy else 0
            if self._kept is not None:
                self._kept.append({"key": key, "data": bytes(data),
                                   "range": shard_range or FULL_RANGE})
        if lossy:
            raise AssertionError(f"a KCL consumer drops the record {key}: {', '.join(lossy)}")

    def add_endpoint(self, endpoint):
        """All that an in-process StrictKinesis has stored."""
        for shard, record in endpoint.records():
            self.add(record.key, record.data, (shard.start, shard.end))

    def add_files(self, directory):
        """All local streams below a directory."""
        for place, _, names in os.walk(directory):
            for name in sorted(filter(FILE_NAME.fullmatch, names)):
                with open(os.path.join(place, name), "rb") as file:
                    for line in file:
                        if line.endswith(b"\n"):  # a killed process leaves its last line unfinished
                            entry = json.loads(line)
                            self.add(entry["PartitionKey"], base64.b64decode(entry["Data"]))

    def kept(self):
        """The kept records, each once: the same bytes under the same key tell nothing new."""
        return list({(one["key"], one["data"], one["range"]): one for one in self._kept}.values())

    def line(self):
        return (f"KCL rule: {self.user_records} user records on 1, 2, 7, 64 shards before and "
                f"after a split: {self.dropped} dropped")


WRITTEN = Written()
cases.CLOSING_LINES.append(WRITTEN.line)


def fingerprint(events):
    """A digest of (key, payload) pairs in their order."""
    digest = hashlib.sha256()
    for key, payload in events:
        name = key.encode()
        digest.update(b"%d %d " % (len(name), len(payload)) + name)
        digest.update(payload)
    return digest.digest()


class EveryRecordJudged(unittest.TestCase):
    """Foreign readers give the same user records as the tests' own reader, record by record."""

    @classmethod
    def setUpClass(cls):
        cls.records = WRITTEN.kept()
        cls.own = [fingerprint((one.key, one.data)
                               for one in read_aggregate(record["data"]).records)
                   for record in cls.records]

    @staticmethod
    def narrowest(record):
        """What its shard and half a shard of 64 have in common: kept there, kept in both."""
        half = ranges_of(record["key"])["64 shards after a split"]
        return max(half[0], record["range"][0]), min(half[1], record["range"][1])

    def check(self, judge):
        self.assertGreater(len(self.records), 0)
        records = [{**record, "range": self.narrowest(record)} for record in self.records]
        read, user_records = 0, 0
        for events in foreign_kpl.read_each(judge, records):
            key = records[read]["key"]
            self.assertIsNotNone(events, f"{key} is not taken for an aggregated record")
            self.assertEqual(fingerprint(events), self.own[read], f"{key}: {events[:3]} ...")
            read, user_records = read + 1, user_records + len(events)
        self.assertEqual(read, len(records))
        print(f"    {foreign_kpl.NAMES[judge]}: {read} records, {user_records} user records",
              flush=True)

    @cases.needs_judges("java")
    def test_java_kcl(self):
        self.check("java")

    @cases.needs_judges("pip")
    def test_python_aws_kinesis_agg(self):
        self.check("pip")

    @cases.needs_judges("npm")
    def test_node_aws_kinesis_agg(self):
        self.check("npm")
