#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Single calls to the system fail under the binary as packaged: disk, sockets, clock, memory.

Preloaded rules (tests/support/call_faults.c) say which call of which file fails and how. Every test
sees its rules obeyed, and in the end every acked event is in the stream, whole and once.
"""
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
import kill_points
from call_faults import CallFaults
from forward_client import NumberedSender
from integration_case import IntegrationCase
from millrace import Millrace, local_match
from waiting import until

# (call, files): what the buffer does to its disk all the time.
COMMIT_CALLS = [("pwritev", "*/seg.*"), ("fdatasync", "*/seg.*"), ("pwritev", "*/chunks.pos"),
                ("fdatasync", "*/chunks.pos")]
# What it does when a commit has failed and goes on in a new segment.
FAIL_OVER_CALLS = [("rename", "*/seg.*"), ("fsync", "*/buffer")]
# What it does in preparation, out of anybody's way.
SPARE_FAULTS = [("open", "*/spare.*", "EMFILE"), ("open", "*/spare.*", "EACCES"),
                ("fallocate", "*/spare.*", "ENOSPC"), ("fallocate", "*/spare.*", "EIO")]
DISK_ERRORS = ["EIO", "ENOSPC", "EDQUOT", "EROFS", "ENOMEM"]


class SteadySender(threading.Thread):
    """A client as agents are: it connects again when the connection ends, and sends again what is
    not acked."""

    def __init__(self, sender, port, pause_seconds=0.005):
        super().__init__(daemon=True)  # a failed test must not wait for it
        self.sender = sender
        self.wrong = None
        self._port = port
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self.start()

    def run(self):
        while True:
            try:
                self.sender.run(self._port, lambda: not self._stopping.is_set(), self._after_ack)
                return
            except OSError:
                if self._stopping.wait(0.05) and not self.sender.doubtful:
                    return
            except AssertionError as error:
                self.wrong = error
                return

    def _after_ack(self):
        self._stopping.wait(self._pause_seconds)

    def move(self, port):
        """The server has another port now."""
        self._port = port

    def finish(self):
        """Waits for the acks of what was sent."""
        self._stopping.set()
        self.join(timeout=60)
        if self.wrong or self.is_alive():
            raise self.wrong or AssertionError(f"{self.sender.name} has not got its acks")


class CallFault(IntegrationCase):
    def serve(self, *, clients=2, first_rules=lambda faults: None, **options):
        """An instance with rules, an endpoint, and clients that send all the time."""
        self.kinesis = self.endpoint(shards=2)
        self.faults = CallFaults(self.place("faults"))
        first_rules(self.faults)
        self.instance = self.to_endpoint(self.kinesis, environment=self.faults.environment,
                                         buffer={"chunk_limit_size": "16k", **options})
        self.clients = [SteadySender(NumberedSender(f"client{n}", "app.fault", per_message=20),
                                     self.instance.port) for n in range(clients)]
        self.addCleanup(lambda: [client.finish() for client in self.clients])
        return self.instance

    def acked(self):
        return sum(client.sender.acked_events for client in self.clients)

    def wait_more_acks(self, seconds=30):
        before = self.acked()
        until(lambda: self.acked() >= before + 200, "events acked again", seconds)

    def fail_once(self, call, path, error):
        rule = self.faults.rule(call, path, error=error)
        until(lambda: rule.obeyed == 1, f"{call} of {path} fails with {error}", 20)
        rule.clear()

    def finish(self, repeats=0):
        for client in self.clients:
            client.finish()
        self.instance.wait_idle()
        return self.assert_all_well(self.kinesis, [client.sender for client in self.clients],
                                    repeats=repeats)

    def metric(self, name):
        return sum(value for (found, _), value in self.instance.metrics().items() if found == name)


class Disk(CallFault):
    def test_each_call_of_a_commit_fails_once(self):
        self.serve()
        for error in DISK_ERRORS:
            for call, path in COMMIT_CALLS:
                with self.subTest(call=call, path=path, error=error):
                    self.fail_once(call, path, error)
                    self.wait_more_acks()
        fail_overs = self.metric("millrace_buffer_fail_overs_total")
        self.assertEqual(fail_overs, 2 * len(DISK_ERRORS))
        self.finish()

    def test_a_dead_letter_without_room_says_so(self):
        self.serve()
        rule = self.faults.rule("pwritev", "*/dead/*", error="ENOSPC")
        self.kinesis.faults.queue(["ValidationException"])
        until(lambda: rule.obeyed == 1, "a dead letter without room", 20)
        (line,) = until(lambda: [line for line in self.instance.log().splitlines()
                                 if "a dead letter cannot be written" in line], "its line")
        self.assertIn("No space left on device", line)
        until(self.instance.dead, "it is written after all", 30)

    def test_a_fail_over_that_fails_is_tried_again(self):
        self.serve()
        for error, (call, path) in zip(DISK_ERRORS, FAIL_OVER_CALLS):
            with self.subTest(call=call, path=path, error=error):
                second = self.faults.rule(call, path, error=error)
                self.fail_once("fdatasync", "*/seg.*", "EIO")
                until(lambda rule=second: rule.obeyed == 1, f"{call} of {path} fails", 20)
                self.wait_more_acks()
        self.finish()

    def test_a_spare_that_cannot_be_made_is_made_later(self):
        self.serve()
        for call, path, error in SPARE_FAULTS:
            with self.subTest(call=call, path=path, error=error):
                rule = self.faults.rule(call, path, error=error)
                while not rule.obeyed:  # a fail-over takes the spare, so that another is made
                    self.fail_once("fdatasync", "*/seg.*", "EIO")
                    self.wait_more_acks()
        self.finish()

    def test_interrupted_and_short_calls_change_nothing(self):
        self.serve()
        rules = [self.faults.rule(call, path, count=0, probability=0.2, error="EINTR")
                 for call, path in [("pwritev", "*/seg.*"), ("pwritev", "*/chunks.pos"),
                                    ("pread", "*/seg.*"), ("open", "*/seg.*")]]
        rules += [self.faults.rule(call, path, count=0, probability=0.2, bytes_max=bytes_max)
                  for call, path in [("pwritev", "*/seg.*"), ("pwritev", "*/chunks.pos"),
                                     ("pread", "*/seg.*")]
                  for bytes_max in (1, 511, 4097)]
        until(lambda: all(rule.obeyed >= 5 for rule in rules), "rules obeyed", 60)
        self.faults.clear()
        self.finish()
        self.assertEqual(self.instance.output()["state"], ["ok"])

    def test_reads_that_fail_delay_a_chunk_and_lose_nothing(self):
        self.serve()
        rule = self.faults.rule("pread", "*/seg.*", count=30, error="EIO")
        until(lambda: rule.obeyed == 30, "thirty reads failed", 60)
        self.wait_more_acks()
        self.finish()

    def test_a_disk_that_refuses_all_writes_for_a_while(self):
        self.serve()
        rules = [self.faults.rule(call, path, count=0, error="EIO")
                 for call, path in [("pwritev", "*/seg.*"), ("pwritev", "*/spare.*")]]
        until(lambda: self.instance.output()["state"] == ["refusing"], "the log refuses")
        self.assertGreater(rules[0].obeyed, 0)
        self.faults.clear()
        self.wait_more_acks()
        until(lambda: self.instance.output()["state"] == ["degraded"], "the log takes again")
        self.finish()


class Points(IntegrationCase):
    def test_killed_before_the_name_of_a_directory_is_durable(self):
        faults = CallFaults(self.place("faults"))
        instance = Millrace(self.place("killed"), [local_match(id="out")],
                            environment=faults.environment)
        faults.rule("fsync", "*/worker0/out", kill="before")
        instance.launch()
        self.assertEqual(instance.wait_exit(), -signal.SIGKILL)
        synced = faults.rule("fsync", "*/worker0/out")
        with instance.start():
            self.assertEqual(synced.asked, 1, "its next life makes it durable")

    def test_killed_at_calls_of_every_kind(self):
        summary, problems = kill_points.run(["--cycles", "12"])
        print(f"    {summary}", flush=True)
        self.assertEqual(problems, [])


class Sockets(CallFault):
    def test_accept_fails_and_goes_on(self):
        self.serve()
        for error in ["ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EINTR", "EPROTO"]:
            with self.subTest(error=error):
                rule = self.faults.rule("accept4", error=error)
                new = SteadySender(NumberedSender(f"new{error}", "app.new"), self.instance.port)
                until(lambda one=new: one.sender.acked_events > 0, "a new client has acks")
                new.finish()
                self.clients.append(new)
                self.assertEqual(rule.obeyed, 1)
        self.wait_more_acks()
        self.finish()

    def test_bytes_come_one_at_a_time(self):
        self.serve(clients=1)
        reads = self.faults.rule("read", "127.0.0.1:*", count=0, probability=0.9, bytes_max=1)
        sends = self.faults.rule("send", f"*:{self.kinesis.port}", count=0, probability=0.5,
                                 bytes_max=7)
        until(lambda: reads.obeyed > 5000 and sends.obeyed > 50, "many short transfers", 60)
        self.faults.clear()
        self.finish()

    def test_kinesis_cannot_be_reached_for_some_calls(self):
        self.serve()
        for error in ["ECONNREFUSED", "ENETUNREACH", "ETIMEDOUT", "EADDRNOTAVAIL", "EMFILE"]:
            with self.subTest(error=error):
                reset = self.faults.rule("recv", f"*:{self.kinesis.port}", count=8,
                                         error="ECONNRESET")
                rule = self.faults.rule("connect", f"*:{self.kinesis.port}", count=2, error=error)
                until(lambda one=rule: one.obeyed == 2, f"connect fails with {error}", 30)
                reset.clear()
                self.wait_more_acks()
        # A reply that was lost stands for a record that may be stored: sent again, same bytes.
        self.finish(repeats=None)


class Clock(CallFault):
    def test_wall_clock_jumps_hold_nothing_up(self):
        self.serve(flush_interval="1s", chunk_limit_size="300k")
        hour, year = 3600, 366 * 86400
        for offset in [hour, -hour, 10 * year, -10 * year, 0]:
            with self.subTest(offset=offset):
                delivered = len(self.kinesis.records())
                self.faults.move_wall_clock(offset)
                self.wait_more_acks()
                until(lambda: len(self.kinesis.requests()) > delivered + 2, "chunks are sent", 20)
        self.finish(repeats=None)

    def test_retries_do_not_end_with_a_jump_of_the_wall_clock(self):
        self.serve(retry_timeout="1h", retry_max_interval="1s", retry_wait="100ms")
        refused = self.faults.rule("connect", f"*:{self.kinesis.port}", count=0,
                                   error="ECONNREFUSED")
        reset = self.faults.rule("recv", f"*:{self.kinesis.port}", count=0, error="ECONNRESET")
        until(lambda: refused.obeyed >= 3, "retries under way")
        for years in (10, -10):
            self.faults.move_wall_clock(years * 366 * 86400)
            before = refused.obeyed
            until(lambda: refused.obeyed >= before + 2, "it is tried again")
        self.faults.move_wall_clock(0)
        refused.clear()
        reset.clear()
        self.finish(repeats=None)
        self.assertEqual(self.instance.dead(), {})


class Memory(CallFault):
    def test_no_memory_at_any_call_ends_without_loss(self):
        """The process may end at a failed allocation, as at a kill; what was acked is there."""
        self.serve()
        ended = 0
        for number in (1, 7, 50, 300, 2000, 9000):
            rule = self.faults.rule("malloc", first=number)
            until(lambda one=rule: one.obeyed == 1 or not self.instance.is_alive(),
                  f"allocation {number} fails")
            self.faults.clear()
            # It may take a moment to end, and may still answer meanwhile: acks tell.
            enough = self.acked() + 1000
            until(lambda: self.acked() >= enough or not self.instance.is_alive(), "ended or serves")
            if not self.instance.is_alive():
                ended += 1
                self.instance.start()
                for client in self.clients:
                    client.move(self.instance.port)
                self.wait_more_acks()
        print(f"    {ended} of 6 failed allocations ended the process", flush=True)
        self.finish(repeats=None)

    def test_low_entropy_ids_are_whole(self):
        rules = []
        self.serve(first_rules=lambda faults: rules.extend(
            [faults.rule("getrandom", count=0, probability=0.5, error="EINTR"),
             faults.rule("getrandom", count=0, probability=0.5, bytes_max=3)]))
        self.wait_more_acks()
        self.finish()
        keys = [record.key for _, record in self.kinesis.records()]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertTrue(all(rule.obeyed > 0 for rule in rules))


if __name__ == "__main__":
    cases.main(__file__)
