#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: accepted data is kept, what can go out in time goes out, exit code 0."""
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from forward_client import NumberedSender
from integration_case import IntegrationCase
from millrace import kinesis_match
from oracle import judge_endpoint
from tool_case import BAD_DATA, ToolCase, flip
from waiting import until


class GracefulStop(IntegrationCase):
    def restart_and_check(self, millrace, endpoint, sender, count, repeats=0):
        millrace.start()
        millrace.wait_idle()
        self.assertEqual(self.assert_all_well(endpoint, [sender], repeats).delivered, count)
        self.assertEqual(millrace.stop(), 0)

    def test_flush_at_shutdown_delivers_all(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                endpoint = self.endpoint()
                millrace = self.to_endpoint(endpoint, name=number.name, buffer={
                    "flush_interval": "600s", "flush_at_shutdown": True})
                sender = self.send_events(millrace, 1000)
                self.assertEqual(endpoint.requests(), [])
                millrace.signal(number)
                self.assertEqual(millrace.wait_exit(), 0)
                self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 1000)
                self.assert_one_put_per_chunk(endpoint, millrace)

    def test_each_output_has_its_own(self):
        flushed, kept = self.endpoint(), self.endpoint()
        millrace = self.millrace([
            kinesis_match(flushed.url, id="flushed", pattern="app.a",
                          buffer={"flush_interval": "600s", "flush_at_shutdown": True}),
            kinesis_match(kept.url, id="kept", pattern="app.b",
                          buffer={"flush_interval": "600s"})])
        for tag in ("app.a", "app.b"):
            with self.connect(millrace) as client:
                client.send(NumberedSender("s", tag).make_message().frame)
                client.wait_acks(1)
        self.assertEqual(millrace.stop(), 0)
        self.assertEqual(len(flushed.records()), 1)
        self.assertEqual(len(kept.records()), 0)
        millrace.start()
        millrace.wait_idle()
        self.assertEqual(len(kept.records()), 1)

    def test_without_it_the_staged_chunk_stays_and_goes_after_the_restart(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint, buffer={"flush_interval": "600s"})
        sender = self.send_events(millrace, 1000)
        self.assertEqual(millrace.stop(), 0)
        before = len(endpoint.records())
        self.restart_and_check(millrace, endpoint, sender, 1000)
        print(f"    delivered before the restart: {before} records", flush=True)

    def test_the_deadline_holds_when_the_service_does_not_answer(self):
        endpoint = self.endpoint()
        endpoint.gate.hold("after")
        millrace = self.to_endpoint(endpoint, system={"stop_timeout": "2s"},
                                    first_byte_timeout="60s",
                                    buffer={"chunk_limit_records": 50, "flush_thread_count": 2,
                                            "flush_at_shutdown": True})
        sender = self.send_events(millrace, 1000)
        until(lambda: endpoint.gate.concurrent == 2, "both flush threads wait")
        began = time.monotonic()
        self.assertEqual(millrace.stop(30), 0)
        took = time.monotonic() - began
        print(f"    stopped after {took:.1f} s of at most 2 s and a little", flush=True)
        self.assertLess(took, 10)
        endpoint.gate.release()
        until(endpoint.is_quiet, "the held requests are over")
        held = {entry.key for entry in endpoint.requests()}
        # Stored, but nobody was there to hear it: those two come again, byte for byte.
        self.restart_and_check(millrace, endpoint, sender, 1000, repeats=2)
        twice = [key for key in held if sum(e.key == key for e in endpoint.requests()) == 2]
        self.assertEqual(sorted(twice), sorted(held))

    def test_requests_in_flight_are_waited_for(self):
        endpoint = self.endpoint()
        endpoint.faults.always({"do": "store_delay", "seconds": 1})
        millrace = self.to_endpoint(endpoint, buffer={"flush_thread_count": 2})
        sender = self.send_events(millrace, 100)
        millrace.flush()
        until(lambda: endpoint.gate.concurrent >= 1, "a request under way")
        self.assertEqual(millrace.stop(), 0)
        endpoint.faults.clear()
        self.restart_and_check(millrace, endpoint, sender, 100)
        self.assert_one_put_per_chunk(endpoint, millrace)

    def test_under_load_nothing_acked_is_lost(self):
        endpoint = self.endpoint(shards=2)
        millrace = self.to_endpoint(endpoint, system={"workers": 2},
                                    buffer={"chunk_limit_size": "32k"})
        senders = [NumberedSender(f"load{n}", "app.load") for n in range(4)]

        def load(sender):
            try:
                sender.run(millrace.port, lambda: True)
            except OSError:
                pass  # closed by the stop

        threads = [threading.Thread(target=load, args=(sender,)) for sender in senders]
        for thread in threads:
            thread.start()
        until(lambda: all(sender.acked_events > 1000 for sender in senders), "under load")
        self.assertEqual(millrace.stop(), 0)
        for thread in threads:
            thread.join()
        in_doubt = [(sender.name, message.first, message.count)
                    for sender in senders for message in sender.doubtful]
        print(f"    {sum(sender.acked_events for sender in senders)} events acked, "
              f"{sum(count for _, _, count in in_doubt)} in doubt", flush=True)
        millrace.start()
        for sender in senders:  # what was in doubt comes again and is stored once
            sender.run(millrace.port, lambda: False)
        millrace.wait_idle()
        verdict = self.assert_all_well(endpoint, senders)
        self.assertEqual(verdict.delivered, sum(sender.sent_events for sender in senders))
        self.assertEqual(millrace.stop(), 0)

    def test_idle_clients_do_not_hold_it_up(self):
        millrace = self.to_endpoint(self.endpoint())
        idle = [self.connect(millrace) for _ in range(20)]
        idle[0].send(b"\x93\xa4test")  # inside a frame
        began = time.monotonic()
        self.assertEqual(millrace.stop(), 0)
        self.assertLess(time.monotonic() - began, 10)
        for client in idle:
            client.wait_closed()

    def test_the_deadline_holds_after_a_second_signal_too(self):
        endpoint = self.endpoint()
        endpoint.gate.hold("before")
        millrace = self.to_endpoint(endpoint, system={"stop_timeout": "2s"},
                                    first_byte_timeout="60s")
        self.send_events(millrace, 100)
        millrace.flush()
        until(lambda: endpoint.gate.concurrent == 1, "a request under way")
        began = time.monotonic()
        millrace.signal(signal.SIGTERM)
        until(lambda: "stopping" in millrace.log(), "it stops")
        millrace.signal(signal.SIGINT)
        self.assertEqual(millrace.wait_exit(30), 0)
        self.assertLess(time.monotonic() - began, 10)

    def test_signals_that_mean_reload_elsewhere_do_not_end_it(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint)
        for number in (signal.SIGHUP, signal.SIGUSR2):
            millrace.signal(number)
        sender = self.send_events(millrace, 100)
        millrace.wait_idle()
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 100)
        self.assertEqual(millrace.stop(), 0)

    def test_a_second_signal_changes_nothing(self):
        endpoint = self.endpoint()
        endpoint.faults.always({"do": "store_delay", "seconds": 1})
        millrace = self.to_endpoint(endpoint)
        sender = self.send_events(millrace, 100)
        millrace.flush()
        millrace.signal(signal.SIGTERM)
        millrace.signal(signal.SIGTERM)
        self.assertEqual(millrace.wait_exit(), 0)
        endpoint.faults.clear()
        self.restart_and_check(millrace, endpoint, sender, 100)

    def test_sigusr1_flushes(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint, buffer={"flush_interval": "600s"})
        sender = self.send_events(millrace, 100)
        self.assertEqual(endpoint.requests(), [])
        millrace.signal(signal.SIGUSR1)
        until(endpoint.records, "flushed")
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 100)


