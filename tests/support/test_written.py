#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The account of all records written: it must fail for a record that a consumer would lose."""
import base64
import json
import os
import tempfile
import unittest
from unittest import mock

import cases
import written
from kpl_reader import NotReadable, read_aggregate
from vectors import A1, A12, A7, aggregate
from written import Written

GOOD = aggregate(["foo"], [(0, b"x"), (0, b"y")])
FOREIGN = aggregate(["a"], [(0, b"x"), (0, b"y"), (0, b"z")])
UPPER_HALF, LOWER_HALF = (2 ** 127, 2 ** 128 - 1), (0, 2 ** 127 - 1)


def line(key, data):
    return json.dumps({"PartitionKey": key, "Data": base64.b64encode(data).decode()}).encode()


class Account(unittest.TestCase):
    def setUp(self):
        self.written = Written()

    def test_counts_user_records_and_what_is_dropped(self):
        self.written.add("foo", GOOD)
        self.written.add("foo", GOOD, UPPER_HALF)
        for key, data, where in (("foo", FOREIGN, None), ("foo", GOOD, LOWER_HALF)):
            with self.assertRaisesRegex(AssertionError, "a KCL consumer drops the record foo: "):
                self.written.add(key, data, where)
        self.assertEqual(self.written.line(), "KCL rule: 9 user records on 1, 2, 7, 64 shards "
                                              "before and after a split: 5 dropped")

    def test_a_record_that_cannot_be_read_fails(self):
        for data in (bytes.fromhex(A12), b"plain", b""):
            with self.assertRaises(NotReadable):
                self.written.add("pk", data)

    def test_reads_all_local_streams_below_a_directory(self):
        with tempfile.TemporaryDirectory() as directory:
            place = os.path.join(directory, "a", "b")
            os.makedirs(place)
            for name, lines in {"local.00000001.jsonl": line("foo", GOOD) + b"\n" + b'{"unfin',
                                "local.00000002.jsonl": line("pk", bytes.fromhex(A1)) + b"\n",
                                "other.jsonl": b"no stream\n"}.items():
                with open(os.path.join(place, name), "wb") as file:
                    file.write(lines)
            self.written.add_files(directory)
            self.assertEqual((self.written.records, self.written.user_records), (2, 3))
            with open(os.path.join(directory, "local.00000003.jsonl"), "wb") as file:
                file.write(line("foo", FOREIGN) + b"\n")
            with self.assertRaisesRegex(AssertionError, "drops the record foo"):
                self.written.add_files(directory)

    def test_keeps_each_record_once_when_told_to(self):
        self.written.add("pk", bytes.fromhex(A1))
        self.written.keep()
        for _ in range(3):
            self.written.add("foo", GOOD, UPPER_HALF)
        self.written.add("foo", GOOD)
        self.assertEqual([one["range"] for one in self.written.kept()],
                         [UPPER_HALF, (0, 2 ** 128 - 1)])


class Judges(unittest.TestCase):
    """Each judge of a program's end must condemn a record that it reads in another way."""

    def condemns(self, test_name, key, data, shard_range=written.FULL_RANGE):
        account = Written()
        account.keep()
        account._kept.append({"key": key, "data": data, "range": shard_range})
        result = self.run_judge(account, test_name)
        self.assertEqual(result.errors, [])
        return len(result.failures) == 1

    def run_judge(self, account, test_name):
        result = unittest.TestResult()
        with mock.patch.object(written, "WRITTEN", account):
            unittest.TestSuite([written.EveryRecordJudged(test_name)]).run(result)
        return result

    @cases.needs_judges("java")
    def test_java_condemns_what_it_drops(self):
        self.assertFalse(self.condemns("test_java_kcl", "foo", GOOD, UPPER_HALF))
        self.assertTrue(self.condemns("test_java_kcl", "foo", GOOD, LOWER_HALF))
        self.assertTrue(self.condemns("test_java_kcl", "foo", FOREIGN, UPPER_HALF))
        self.assertTrue(self.condemns("test_java_kcl", "foo", FOREIGN))

    @cases.needs_judges("pip", "npm")
    def test_the_others_condemn_what_they_read_in_another_way(self):
        # An index beyond the table: Python gives up the record there, Node goes on without a key;
        # the tests' own reader would refuse it, so it is shown one that it reads.
        good = read_aggregate(bytes.fromhex(A1))
        for name in ("test_python_aws_kinesis_agg", "test_node_aws_kinesis_agg"):
            self.assertFalse(self.condemns(name, "pk", bytes.fromhex(A1)))
            with mock.patch.object(written, "read_aggregate", return_value=good):
                self.assertTrue(self.condemns(name, "pk", bytes.fromhex(A7)))
                self.assertTrue(self.condemns(name, "pk", bytes.fromhex(A12)))

    def test_nothing_kept_is_a_failure(self):
        account = Written()
        account.keep()
        result = self.run_judge(account, "test_python_aws_kinesis_agg")
        self.assertEqual(len(result.failures) + len(result.skipped), 1)


if __name__ == "__main__":
    cases.main(__file__)
