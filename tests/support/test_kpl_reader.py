#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
import unittest

import cases
import vectors
from kpl_reader import NotReadable, read_aggregate, read_own_aggregate
from vectors import aggregate, field, seal


def payloads(vector):
    return [record.data for record in read_aggregate(bytes.fromhex(vector)).records]


class Vectors(unittest.TestCase):
    def test_readable(self):
        timed = b'{"a":%s,"time":"2011-01-02T13:14:15Z","tag":"test"}'
        cases = {"A1": [b'{"a":1}'], "A2": [timed % b"1", timed % b"2"], "A3": [b'{"a":1}'],
                 "A4": [b""], "A11": [b"x", b"y"],
                 "A14": [timed % '"インストール"'.encode()]}
        for name, expected in cases.items():
            with self.subTest(name):
                self.assertEqual(payloads(getattr(vectors, name)), expected)

    def test_keys_and_hashes(self):
        golden = read_aggregate(bytes.fromhex(vectors.A2))
        self.assertEqual(golden.keys, ["a", "test_partition_key"])
        self.assertEqual({record.key for record in golden.records}, {"test_partition_key"})
        hashed = read_aggregate(bytes.fromhex(vectors.A11))
        self.assertEqual([record.explicit_hash for record in hashed.records], [None, 0])

    def test_not_readable_by_the_strictest(self):
        for name in ("A5", "A6", "A7", "A8", "A9", "A10", "A12", "A13"):
            with self.subTest(name), self.assertRaises(NotReadable):
                payloads(getattr(vectors, name))

    def test_writer_makes_the_vector(self):
        self.assertEqual(aggregate(["pk"], [(0, b'{"a":1}')]).hex(), vectors.A1)

    def test_every_flipped_bit_is_seen(self):
        good = bytes.fromhex(vectors.A1)
        for bit in range(len(good) * 8):
            changed = bytearray(good)
            changed[bit // 8] ^= 1 << bit % 8
            with self.assertRaises(NotReadable):
                read_aggregate(bytes(changed))

    def test_every_cut_is_seen(self):
        good = bytes.fromhex(vectors.A2)
        for length in range(len(good)):
            with self.assertRaises(NotReadable):
                read_aggregate(good[:length])


class Malformed(unittest.TestCase):
    def test_messages(self):
        key = field(1, b"pk")
        record = field(3, b"\x08\x00\x1a\x01x")
        cases = {
            "key not UTF-8": field(1, b"\xff") + record,
            "index of more bytes than needed": key + field(3, b"\x08\x80\x00\x1a\x01x"),
            "index above 64 bits": key + field(3, b"\x08" + b"\xff" * 9 + b"\x02\x1a\x01x"),
            "data longer than the record": key + field(3, b"\x08\x00\x1a\x02x"),
            "data twice": key + field(3, b"\x08\x00\x1a\x01x\x1a\x01y"),
            "group wire type": key + record + b"\x7b",
            "field number 0": key + record + b"\x02\x00",
            "table of varints": b"\x08\x00" + record,
            "cut in a varint": key + record + b"\x80",
            "explicit hash not decimal": key + field(2, b"0x1") + record,
            "explicit hash 2^128": key + field(2, str(2 ** 128).encode()) + record,
        }
        read_aggregate(seal(key + record))
        for name, message in cases.items():
            with self.subTest(name), self.assertRaises(NotReadable):
                read_aggregate(seal(message))


class OwnRecords(unittest.TestCase):
    def test_one_key_everywhere(self):
        data = aggregate(["k"], [(0, b"x"), (0, b"y")])
        self.assertEqual(read_own_aggregate(data, "k"), [b"x", b"y"])
        compat = aggregate(["a", "k"], [(1, b"x")])
        self.assertEqual(read_own_aggregate(compat, "k", compat=True), [b"x"])

    def test_refused(self):
        cases = {"another request key": (aggregate(["k"], [(0, b"x")]), "other", False),
                 "a second key in the table": (aggregate(["k", "l"], [(0, b"x")]), "k", False),
                 "Fluentd's form unasked": (aggregate(["a", "k"], [(1, b"x")]), "k", False),
                 "Fluentd's form with index 0": (aggregate(["a", "k"], [(0, b"x")]), "k", True),
                 "explicit hashes": (bytes.fromhex(vectors.A11), "pk", False)}
        for name, (data, key, compat) in cases.items():
            with self.subTest(name), self.assertRaises(NotReadable):
                read_own_aggregate(data, key, compat)


if __name__ == "__main__":
    cases.main(__file__)
