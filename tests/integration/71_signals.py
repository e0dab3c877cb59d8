#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Signals at any moment, many at once, while it recovers: an orderly end in time, and nothing lost."""
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from forward_client import NumberedSender
from integration_case import IntegrationCase
from waiting import until

HARMLESS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT)
ENDING = (signal.SIGTERM, signal.SIGINT)
CYCLES = 8
STOP_SECONDS = 3


def takes_signals(pid):
    """Whether the process waits for signals instead of dying of them."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("SigBlk:"):
                return int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1
    return False


class Signals(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.seed = random.SystemRandom().randrange(2 ** 32)
        self.random = random.Random(self.seed)
        print(f"    seed {self.seed}", flush=True)
        self.stream = self.endpoint(shards=2)
        self.instance = self.to_endpoint(
            self.stream, system={"workers": 2, "stop_timeout": f"{STOP_SECONDS}s"},
            buffer={"chunk_limit_size": "32k", "flush_interval": "200ms"}, start=False)

    def storm(self):
        """Some that change nothing, in any order and number, perhaps a stop and a continuation; then the
        end, twice. Some may find the process gone."""
        for number in self.random.choices(HARMLESS, k=self.random.randrange(6)):
            self.instance.signal(number)
        if self.random.random() < 0.5:
            self.instance.signal(signal.SIGSTOP)
            self.instance.signal(signal.SIGCONT)
        for _ in range(2):
            self.instance.signal(self.random.choice(ENDING))
        for number in self.random.choices(HARMLESS, k=3):
            self.instance.signal(number)

    def ends_in_order(self):
        began = time.monotonic()
        self.storm()
        self.assertEqual(self.instance.wait_exit(30), 0)
        self.longest = max(self.longest, time.monotonic() - began)

    def load(self, senders):
        pause = threading.Event()  # never set: each client waits a moment after each ack

        def run(sender):
            try:
                sender.run(self.instance.port, lambda: True, lambda: pause.wait(0.005))
            except OSError:
                pass  # closed by the stop
        threads = [threading.Thread(target=run, args=(sender,)) for sender in senders]
        for thread in threads:
            thread.start()
        return threads

    def check_all(self, senders):
        self.instance.start()
        for sender in senders:  # what was in doubt comes again and is stored once
            sender.run(self.instance.port, lambda: False)
        self.instance.wait_idle()
        # A request that the stop cut off may have been stored: then its chunk comes once more.
        verdict = self.assert_all_well(self.stream, senders, repeats=None)
        self.assertEqual(verdict.delivered, sum(sender.sent_events for sender in senders))
        self.assertEqual(self.instance.stop(), 0)
        return verdict

    def test_at_random_moments_under_load(self):
        senders = [NumberedSender(f"load{n}", "app.load", per_message=10) for n in range(3)]
        self.longest = 0
        for _ in range(CYCLES):
            self.instance.start()
            threads = self.load(senders)
            moment = time.monotonic() + self.random.random() * 0.5
            until(lambda moment=moment: time.monotonic() > moment, "the moment", 5)
            self.ends_in_order()
            for thread in threads:
                thread.join()
        verdict = self.check_all(senders)
        print(f"    {CYCLES} storms of signals, the longest end {self.longest:.1f} s; "
              f"{verdict.delivered} events, repeated records {verdict.repeated}", flush=True)
        self.assertLess(self.longest, STOP_SECONDS + 10)

    def test_while_it_recovers(self):
        """As soon as it listens to signals, which is before it has read its buffer."""
        self.stream.gate.hold("before")
        self.instance.start()
        sender = self.send_events(self.instance, 5000)
        self.instance.kill()
        self.stream.gate.release()
        until(self.stream.is_quiet, "the held requests are over")
        self.longest, early = 0, 0
        for _ in range(CYCLES):
            log_before = len(self.instance.log())
            self.instance.launch()
            until(lambda: takes_signals(self.instance.pid), "it takes signals", pause=0.0005)
            self.ends_in_order()
            early += "listening" not in self.instance.log()[log_before:]
        verdict = self.check_all([sender])
        print(f"    {CYCLES} starts ended by signals, {early} of them before they served; the longest "
              f"end {self.longest:.1f} s; {verdict.delivered} events", flush=True)
        self.assertLess(self.longest, STOP_SECONDS + 10)
        self.assertGreater(early, 0)


if __name__ == "__main__":
    cases.main(__file__)
