#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Requests in CBOR: what holds for JSON holds for them, and foreign emulators take them."""
import importlib.util
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
import judges
from integration_case import IntegrationCase
from kpl_reader import read_own_aggregate
from millrace import kinesis_match
from strict_kinesis import DEFAULT_CREDENTIALS
from waiting import until
from written import WRITTEN


def tests_of(name):
    """The test program of this name beside this one, as a module."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"tests_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class OverCbor(IntegrationCase):
    """Every instance sends CBOR, and nothing else reached an endpoint."""

    def to_endpoint(self, endpoint, **options):
        self.addCleanup(self.check_bodies, endpoint)
        return super().to_endpoint(endpoint, body_format="cbor", **options)

    def check_bodies(self, endpoint):
        self.assertEqual({entry.body_format for entry in endpoint.requests()}, {"cbor"})


class OnePutPerChunk(OverCbor, tests_of("50_one_put_per_chunk").OnePutPerChunk):
    test_two_outputs_share_nothing = None  # it makes its instance by itself


class ErrorTable(OverCbor, tests_of("55_errors").ErrorTable):
    test_errors_that_an_operator_must_end = None  # the same rows as in `errors that pass`, slowly


class Service(OverCbor, tests_of("55_errors").Service):
    # What ends without a whole request says nothing of its body.
    test_endpoint_is_away_then_comes_back = None

    def test_a_session_token_is_signed(self):
        (key_id, (secret, _)), = DEFAULT_CREDENTIALS.items()
        endpoint = self.endpoint(shards=2, credentials={key_id: (secret, "TOKEN/+=")})
        millrace = self.to_endpoint(endpoint, environment={"AWS_SESSION_TOKEN": "TOKEN/+="})
        sender = self.send_events(millrace, 500)
        millrace.wait_idle()
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 500)
        self.assert_one_put_per_chunk(endpoint, millrace)

    def test_any_fixed_key_and_records_up_to_the_limit(self):
        endpoint = self.endpoint(record_limit=2 << 20)
        key = "é\"\\😀" * 64
        millrace = self.to_endpoint(endpoint, fixed_partition_key=key, record_limit="2m",
                                    buffer={"chunk_limit_size": "1900k", "flush_interval": "1h",
                                            "flush_thread_count": 1})
        sender = self.send_events(millrace, 4000, text_bytes=400)
        millrace.wait_idle()
        self.assertEqual(self.payloads(endpoint), [sender.payload(n) for n in range(4000)])
        entries = endpoint.requests()
        self.assertEqual({entry.key for entry in entries}, {key})
        self.assertGreater(max(entry.size for entry in entries), 1 << 20)


@cases.needs_judges("npm")
class Emulators(IntegrationCase):
    """Foreign readers of requests and writers of replies."""

    def match(self, kinesis, name, *, buffer=None, **options):
        return kinesis_match(kinesis.url, pattern=f"{name}.**", id=name, body_format="cbor",
                             buffer=buffer, **options)

    def check(self, kinesis, code_of_too_large):
        millrace = self.millrace([
            self.match(kinesis, "good", buffer={"chunk_limit_records": 50}),
            self.match(kinesis, "away", stream_name="nobody"),
            self.match(kinesis, "large", record_limit="2m",
                       buffer={"chunk_limit_size": "1900k", "flush_interval": "1h"})])
        good = self.send_events(millrace, 1000, name="good", tag="good.a")
        self.send_events(millrace, 10, name="away", tag="away.a")
        large = self.send_events(millrace, 4000, name="large", tag="large.a", text_bytes=400)
        millrace.flush()
        with self.subTest("delivery"):
            output = until(lambda: self.sent_all(millrace, "good"), "all sent")
            self.assertFalse(any(output["last_error"]))
            records = kinesis.records()
            for one in records:
                WRITTEN.add(one["key"], one["data"], tuple(map(int, one["range"])))
            events = [event for one in records for event in read_own_aggregate(one["data"], one["key"])
                      if b'"tag":"good.a"' in event]
            self.assertEqual(sorted(events), sorted(good.payload(n) for n in range(1000)))
        with self.subTest("an error to wait for"):
            until(lambda: "ResourceNotFoundException: " in str(millrace.output("away")), "told")
            self.assertEqual(millrace.output("away")["queued_chunks"], 1)
        with self.subTest("an error for good"):
            until(lambda: large.payload(0) in self.dead_bytes(millrace), "the chunk in dead/")
            told = str([told for told, _ in millrace.dead().values()])
            self.assertIn(f"{code_of_too_large}: ", told)

    @staticmethod
    def sent_all(millrace, name):
        output = millrace.output(name)
        return output if output["queued_chunks"] + output["in_flight"] == 0 else None

    @staticmethod
    def dead_bytes(millrace):
        return b"".join(data for _, data in millrace.dead().values())

    def test_kinesalite(self):
        with judges.Kinesalite(2) as kinesis:
            self.check(kinesis, "ValidationException")

    def test_kinesis_local(self):
        with judges.KinesisLocal(2) as kinesis:
            self.check(kinesis, "InvalidArgumentException")


if __name__ == "__main__":
    cases.main(__file__)
