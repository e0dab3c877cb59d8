#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A disk without a free block: while millrace runs, and when it starts.

Each test has a small file system of its own below root_dir, in the mount namespace of this process,
and a file of somebody else that takes every free block of it. Acks stop, delivery goes on, and when
there is room messages are taken again by themselves: nothing is lost, nothing is stored twice.
"""
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from forward_client import ForwardClient, NumberedSender
from integration_case import IntegrationCase
from millrace import kinesis_match
from waiting import until

EXIT_DISK = 74
DISK_BYTES = 48 << 20
OWN_MOUNTS = "MILLRACE_TEST_OWN_MOUNTS"


def enter_own_mounts():
    """Runs this program again in a mount namespace that goes with it."""
    if os.geteuid() == 0 and OWN_MOUNTS not in os.environ:
        os.environ[OWN_MOUNTS] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                              *sys.argv])


@unittest.skipIf(os.geteuid() != 0, "needs root for a mount of its own")
class FullDiskCase(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.assertIn(OWN_MOUNTS, os.environ)
        self.disk = self.place("disk")
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", self.disk],
                       check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=False)
        self.filler = os.path.join(self.disk, "filler")

    def instance_on_disk(self, endpoint):
        """Its log and configuration stay outside. Not started."""
        matches = [kinesis_match(endpoint.url)]
        instance = self.millrace(matches, start=False)
        instance.root = self.disk
        instance.configure(matches)
        return instance

    def fill_disk(self):
        """Takes every block that is free now."""
        with contextlib.suppress(OSError), open(self.filler, "ab", buffering=0) as file:
            while True:
                if file.write(bytes(1 << 20)) < 1 << 20:
                    break
        with contextlib.suppress(OSError), open(self.filler, "ab", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    def make_space(self):
        os.unlink(self.filler)
        return time.monotonic()

    @contextlib.contextmanager
    def greedy_neighbour(self):
        """Takes what is free and, until the end, each block that is given back."""
        enough = threading.Event()

        def take():
            while not enough.wait(0.005):
                self.fill_disk()
        neighbour = threading.Thread(target=take)
        self.fill_disk()
        neighbour.start()
        try:
            yield
        finally:
            enough.set()
            neighbour.join()

    def in_background(self, sender, millrace, keep_going):
        client = threading.Thread(target=sender.run, args=(millrace.port, keep_going))
        client.start()
        self.addCleanup(client.join)
        return client

    def wait_sent_out(self, millrace, counts=("queued_chunks", "in_flight")):
        """Nothing is left but what needs space."""
        def is_out():
            now = millrace.output()
            return all(now[count] == 0 for count in counts)
        until(is_out, "all that can be is delivered", 60)


class FilledWhileRunning(FullDiskCase):
    def test_acks_stop_delivery_goes_on_and_it_resumes_by_itself(self):
        endpoint = self.endpoint()
        endpoint.gate.hold("before")
        millrace = self.instance_on_disk(endpoint).start()
        sender = NumberedSender("sender", "app.full", text_bytes=2000)
        enough = threading.Event()
        client = self.in_background(sender, millrace, lambda: not enough.is_set())
        until(lambda: sender.acked_events >= 2000, "some are acked")
        with self.greedy_neighbour():
            until(lambda: millrace.output()["state"] == ["full"], "the status says it is full", 60)
            self.assertIn("the next segment cannot be made", millrace.log())
            # What is staged is sealed in the room that is kept for that, and all is delivered.
            endpoint.gate.release()
            self.wait_sent_out(millrace, ("queued_chunks", "in_flight", "staged_chunks"))
            acked = sender.acked_events
        since = self.make_space()
        until(lambda: sender.acked_events > acked + 1000, "messages are taken again", 60)
        print(f"    {acked} events acked on {DISK_BYTES >> 20} MiB; 1000 more within "
              f"{time.monotonic() - since:.1f} s after there was space", flush=True)
        enough.set()
        client.join()
        self.assertEqual(sender.acked_events, sender.sent_events)
        millrace.wait_idle(60)
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, sender.sent_events)
        self.assert_one_put_per_chunk(endpoint, millrace)
        until(lambda: millrace.output()["state"] == ["ok"], "and it is well")
        self.assertEqual(millrace.stop(), 0)

    def test_a_client_that_gives_up_leaves_whole_messages(self):
        endpoint = self.endpoint()
        endpoint.gate.hold("before")
        millrace = self.instance_on_disk(endpoint).start()
        sender = NumberedSender("full", "app.full", text_bytes=2000)
        # The client's own time-out ends the connection, as an agent's would.
        with self.assertRaises(OSError):
            sender.run(millrace.port, lambda: True, timeout=5)
        self.assertTrue(millrace.is_alive())
        self.assertGreater(sender.acked_events, 0)
        self.assertGreater(len(sender.doubtful), 0)
        self.assertGreater(millrace.output()["queued_chunks"], 0)
        endpoint.gate.release()
        # Delivery frees space, and messages are taken again. Those that waited are given up by their
        # sender: each is there whole or not at all.
        after = NumberedSender("after", "app.full")
        after.run(millrace.port, lambda: after.sent_events < 1000)
        millrace.wait_idle(60)
        abandoned = [(sender.name, one.first, one.count) for one in sender.doubtful]
        self.assert_all_well(endpoint, [sender, after], repeats=None, abandoned=abandoned)
        self.assertEqual(millrace.stop(), 0)


class FullAtStart(FullDiskCase):
    def leave_backlog(self, endpoint):
        """2000 events that are proved, 50 in the last commit, and a full disk; killed."""
        endpoint.gate.hold("before")
        millrace = self.instance_on_disk(endpoint).start()
        sender = self.send_events(millrace, 2000)
        until(lambda: millrace.output()["staged_chunks"] == 0, "all are sealed")
        last = NumberedSender("last", "app.test")
        message = last.make_message()
        with ForwardClient(millrace.port) as client:
            client.send(message.frame)
            client.wait_acks(1)
        last.acked.append((message.first, message.count))
        last.acked_events += message.count
        millrace.kill()
        endpoint.gate.release()
        until(endpoint.is_quiet, "the held requests are over")
        self.fill_disk()
        return millrace, sender, last, message

    def test_it_delivers_then_accepts(self):
        endpoint = self.endpoint()
        millrace, sender, last, again = self.leave_backlog(endpoint)
        millrace.start()
        self.assertEqual(millrace.output()["state"], ["refusing"])
        self.assertIn("the disk is full: nothing is stored", millrace.log())
        self.wait_sent_out(millrace)
        self.assertEqual(len(set(self.payloads(endpoint))), 2000)
        self.assertEqual(millrace.output()["staged_chunks"], 1)
        self.assertIn("No space left", millrace.output()["last_error"][0])
        self.assertTrue(any(name.endswith("buffer_refusing_logs") and value == 1
                            for (name, _), value in millrace.metrics().items()))
        self.fill_disk()
        # The last message comes again, as if its ack had been lost, and others after it.
        with ForwardClient(millrace.port) as client:
            client.send(again.frame)
            after = NumberedSender("after", "app.test")
            waiting = self.in_background(after, millrace, lambda: after.sent_events < 100)
            until(lambda: after.sent_events > 0, "messages are sent")
            self.assertEqual((client.acks, after.acked_events), ([], 0))
            since = self.make_space()
            self.assertEqual(client.wait_acks(1), [again.chunk])
            print(f"    acked {time.monotonic() - since:.1f} s after there was space", flush=True)
            waiting.join()
        self.assertEqual(after.acked_events, 100)
        millrace.wait_idle(60)
        verdict = self.assert_all_well(endpoint, [sender, last, after], repeats=None)
        self.assertEqual(verdict.delivered, 2150)
        self.assertIn("the disk takes commits again", millrace.log())
        self.assertEqual(millrace.stop(), 0)

    def test_stopped_and_killed_while_it_waits(self):
        endpoint = self.endpoint()
        millrace, sender, last, _ = self.leave_backlog(endpoint)
        millrace.start()
        self.wait_sent_out(millrace)
        began = time.monotonic()
        self.assertEqual(millrace.stop(), 0)
        print(f"    stopped in {time.monotonic() - began:.1f} s", flush=True)
        self.fill_disk()
        stored = len(endpoint.records())
        millrace.start()
        self.assertEqual(millrace.output()["state"], ["refusing"])
        self.assertEqual(millrace.output()["queued_chunks"], 0)
        millrace.signal(signal.SIGKILL)
        millrace.wait_exit()
        self.assertEqual(len(endpoint.records()), stored, "nothing is sent again")
        self.make_space()
        millrace.start()
        millrace.wait_idle(60)
        verdict = self.assert_all_well(endpoint, [sender, last], repeats=None)
        self.assertEqual(verdict.delivered, 2050)

    def test_the_first_start_of_all_is_refused(self):
        millrace = self.instance_on_disk(self.endpoint())
        self.fill_disk()
        millrace.launch()
        self.assertEqual(millrace.wait_exit(30), EXIT_DISK)
        last = [line for line in millrace.log().splitlines() if line.strip()][-1]
        self.assertIn("the disk is full", last)
        self.assertIn(self.disk, last)
        self.make_space()
        millrace.start()


if __name__ == "__main__":
    enter_own_mounts()
    cases.main(__file__)
