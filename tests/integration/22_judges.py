#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real clients -> millrace -> kinesis-local -> the AWS SDK -> independent readers.

What is checked is what a user of these libraries would see: the set of events, and their order
within each shard, exactly as sent.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from fluent import sender as fluent_sender

import cases
import foreign_kpl
import judges
from forward_client import rfc3339
from integration_case import IntegrationCase
from kcl_rule import kept_by_kcl
from kpl_reader import read_aggregate, read_own_aggregate
from millrace import kinesis_match
from waiting import until
from written import WRITTEN

SECONDS = 1700000000
COUNT = 300


def python_send(port, tag, count, nanoseconds):
    """python3-fluent-logger, which knows no acks: it returns when all is written."""
    logger = fluent_sender.FluentSender(tag, host="127.0.0.1", port=port, timeout=30,
                                        nanosecond_precision=nanoseconds)
    for n in range(count):
        when = fluent_sender.EventTime(SECONDS + n + 0.5) if nanoseconds else SECONDS + n
        if not logger.emit_with_time(None, when, {"client": "python", "n": n, "text": "é😀"}):
            raise AssertionError(f"event {n}: {logger.last_error}")
    logger.close()


# tag -> (send(port, tag), client's name, nanoseconds of each event)
SENDERS = {
    "py.seconds": (lambda port, tag: python_send(port, tag, COUNT, False), "python", 0),
    "py.nanoseconds": (lambda port, tag: python_send(port, tag, COUNT, True), "python", 500000000),
    "node.packed": (lambda port, tag: judges.node_send(port, tag, COUNT), "node", 5000000),
    "node.message": (lambda port, tag: judges.node_send(port, tag, COUNT, mode="Message"),
                     "node", 5000000),
    "node.forward": (lambda port, tag: judges.node_send(port, tag, COUNT, mode="Forward"),
                     "node", 5000000),
    "node.gzip": (lambda port, tag: judges.node_send(port, tag, COUNT,
                                                     mode="CompressedPackedForward"),
                  "node", 5000000),
    "go.seconds": (lambda port, tag: judges.go_send(port, tag, COUNT), "go", 0),
    "go.subsecond": (lambda port, tag: judges.go_send(port, tag, COUNT, 0, "-subsecond"),
                     "go", 5000000),
    "go.json": (lambda port, tag: judges.go_send(port, tag, COUNT, 0, "-json"), "go", 0),
}


def _all_or_none(events):
    return events if len(events) >= COUNT * len(SENDERS) else None


def expected_event(tag, n):
    _, client, nanoseconds = SENDERS[tag]
    return {"client": client, "n": n, "text": "é😀", "time": rfc3339(SECONDS + n, nanoseconds),
            "tag": tag}


def by_tag_and_shard(events):
    """(shard, payload) pairs -> {tag: {shard: [n, ...]}}, after each payload was compared."""
    found = {tag: {} for tag in SENDERS}
    for shard, payload in events:
        event = json.loads(payload)
        if event != expected_event(event["tag"], event["n"]):
            raise AssertionError(f"event {event}")
        if list(event)[-2:] != ["time", "tag"]:
            raise AssertionError(f"keys {list(event)}")
        found[event["tag"]].setdefault(shard, []).append(event["n"])
    return found


@cases.needs_judges("npm", "pip", "go", "java")
class RealClients(IntegrationCase):
    def check_events(self, what, events):
        """All events of all senders, in each sender's order within each shard."""
        for tag, shards in by_tag_and_shard(events).items():
            with self.subTest(f"{what}: {tag}", shards=self.shards):
                numbers = [n for shard in shards.values() for n in shard]
                self.assertEqual(sorted(numbers), list(range(COUNT)))
                for order in shards.values():
                    self.assertEqual(order, sorted(order))

    def check_shards(self, shards):
        self.shards = shards
        with judges.KinesisLocal(shards) as kinesis:
            # One flush thread: chunks of a shard then arrive in the order they were filled.
            match = kinesis_match(kinesis.url, buffer={"flush_thread_count": 1,
                                                       "chunk_limit_records": 100})
            millrace = self.millrace([match], name=f"millrace{shards}")
            for tag, (send, _, _) in SENDERS.items():
                with self.subTest(f"send: {tag}", shards=shards):
                    send(millrace.port, tag)
            events = until(lambda: _all_or_none(kinesis.events()), "all events in the stream",
                           pause=1)
            records = kinesis.records()
        self.check_events("npm aws-kinesis-agg", [(one["shard"], one["data"]) for one in events])
        own, protoc, kept = [], [], []
        for one in records:
            shard, data = one["shard"], one["data"]
            own += [(shard, payload) for payload in read_own_aggregate(data, one["key"])]
            protoc += [(shard, payload) for payload in judges.protoc_events(data)]
            start, end = (int(text) for text in one["range"])
            kept += [(shard, record.data)
                     for record in kept_by_kcl(read_aggregate(data), start, end)]
            WRITTEN.add(one["key"], data, (start, end))
        self.check_events("tests' own reader", own)
        # The others saw the same events in the same order.
        with self.subTest("protoc --decode", shards=shards):
            self.assertEqual(protoc, own)
        with self.subTest("the KCL rule", shards=shards):
            self.assertEqual(kept, own)
        for judge in ("pip", "java"):
            with self.subTest(foreign_kpl.NAMES[judge], shards=shards):
                read = foreign_kpl.read(judge, [{**one, "range": tuple(map(int, one["range"]))}
                                                for one in records])
                self.assertEqual([payload for record in read for _, payload in record],
                                 [payload for _, payload in own])
        with self.subTest("records", shards=shards):
            self.assertGreaterEqual(len(records), len(SENDERS) * COUNT // 100)
            self.assertEqual(len({one["key"] for one in records}), len(records))

    def test_one_shard(self):
        self.check_shards(1)

    def test_two_shards(self):
        self.check_shards(2)

    def test_seven_shards(self):
        self.check_shards(7)


if __name__ == "__main__":
    cases.main(__file__)
