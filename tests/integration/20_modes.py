#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every mode of the forward protocol, sent by hand, to the strict endpoint: acks and bytes."""
import gzip
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
import vectors
import written
from forward_client import (event_time, expected_json, forward_frame, message_frame, pack,
                            packed_frame)
from integration_case import IntegrationCase
from waiting import until

SECONDS = 1700000000
TAG = "app.mode"
ASK = {"chunk": "c1"}


def entries(*numbers):
    return [(event_time(SECONDS + n, n), {"n": n, "text": "é😀"}) for n in numbers]


def packed_bytes(*numbers):
    return b"".join(pack([when, record]) for when, record in entries(*numbers))


def payload(n):
    return expected_json(TAG, SECONDS + n, n, {"n": n, "text": "é😀"})


def two_members(*numbers):
    """gzip in two members, split inside an entry."""
    data = packed_bytes(*numbers)
    return gzip.compress(data[:len(data) // 2 + 3]) + gzip.compress(data[len(data) // 2 + 3:])


def str_payload(tag, data, option):
    """PackedForward as Fluentd writes it: the payload is a str32 of raw bytes."""
    return (b"\x93" + pack(tag) + b"\xdb" + len(data).to_bytes(4, "big") + data + pack(option))


# name -> (frame, payloads)
FRAMES = {
    "Message": (message_frame(TAG, event_time(SECONDS + 1, 1), {"n": 1, "text": "é😀"}, ASK), (1,)),
    "Message, whole seconds": (message_frame(TAG, SECONDS, {"n": 0, "text": "é😀"}, ASK), (0,)),
    "Forward": (forward_frame(TAG, [list(one) for one in entries(1, 2, 3)], ASK), (1, 2, 3)),
    "Forward, Fluent Bit's headers": (forward_frame(
        TAG, [[[when, {"meta": 1}], record] for when, record in entries(4, 5)], ASK), (4, 5)),
    "Forward, empty": (forward_frame(TAG, [], ASK), ()),
    "PackedForward in bin": (packed_frame(TAG, entries(*range(6, 12)), ASK), range(6, 12)),
    "PackedForward in str": (str_payload(TAG, packed_bytes(12, 13), ASK), (12, 13)),
    "PackedForward, compressed text": (
        packed_frame(TAG, entries(14), {**ASK, "compressed": "text", "size": 99}), (14,)),
    "gzip": (packed_frame(TAG, entries(*range(15, 40)), ASK, compress=True), range(15, 40)),
    "gzip, two members": (pack([TAG, two_members(*range(40, 60)),
                                {**ASK, "compressed": "gzip"}]), range(40, 60)),
}


class Modes(IntegrationCase):
    def send(self, millrace, frame, acks):
        client = self.connect(millrace)
        client.send(frame)
        client.wait_acks(acks)
        client.half_close()
        client.wait_closed()
        self.assertEqual(len(client.acks), acks)
        return client.acks

    def test_each_mode_with_each_number_of_shards(self):
        for shards in (1, 2, 7):
            endpoint = self.endpoint(shards=shards)
            millrace = self.to_endpoint(endpoint, name=f"millrace{shards}")
            expected = []
            for name, (frame, numbers) in FRAMES.items():
                with self.subTest(name, shards=shards):
                    # One chunk value for all: other content under it is another message.
                    self.assertEqual(self.send(millrace, frame, 1), ["c1"])
                    millrace.wait_idle()
                    expected += [payload(n) for n in numbers]
                    self.assertEqual(self.payloads(endpoint), expected)
            with self.subTest("one put per chunk", shards=shards):
                self.assert_one_put_per_chunk(endpoint, millrace)

    def test_json_mode(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint)
        client = self.connect(millrace)
        message = json.dumps(["app.json", SECONDS, {"n": 1}, {"chunk": "q=="}])
        client.sock.sendall(message.encode() + b'\n["app.json",1700000001,{"n":2}]')
        client.half_close()
        answer = b""
        while more := client.sock.recv(4096):
            answer += more
        self.assertEqual(answer, b'{"ack":"q=="}')
        self.assertEqual(self.wait_payloads(endpoint, 2),
                         [expected_json("app.json", SECONDS + n, 0, {"n": n + 1}) for n in (0, 1)])

    def test_a_thousand_pipelined_messages_are_acked_in_order(self):
        endpoint = self.endpoint(shards=2)
        millrace = self.to_endpoint(endpoint, buffer={"flush_thread_count": 1})
        client = self.connect(millrace)
        chunks = [f"chunk-{n}" for n in range(1000)]
        client.send(b"".join(message_frame(TAG, event_time(SECONDS + n, n),
                                           {"n": n, "text": "é😀"}, {"chunk": chunks[n]})
                             for n in range(1000)))
        self.assertEqual(client.wait_acks(1000), chunks)
        millrace.wait_idle()
        self.assertEqual(self.payloads(endpoint), [payload(n) for n in range(1000)])

    def test_without_chunk_nothing_is_answered(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint)
        self.assertEqual(self.send(millrace, packed_frame(TAG, entries(1)), 0), [])
        self.assertEqual(self.wait_payloads(endpoint, 1), [payload(1)])

    def test_acks_are_echoed_in_their_own_type(self):
        millrace = self.to_endpoint(self.endpoint())
        for value in ("text\n", b"\x01\x02", 77, "", "x" * 1024):
            with self.subTest(repr(value)[:20]):
                client = self.connect(millrace)
                expected = pack({"ack": value})
                client.send(message_frame(TAG, SECONDS, {"v": repr(value)}, {"chunk": value}))
                client.half_close()
                answer = b""
                while more := client.sock.recv(4096):
                    answer += more
                self.assertEqual(answer, expected)


class Golden(IntegrationCase):
    """Records whose every byte is known."""

    def check(self, expected, key, frames, **options):
        endpoint = self.endpoint(shards=2)
        # All into one chunk, sealed by the number of its records.
        millrace = self.to_endpoint(endpoint, fixed_partition_key=key, **options,
                                    buffer={"flush_interval": "60s",
                                            "chunk_limit_records": len(frames)})
        client = self.connect(millrace)
        for frame in frames:
            client.send(frame)
        until(endpoint.records, "the record is stored")
        (_, record), = endpoint.records()
        self.assertEqual((record.key, record.data.hex()), (key, expected))
        self.assertFalse(endpoint.requests()[0].explicit_hash)

    def test_one_event_fixed_key_nothing_injected(self):
        self.check(vectors.A1, "pk", [message_frame("t", 1, {"a": 1})], inject=False)

    def test_fluentds_form_two_events(self):
        frames = [message_frame("test", 1293974055, {"a": n}) for n in (1, 2)]
        self.check(vectors.A2, "test_partition_key", frames, kpl_compat="fluentd")

    def test_fluentds_form_multibyte(self):
        frames = [message_frame("test", 1293974055, {"a": "インストール"})]
        self.check(vectors.A14, "test_partition_key", frames, kpl_compat="fluentd")

    def test_newline_and_keys_replaced_in_place(self):
        frames = [message_frame("test", 1293974055, {"tag": 1, "a": 2, "when": 3})]
        text = b'{"tag":1,"a":2,"when":"2011-01-02T13:14:15Z","name":"test"}\n'
        self.check(vectors.aggregate(["pk"], [(0, text)]).hex(), "pk", frames, time_key="when",
                   tag_key="name", append_newline=True)


class ManyShards(IntegrationCase):
    def test_no_consumer_drops_a_record_before_and_after_a_split(self):
        for shards in (1, 2, 7, 64):
            with self.subTest(shards=shards):
                endpoint = self.endpoint(shards=shards)
                millrace = self.to_endpoint(endpoint, name=f"millrace{shards}",
                                            buffer={"chunk_limit_records": 20})
                senders = [self.send_events(millrace, 2000, name="one")]
                endpoint.split(shards - 1)
                senders.append(self.send_events(millrace, 2000, name="two",
                                                modes=("packed", "forward", "gzip")))
                millrace.wait_idle()
                verdict = self.assert_all_well(endpoint, senders)
                self.assertEqual(verdict.delivered, 4000)
                used = {shard.number for shard, _ in endpoint.records()}
                self.assertGreater(len(used), min(shards, 40))
                self.assert_one_put_per_chunk(endpoint, millrace)


if __name__ == "__main__":
    written.WRITTEN.keep()
    cases.main(__file__, last=written.EveryRecordJudged)