class Proved(ToolCase):
    def test_no_bit_of_the_last_commit_passes_for_a_torn_write(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint, buffer={"flush_interval": "600s"})
        sender = self.send_events(millrace, 500)
        self.assertEqual(millrace.stop(), 0)
        (row,) = self.rows(*self.config(millrace))
        (told,) = self.rows(row["chunk_id"], *self.config(millrace), command=("show",))
        directory = os.path.join(millrace.root, "worker0", row["output"], "buffer")
        frame = told["data_frames"][-1]
        flip(os.path.join(directory, frame["file"]), frame["offset"] + 60)
        (damage,) = self.rows(*self.config(millrace), command=("verify",), code=BAD_DATA)
        self.assertEqual(damage["file"], frame["file"])
        millrace.start()
        millrace.flush()
        millrace.wait_idle()
        metrics = millrace.metrics()
        lost = sum(value for (name, labels), value in metrics.items()
                   if name == "millrace_discarded_records_total" and
                   ("reason", "damaged") in labels)
        torn = sum(value for (name, _), value in metrics.items() if "torn" in name)
        self.assertGreater(lost, 0)
        self.assertEqual(torn, 0)
        self.assertEqual(judge_endpoint(endpoint, [sender]).delivered, 500 - lost)
        self.assertEqual(millrace.stop(), 0)


if __name__ == "__main__":
    cases.main(__file__)
