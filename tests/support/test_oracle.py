#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The oracle must see each kind of wrong: a judge that never condemns proves nothing."""
import unittest

import cases
from forward_client import NumberedSender
from oracle import Oracle
from vectors import aggregate


class Wrongs(unittest.TestCase):
    def setUp(self):
        self.sender = NumberedSender("s", "t")
        self.sender._next = 20
        self.sender.acked = [(0, 10)]

    def verdict(self, *chunks, abandoned=()):
        """`chunks`: (key, payloads)."""
        oracle = Oracle([self.sender])
        for key, payloads in chunks:
            oracle.record(key, aggregate([key], [(0, one) for one in payloads]))
        return oracle.verdict(abandoned)

    def events(self, *numbers):
        return [self.sender.payload(n) for n in numbers]

    def test_all_well(self):
        verdict = self.verdict(("k", self.events(*range(10))), ("l", self.events(12)))
        self.assertEqual((verdict.problems(), verdict.delivered), ([], 11))

    def test_repeated_chunk_is_counted_and_no_wrong(self):
        chunk = ("k", self.events(*range(10)))
        verdict = self.verdict(chunk, chunk)
        self.assertEqual((verdict.problems(), verdict.repeated), ([], 1))

    def test_wrongs(self):
        whole = self.events(*range(10))
        changed = whole[:9] + [whole[9].replace(b"s 9 ", b"s 8 ")]
        cases_of = {
            "lost": [("k", whole[:9])],
            "altered": [("k", whole), ("l", changed[9:])],
            "invented": [("k", whole), ("l", self.events(20))],
            "two_chunks": [("k", whole), ("l", whole[3:4])],
            "bytes_differ": [("k", whole), ("k", whole[:9])],
        }
        for name, chunks in cases_of.items():
            with self.subTest(name):
                verdict = self.verdict(*chunks)
                self.assertEqual(len(getattr(verdict, name)), 1)
                self.assertEqual(len(verdict.problems()), 1)
        for name, payload in {"not JSON": b"x", "no sender": b"{}", "a list": b"[]"}.items():
            with self.subTest(f"invented: {name}"):
                self.assertEqual(len(self.verdict(("k", whole), ("l", [payload])).invented), 1)

    def test_a_message_in_doubt_is_whole_or_absent(self):
        abandoned = [("s", 10, 5)]
        good = ("k", self.events(*range(10)))
        for numbers, torn in (((), 0), (range(10, 15), 0), (range(10, 14), 1)):
            with self.subTest(len(numbers)):
                chunks = [good] + ([("l", self.events(*numbers))] if numbers else [])
                self.assertEqual(len(self.verdict(*chunks, abandoned=abandoned).torn), torn)


if __name__ == "__main__":
    cases.main(__file__)
