#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Messages that come again, and messages that only look like it: what is stored, and how often."""
import gzip
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from forward_client import NumberedSender, event_time, expected_json, new_chunk, pack, packed_frame
from integration_case import IntegrationCase

TAG = "app.test"
SECONDS = 1700000000
PEERS = ("127.0.0.1", "127.0.0.2")


def entries(*numbers):
    return b"".join(pack([event_time(SECONDS + n, 1), {"n": n}]) for n in numbers)


def payload(n):
    return expected_json(TAG, SECONDS + n, 1, {"n": n})


def fluentd_chunk():
    """As Fluentd's own ids are: they do not come from the content, and mean one message for ever."""
    return new_chunk() + "\n"


class Repeats(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.stream = self.endpoint()
        self.instance = self.to_endpoint(self.stream, system={"workers": 2})

    def send(self, frame, chunk, peer="", client=None):
        """Sent and acked, over a connection of its own or that of `client`."""
        client = client or self.connect(self.instance, source=peer)
        before = len(client.acks)
        client.send(frame)
        self.assertEqual(client.wait_acks(before + 1)[-1], chunk)
        return client

    def assert_stored(self, *payloads):
        self.instance.wait_idle()
        self.assertEqual(sorted(self.payloads(self.stream)), sorted(payloads))

    def test_clients_that_go_before_they_have_read_their_ack(self):
        """At once, while it is written and while it is read; then again, often to the other worker."""
        sender = NumberedSender("hasty", TAG, modes=("packed", "forward", "gzip"))
        for turn in range(30):
            message = sender.make_message()
            for _ in range(turn % 3 + 1):
                client = self.connect(self.instance)
                client.send(message.frame)
                if turn % 2:
                    client.half_close()
                client.close()
            self.send(message.frame, message.chunk)
        self.instance.wait_idle()
        verdict = self.assert_all_well(self.stream, [sender])
        self.assertEqual(verdict.delivered, sender.sent_events)
        repeats = sum(value for (name, _), value in self.instance.metrics().items()
                      if name == "millrace_repeated_messages_total")
        print(f"    {verdict.delivered} events stored once, {repeats:.0f} messages told as repeated",
              flush=True)
        self.assertGreater(repeats, 0)

    def test_another_compression_of_the_same_entries(self):
        """An agent that compresses again puts another time, or another level, into the bytes."""
        chunk = fluentd_chunk()
        option = {"chunk": chunk, "size": 2, "compressed": "gzip"}
        frames = {pack([TAG, gzip.compress(entries(1, 2), level, mtime=mtime), option])
                  for level in (1, 9) for mtime in (SECONDS, SECONDS + 60)}
        self.assertGreaterEqual(len(frames), 3)
        for frame in frames:
            self.send(frame, chunk)
        self.send(packed_frame(TAG, entries(1, 2), {"chunk": chunk, "size": 2}), chunk)
        self.assert_stored(payload(1), payload(2))

    def test_two_peers_with_the_same_id_and_content(self):
        """Ids made from the content are equal where the events are; those of Fluentd never are."""
        frame = packed_frame(TAG, entries(1), {"chunk": "of the content"})
        for _ in range(2):  # an ack is lost
            for peer in PEERS:
                self.send(frame, "of the content", peer)
        chunk = fluentd_chunk()
        for peer in PEERS:  # one agent, that has another way now
            self.send(packed_frame(TAG, entries(2), {"chunk": chunk}), chunk, peer)
        self.assert_stored(payload(1), payload(1), payload(2))

    def test_the_same_content_after_its_ack_was_read_is_new(self):
        frame = packed_frame(TAG, entries(1), {"chunk": "of the content"})
        client = self.send(frame, "of the content")
        self.send(frame, "of the content", client=client)
        self.send(frame, "of the content", client=client)
        self.assert_stored(*[payload(1)] * 3)

    def test_producers_that_share_their_ids(self):
        """Two producers whose random numbers are the same: nothing that differs is taken for one."""
        generators = [random.Random(1), random.Random(1)]
        expected = []
        for n in range(20):
            for offset, generator in zip((0, 1000), generators):
                chunk = f"{generator.getrandbits(128):032x}"
                self.send(packed_frame(TAG, entries(offset + n), {"chunk": chunk}), chunk)
                expected.append(payload(offset + n))
        self.assert_stored(*expected)


if __name__ == "__main__":
    cases.main(__file__)
