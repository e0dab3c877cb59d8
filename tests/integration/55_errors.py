#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the endpoint answers, and what becomes of the chunk: the error table from outside.

Whatever happens, an acked event is in the stream or in dead/, every try of a chunk has the same
bytes and key, and a chunk is not tried again after a good answer or after being given up.
"""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from integration_case import IntegrationCase
from oracle import judge_endpoint
from waiting import until

# Not stored, tried again soon.
REFUSED_FOR_NOW = [
    "ProvisionedThroughputExceededException", "LimitExceededException", "ThrottlingException",
    "KMSThrottlingException", {"error": "TooManyRequestsException", "status": 429},
    {"error": "RequestLimitExceeded", "status": 400},
    {"error": "UnheardOfException", "status": 400},
]
# May have been stored: the same bytes again. (What the endpoint really stores is in the action.)
AMBIGUOUS = [
    500, 503, 502, 504, {"error": "InternalFailureException", "status": 500}, "RequestTimeout",
    {"error": "UnheardOfException", "status": 500}, {"do": "drop"}, {"do": "reset"},
    {"do": "store_drop"}, {"do": "store_reset"}, {"do": "no_shard_id"},
    {"do": "no_shard_id", "stored": False}, {"do": "invalid_json"}, {"do": "empty"},
    {"do": "empty", "stored": False},
]
# Only an operator ends these: tried again, slowly.
SLOW = [
    "AccessDeniedException", "KMSAccessDeniedException", "KMSDisabledException",
    "KMSInvalidStateException", "KMSNotFoundException", "KMSOptInRequired",
    "ResourceNotFoundException", "ResourceInUseException", "ExpiredTokenException",
    {"error": "ExpiredTokenException", "status": 403}, "UnrecognizedClientException",
    "InvalidClientTokenId", "IncompleteSignatureException", "MissingAuthenticationTokenException",
    {"error": "InvalidSignatureException", "message": "The request signature we calculated does "
                                                      "not match the signature you provided."},
    {"error": "", "status": 301}, {"error": "", "status": 403}, {"error": "", "status": 404},
    {"error": "", "status": 407},
]
# These bytes can never be stored.
PERMANENT = ["InvalidArgumentException", "ValidationException", "SerializationException",
             {"error": "", "status": 413}, {"error": "RequestEntityTooLarge", "status": 413}]


def small_chunks(**more):
    return {"chunk_limit_records": 50, **more}


class ErrorTable(IntegrationCase):
    def check_tried_again(self, endpoint, millrace, action, sender_name, before):
        """Every key after the request number `before`: once as scripted, then well."""
        endpoint.faults.clear()
        endpoint.faults.per_key([action])
        sender = self.send_events(millrace, 150, name=sender_name)
        millrace.wait_idle()
        until(endpoint.is_quiet, "journal")
        tries = {}
        for entry in endpoint.requests(before):
            tries.setdefault(entry.key, []).append(entry)
        self.assertGreaterEqual(len(tries), 3)
        for entries in tries.values():
            self.assertEqual([entry.outcome == "ok" for entry in entries], [False, True])
            self.assertEqual(len({entry.sha256 for entry in entries}), 1)
        return sender

    def test_errors_that_pass(self):
        endpoint = self.endpoint(shards=2)
        millrace = self.to_endpoint(endpoint, buffer=small_chunks())
        senders = []
        for number, action in enumerate(REFUSED_FOR_NOW + AMBIGUOUS):
            with self.subTest(str(action)):
                senders.append(self.check_tried_again(endpoint, millrace, action, f"s{number}",
                                                      len(endpoint.requests())))
        stored_in_vain = sum(entry.stored and entry.outcome != "ok"
                             for entry in endpoint.requests())
        self.assertGreater(stored_in_vain, 0)
        self.assert_all_well(endpoint, senders, repeats=stored_in_vain)
        self.assert_one_put_per_chunk(endpoint, millrace)
        self.assertEqual(millrace.dead(), {})

    def test_reply_later_than_the_timeout(self):
        endpoint = self.endpoint()
        endpoint.faults.queue([{"do": "store_delay", "seconds": 3}])
        millrace = self.to_endpoint(endpoint, first_byte_timeout="1s")
        sender = self.send_events(millrace, 100)
        millrace.wait_idle()
        self.assert_all_well(endpoint, [sender], repeats=1)
        until(endpoint.is_quiet, "the late reply")
        first, second = endpoint.requests()[:2]
        self.assertEqual((first.key, first.sha256), (second.key, second.sha256))

    def test_errors_that_an_operator_must_end(self):
        # One instance each, all at once: the wait between two tries is long on purpose.
        running = []
        for number, action in enumerate(SLOW):
            endpoint = self.endpoint()
            endpoint.faults.per_key([action])
            running.append((action, endpoint, self.to_endpoint(endpoint, name=f"m{number}",
                                                               buffer=small_chunks())))
        senders = [self.send_events(millrace, 50) for _, _, millrace in running]
        for action, endpoint, millrace in running:
            with self.subTest(f"{action}: told"):
                until(endpoint.requests, "a try")
                until(lambda: any(millrace.output()["last_error"]), "the error in the status", 5)
        for (action, endpoint, millrace), sender in zip(running, senders):
            with self.subTest(str(action)):
                millrace.wait_delivered(60)
                until(endpoint.is_quiet, "journal")
                self.assertEqual([entry.stored for entry in endpoint.requests()], [False, True])
                self.assertEqual(len({entry.sha256 for entry in endpoint.requests()}), 1)
                self.assertGreater(endpoint.requests()[1].time - endpoint.requests()[0].time, 1)
                self.assert_all_well(endpoint, [sender])
                self.assertEqual(millrace.dead(), {})

    def test_bytes_that_can_never_be_stored_go_to_dead(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint, buffer=small_chunks())
        for number, action in enumerate(PERMANENT):
            with self.subTest(str(action)):
                dead_before = set(millrace.dead())
                requests_before = len(endpoint.requests())
                endpoint.faults.queue([action])
                sender = self.send_events(millrace, 50, name=f"dead{number}")
                millrace.wait_idle()
                until(lambda: len(millrace.dead()) > len(dead_before), "the chunk in dead/")
                (path,) = set(millrace.dead()) - dead_before
                told, data = millrace.dead()[path]
                (entry,) = endpoint.requests(requests_before)
                self.assertEqual((told["key"] if "key" in told else told["partition_key"]),
                                 entry.key)
                self.assertIn(sender.payload(0), data)
                self.assertIn(sender.payload(49), data)
                self.assertIn("reason", told)
        self.assertEqual(sorted(millrace.finished("D")),
                         sorted(os.path.basename(path)[:-len(".json")] for path in millrace.dead()))
        self.assertEqual(endpoint.records(), [])

    def test_chunk_too_large_for_the_stream_does_not_hold_up_the_others(self):
        endpoint = self.endpoint(record_limit=50000)
        millrace = self.to_endpoint(endpoint)
        large = self.send_events(millrace, 300, name="large")  # 300 events: about 80 kB
        millrace.flush()
        small = self.send_events(millrace, 50, name="small")
        millrace.wait_idle()
        until(millrace.dead, "the large chunk in dead/")
        verdict = judge_endpoint(endpoint, [large, small])
        in_dead = b"".join(data for _, data in millrace.dead().values())
        for _, n in verdict.lost:
            self.assertIn(large.payload(n), in_dead)
        self.assertEqual(verdict.delivered + len(verdict.lost), 350)
        self.assertGreaterEqual(verdict.delivered, 50)


class Service(IntegrationCase):
    """The endpoint as a whole: its clock, its limits, its connections, its certificate."""

    def test_clock_of_the_service_differs(self):
        for offset in (1200, -1200):
            with self.subTest(offset=offset):
                endpoint = self.endpoint()
                endpoint.clock_offset = offset
                millrace = self.to_endpoint(endpoint, name=f"millrace{offset}",
                                            buffer=small_chunks(flush_thread_count=4))
                sender = self.send_events(millrace, 1000)
                millrace.wait_idle(30)
                refused = [entry for entry in endpoint.requests(operation=None)
                           if entry.outcome != "ok"]
                self.assertGreaterEqual(len(refused), 1)
                self.assertLessEqual(len(refused), 4)  # each thread may have asked once
                self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 1000)
                self.assertIn("clock", millrace.log().lower())

    def test_a_throttled_shard_takes_all_in_the_end(self):
        endpoint = self.endpoint()
        endpoint.throttle = True
        millrace = self.to_endpoint(endpoint, buffer={"flush_thread_count": 8})
        sender = self.send_events(millrace, 8000, text_bytes=300)
        millrace.wait_idle(60)
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 8000)
        self.assert_one_put_per_chunk(endpoint, millrace)
        refused = [entry for entry in endpoint.requests() if not entry.stored]
        self.assertGreater(len(refused), 0)

    def test_an_idle_connection_that_was_closed_is_no_error(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint, buffer={"flush_thread_count": 1})
        senders = [self.send_events(millrace, 50, name="one")]
        millrace.wait_idle()
        until(endpoint.close_idle, "the kept connection")
        senders.append(self.send_events(millrace, 50, name="two"))
        millrace.wait_idle()
        self.assertEqual(self.assert_all_well(endpoint, senders).delivered, 100)
        self.assertEqual([entry.outcome for entry in endpoint.requests()], ["ok", "ok"])
        self.assertFalse(any(millrace.output()["last_error"]))

    def test_endpoint_is_away_then_comes_back(self):
        with socket.create_server(("127.0.0.1", 0)) as place:
            port = place.getsockname()[1]
        endpoint = self.endpoint(port=port)
        millrace = self.to_endpoint(endpoint, buffer=small_chunks())
        endpoint.stop()
        sender = self.send_events(millrace, 500)
        millrace.flush()
        until(lambda: any(millrace.output()["last_error"]), "the error is told")
        self.assertGreater(millrace.output()["queued_chunks"], 0)
        again = self.endpoint(port=port)
        millrace.wait_delivered()
        self.assertEqual(self.assert_all_well(again, [sender]).delivered, 500)

    def test_retry_limit_gives_up_to_dead(self):
        endpoint = self.endpoint()
        endpoint.faults.always(503)
        millrace = self.to_endpoint(endpoint, buffer={"retry_max_times": 3})
        sender = self.send_events(millrace, 50)
        millrace.flush()
        until(millrace.dead, "given up")
        (_, data), = millrace.dead().values()
        self.assertEqual(len(endpoint.requests()), 4)  # the first try and three more
        self.assertIn(sender.payload(49), data)


if __name__ == "__main__":
    cases.main(__file__)
