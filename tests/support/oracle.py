# SPDX-License-Identifier: Apache-2.0
"""Judges what reached a stream against what numbered senders sent, event by event.

Every event carries its sender's name and a number, and its whole payload follows from these; so
each delivered payload is either exactly one event that was sent, or altered, or invented.
"""
import json
from collections import Counter, defaultdict

from kcl_rule import kept_by_kcl
from kpl_reader import own_payloads, read_aggregate

EXAMPLES_MAX = 5


class Verdict:
    """Counts, and lists of what is wrong (all empty when nothing is)."""

    def __init__(self):
        self.records = 0  # PutRecords that were stored
        self.delivered = 0  # distinct events
        self.repeated = 0  # stored records of a key that was stored before
        self.lost = []  # (sender, n) acked, not delivered
        self.altered = []  # payloads that are almost an event
        self.invented = []  # payloads of no event
        self.two_chunks = []  # (sender, n) under two keys, or twice under one
        self.bytes_differ = []  # keys stored with different bytes
        self.torn = []  # (sender, first) messages of which a part was delivered

    def problems(self):
        named = {name: value for name, value in vars(self).items() if isinstance(value, list)}
        return [f"{name} {len(value)}: {value[:EXAMPLES_MAX]}" for name, value in named.items()
                if value]

    def __str__(self):
        return (f"records {self.records}, events delivered {self.delivered}, repeated records "
                f"{self.repeated}" + "".join(f"; {text}" for text in self.problems()))


class Oracle:
    """Feed it every stored record, in order, then ask for the verdict."""

    def __init__(self, senders):
        self._senders = {sender.name: sender for sender in senders}
        self._data_of = {}  # key -> data
        self._seen = defaultdict(Counter)  # sender -> n -> in how many chunks (distinct keys)
        self._verdict = Verdict()

    def record(self, key, data, shard_range=None):
        verdict = self._verdict
        verdict.records += 1
        if key in self._data_of:
            verdict.repeated += 1
            if self._data_of[key] != data:
                verdict.bytes_differ.append(key)
            return
        self._data_of[key] = data
        aggregate = read_aggregate(data)
        payloads = own_payloads(aggregate, key)
        if shard_range and len(kept_by_kcl(aggregate, *shard_range)) != len(payloads):
            raise AssertionError(f"a KCL consumer would drop the record {key}")
        for payload in payloads:
            self._payload(payload)

    def _payload(self, payload):
        try:
            told = json.loads(payload)
            sender, n = self._senders[told["client"]], told["n"]
        except (ValueError, KeyError, TypeError):
            self._verdict.invented.append(payload[:200])
            return
        if not isinstance(n, int) or not 0 <= n < sender.sent_events:
            self._verdict.invented.append(payload[:200])
        elif payload != sender.payload(n):
            self._verdict.altered.append(payload[:200])
        else:
            self._seen[sender.name][n] += 1

    def verdict(self, abandoned=()):
        """`abandoned`: (sender name, first, count) of messages never acked nor sent again; each
        may be there whole or not at all."""
        verdict = self._verdict
        for name, sender in self._senders.items():
            seen = self._seen[name]
            verdict.delivered += len(seen)
            verdict.two_chunks += [(name, n) for n, times in seen.items() if times > 1]
            for first, count in sender.acked:
                verdict.lost += [(name, n) for n in range(first, first + count) if n not in seen]
        for name, first, count in abandoned:
            there = sum(n in self._seen[name] for n in range(first, first + count))
            if there not in (0, count):
                verdict.torn.append((name, first))
        return verdict


def judge_endpoint(endpoint, senders, abandoned=()):
    """The verdict over all that an in-process StrictKinesis has stored."""
    oracle = Oracle(senders)
    for shard, record in endpoint.records():
        oracle.record(record.key, record.data, (shard.start, shard.end))
    return oracle.verdict(abandoned)
