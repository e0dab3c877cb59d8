# SPDX-License-Identifier: Apache-2.0
"""The base of the integration tests: a directory, the binary, an endpoint, common checks."""
import os
import shutil
import tempfile
import unittest

from forward_client import ForwardClient, NumberedSender
from kpl_reader import read_own_aggregate
from millrace import Millrace, kinesis_match
from oracle import judge_endpoint
from position_file import dashed
from strict_kinesis import StrictKinesis
from waiting import until
from written import WRITTEN


class IntegrationCase(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-")
        self.addCleanup(self._remove_directory)
        self.addCleanup(WRITTEN.add_files, self.directory)

    def _remove_directory(self):
        result = self._outcome.result
        wrong = [test for test, _ in result.failures + result.errors]
        if any(test is self or getattr(test, "test_case", None) is self for test in wrong):
            print(f"    {self.id()}: its files are kept in {self.directory}", flush=True)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def place(self, name):
        """A directory of its own below the test's."""
        path = os.path.join(self.directory, name)
        os.makedirs(path, exist_ok=True)
        return path

    def endpoint(self, **options):
        endpoint = StrictKinesis(**options)
        self.addCleanup(endpoint.stop)
        self.addCleanup(WRITTEN.add_endpoint, endpoint)
        return endpoint

    def millrace(self, matches, *, name="millrace", start=True, **options):
        """A running instance in a directory of its own; killed when the test ends."""
        instance = Millrace(self.place(name), matches, **options)
        self.addCleanup(instance.__exit__)
        return instance.start() if start else instance

    def to_endpoint(self, endpoint, *, buffer=None, name="millrace", start=True, system=None,
                    source=None, environment=None, **options):
        """An instance that sends everything to a strict endpoint."""
        return self.millrace([kinesis_match(endpoint.url, buffer=buffer, **options)], name=name,
                             start=start, system=system, source=source, environment=environment)

    def connect(self, millrace, **options):
        client = ForwardClient(millrace.port, **options)
        self.addCleanup(client.close)
        return client

    def send_events(self, millrace, count, *, name="sender", tag="app.test", **options):
        """Sends that many numbered events over one connection, all acked; returns the sender."""
        sender = NumberedSender(name, tag, **options)
        sender.run(millrace.port, lambda: sender.sent_events < count)
        self.assertEqual(sender.acked_events, sender.sent_events)
        return sender

    def assert_all_well(self, endpoint, senders, repeats=0, abandoned=()):
        """Everything acked is stored, whole, once, and nothing else; `repeats`: None for any.
        `abandoned`: messages that were never acked nor sent again."""
        verdict = judge_endpoint(endpoint, senders, abandoned)
        self.assertEqual(verdict.problems(), [])
        self.assertEqual(endpoint.violations(), [])
        if repeats is not None:
            self.assertEqual(verdict.repeated, repeats)
        return verdict

    def assert_one_put_per_chunk(self, endpoint, millrace):
        """Stored keys = finished chunks; after a good reply no key is sent again; equal bytes."""
        until(endpoint.is_quiet, "the endpoint has answered")
        answered, digests = set(), {}
        for entry in endpoint.requests():
            self.assertNotIn(entry.key, answered, "sent again after a good reply")
            self.assertEqual(digests.setdefault(entry.key, entry.sha256), entry.sha256)
            if entry.outcome in ("ok", "store_delay") and entry.replied:
                answered.add(entry.key)
        finished = sorted(dashed(chunk) for chunk in millrace.finished("C"))
        self.assertEqual(sorted(answered), finished)
        self.assertEqual(sorted({record.key for _, record in endpoint.records()}), finished)
        for positions in millrace.positions().values():
            self.assertEqual(positions.invalid_slots, 0)

    def wait_payloads(self, endpoint, count, seconds=60):
        """Until that many events are stored; returns them all. For senders that get no ack."""
        until(lambda: len(self.payloads(endpoint)) >= count, f"{count} events stored", seconds)
        return self.payloads(endpoint)

    def payloads(self, endpoint, compat=False):
        """Every stored event's payload, in the order of the records."""
        return [payload for _, record in endpoint.records()
                for payload in read_own_aggregate(record.data, record.key, compat)]
