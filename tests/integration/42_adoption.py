#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Buffers that another configuration left: fewer workers, an output gone, a path changed."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from call_faults import CallFaults
from forward_client import NumberedSender, send_acked
from integration_case import IntegrationCase
from millrace import kinesis_match, run_command
from waiting import until

LATER = {"flush_interval": "600s"}  # chunks stay in the buffer
SENDERS = 32
CANNOT_READ = 74


class Adoption(IntegrationCase):
    def configure(self, millrace, workers, *, matches=None, dedup_window="1h"):
        millrace.configure(matches or self.matches(),
                           system={"workers": workers, "dedup_window": dedup_window})

    def matches(self, **options):
        return [kinesis_match(self.stream.url, buffer=LATER, id="out", **options)]

    def setUp(self):
        super().setUp()
        self.stream = self.endpoint()
        self.senders = []

    def send_to_all_workers(self, millrace, workers):
        """From many connections, so that each worker has some of it in its buffer."""
        before = len(self.senders)
        for n in range(before, before + SENDERS):
            self.senders.append(self.send_events(millrace, 100, name=f"sender{n}"))
        # A chunk may just have been full: then there is none staged until more comes.
        for n in range(100):
            staged = [worker["staged_chunks"] for one in millrace.status()["outputs"]
                      if one["id"] == "out" for worker in one["workers"]
                      if worker["worker"] < workers]
            self.assertEqual(len(staged), workers)
            if all(staged):
                return
            self.senders.append(self.send_events(millrace, 50, name=f"more{before}-{n}"))
        self.fail(f"staged chunks of the workers: {staged}")

    def buffer_of(self, millrace, worker):
        return os.path.join(millrace.root, f"worker{worker}", "out", "buffer")

    def test_workers_one_four_two_one(self):
        millrace = self.millrace(self.matches(), system={"workers": 1})
        for before, workers in ((1, 4), (4, 2), (2, 1)):
            self.send_to_all_workers(millrace, before)
            if workers == 2:
                millrace.kill()
            else:
                self.assertEqual(millrace.stop(), 0)
            self.configure(millrace, workers)
            millrace.start()
            millrace.wait_idle()
        # The kill may find a chunk in flight, which then comes once more.
        verdict = self.assert_all_well(self.stream, self.senders, repeats=None)
        self.assertGreaterEqual(verdict.delivered, 3 * SENDERS * 100)
        left = [worker["worker"] for worker in millrace.status()["outputs"][0]["workers"]]
        print(f"    {verdict.delivered} events of workers 0 to 3 delivered by 1; buffers {left}", flush=True)

    def test_an_adopted_buffer_is_removed_when_the_window_is_over(self):
        millrace = self.millrace(self.matches(), system={"workers": 3})
        self.send_to_all_workers(millrace, 3)
        self.assertEqual(millrace.stop(), 0)
        self.configure(millrace, 1, dedup_window="2s")
        millrace.start()
        until(lambda: not os.path.exists(os.path.join(millrace.root, "worker2")), "worker2 is gone")
        until(lambda: not os.path.exists(os.path.join(millrace.root, "worker1")), "worker1 is gone")
        self.assertIn("all of a buffer is delivered; it was removed", millrace.log())
        millrace.wait_idle()
        self.assert_all_well(self.stream, self.senders)
        self.assertEqual(len(millrace.status()["outputs"][0]["workers"]), 1)

    def test_a_message_of_an_adopted_buffer_is_known(self):
        """Sent again to worker 0 after it was stored by workers that are no more."""
        millrace = self.millrace(self.matches(), system={"workers": 4})
        messages = []
        for n in range(SENDERS):
            messages.append(NumberedSender(f"sender{n}", "app.test").make_message())
            send_acked(millrace.port, [(messages[-1].frame, messages[-1].chunk)])
        millrace.kill()
        self.configure(millrace, 1)
        millrace.start()
        for message in messages:
            send_acked(millrace.port, [(message.frame, message.chunk)])
        millrace.wait_idle()
        self.assertEqual(len(self.payloads(self.stream)), SENDERS * 50)
        self.assertEqual(millrace.metrics()[("millrace_repeated_messages_total",
                                             (("state", "stored"),))], SENDERS)

    def test_an_output_that_is_gone_is_told_and_kept(self):
        millrace = self.millrace(self.matches(), system={"workers": 2})
        self.send_to_all_workers(millrace, 2)
        self.assertEqual(millrace.stop(), 0)
        before = len(self.stream.records())  # of chunks that were full
        others = [kinesis_match(self.stream.url, id="other")]
        self.configure(millrace, 1, matches=others)
        millrace.start()
        for worker in (0, 1):
            self.assertIn("a buffer that no output uses", millrace.log())
            self.assertEqual(len(millrace.status()["left_buffers"]), 2)
            millrace.metrics()  # which tell it, too
            self.assertIn(self.buffer_of(millrace, worker), millrace.log())
        self.assertEqual(millrace.stop(), 0)
        self.assertEqual(len(self.stream.records()), before)
        self.configure(millrace, 1)
        millrace.start()
        millrace.wait_idle()
        self.assert_all_well(self.stream, self.senders)

    def test_a_buffer_path_of_its_own(self):
        place = self.place("elsewhere")
        matches = [kinesis_match(self.stream.url, buffer={**LATER, "path": place}, id="out")]
        millrace = self.millrace(matches, system={"workers": 2})
        self.send_to_all_workers(millrace, 2)
        millrace.kill()
        half = os.path.join(place, "worker7.removed")  # a removal that was cut short
        os.makedirs(os.path.join(half, "dead"))
        with open(os.path.join(half, "REMOVED"), "w", encoding="utf-8"):
            pass
        other = os.path.join(place, "worker8.removed", "dead")  # somebody else's
        os.makedirs(other)
        self.configure(millrace, 1, matches=matches, dedup_window="1s")
        millrace.start()
        until(lambda: sorted(os.listdir(place)) == ["worker0", "worker8.removed"],
              "worker1 is gone")
        self.assertTrue(os.path.isdir(other))
        millrace.wait_idle()
        self.assert_all_well(self.stream, self.senders, repeats=None)

    def test_dead_letters_of_an_adopted_buffer_stay(self):
        millrace = self.millrace(self.matches(), system={"workers": 2})
        self.send_to_all_workers(millrace, 2)
        dead = os.path.join(self.buffer_of(millrace, 1), "dead")
        os.makedirs(dead, exist_ok=True)
        with open(os.path.join(dead, "note"), "w", encoding="utf-8") as file:
            file.write("people have to look into this")
        self.assertEqual(millrace.stop(), 0)
        self.configure(millrace, 1, dedup_window="1s")
        millrace.start()
        until(lambda: "its dead/ and corrupt/ are left to you" in millrace.log(), "it is told")
        self.assertEqual(os.listdir(dead), ["note"])
        millrace.wait_idle()
        self.assert_all_well(self.stream, self.senders)

    def test_dead_letters_that_cannot_be_listed_stay(self):
        faults = CallFaults(self.place("faults"))
        millrace = self.millrace(self.matches(), system={"workers": 2},
                                 environment=faults.environment)
        self.send_to_all_workers(millrace, 2)
        dead = os.path.join(self.buffer_of(millrace, 1), "dead")
        os.makedirs(dead, exist_ok=True)
        with open(os.path.join(dead, "note"), "w", encoding="utf-8"):
            pass
        self.assertEqual(millrace.stop(), 0)
        self.configure(millrace, 1, dedup_window="1s")
        rule = faults.rule("openat", "*/worker1/*/dead", count=0, error="EIO")  # of <filesystem>
        millrace.start()
        until(lambda: "its dead/ and corrupt/ are left to you" in millrace.log(), "it is told")
        self.assertGreater(rule.obeyed, 0)
        faults.clear()
        self.assertEqual(millrace.stop(), 0)
        millrace.start()
        self.assertEqual(os.listdir(dead), ["note"])

    def test_a_buffer_that_lost_its_position_file_is_adopted(self):
        millrace = self.millrace(self.matches(), system={"workers": 2})
        self.send_to_all_workers(millrace, 2)
        self.assertEqual(millrace.stop(), 0)
        self.configure(millrace, 1, matches=[kinesis_match(self.stream.url, id="other")])
        os.unlink(os.path.join(self.buffer_of(millrace, 1), "chunks.pos"))
        millrace.start()
        self.assertIn(self.buffer_of(millrace, 1), millrace.log())
        self.assertEqual(millrace.stop(), 0)
        self.configure(millrace, 1)
        millrace.start()
        millrace.wait_idle()
        # Chunks that were full before the stop may have been delivered then.
        self.assert_all_well(self.stream, self.senders, repeats=None)

    def test_files_of_people_are_left_to_them(self):
        """What lies in a buffer under names like those of its files, and a removal's mark."""
        millrace = self.millrace(self.matches(), system={"workers": 2})
        self.send_to_all_workers(millrace, 2)
        buffer = self.buffer_of(millrace, 1)
        kept = ["chunks.pos.backup", "seg.notes.txt", "spare.keys"]
        for name in kept + ["REMOVED"]:
            with open(os.path.join(buffer, name), "w", encoding="utf-8"):
                pass
        self.assertEqual(millrace.stop(), 0)
        millrace.start()  # killed between the mark and its new name, and the workers are back
        self.assertNotIn("REMOVED", os.listdir(buffer))
        self.assertEqual(millrace.stop(), 0)
        self.configure(millrace, 1, dedup_window="1s")
        millrace.start()
        until(lambda: "cannot be removed" in millrace.log(), "the buffer is delivered")
        self.assertIn("not of this buffer", millrace.log())
        self.assertLessEqual(set(kept), set(os.listdir(buffer)))
        millrace.wait_idle()
        self.assert_all_well(self.stream, self.senders)

    def test_a_worker_on_another_disk_is_adopted(self):
        millrace = self.millrace(self.matches(), system={"workers": 2})
        self.send_to_all_workers(millrace, 2)
        self.assertEqual(millrace.stop(), 0)
        worker = os.path.join(millrace.root, "worker1")
        disk = os.path.join(self.place("disk"), "worker1")
        shutil.move(worker, disk)
        os.symlink(disk, worker)
        told = run_command("buffer", "stats", "--dir", millrace.root)
        self.assertIn("worker1", told.stdout.decode())
        self.configure(millrace, 1, dedup_window="1s")
        os.rename(disk, disk + ".away")
        millrace.launch()
        self.assertEqual(millrace.wait_exit(), CANNOT_READ)
        self.assertIn(f"{worker}: a link that leads nowhere; it may hold buffers of workers",
                      millrace.log())
        os.rename(disk + ".away", disk)
        millrace.start()
        until(lambda: "it was removed" in millrace.log(), "the buffer is delivered")
        self.assertTrue(os.path.islink(worker))
        millrace.wait_idle()
        self.assert_all_well(self.stream, self.senders)

    def test_no_buffer_is_missed_for_a_directory_that_cannot_be_listed(self):
        faults = CallFaults(self.place("faults"))
        millrace = self.millrace(self.matches(), system={"workers": 2},
                                 environment=faults.environment)
        self.send_to_all_workers(millrace, 2)
        self.assertEqual(millrace.stop(), 0)
        self.configure(millrace, 1)
        faults.rule("opendir", millrace.root, error="EIO")
        millrace.launch()
        self.assertEqual(millrace.wait_exit(), CANNOT_READ)
        self.assertIn("it may hold buffers of workers that are no more", millrace.log())
        millrace.start()
        millrace.wait_idle()
        self.assert_all_well(self.stream, self.senders)


if __name__ == "__main__":
    cases.main(__file__)
