#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the way in does for an event: no allocation, no lock.

A preloaded library counts both in the loop threads (tests/support/call_counts.c). What is done for a
message, a batch or a chunk is not what is done for an event: of two runs with as many messages, one
with ten times the events, only the difference counts.
"""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
import msgpack
from call_counts import CallCounts
from forward_client import new_chunk, packed_frame
from integration_case import IntegrationCase
from millrace import kinesis_match

MESSAGES = 2200
SINGLE = 20000
WINDOW = 8


class HotPath(IntegrationCase):
    def entries(self):
        """The 500 entries of the benchmark's message, each packed."""
        path = os.path.join(cases.REPOSITORY, "bench/data/events-500.msgpack")
        with open(path, "rb") as file:
            unpacker, ends, data = msgpack.Unpacker(file, raw=True), [0], None
            for _ in unpacker:
                ends.append(unpacker.tell())
        with open(path, "rb") as file:
            data = file.read()
        return [data[a:b] for a, b in zip(ends, ends[1:])]

    def send(self, millrace, entries, messages):
        """Messages with acks, a few in flight."""
        body = b"".join(entries)
        with socket.create_connection(("127.0.0.1", millrace.port), timeout=60) as client:
            acks = msgpack.Unpacker(client.makefile("rb", buffering=0))
            for number in range(messages):
                client.sendall(packed_frame("app.hot", body, {"chunk": new_chunk(),
                                                              "size": len(entries)}))
                if number >= WINDOW:
                    next(acks)
            for _ in range(WINDOW):
                next(acks)

    def start(self, counts):
        # Nobody listens there: chunks are queued and wait. They are large, so that what is done for
        # a chunk is not taken for what is done for its events.
        match = kinesis_match("http://127.0.0.1:9", record_limit="10m",
                              buffer={"chunk_limit_size": "8m"})
        return self.millrace([match], name="counted", environment=counts.environment)

    def test_an_event_on_the_way_in_costs_no_allocation_and_no_lock(self):
        counts = CallCounts(self.directory)
        millrace = self.start(counts)
        entries = self.entries()
        self.assertEqual(len(entries), 500)
        self.send(millrace, entries, 50)  # pools are filled, tables have their size
        used = {}
        for events in (50, 500):
            before = counts.of("loop")
            self.send(millrace, entries[:events], MESSAGES)
            used[events] = counts.of("loop") - before
        more = (500 - 50) * MESSAGES
        grown = used[500] - used[50]
        print(f"    {MESSAGES} messages of 50 events: {used[50]}", flush=True)
        print(f"    {MESSAGES} messages of 500 events: {used[500]}", flush=True)
        print(f"    {more} events more: {grown.allocations / more:.5f} allocations and "
              f"{grown.locks / more:.5f} locks each", flush=True)
        self.assertGreater(used[50].locks, MESSAGES / WINDOW)  # they are counted at all
        self.assertGreater(used[50].allocations, MESSAGES / WINDOW)
        # Smaller batches make some more for the same messages: less than five a message.
        self.assertLess(grown.allocations / more, 0.01)
        self.assertLess(grown.locks / more, 0.01)

    def test_a_message_of_one_event_costs_no_allocation(self):
        counts = CallCounts(self.directory)
        millrace = self.start(counts)
        entries = self.entries()
        self.send(millrace, entries[:1], 1000)
        before = {kind: counts.of(kind) for kind in ("loop", "commit")}
        self.send(millrace, entries[:1], SINGLE)
        used = {kind: counts.of(kind) - before[kind] for kind in before}
        allocations = sum(one.allocations for one in used.values())
        locks = sum(one.locks for one in used.values())
        print(f"    {SINGLE} messages of one event: {used}: {allocations / SINGLE:.3f} allocations "
              f"and {locks / SINGLE:.1f} locks each", flush=True)
        # The list of what is under way grows by sixteen, and a connection that ends leaves some.
        self.assertLess(allocations / SINGLE, 0.2)


if __name__ == "__main__":
    cases.main(__file__)
