#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Buffers of released formats: today's binary is started on each and delivers what is in it.

tests/golden/README.md tells what they are. Everything queued goes out once, with the bytes and the
key that were fixed when it was stored; what was finished before does not come again; dead letters
are written to dead/.
"""
import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from golden_buffer import GOLDEN, Golden
from integration_case import IntegrationCase
from kpl_reader import read_own_aggregate
from local_stream import read_records
from millrace import local_match
from position_file import read_positions
from waiting import until

COMPAT_FORMAT = 2


class GoldenBuffers(IntegrationCase):
    def placed(self, name, log_id, instance):
        """The golden buffer, and the directory of the instance it was copied to."""
        golden = Golden(name)
        directory = os.path.join(instance.root, "worker0", log_id, "buffer")
        golden.place_at(directory)
        return golden, directory

    def check_delivered(self, golden, records):
        """records: (key, data), as they were stored."""
        self.assertGreater(len(golden.queued), 0)
        self.assertEqual(sorted((key, len(data), hashlib.md5(data).hexdigest())
                                for key, data in records),
                         sorted((one["partition_key"], one["delivery_bytes"], one["delivery_md5"])
                                for one in golden.queued))
        by_digest = {hashlib.md5(data).hexdigest(): (key, data) for key, data in records}
        count = 0
        for one in golden.queued:
            key, data = by_digest[one["delivery_md5"]]
            payloads = read_own_aggregate(data, key, one["payload_format"] == COMPAT_FORMAT)
            self.assertEqual(len(payloads), one["records"])
            if "events" in one:
                self.assertEqual([bytes(payload).decode() for payload in payloads], one["events"])
            for payload in payloads:
                json.loads(bytes(payload))
            count += len(payloads)
        print(f"    {len(records)} chunks, {count} events", flush=True)

    def check_dead(self, golden, millrace, directory):
        """Every dead letter of before and of now lies in dead/, with its reason."""
        wanted = {one["chunk_id"] for one in golden.dead_letters} | set(golden.dead_before)
        found = {os.path.basename(path)[:-len(".json")]: told
                 for path, told in millrace.dead().items() if path.startswith(directory)}
        self.assertEqual(set(found), wanted)
        for one in golden.dead_letters:
            told, data = found[one["chunk_id"]]
            self.assertEqual(hashlib.md5(data).hexdigest(), one["delivery_md5"])
            for name in ("reason", "records", "partition_key", "payload_format"):
                self.assertEqual(told[name], one[name])

    def check_lines(self, golden, directory, dead_letters_only=False):
        """Each chunk is finished by one line of its kind, and none by two."""
        positions = read_positions(os.path.join(directory, "chunks.pos"))
        self.assertEqual(positions.invalid_slots, 0)
        now = {"D": [one["chunk_id"] for one in golden.dead_letters],
               "C": [] if dead_letters_only else [one["chunk_id"] for one in golden.queued]}
        finished = {line.chunk_id: line.kind for line in positions.lines if line.kind in "CSDX"}
        for kind, ids in now.items():
            for chunk_id in ids:
                self.assertEqual(finished.pop(chunk_id), kind)
        self.assertLessEqual(set(finished), set(golden.finished_before))

    def wait_finished(self, millrace, golden, directory):
        """Until nothing is queued and the dead letters have their lines."""
        millrace.wait_delivered()
        dead = {one["chunk_id"] for one in golden.dead_letters}
        until(lambda: dead <= set(read_positions(os.path.join(directory, "chunks.pos"))
                                  .finished("D")), "the dead letters have their lines")

    def check_kinesis(self, name, **options):
        endpoint = self.endpoint(record_limit=10 << 20)
        millrace = self.to_endpoint(endpoint, name=name, start=False, id="to_kinesis", **options)
        golden, directory = self.placed(name, "to_kinesis", millrace)
        millrace.start()
        self.wait_finished(millrace, golden, directory)
        until(endpoint.is_quiet, "the endpoint has answered")
        stored = [(record.key, bytes(record.data)) for _, record in endpoint.records()]
        self.check_delivered(golden, stored)
        self.assertEqual(len(endpoint.requests()), len(golden.queued))
        self.assertEqual(endpoint.violations(), [])
        self.check_dead(golden, millrace, directory)
        self.check_lines(golden, directory)
        self.assert_no_alarm(millrace)
        # It is an ordinary buffer from now on: it takes events, stops, and starts again.
        sender = self.send_events(millrace, 100)
        millrace.wait_idle()
        self.assertEqual(millrace.stop(), 0)
        millrace.start()
        millrace.wait_idle()
        self.assertEqual(sum(len(read_own_aggregate(record.data, record.key,
                                                    "kpl_compat" in options))
                             for _, record in endpoint.records()[len(stored):]),
                         sender.acked_events)

    def assert_no_alarm(self, millrace):
        for (name, labels), value in millrace.metrics().items():
            if any(word in name + str(labels) for word in ("corrupt", "torn", "missing", "damaged")):
                self.assertEqual((name, labels, value), (name, labels, 0))

    def test_kpl(self):
        for name in ("kpl", "kpl-proved"):
            with self.subTest(name):
                self.check_kinesis(name)

    def test_kpl_segments(self):
        for name in ("kpl-segments", "kpl-segments-proved"):
            with self.subTest(name):
                self.check_kinesis(name, record_limit="10m")

    def test_kpl_fluentd(self):
        self.check_kinesis("kpl-fluentd", kpl_compat="fluentd", fixed_partition_key="fixed key")

    def test_other_options_change_no_stored_chunk(self):
        self.check_kinesis("kpl-fluentd")

    def test_local(self):
        place = self.place("output")
        millrace = self.millrace([local_match(place, id="local")], start=False)
        golden, directory = self.placed("local", "local", millrace)
        millrace.start()
        self.wait_finished(millrace, golden, directory)
        self.check_delivered(golden, read_records(place))
        self.check_lines(golden, directory)
        self.assert_no_alarm(millrace)

    def check_dead_letters(self, name, log_id):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint, start=False, id="to_kinesis")
        golden, directory = self.placed(name, log_id, millrace)
        millrace.start()
        self.wait_finished(millrace, golden, directory)
        self.check_dead(golden, millrace, directory)
        self.check_lines(golden, directory, dead_letters_only=True)
        self.assert_no_alarm(millrace)
        self.assertEqual(endpoint.requests(), [])

    def test_unmatched(self):
        self.check_dead_letters("unmatched", "unmatched")

    def test_opaque(self):
        self.check_dead_letters("opaque", "to_kinesis")

    def test_every_golden_buffer_has_a_test(self):
        self.assertEqual(set(os.listdir(GOLDEN)), {"kpl", "kpl-segments", "kpl-proved",
                                                   "kpl-segments-proved", "kpl-fluentd", "local",
                                                   "unmatched", "opaque"})


if __name__ == "__main__":
    cases.main(__file__)
