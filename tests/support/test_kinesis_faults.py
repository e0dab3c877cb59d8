#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The strict Kinesis endpoint's scripted faults, and the endpoint as a process of its own."""
import json
import tempfile
import threading
import time

import botocore.exceptions

import cases
from botocore_client import EndpointCase, put
from kinesis_process import KinesisProcess
from waiting import until


class Misbehaviour(EndpointCase):
    def test_scripted_statuses_then_success(self):
        endpoint = self.start()
        endpoint.faults.queue([500, 503, "ok"])
        kinesis = self.client(endpoint.url, attempts=3)
        put(kinesis)
        self.assertEqual([one.status for one in endpoint.requests()], [500, 503, 200])
        self.assertEqual([one.stored for one in endpoint.requests()], [False, False, True])

    def test_named_errors_and_sequences_by_key(self):
        endpoint = self.start()
        endpoint.faults.per_key(["AccessDeniedException",
                                 {"error": "ExpiredTokenException", "status": 403}])
        kinesis = self.client(endpoint.url)
        for key in ("a", "b"):
            self.refused("AccessDeniedException", lambda: put(kinesis, key))
            response = self.refused("ExpiredTokenException", lambda: put(kinesis, key))
            self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], 403)
            put(kinesis, key)
        self.assertEqual([record.key for _, record in endpoint.records()], ["a", "b"])

    def test_connections_ended_before_and_after_the_store(self):
        for do, stored in (("drop", 0), ("reset", 0), ("store_drop", 1), ("store_reset", 1)):
            with self.subTest(do):
                endpoint = self.start()
                endpoint.faults.queue([{"do": do}])
                with self.assertRaises((botocore.exceptions.ConnectionClosedError,
                                        botocore.exceptions.EndpointConnectionError)):
                    put(self.client(endpoint.url))
                self.assertEqual(len(endpoint.records()), stored)
                until(lambda: endpoint.requests()[0].outcome == do, "journal")
                self.assertFalse(endpoint.requests()[0].replied)

    def test_an_answer_of_the_wrong_length_and_one_that_trickles(self):
        endpoint = self.start()
        endpoint.faults.queue([{"do": "store_short"}, {"do": "store_trickle", "seconds": 0.001}])
        for _ in range(2):  # botocore believes the short one too: it does not count the bytes
            self.assertIn("ShardId", put(self.client(endpoint.url)))
        self.assertEqual(len(endpoint.records()), 2)

    def test_broken_bodies(self):
        for do in ("no_shard_id", "invalid_json", "empty"):
            with self.subTest(do):
                endpoint = self.start()
                endpoint.faults.queue([{"do": do}, {"do": do, "stored": False}])
                for stored in (1, 1):
                    connection = self.client(endpoint.url)
                    try:
                        self.assertNotIn("ShardId", put(connection))
                    except (botocore.exceptions.BotoCoreError, ValueError):
                        pass  # botocore cannot read it, which is the point
                    self.assertEqual(len(endpoint.records()), stored)

    def test_stored_then_late(self):
        endpoint = self.start()
        endpoint.faults.queue([{"do": "store_delay", "seconds": 0.5}])
        began = time.monotonic()
        put(self.client(endpoint.url))
        self.assertGreaterEqual(time.monotonic() - began, 0.5)
        self.assertEqual(len(endpoint.records()), 1)

    def test_held_requests_are_counted_and_released(self):
        for when, stored in (("before", 0), ("after", 5)):
            with self.subTest(when):
                endpoint = self.start()
                endpoint.gate.hold(when)
                threads = [threading.Thread(target=put, args=(self.client(endpoint.url), f"k{n}"))
                           for n in range(5)]
                for thread in threads:
                    thread.start()
                until(lambda: endpoint.gate.concurrent == 5, "five in hand")
                until(lambda: len(endpoint.records()) == stored, "stored")
                endpoint.gate.release()
                for thread in threads:
                    thread.join()
                self.assertEqual(endpoint.gate.concurrent_max, 5)
                self.assertEqual(len(endpoint.records()), 5)

    def test_idle_connections_can_be_closed(self):
        endpoint = self.start()
        kinesis = self.client(endpoint.url)
        put(kinesis)
        put(kinesis)
        self.assertEqual(endpoint.connections_accepted, 1)
        until(endpoint.close_idle, "an idle connection")
        put(self.client(endpoint.url, attempts=2))
        self.assertEqual(endpoint.connections_accepted, 2)


class OwnProcess(EndpointCase):
    def test_control_port_and_directory(self):
        with tempfile.TemporaryDirectory() as directory:
            with KinesisProcess(shards=2, directory=directory, token="T") as process:
                kinesis = self.client(process.url, token="T")
                put(kinesis, "foo", b"one")
                process.script(queue=[503])
                self.refused("ServiceUnavailable", lambda: put(kinesis))
                process.ask("split", shard=1)
                self.assertEqual(put(kinesis, "foo")["ShardId"], "shardId-000000000002")
                process.ask("set", record_limit=4, throttle=0)
                self.refused("ValidationException", lambda: put(kinesis))
                status = process.ask("status")
                self.assertEqual((status["requests"], status["stored"]), (4, 2))
                self.assertEqual(process.ask("requests", since=3)[0]["outcome"],
                                 "ValidationException")
                self.assertEqual([one["Shard"][-1] for one in process.ask("records")], ["1", "2"])
            with open(f"{directory}/records.jsonl", encoding="utf-8") as file:
                self.assertEqual([json.loads(line)["Data"] for line in file], ["b25l", "ZGF0YQ=="])
            with open(f"{directory}/requests.jsonl", encoding="utf-8") as file:
                self.assertEqual([json.loads(line)["status"] for line in file],
                                 [200, 503, 200, 400])


if __name__ == "__main__":
    cases.main(__file__)
