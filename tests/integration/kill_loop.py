#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load, again and again, with an oracle that numbers every event.

    kill_loop.py [--cycles 100] [--seed N] [--workers 2] [--flush-threads 8] [--keep]

The strict Kinesis endpoint is a process of its own and outlives every kill. In each cycle four
clients with acks, each with several messages in flight, send until at least 1000 events of the
cycle are acked and one message is not; then millrace is killed: every second time as soon as an
ack has been read, else at a random moment. After the restart the clients give up what they are in
doubt about.

Wrong is: an acked event lost; an event altered, invented, in two chunks; a part of a message
without the rest; a chunk sent again that a position file already called delivered, or more chunks
repeated than could be in flight; unequal bytes under one key. Prints counts and the seed.
"""
import argparse
import base64
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from forward_client import NumberedSender
from kinesis_process import KinesisProcess
from kinesis_stream import Stream
from millrace import Millrace, kinesis_match
from oracle import Oracle
from position_file import dashed
from waiting import until
from written import WRITTEN

CLIENTS = 4
ACKED_EVENTS_MIN = 1000
NEAR_ACK_SECONDS = 0.050
# Of the messages in doubt; the others are sent again, and must be stored once.
ABANDONED_SHARE = 0.2
SHARDS = 7


class Load:
    """The clients of one cycle, each on its thread, until millrace goes away or finish()."""

    def __init__(self, senders, port, pause_seconds=0.0):
        """Each client pauses for that long after each ack."""
        self._senders = senders
        self._port = port
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._acked = threading.Event()  # set by each ack, cleared by who waits for one
        self._threads = [threading.Thread(target=self._run, args=(sender,)) for sender in senders]
        self.errors = []
        for thread in self._threads:
            thread.start()

    def _run(self, sender):
        try:
            sender.run(self._port, lambda: not self._stopping.is_set(), self._take_ack)
        except OSError:
            pass  # the kill
        except AssertionError as error:
            self.errors.append(error)

    def _take_ack(self):
        self._acked.set()
        if self._pause_seconds:
            self._stopping.wait(self._pause_seconds)

    def wait_ack(self):
        self._acked.clear()
        if not self._acked.wait(timeout=30):
            raise AssertionError("no ack within 30 s")

    def finish(self):
        """Lets the clients wait for the acks of what they have sent."""
        self._stopping.set()
        self.join()

    def join(self):
        for thread in self._threads:
            thread.join()
        if self.errors:
            raise self.errors[0]


def judge_records(endpoint, directory, shards, senders, abandoned=()):
    """(the oracle's verdict, the endpoint's complaints) over all that a KinesisProcess stored."""
    violations = endpoint.ask("status")["violations"]
    oracle = Oracle(senders)
    stream = Stream("events", shards)
    with open(os.path.join(directory, "records.jsonl"), encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            shard = stream.shard_of(record["PartitionKey"])
            if shard.shard_id != record["shard"]:
                violations.append(f"{record['PartitionKey']} in {record['shard']}")
            data = base64.b64decode(record["Data"])
            oracle.record(record["PartitionKey"], data, (shard.start, shard.end))
            WRITTEN.add(record["PartitionKey"], data, (shard.start, shard.end))
    return oracle.verdict(abandoned), violations


class KillLoop:
    """`environment` is added to that of millrace."""

    def __init__(self, options, directory, environment=None):
        self._options = options
        self._random = random.Random(options.seed)
        self._directory = directory
        self._records = os.path.join(directory, "kinesis")
        self._endpoint = KinesisProcess(shards=SHARDS, directory=self._records)
        match = kinesis_match(self._endpoint.url, buffer={
            "flush_thread_count": options.flush_threads, "chunk_limit_size": "16k",
            "flush_interval": "100ms"})
        self._millrace = Millrace(directory, [match], system={"workers": options.workers},
                                  environment=environment)
        self._senders = [
            NumberedSender(f"client{n}", f"app.kill{n}", window=8,
                           per_message=self._random.choice([5, 20, 50]),
                           modes=("packed", "forward", "gzip"))
            for n in range(CLIENTS)]
        self._abandoned = []
        self._boundaries = []  # for each kill: requests the endpoint had got by then
        self._finished = []  # for each kill: keys that the position files call delivered
        self.in_doubt = 0
        self.near_ack = 0
        self.weak = 0

    def close(self):
        self._millrace.__exit__()
        self._endpoint.stop()

    def run(self):
        # Replies take a while, so that a kill finds chunks in flight.
        self._endpoint.script(always={"do": "store_delay", "seconds": 0.02})
        valid = 0
        while valid < self._options.cycles:
            if self._cycle(valid):
                valid += 1
            else:
                self.weak += 1
                if self.weak > 5 + self._options.cycles // 10:
                    raise AssertionError(f"{self.weak} cycles left no message in doubt")
        self._last_cycle()
        return self._verdict()

    def _cycle(self, number):
        load = self._live_and_die(number)
        killed = time.monotonic()
        load.join()
        near = killed - max(sender.last_ack for sender in self._senders) <= NEAR_ACK_SECONDS
        doubtful = sum(len(sender.doubtful) for sender in self._senders)
        self._note_kill()
        if doubtful == 0:
            return False
        self.near_ack += near
        self.in_doubt += sum(message.count for sender in self._senders
                             for message in sender.doubtful)
        self._give_some_up()
        return True

    def _live_and_die(self, number):
        """One life under load, ended by a kill. Returns the load, whose clients notice."""
        self._millrace.start()
        before = self._acked_events()
        load = Load(self._senders, self._millrace.port)
        target = before + ACKED_EVENTS_MIN + self._random.randrange(3000)
        until(lambda: self._acked_events() >= target or load.errors, "events acked", 60, 0.001)
        if number % 2 == 0:
            load.wait_ack()
        else:
            threading.Event().wait(self._random.random() * 0.2)  # the random moment, not a wait
        self._millrace.kill()
        return load

    def _acked_events(self):
        return sum(sender.acked_events for sender in self._senders)

    def _note_kill(self):
        """What the endpoint had got, and what the position files knew, when the process ended."""
        until(self._drained, "the endpoint has read what was under way")
        # A connection between being accepted and being counted is seen now.
        status = until(self._drained, "the endpoint has read what was under way")
        self._boundaries.append(status["requests"])
        self._finished.append({dashed(chunk) for chunk in self._millrace.finished()})

    def _drained(self):
        status = self._endpoint.ask("status")
        return status if status["connections_open"] == 0 else None

    def _give_some_up(self):
        for sender in self._senders:
            keep = []
            for message in sender.doubtful:
                if self._random.random() < ABANDONED_SHARE:
                    self._abandoned.append((sender.name, message.first, message.count))
                else:
                    keep.append(message)
            sender.doubtful.clear()
            sender.doubtful.extend(keep)

    def _last_cycle(self):
        self._millrace.start()
        Load(self._senders, self._millrace.port).finish()
        self._millrace.wait_idle(120)
        code = self._millrace.stop()
        if code != 0:
            raise AssertionError(f"graceful stop ended with {code}")

    def _verdict(self):
        """(the oracle's verdict, problems beside it)."""
        requests = self._endpoint.ask("requests")
        verdict, violations = judge_records(self._endpoint, self._records, SHARDS, self._senders,
                                            self._abandoned)
        return verdict, violations + self._repeats_out_of_bounds(requests)

    def _repeats_out_of_bounds(self, requests):
        """Repeats that a chunk in flight at a kill does not explain."""
        problems = []
        lives_of = defaultdict(Counter)  # key -> life -> requests
        for request in requests:
            life = sum(request["number"] >= boundary for boundary in self._boundaries)
            lives_of[request["key"]][life] += 1
        in_flight_max = self._options.workers * self._options.flush_threads
        repeated_over = Counter()
        for key, lives in lives_of.items():
            problems += [f"{key} sent {count} times in life {life}"
                         for life, count in lives.items() if count > 1]
            for earlier, later in zip(sorted(lives), sorted(lives)[1:]):
                repeated_over[earlier] += 1
                # Whichever kill lies between: the line was there, so nobody may send it again.
                if any(key in self._finished[kill] for kill in range(earlier, later)):
                    problems.append(f"{key} sent in life {later}, delivered in life {earlier}")
        problems += [f"{count} chunks of life {life} repeated, {in_flight_max} could be in flight"
                     for life, count in repeated_over.items() if count > in_flight_max]
        return problems

    def shortcomings(self):
        """What the loop wanted to do and did not."""
        few = self.near_ack * 2 < self._options.cycles
        return [f"only {self.near_ack} kills within 50 ms of an ack"] if few else []

    def summary(self, verdict):
        acked = self._acked_events()
        return (f"cycles {self._options.cycles}, acked {acked}, in doubt {self.in_doubt}, "
                f"delivered {verdict.delivered}, repeated chunks {verdict.repeated}, given up "
                f"{sum(count for _, _, count in self._abandoned)}, kills within 50 ms of an ack "
                f"{self.near_ack}, weak cycles {self.weak}, seed {self._options.seed}")


def options_parser(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2 ** 32))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--flush-threads", type=int, default=8)
    parser.add_argument("--keep", action="store_true", help="keep the files also when all is well")
    return parser


def run(arguments=(), parser=None, loop_class=KillLoop):
    """Runs the loop; returns (summary, list of what is wrong)."""
    parser = parser or options_parser("kill -9 under load, judged event by event")
    options = parser.parse_args(arguments)
    print(f"kill loop: seed {options.seed}", flush=True)
    directory = tempfile.mkdtemp(prefix="millrace-kill-")
    loop = loop_class(options, directory)
    try:
        verdict, problems = loop.run()
        problems = verdict.problems() + problems + loop.shortcomings()
        summary = loop.summary(verdict)
    except BaseException:
        print(f"kill loop: seed {options.seed}, files in {directory}", flush=True)
        raise
    finally:
        loop.close()
    if problems or options.keep:
        print(f"kill loop: files in {directory}", flush=True)
    else:
        shutil.rmtree(directory)
    return summary, problems


def tell(summary, problems):
    print(summary)
    for problem in problems:
        print(f"WRONG: {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    tell(*run(sys.argv[1:]))
