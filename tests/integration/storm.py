#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Thousands of badly behaved connections, and a few good clients among them.

    tests/integration/storm.py [--connections N] [--seconds N] [--seed N]

Wrong is: an event of a good client lost, altered or doubled; an ack missing after a half-close; a
descriptor, a connection or receive memory left when all are gone; memory that goes on growing; an
exit code other than 0 (with a binary built with ASan: any report). Prints figures and the seed.
"""
import argparse
import os
import random
import shutil
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from connection_storm import ConnectionStorm
from forward_client import NumberedSender
from kill_loop import Load, judge_records
from kinesis_process import KinesisProcess
from millrace import Millrace, kinesis_match, local_match
from waiting import until

GOOD_CLIENTS = 4
GOOD_PAUSE_SECONDS = 0.01  # so that what they sent can be judged in time
SHARDS = 7
WARM_UP_EVENTS = 20_000
DESCRIPTORS_MORE_MAX = 12  # flush threads that had nothing to do before: a connection, a segment
# Between a quarter of the time and the end: caches and the allocator's pools, not a leak.
GROWTH_BYTES_MAX = 48 << 20


class StormTest:
    def __init__(self, options, directory):
        self._options = options
        self._directory = directory
        self._records = os.path.join(directory, "kinesis")
        self._endpoint = KinesisProcess(shards=SHARDS, directory=self._records)
        good = {**kinesis_match(self._endpoint.url), "pattern": "good.**"}
        # Freed memory is not kept for long, or growth could not be told from it.
        os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=8:exitcode=99")
        self.millrace = Millrace(directory, [good, local_match()], system={"log_level": "error"},
                                 source={"frame_timeout": "20s"})
        self._senders = [NumberedSender(f"good{n}", f"good.{n}", per_message=5, window=4,
                                        modes=("packed", "forward", "gzip"))
                         for n in range(GOOD_CLIENTS)]
        self.figures = {}

    def close(self):
        self.millrace.__exit__()
        self._endpoint.stop()

    def run(self):
        """The list of what is wrong."""
        self.millrace.start()
        # Every thread has its segment, every flush thread its connection.
        for sender in self._senders:
            sender.run(self.millrace.port, lambda: sender.sent_events < WARM_UP_EVENTS)
            self.millrace.wait_idle()
        before = self._descriptors()
        storm = ConnectionStorm(self.millrace.port, self._options.connections, self._options.seed)
        load = Load(self._senders, self.millrace.port, GOOD_PAUSE_SECONDS)
        early = []
        quarter = threading.Timer(self._options.seconds / 4,
                                  lambda: early.append(self._memory("VmRSS")))
        quarter.start()
        try:
            storm.run(self._options.seconds)
        finally:
            quarter.join()
            load.finish()
        problems = self._left_over(before)
        late = self._memory("VmRSS")
        self.millrace.wait_idle(120)
        self.figures = {"connections": storm.opened, "open at once": storm.open_most,
                        **dict(sorted(storm.ends.items())), "descriptors": f"{before} -> {self._descriptors()}",
                        "rss_mib": f"{early[0] >> 20} -> {late >> 20}",
                        "peak_mib": self.millrace.memory_peak_bytes() >> 20,
                        "closed": self._closed_by_reason()}
        if late - early[0] > GROWTH_BYTES_MAX:
            problems.append(f"memory grew from {early[0]} to {late} bytes")
        code = self.millrace.stop(120)
        if code != 0:
            problems.append(f"exit code {code}; the log ends: {self.millrace.log()[-3000:]}")
        verdict, violations = judge_records(self._endpoint, self._records, SHARDS, self._senders)
        self.figures["good events"] = f"{verdict.delivered} of {self._acked()}"
        if verdict.delivered != self._acked():
            problems.append("not all events of the good clients were delivered")
        return problems + verdict.problems() + violations

    def _acked(self):
        return sum(sender.acked_events for sender in self._senders)

    def _left_over(self, before):
        def all_gone():
            metrics = self.millrace.metrics()
            return (metrics[("millrace_connections", ())] == 0 and
                    metrics[("millrace_receive_memory_bytes", ())] == 0)
        until(all_gone, "no connection and no receive memory left", 60)
        most = before + DESCRIPTORS_MORE_MAX
        if self._descriptors() > most:
            return [f"{self._descriptors()} descriptors, {before} at the start"]
        return []

    def _descriptors(self):
        return len(os.listdir(f"/proc/{self.millrace.pid}/fd"))

    def _memory(self, name):
        with open(f"/proc/{self.millrace.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))

    def _closed_by_reason(self):
        return {dict(labels)["reason"]: int(value)
                for (name, labels), value in self.millrace.metrics().items()
                if name == "millrace_connections_closed_total" and value}


def run(arguments=()):
    """Runs the storm; returns (figures, list of what is wrong)."""
    parser = argparse.ArgumentParser(description="badly behaved connections, and good ones")
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2 ** 32))
    options = parser.parse_args(arguments)
    print(f"storm: seed {options.seed}", flush=True)
    directory = tempfile.mkdtemp(prefix="millrace-storm-")
    test = StormTest(options, directory)
    try:
        problems = test.run()
    except BaseException:
        print(f"storm: files in {directory}; the log ends:\n{test.millrace.log()[-3000:]}", flush=True)
        raise
    finally:
        test.close()
    if problems:
        print(f"storm: files in {directory}", flush=True)
    else:
        shutil.rmtree(directory)
    return test.figures, problems


def main():
    figures, problems = run(sys.argv[1:])
    for name, value in figures.items():
        print(f"{name:20} {value}")
    for problem in problems:
        print(f"WRONG: {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
