#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One PutRecord per chunk, judged by the endpoint alone, with every combination of threads."""
import os
import random
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from forward_client import NumberedSender
from integration_case import IntegrationCase
from millrace import kinesis_match
from waiting import until

COMBINATIONS = ((1, 1), (2, 8), (2, 50))
CONNECTIONS = 32  # so many that the kernel surely gives each worker some


def send_over_many_connections(port, events_each, per_message=10):
    """All at the same time; returns the senders, every event acked."""
    senders = [NumberedSender(f"sender{n}", "app.put", per_message=per_message, window=4)
               for n in range(CONNECTIONS)]
    threads = [threading.Thread(target=sender.run, args=(
        port, lambda sender=sender: sender.sent_events < events_each)) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return senders


class OnePutPerChunk(IntegrationCase):
    def start(self, endpoint, workers, threads, **options):
        # A chunk a message: many chunks of few events.
        return self.to_endpoint(endpoint, name=f"millrace-{workers}x{threads}",
                                system={"workers": workers}, first_byte_timeout="120s",
                                request_timeout="180s",
                                buffer={"flush_thread_count": threads, "chunk_limit_records": 10,
                                        **options})

    def test_requests_in_flight_reach_workers_times_threads_and_no_more(self):
        for workers, threads in COMBINATIONS:
            with self.subTest(workers=workers, threads=threads):
                endpoint = self.endpoint(shards=2)
                endpoint.gate.hold("after")
                millrace = self.start(endpoint, workers, threads)
                senders = send_over_many_connections(millrace.port, 200)
                until(lambda: endpoint.gate.concurrent >= workers * threads, "all threads wait")
                # The backlog is there and every thread is taken: nothing more may come.
                self.assertEqual(millrace.output()["in_flight"], workers * threads)
                self.assertGreater(millrace.output()["queued_chunks"], 0)
                senders += [self.send_events(millrace, 100, name="late")]
                self.assertEqual(endpoint.gate.concurrent, workers * threads)
                endpoint.gate.release()
                millrace.wait_idle()
                self.assertEqual(endpoint.gate.concurrent_max, workers * threads)
                self.assert_one_put_per_chunk(endpoint, millrace)
                self.assertEqual(len(endpoint.requests()), len(endpoint.records()))
                verdict = self.assert_all_well(endpoint, senders)
                self.assertEqual(verdict.delivered, CONNECTIONS * 200 + 100)

    def test_at_full_speed(self):
        for workers, threads in COMBINATIONS:
            with self.subTest(workers=workers, threads=threads):
                endpoint = self.endpoint(shards=7)
                millrace = self.start(endpoint, workers, threads, chunk_limit_records=25)
                senders = send_over_many_connections(millrace.port, 500, per_message=20)
                millrace.wait_idle()
                self.assertLessEqual(endpoint.gate.concurrent_max, workers * threads)
                self.assert_one_put_per_chunk(endpoint, millrace)
                self.assertEqual(len(endpoint.requests()), len(endpoint.records()))
                self.assertEqual(self.assert_all_well(endpoint, senders).delivered,
                                 CONNECTIONS * 500)
                # One connection a flush thread, kept: no reconnecting between chunks.
                self.assertLessEqual(endpoint.connections_accepted, workers * threads)

    def test_an_endpoint_that_fails_gets_the_same_bytes_until_it_answers_well(self):
        seed = random.SystemRandom().randrange(2 ** 32)
        print(f"    seed {seed}", flush=True)
        choice = random.Random(seed)
        faults = [500, 503, 502, "ProvisionedThroughputExceededException", {"do": "drop"},
                  {"do": "store_drop"}, {"do": "store_reset"}, {"do": "no_shard_id"},
                  {"do": "invalid_json", "stored": False}, {"do": "empty"}]
        for workers, threads in COMBINATIONS:
            with self.subTest(workers=workers, threads=threads, seed=seed):
                endpoint = self.endpoint(shards=2)
                endpoint.faults.queue([choice.choice(faults + ["ok"] * 10) for _ in range(300)])
                millrace = self.start(endpoint, workers, threads)
                senders = send_over_many_connections(millrace.port, 100)
                millrace.wait_idle(120)
                self.assert_one_put_per_chunk(endpoint, millrace)
                entries = endpoint.requests()
                failed = sum(entry.stored and entry.outcome != "ok" for entry in entries)
                self.assert_all_well(endpoint, senders, repeats=failed)

    def test_two_outputs_share_nothing(self):
        first, second = self.endpoint(), self.endpoint(shards=2)
        first.gate.hold("before")
        matches = [kinesis_match(first.url, pattern="one.**", id="first"),
                   kinesis_match(second.url, pattern="two.**", id="second")]
        matches[0]["first_byte_timeout"] = "60s"
        millrace = self.millrace(matches)
        held = self.send_events(millrace, 500, name="held", tag="one.a")
        free = self.send_events(millrace, 500, name="free", tag="two.b")
        until(lambda: len(self.payloads(second)) == 500, "the other output delivers")
        self.assertEqual(first.records(), [])
        first.gate.release()
        millrace.wait_idle()
        self.assertEqual(self.assert_all_well(first, [held]).delivered, 500)
        self.assertEqual(self.assert_all_well(second, [free]).delivered, 500)


if __name__ == "__main__":
    cases.main(__file__)
