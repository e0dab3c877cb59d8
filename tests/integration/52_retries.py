#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trouble that lasts: throttling, outages, chunks that are given up; and what becomes of them.

Whatever happens, every try of a chunk has the same bytes and key, nothing acked is lost, and the
endpoint is asked no more often than the back-off says.
"""
import glob
import json
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from breaker import breaker, counter, is_away
from integration_case import IntegrationCase
from kinesis_faults import parse_action
from millrace import run_command
from waiting import until

AWAY = "the output does not answer; its chunks wait, one at a time is tried"
BACK = "the output answers again; its chunks go out"


def seconds_of(endpoint, since=0.0):
    return sorted(entry.time for entry in endpoint.requests() if entry.time >= since)


class Outage(IntegrationCase):
    def chunks(self, **more):
        return {"chunk_limit_records": 50, "flush_interval": "50ms", **more}

    def test_an_outage_is_met_with_one_probe_a_back_off(self):
        endpoint = self.endpoint()
        endpoint.faults.always(503)
        millrace = self.to_endpoint(endpoint, system={"workers": 2},
                                    buffer=self.chunks(flush_thread_count=8))
        senders = [self.send_events(millrace, 5000, name=f"s{number}") for number in range(2)]
        until(lambda: is_away(millrace), "the breaker is open")
        # 50 ms, then 50, 100, 200, 400 and 500 ms, an eighth more or less.
        settled = until(lambda: len(endpoint.requests()) > 20, "some probes") and time.time()
        until(lambda: time.time() > settled + 5, "five seconds of it", 10, pause=0.1)
        asked = [one for one in seconds_of(endpoint) if settled <= one < settled + 5]
        told = breaker(millrace)
        self.assertIn(told["state"], ("open", "probing"))
        self.assertIn("ServiceUnavailable", told["last_error"])
        self.assertGreater(told["probes"], 5)
        self.assertEqual(counter(millrace, "breaker", state="open"), 1)
        self.assertGreaterEqual(counter(millrace, "breaker_opens_total", reason="unavailable"), 1)
        text = run_command("status", "-c", millrace.config_path).stdout.decode()
        self.assertRegex(text, r"kinesis_aggregation is (open|probing) for \d")
        concurrent_before = endpoint.gate.concurrent_max
        endpoint.gate.reset_max()
        endpoint.faults.clear()
        back = time.monotonic()
        millrace.wait_delivered()
        took = time.monotonic() - back
        verdict = self.assert_all_well(endpoint, senders)
        self.assert_one_put_per_chunk(endpoint, millrace)
        keys = {entry.key for entry in endpoint.requests()}
        print(f"    {len(asked)} requests in 5 s of an outage with 16 flush threads (at most "
              f"{concurrent_before} at once when it began); {len(keys)} chunks delivered {took:.1f} s "
              f"after it, at most {endpoint.gate.concurrent_max} at once", flush=True)
        self.assertLessEqual(len(asked), 5 / 0.4375 + 2)
        self.assertEqual(verdict.delivered, 10000)
        self.assertEqual(millrace.log().count(AWAY), 1)
        self.assertEqual(millrace.log().count(BACK), 1)
        self.assertEqual(breaker(millrace)["last_error"], "")

    def test_tries_of_a_chunk_are_equal_whatever_ends_them(self):
        endpoint = self.endpoint()
        script = [500, {"do": "drop"}, {"do": "reset"}, {"do": "store_reset"}, {"do": "store_drop"},
                  {"do": "invalid_json"}, {"do": "empty", "stored": False}, 502, 504,
                  "ProvisionedThroughputExceededException", {"error": "Throttling", "status": 429}]
        endpoint.faults.per_key(script)
        millrace = self.to_endpoint(endpoint, buffer=self.chunks(
            retry_wait="20ms", retry_max_interval="100ms", flush_thread_count=4))
        sender = self.send_events(millrace, 200)
        millrace.wait_idle(120)
        until(endpoint.is_quiet, "journal")
        tries = {}
        for entry in endpoint.requests():
            tries.setdefault(entry.key, []).append(entry)
        self.assertGreaterEqual(len(tries), 4)
        for entries in tries.values():
            self.assertEqual(len(entries), len(script) + 1)
            self.assertEqual(len({entry.sha256 for entry in entries}), 1)
        verdict = self.assert_all_well(endpoint, [sender], repeats=None)
        self.assertEqual(verdict.delivered, 200)
        print(f"    {len(tries)} chunks, {len(script) + 1} equal tries of each; ambiguous repeats "
              f"stored: {verdict.repeated}", flush=True)

    def test_slow_answers_are_awaited_and_late_ones_repeated(self):
        endpoint = self.endpoint()
        endpoint.faults.queue([{"do": "store_delay", "seconds": 0.8}] * 4 +
                              [{"do": "store_delay", "seconds": 4}])
        millrace = self.to_endpoint(endpoint, first_byte_timeout="2s",
                                    buffer=self.chunks(flush_thread_count=2))
        sender = self.send_events(millrace, 500)
        millrace.wait_idle()
        until(endpoint.is_quiet, "the late reply")
        self.assertEqual(self.assert_all_well(endpoint, [sender], repeats=1).delivered, 500)

    def test_answers_that_trickle_or_are_too_short_are_not_believed(self):
        endpoint = self.endpoint()
        endpoint.faults.queue([{"do": "store_trickle", "seconds": 0.2}, {"do": "store_short"}])
        millrace = self.to_endpoint(endpoint, request_timeout="2s", first_byte_timeout="1s",
                                    connect_timeout="1s", buffer=self.chunks(flush_thread_count=2))
        sender = self.send_events(millrace, 500)
        millrace.wait_idle()
        until(endpoint.is_quiet, "the late reply", 60)
        self.assertEqual(self.assert_all_well(endpoint, [sender], repeats=2).delivered, 500)

    def test_refused_connections_and_a_name_that_is_not_there(self):
        with socket.create_server(("127.0.0.1", 0)) as place:
            port = place.getsockname()[1]
        for number, url in enumerate((f"http://127.0.0.1:{port}", "http://kinesis.invalid:1")):
            with self.subTest(url):
                endpoint = self.endpoint()
                millrace = self.to_endpoint(endpoint, name=f"m{number}", start=False)
                good = endpoint.url
                endpoint.url = url
                millrace = self.to_endpoint(endpoint, name=f"m{number}",
                                            buffer=self.chunks(), connect_timeout="1s")
                endpoint.url = good
                sender = self.send_events(millrace, 500)
                until(lambda: is_away(millrace), "the breaker is open", 60)
                until(lambda: millrace.log().count(AWAY), "it is told")
                self.assertNotEqual(breaker(millrace)["last_error"], "")
                # A stop does not wait for it, though chunks are due and it has 30 s.
                began = time.monotonic()
                self.assertEqual(millrace.stop(), 0)
                took = time.monotonic() - began
                self.assertLess(took, 15)
                print(f"    {url}: stopped while it was away in {took:.1f} s", flush=True)
                again = self.to_endpoint(endpoint, name=f"m{number}", buffer=self.chunks())
                again.wait_delivered()
                self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 500)

    def test_a_chunk_that_always_fails_holds_nobody_up(self):
        endpoint = self.endpoint()
        poison = []

        def fail_the_first_key(key):
            if not poison:
                poison.append(key)
            return parse_action(500 if key == poison[0] else "ok")

        endpoint.faults.next = fail_the_first_key
        millrace = self.to_endpoint(endpoint, buffer={
            "chunk_limit_records": 10, "flush_thread_count": 1, "retry_wait": "100ms",
            "retry_max_interval": "1s"})
        sender = self.send_events(millrace, 10000, per_message=10)
        millrace.flush()
        until(lambda: millrace.output()["queued_chunks"] + millrace.output()["in_flight"] <= 1 and
              millrace.output()["staged_chunks"] == 0, "all but one delivered")
        stored = [entry.time for entry in endpoint.requests() if entry.stored]
        gap = max(b - a for a, b in zip(stored, stored[1:]))
        tries = [entry for entry in endpoint.requests() if entry.key == poison[0]]
        print(f"    {len(stored)} other chunks, never longer than {gap:.3f} s without one; the "
              f"poison was tried {len(tries)} times", flush=True)
        self.assertGreaterEqual(len(stored), 990)
        self.assertLess(gap, 1)
        endpoint.faults.next = lambda key: parse_action("ok")
        millrace.wait_delivered()
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 10000)
        self.assertEqual(millrace.log().count(AWAY), 0)

    def test_chunks_that_always_fail_hold_up_nobody_of_another_worker(self):
        endpoint = self.endpoint()
        poisons = set()

        def fail_the_first_keys(key):
            if len(poisons) < 9:
                poisons.add(key)
            return parse_action(500 if key in poisons else "ok")

        endpoint.faults.next = fail_the_first_keys
        millrace = self.to_endpoint(endpoint, system={"workers": 4}, buffer={
            "chunk_limit_records": 10, "flush_thread_count": 2})
        senders = [self.send_events(millrace, 10, name=f"bad{n}", per_message=10)
                   for n in range(9)]
        until(lambda: len(poisons) == 9, "all of them have failed", 60)
        waited = []
        for n in range(8):
            began = time.monotonic()
            senders.append(self.send_events(millrace, 10, name=f"good{n}", per_message=10))
            until(lambda: sum(entry.stored for entry in endpoint.requests()) > n, "it arrives", 60)
            waited.append(time.monotonic() - began)
        print(f"    others waited for {max(waited):.2f} s at most", flush=True)
        self.assertLess(max(waited), 4)
        endpoint.faults.next = lambda key: parse_action("ok")
        millrace.wait_delivered(60)
        self.assertEqual(self.assert_all_well(endpoint, senders).delivered, 170)


class GivenUp(IntegrationCase):
    def kept(self, directory):
        """{chunk id: (what is told of it, its file)} of a secondary's directory."""
        found = {}
        for path in glob.glob(os.path.join(directory, "dump.bin.*.json")):
            with open(path, encoding="utf-8") as file:
                told = json.load(file)
            self.assertEqual(path, os.path.join(directory, f"dump.bin.{told['chunk_id']}.json"))
            found[told["chunk_id"]] = (told, path[:-len(".json")])
        self.assertEqual(len(os.listdir(directory)), 2 * len(found))
        return found

    def decoded(self, *paths):
        result = run_command("decode", *paths)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.splitlines()

    def test_refused_chunks_go_to_the_secondary_and_can_be_read(self):
        for number, word in enumerate(("file", "secondary_file")):
            endpoint = self.endpoint()
            directory = os.path.join(self.directory, f"kept{number}", "below")
            millrace = self.to_endpoint(endpoint, name=f"m{number}",
                                        buffer={"chunk_limit_records": 50},
                                        secondary={"type": word, "directory": directory})
            endpoint.faults.queue(["ValidationException", "InvalidArgumentException"])
            sender = self.send_events(millrace, 500)
            millrace.wait_idle()
            until(lambda: len(millrace.finished("S")) == 2, "two lines S")
            kept = self.kept(directory)
            self.assertEqual(sorted(kept), sorted(millrace.finished("S")))
            payloads = self.decoded(*(path for _, path in kept.values()))
            self.assertEqual(len(payloads), 100)
            self.assertEqual(sorted(payloads + self.payloads(endpoint)),
                             sorted(sender.payload(n) for n in range(500)))
            refused = {entry.key: entry for entry in endpoint.requests() if not entry.stored}
            for told, _ in kept.values():
                self.assertEqual(told["reason"], "refused")
                self.assertEqual(told["attempts"], 1)
                self.assertEqual(told["output"], "kinesis_aggregation")
                self.assertIn(refused[told["partition_key"]].outcome, told["last_error"])
            self.assertEqual(counter(millrace, "secondary_chunks_total", reason="refused"), 2)
            self.assertEqual(millrace.dead(), {})

    def test_the_retry_limit_ends_in_the_secondary_also_over_a_kill(self):
        endpoint = self.endpoint()
        endpoint.faults.always(503)
        directory = os.path.join(self.directory, "kept")
        options = {"buffer": {"retry_max_times": 2}, "secondary": {"directory": directory}}
        millrace = self.to_endpoint(endpoint, **options)
        sender = self.send_events(millrace, 50)
        millrace.flush()
        until(lambda: millrace.finished("S"), "the line S")
        self.assertEqual(len(endpoint.requests()), 3)  # the first try and two more
        ((told, path),) = self.kept(directory).values()
        self.assertEqual((told["reason"], told["attempts"]), ("retry_limit", 3))
        self.assertEqual(self.decoded(path), [sender.payload(n) for n in range(50)])
        self.assertEqual(counter(millrace, "secondary_chunks_total", reason="retry_limit"), 1)
        millrace.kill()
        endpoint.faults.clear()
        millrace.start()
        millrace.wait_idle()
        self.assertEqual(len(self.kept(directory)), 1)
        self.assertEqual(endpoint.records(), [])  # it is not sent any more

    def test_what_the_secondary_cannot_take_goes_to_dead(self):
        endpoint = self.endpoint()
        directory = os.path.join(self.directory, "kept")
        millrace = self.to_endpoint(endpoint, secondary={"directory": directory})
        os.rmdir(directory)
        with open(directory, "w", encoding="ascii"):
            pass  # a file in its place
        endpoint.faults.always("ValidationException")
        sender = self.send_events(millrace, 50)
        millrace.flush()
        until(millrace.dead, "the chunk in dead/")
        ((path, (told, _)),) = millrace.dead().items()
        self.assertEqual(told["reason"], "refused")
        self.assertIn("ValidationException", told["last_error"])
        self.assertEqual(self.decoded(path[:-len(".json")] + ".chunk"),
                         [sender.payload(n) for n in range(50)])
        self.assertEqual(counter(millrace, "secondary_failures_total"), 1)

    def test_what_dead_cannot_take_is_counted_and_stays(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint)
        places = [os.path.join(os.path.dirname(path), "dead") for path in millrace.positions()]
        for dead in places:
            with open(dead, "w", encoding="ascii"):
                pass  # a file in its place
        endpoint.faults.always("ValidationException")
        sender = self.send_events(millrace, 50)
        millrace.flush()
        until(lambda: counter(millrace, "dead_letter_failures_total") >= 2, "it is tried again")
        self.assertIn("a dead letter cannot be written", "".join(millrace.output()["last_error"]))
        for dead in places:
            os.unlink(dead)
        until(millrace.dead, "the chunk in dead/")
        ((path, _),) = millrace.dead().items()
        self.assertEqual(self.decoded(path[:-len(".json")] + ".chunk"),
                         [sender.payload(n) for n in range(50)])

    def test_a_secondary_that_cannot_be_used_is_told_at_the_start(self):
        endpoint = self.endpoint()
        file = os.path.join(self.directory, "file")
        with open(file, "w", encoding="ascii"):
            pass
        millrace = self.to_endpoint(endpoint, start=False, secondary={"directory": file})
        millrace.launch()
        self.assertNotEqual(millrace.wait_exit(), 0)
        self.assertIn("the secondary of kinesis_aggregation cannot be used", millrace.log())
        self.assertIn(file, millrace.log())

    def test_failures_go_on_counting_after_a_kill(self):
        endpoint = self.endpoint()
        endpoint.faults.always(503)
        limit = {"retry_max_times": 2}
        millrace = self.to_endpoint(endpoint, buffer={**limit, "retry_wait": "1h",
                                                      "retry_max_interval": "1h"})
        sender = self.send_events(millrace, 50)
        millrace.flush()
        until(lambda: any(one.finished("R") for one in millrace.positions().values()), "the line R")
        self.assertEqual(len(endpoint.requests()), 1)
        millrace.kill()
        again = self.to_endpoint(endpoint, buffer=limit)
        until(again.dead, "given up")
        self.assertEqual(len(endpoint.requests()), 3, "one before the kill, two after it")
        ((told, data),) = again.dead().values()
        self.assertEqual(told["reason"], "retry_limit")
        self.assertIn("ServiceUnavailable", told["last_error"])
        self.assertIn(sender.payload(49), data)

    def test_retry_forever_gives_nothing_up(self):
        endpoint = self.endpoint()
        endpoint.faults.always(503)
        millrace = self.to_endpoint(endpoint, buffer={
            "retry_forever": True, "retry_wait": "10ms", "retry_max_interval": "20ms",
            "retry_max_times": 1, "retry_timeout": "1s"})
        sender = self.send_events(millrace, 50)
        millrace.flush()
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 2 and len(endpoint.requests()) > 5,
              "twice the limit of time")
        self.assertEqual(millrace.dead(), {})
        endpoint.faults.clear()
        millrace.wait_delivered()
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 50)

    def test_waiting_while_throttled_counts_to_no_limit(self):
        endpoint = self.endpoint()
        endpoint.faults.queue([503] + ["ProvisionedThroughputExceededException"] * 16 + [503])
        millrace = self.to_endpoint(endpoint, buffer={
            "retry_wait": "100ms", "retry_max_interval": "2s", "retry_timeout": "1s"})
        begun = time.monotonic()
        sender = self.send_events(millrace, 50)
        millrace.wait_delivered()
        print(f"    {time.monotonic() - begun:.1f} s, {len(endpoint.requests())} requests", flush=True)
        self.assertEqual(counter(millrace, "secondary_total", reason="retry_limit"), 0)
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 50)

    def test_a_stop_in_an_outage_keeps_all_and_is_quick(self):
        endpoint = self.endpoint()
        endpoint.faults.always(500)
        millrace = self.to_endpoint(endpoint, buffer={"chunk_limit_records": 50})
        sender = self.send_events(millrace, 1000)
        until(lambda: is_away(millrace), "the breaker is open")
        began = time.monotonic()
        millrace.signal(signal.SIGTERM)
        self.assertEqual(millrace.wait_exit(), 0)
        took = time.monotonic() - began
        print(f"    stopped in {took:.1f} s, of 30 s that it may take", flush=True)
        self.assertLess(took, 10)
        endpoint.faults.clear()
        millrace.start()
        millrace.wait_idle()
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 1000)


if __name__ == "__main__":
    cases.main(__file__)
