#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An output that is away and its full buffer: what goes to other outputs goes on."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from forward_client import ForwardClient, event_time, expected_json, pack
from integration_case import IntegrationCase
from local_stream import read_payloads
from millrace import kinesis_match, local_match
from waiting import until

MIB = 1 << 20
SECONDS = 1700000000
AGENTS = 20
AWAY, NEAR = "away.app", "near.app"


def record(number, text_bytes=1000):
    return {"n": number, "text": "x" * text_bytes}


def frame(tag, chunk, numbers):
    entries = b"".join(pack([event_time(SECONDS + n, 1), record(n)]) for n in numbers)
    return (b"\x93" + pack(tag) + b"\xc6" + len(entries).to_bytes(4, "big") + entries +
            pack({"chunk": chunk}))


def payload(tag, number):
    return expected_json(tag, SECONDS + number, 1, record(number))


class FullOutput(IntegrationCase):
    def start(self, memory):
        self.away = self.endpoint()
        self.away.faults.always(503)
        self.output = os.path.join(self.directory, "near")
        self.instance = self.millrace(
            [kinesis_match(self.away.url, pattern="away.**",
                           buffer={"total_limit_size": "1m"}),
             local_match(self.output, pattern="near.**")],
            source={"receive_memory_limit": memory, "frame_limit": "8m"})

    def total(self, name):
        return sum(value for (found, _), value in self.instance.metrics().items()
                   if found == f"millrace_{name}")

    def fill(self):
        """Until the buffer of the output that is away takes no more."""
        self.filled = range(1500)
        with self.connect(self.instance) as client:
            client.send(frame(AWAY, "fill", self.filled))
            client.wait_acks(1)

    def begin_agents(self):
        """Each sends 2 MB, as Fluentd would, to the output that is away, until it is acked."""
        self.acks = {}

        def send(agent):
            first = 10_000 + agent * 2000
            with ForwardClient(self.instance.port, timeout=120) as client:
                client.send(frame(AWAY, f"away-{agent}", range(first, first + 2000)))
                self.acks[agent] = client.wait_acks(1)

        threads = [threading.Thread(target=send, args=[agent]) for agent in range(AGENTS)]
        for thread in threads:
            thread.start()
        until(lambda: self.total("paused_connections") == AGENTS, "all agents wait")
        return threads

    def check_pools(self, held):
        """The status tells each pool of memory, what is in it and where it ends."""
        pools = {pool["name"]: pool for pool in self.instance.status()["memory"]["pools"]}
        self.assertEqual(set(pools), {"connections", "receive", "commits", "request keys",
                                      "staged", "queued", "in flight"})
        self.assertEqual(pools["connections"]["used"], AGENTS)
        self.assertAlmostEqual(pools["receive"]["used"], held, delta=2 * MIB)
        self.assertGreaterEqual(pools["request keys"]["used"], 1)
        self.assertGreaterEqual(pools["queued"]["used"] + pools["in flight"]["used"], 1)
        self.assertIsNone(pools["queued"]["limit"])
        for name, pool in pools.items():
            if pool["limit"] is None or name == "receive":  # which a frame may pass
                continue
            self.assertLessEqual(pool["used"], pool["limit"], name)

    def test_agents_of_another_output_do_not_wait(self):
        self.start("16m")
        self.fill()
        threads = self.begin_agents()
        held = self.total("receive_memory_bytes")
        print(f"    {AGENTS} agents wait with 2 MB each: {held / MIB:.1f} MiB held of 16",
              flush=True)
        self.assertLess(held, 20 * MIB)
        self.check_pools(held)

        slowest = 0
        with self.connect(self.instance) as client:
            for turn in range(20):
                began = time.monotonic()
                client.send(frame(NEAR, f"near-{turn}", range(turn * 100, turn * 100 + 100)))
                client.wait_acks(turn + 1)
                slowest = max(slowest, time.monotonic() - began)
        print(f"    an ack of the output that is well took {slowest:.3f} s at most", flush=True)
        self.assertLess(slowest, 5)
        self.assertEqual(self.acks, {})

        self.away.faults.clear()
        for thread in threads:
            thread.join(120)
        self.assertEqual(self.acks, {agent: [f"away-{agent}"] for agent in range(AGENTS)})
        self.instance.wait_idle(120)
        expected = [payload(NEAR, n) for n in range(2000)]
        until(lambda: len(read_payloads(self.output)) == len(expected), "all written", 30, 0.2)
        self.assertEqual(sorted(read_payloads(self.output)), sorted(expected))
        numbers = list(self.filled) + list(range(10_000, 10_000 + AGENTS * 2000))
        self.assertEqual(sorted(self.payloads(self.away)),
                         sorted(payload(AWAY, n) for n in numbers))


if __name__ == "__main__":
    cases.main(__file__)
