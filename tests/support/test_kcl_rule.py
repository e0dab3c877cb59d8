#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The KCL rule with its negative controls: it must drop what the library drops."""
import unittest

import cases
from kcl_rule import kept_by_kcl, lossy_ranges, user_record_hash
from kinesis_stream import Stream, key_hash
from kpl_reader import UserRecord, read_aggregate
from vectors import A11, A2, aggregate


def kept(stream, request_key, data):
    shard = stream.shard_of(request_key)
    return [one.data for one in kept_by_kcl(read_aggregate(data), shard.start, shard.end)]


class Hashes(unittest.TestCase):
    def test_known_hashes(self):
        known = {"pk": 38317986088707300215492326132921849533,
                 "test_partition_key": 186208983349519050596415597408642090049,
                 "a": 0x0cc175b9c0f1b6a831c399e269772661, "foo": 0xacbd18db4cc2f85cedef654fccc4a4d8}
        for key, value in known.items():
            with self.subTest(key):
                self.assertEqual(user_record_hash(UserRecord(key, None, b"")), value)
                self.assertEqual(key_hash(key), value)
        self.assertEqual(user_record_hash(UserRecord("pk", 5, b"")), 5)

    def test_shards_of_known_keys(self):
        stream = Stream("s", 2)
        self.assertEqual([stream.shard_of(key).number for key in ("pk", "a", "foo", "user-1")],
                         [0, 0, 1, 1])


class Rule(unittest.TestCase):
    def test_one_key_is_kept_whole_with_any_number_of_shards(self):
        for shards in (1, 2, 7, 64):
            stream = Stream("s", shards)
            for n in range(50):
                key = f"key-{n}"
                data = aggregate([key], [(0, b"x"), (0, b"y")])
                self.assertEqual(kept(stream, key, data), [b"x", b"y"])

    def test_one_key_is_kept_whole_after_a_split(self):
        stream = Stream("s", 2)
        stream.split(1)
        data = aggregate(["foo"], [(0, b"x")])
        self.assertEqual(kept(stream, "foo", data), [b"x"])

    def test_negative_control_foreign_key_loses_the_record(self):
        # request key foo (shard 1), user records keyed a (shard 0)
        data = aggregate(["a"], [(0, b"x"), (0, b"y")])
        self.assertEqual(kept(Stream("s", 2), "foo", data), [])
        self.assertEqual(kept(Stream("s", 1), "foo", data), [b"x", b"y"])

    def test_negative_control_one_foreign_user_record_loses_the_good_ones(self):
        for order in ([(0, b"good"), (1, b"foreign")], [(1, b"foreign"), (0, b"good")]):
            data = aggregate(["foo", "a"], order)
            self.assertEqual(kept(Stream("s", 2), "foo", data), [])

    def test_unused_table_entry_does_no_harm(self):
        # Fluentd's form: "a" stands in the table, no user record points at it
        self.assertEqual(len(kept(Stream("s", 2), "test_partition_key", bytes.fromhex(A2))), 2)

    def test_lossy_ranges_names_the_shards_that_lose(self):
        everywhere = ["1 shards after a split", "2 shards", "2 shards after a split", "7 shards",
                      "7 shards after a split", "64 shards", "64 shards after a split"]
        for keys, records in ((["a"], [(0, b"x")]), (["foo", "a"], [(0, b"x"), (1, b"y")])):
            data = read_aggregate(aggregate(keys, records))
            self.assertEqual(lossy_ranges(data, "foo"), everywhere)
        data = read_aggregate(aggregate(["foo"], [(0, b"x")] * 3))
        self.assertEqual(lossy_ranges(data, "foo", (0, 2 ** 128 - 1)), [])
        self.assertEqual(lossy_ranges(data, "foo", (0, 2 ** 127 - 1)), ["the shard it is in"])

    def test_explicit_hash_counts_before_the_key(self):
        self.assertEqual(kept(Stream("s", 2), "foo", bytes.fromhex(A11)), [])


if __name__ == "__main__":
    cases.main(__file__)
