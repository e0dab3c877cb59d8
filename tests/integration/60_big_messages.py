#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Messages up to the limits and just above: nothing lost, memory bounded, the peak printed."""
import gzip
import json
import os
import select
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from forward_client import (NumberedSender, event_time, expected_json, forward_frame,
                            message_frame, pack)
from integration_case import IntegrationCase
from kpl_reader import read_own_aggregate
from local_stream import read_payloads, read_records
from memory_group import MemoryGroup
from millrace import local_match
from waiting import until

MIB = 1 << 20
FRAME_LIMIT = 64 * MIB  # the default
TAG = "app.big"
SECONDS = 1700000000
CHUNK = {"chunk": "big-1"}


def record(n, text_bytes=1000):
    return {"n": n, "text": "x" * text_bytes}


def entry(n, text_bytes=1000):
    return pack([event_time(SECONDS + n, 1), record(n, text_bytes)])


def payload(n, text_bytes=1000):
    return expected_json(TAG, SECONDS + n, 1, record(n, text_bytes))


class Payload:
    """Entries of exactly `total` bytes: equal ones, and a last one that fills up."""

    def __init__(self, total):
        sized = len(entry(100000))
        self.count = total // sized
        parts = [entry(100000 + n) for n in range(self.count - 1)]
        rest = total - sum(len(one) for one in parts)
        self.last_text = 1000 + rest - sized
        parts.append(entry(100000 + self.count - 1, self.last_text))
        self.data = b"".join(parts)
        assert len(self.data) == total, (len(self.data), total)

    def expected(self):
        return ([payload(100000 + n) for n in range(self.count - 1)] +
                [payload(100000 + self.count - 1, self.last_text)])


def packed(data, option):
    return (b"\x93" + pack(TAG) + b"\xc6" + len(data).to_bytes(4, "big") + data + pack(option))


def frame_of_exactly(total, option):
    body = Payload(total - len(packed(b"", option)))
    return packed(body.data, option), body


class BigMessages(IntegrationCase):
    def start(self, **source):
        self.output = os.path.join(self.directory, "output")
        self.instance = self.millrace([local_match(self.output)], source=source)

    def send(self, frame, chunk=CHUNK["chunk"]):
        with self.connect(self.instance, timeout=120) as client:
            client.send(frame)
            self.assertEqual(client.wait_acks(1), [chunk])

    def refused(self, frame):
        """Sent, never acked, the connection closed."""
        with self.connect(self.instance, timeout=120) as client:
            try:
                client.send(frame)
                client.wait_closed()
            except (ConnectionResetError, BrokenPipeError):
                pass
            self.assertEqual(client.acks, [])

    def check_output(self, expected):
        def payloads():
            return read_payloads(self.output) if os.path.isdir(self.output) else []
        self.instance.wait_idle(120)
        until(lambda: len(payloads()) >= len(expected), f"{len(expected)} events", 60, 0.2)
        # Several flush threads write chunks in any order; within one the order holds.
        found = payloads()
        self.assertEqual(len(found), len(expected))
        self.assertEqual(set(found), set(expected))

    def total(self, name):
        return sum(value for (found, _), value in self.instance.metrics().items()
                   if found == f"millrace_{name}")

    def print_peak(self, what):
        peak = self.instance.memory_peak_bytes()
        print(f"    {what}: peak RSS {peak / MIB:.0f} MiB", flush=True)
        return peak

    def test_frame_of_exactly_the_limit(self):
        self.start()
        frame, body = frame_of_exactly(FRAME_LIMIT, CHUNK)
        self.assertEqual(len(frame), FRAME_LIMIT)
        self.send(frame)
        self.print_peak("PackedForward frame of 64 MiB")
        self.check_output(body.expected())
        self.print_peak("PackedForward frame of 64 MiB, delivered")

    def test_gzip_that_inflates_to_the_frame_limit(self):
        self.start()
        body = Payload(FRAME_LIMIT)
        option = {**CHUNK, "compressed": "gzip"}
        self.send(packed(gzip.compress(body.data, 1), option))
        self.print_peak("gzip of 64 MiB")
        self.check_output(body.expected())
        self.print_peak("gzip of 64 MiB, delivered")

    def test_two_at_once_that_each_pass_the_pool(self):
        """Only one of them is encoded at a time; the other waits unread, and both are stored."""
        self.start()
        frames = {}
        for chunk in ("big-1", "big-2"):
            frames[chunk], body = frame_of_exactly(FRAME_LIMIT, {"chunk": chunk})
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda one: self.send(one[1], one[0]), frames.items()))
        peak = self.print_peak("two PackedForward frames of 64 MiB at once")
        self.assertLess(peak, 400 * MIB)
        self.check_output(2 * body.expected())

    def test_events_that_grow_six_times_are_all_delivered(self):
        """30 MiB of characters that take six bytes each as JSON: stored in parts."""
        self.start()
        text = "\x01" * 100_000
        entries = b"".join(pack([event_time(SECONDS + n, 1), {"n": n, "text": text}])
                           for n in range(300))
        frame = packed(entries, CHUNK)
        self.send(frame)
        peak = self.print_peak("30 MiB that are 180 MiB as JSON")
        self.assertLess(peak, 250 * MIB)
        self.send(frame)  # a lost ack: it is known
        self.check_output([expected_json(TAG, SECONDS + n, 1, {"n": n, "text": text})
                           for n in range(300)])
        self.assertEqual(self.instance.dead(), {})

    def test_a_chunk_of_fluentds_largest_size_in_gzip_is_delivered_once(self):
        """A file buffer's default chunk, 256 MiB, more as JSON. Killed while it is stored, and
        sent again: no event is lost, none is stored twice. A chunk that is in flight at the kill
        is delivered again, with its key."""
        self.start()
        count = 256_000
        line = pack([event_time(SECONDS, 1), {"n": 1000000, "text": "x" * 1000}])
        at = line.index(pack(1000000))
        head, tail = line[:at + 1], line[at + 5:]
        entries = b"".join(head + n.to_bytes(4, "big") + tail for n in range(70000, 70000 + count))
        self.assertGreater(len(entries), 250 * MIB)
        self.assertLessEqual(len(entries), 256 * MIB)
        frame = packed(gzip.compress(entries, 1), {**CHUNK, "compressed": "gzip"})
        del entries
        with self.connect(self.instance, timeout=120) as client:
            client.send(frame)
            until(lambda: self.total("buffer_records_total") > 0, "a part is stored", 60, 0.02)
            self.instance.kill()
            self.assertEqual(client.acks, [])
        self.instance.start()
        self.send(frame)
        peak = self.print_peak("gzip of 256 MiB")
        self.assertLess(peak, 640 * MIB)
        self.instance.wait_idle(240)
        numbers = bytearray(count)
        for key, data in dict(read_records(self.output)).items():
            for line in read_own_aggregate(data, key):
                numbers[json.loads(line)["n"] - 70000] += 1
        self.assertEqual(numbers.count(1), count)
        self.assertEqual(self.instance.dead(), {})

    def test_a_record_that_grows_too_large_is_a_dead_letter_alone(self):
        self.start()
        bomb = pack([event_time(SECONDS, 1), {"text": "\x01" * (30 * MIB)}])
        entries = pack([event_time(SECONDS + 1, 1), record(1)])
        self.send(packed(entries + bomb + entries, CHUNK))
        self.print_peak("30 MiB that are 180 MiB as JSON")
        (_, (told, data)), = until(self.instance.dead, "it is in dead/").items()
        self.assertEqual(told["reason"], "expansion")
        self.assertTrue(data == bomb)
        self.check_output([payload(1), payload(1)])
        self.assertEqual(self.total("received_entries_total"), 3)

    def test_small_bombs_of_one_client_hold_up_no_other(self):
        """Half a kilobyte of zstd that is 16 MiB of nothing, four hundred times in 200 KiB: others
        have their turns between them. Two workers would hide it."""
        self.start()
        # RFC 8878: magic, no content size, a window of 128 KiB; 128 RLE blocks of that size.
        blocks = [(131072 << 3 | 1 << 1 | last).to_bytes(3, "little") + b"\0"
                  for last in [0] * 127 + [1]]
        bomb = packed(b"\x28\xb5\x2f\xfd\x00\x38" + b"".join(blocks), {"compressed": "zstd"})
        with self.connect(self.instance) as hostile, self.connect(self.instance) as client:
            hostile.send(bomb * 400)
            slowest = 0
            for number in range(20):
                began = time.monotonic()
                client.send(message_frame(TAG, event_time(SECONDS + number, 1), record(number),
                                          {"chunk": f"turn-{number}"}))
                client.wait_acks(number + 1)
                slowest = max(slowest, time.monotonic() - began)
            print(f"    beside {len(bomb)} bytes that are 16 MiB, 400 times: an ack took "
                  f"{slowest:.2f} s at most", flush=True)
            # A turn of it is one of them, 0.1 s on an idle machine; all at once would be 40 s.
            self.assertLess(slowest, 5)
        self.instance.kill()

    def test_entries_of_a_byte_hold_up_no_other(self):
        """A hundred million bytes that are no entries, in half a megabyte of gzip: others have their
        turns while they are left out, and each is counted once."""
        self.start()
        count = 100 * MIB
        bomb = packed(gzip.compress(b"\xc0" * count, 1), {**CHUNK, "compressed": "gzip"})
        with self.connect(self.instance) as hostile, self.connect(self.instance) as client:
            hostile.send(bomb)
            until(lambda: self.total("received_bytes_total") >= len(bomb), "it is here")
            for number in range(20):
                client.send(message_frame(TAG, event_time(SECONDS + number, 1), record(number),
                                          {"chunk": f"turn-{number}"}))
                client.wait_acks(number + 1)
            # Hundreds of turns of the loop; a message of the other takes two or three.
            self.assertFalse(select.select([hostile.sock], [], [], 0)[0], "it is not done yet")
            self.assertEqual(hostile.wait_acks(1), [CHUNK["chunk"]])
        self.assertEqual(self.total("discarded_entries_total"), count)
        self.assertEqual(self.instance.log().count("entries that are no events were left out"), 1)
        self.assertEqual(self.instance.stop(), 0)

    def test_frame_one_byte_over_the_limit_is_refused(self):
        self.start(frame_limit="1m")
        good, body = frame_of_exactly(MIB, CHUNK)
        bad, _ = frame_of_exactly(MIB + 1, {"chunk": "big-2"})
        self.send(good)
        self.refused(bad)
        self.send(message_frame(TAG, event_time(SECONDS + 1, 1), record(1), {"chunk": "after"}),
                  "after")
        self.assertIn("frame_limit", self.instance.log())
        self.check_output(body.expected() + [payload(1)])

    def test_gzip_inflating_to_its_limit_and_one_byte_over(self):
        self.start(decompression_size_limit="8m")
        body = Payload(8 * MIB)
        option = {**CHUNK, "compressed": "gzip"}
        self.send(packed(gzip.compress(body.data, 1), option))
        over = Payload(8 * MIB + 1)
        self.refused(packed(gzip.compress(over.data, 1), {**option, "chunk": "big-2"}))
        bomb = gzip.compress(bytes(256 * MIB), 9)
        self.refused(packed(bomb, {**option, "chunk": "big-3"}))
        self.assertIn("decompression_size_limit", self.instance.log())
        self.check_output(body.expected())
        self.print_peak("gzip bomb of 256 MiB against a limit of 8 MiB")

    def test_several_clients_with_large_messages_at_once(self):
        self.start(receive_memory_limit="32m", frame_limit="16m")
        expected, clients = [], []
        for number in range(8):
            body = Payload(8 * MIB + number * 1000)
            expected += body.expected()
            client = self.connect(self.instance, timeout=120)
            clients.append((client, packed(body.data, {"chunk": f"many-{number}"})))
        # More unfinished bytes than may be held: who may read on is the server's choice, and the
        # others wait for their turn.
        def finish(number):
            client, frame = clients[number]
            client.send(frame)
            return client.wait_acks(1)

        with ThreadPoolExecutor(len(clients)) as threads:
            acks = list(threads.map(finish, range(len(clients))))
        self.assertEqual(acks, [[f"many-{number}"] for number in range(len(clients))])
        self.print_peak("eight clients with 8 MiB each")
        self.instance.wait_idle(120)
        self.assertEqual(sorted(read_payloads(self.output)), sorted(expected))


class BigEvents(IntegrationCase):
    def test_event_of_900_kib_is_a_record_of_its_own(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint)
        sizes = {1: 100, 2: 900 * 1024, 3: 100}
        entries = [[event_time(SECONDS + n, 1), record(n, size)] for n, size in sizes.items()]
        with self.connect(millrace) as client:
            client.send(forward_frame(TAG, entries, CHUNK))
            client.wait_acks(1)
        millrace.wait_idle()
        # Several flush threads: the order of chunks is not promised.
        self.assertEqual(sorted(self.payloads(endpoint)),
                         sorted(payload(n, size) for n, size in sizes.items()))
        self.assertEqual(millrace.dead(), {})
        self.assert_one_put_per_chunk(endpoint, millrace)

    def test_event_that_fills_a_record_to_the_last_byte(self):
        # data + key = 20 + (2 + 36) + fragment + 36, and 10 bytes of the fragment are its head
        room = MIB - 20 - 38 - 36 - 10
        fits = room - len(payload(1, 0))
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint)
        with self.connect(millrace) as client:
            client.send(message_frame(TAG, event_time(SECONDS + 1, 1), record(1, fits), CHUNK))
            client.send(message_frame(TAG, event_time(SECONDS + 2, 1), record(2, fits + 1),
                                      {"chunk": "over"}))
            client.wait_acks(2)
        millrace.wait_idle()
        self.assertEqual([entry.size for entry in endpoint.requests()], [MIB])
        self.assertEqual(self.payloads(endpoint), [payload(1, fits)])
        (_, data), = until(millrace.dead, "the larger one in dead/").values()
        self.assertIn(payload(2, fits + 1), data)

    def test_event_of_2_mib_is_in_dead_and_durable_before_its_ack(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint)
        sizes = {1: 100, 2: 2 * MIB, 3: 100}
        entries = [[event_time(SECONDS + n, 1), record(n, size)] for n, size in sizes.items()]
        with self.connect(millrace) as client:
            client.send(forward_frame(TAG, entries, CHUNK))
            client.wait_acks(1)
        millrace.kill()  # whatever was not durable at the ack is gone now
        millrace.start()
        millrace.wait_idle()
        until(lambda: len(self.payloads(endpoint)) == 2, "its neighbours in the stream")
        self.assertEqual(sorted(self.payloads(endpoint)), [payload(1, 100), payload(3, 100)])
        (path, (told, data)), = until(millrace.dead, "it is in dead/").items()
        self.assertIn(payload(2, 2 * MIB), data)
        self.assertEqual(told["records"], 1)
        self.assertTrue(told["reason"])
        print(f"    reason in {os.path.basename(path)}: {told['reason']}", flush=True)
        self.assertEqual(millrace.finished("D"), [os.path.basename(path)[:-len(".json")]])

    def test_tag_that_no_match_takes_is_in_dead(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint, pattern="app.**")
        with self.connect(millrace) as client:
            client.send(message_frame("other.tag", SECONDS, {"n": 1}, CHUNK))
            client.wait_acks(1)
        millrace.kill()
        millrace.start()
        millrace.flush()
        (_, (told, data)), = until(millrace.dead, "it is in dead/").items()
        self.assertIn(b"other.tag", data + repr(told).encode())
        self.assertTrue(told["reason"])
        self.assertEqual(endpoint.requests(), [])


class SmallMemory(IntegrationCase):
    def test_what_the_kernel_ends_for_its_memory_loses_nothing(self):
        try:
            group = MemoryGroup(64 * MIB)
        except OSError as error:
            self.skipTest(f"no control group with a limit: {error}")
        self.addCleanup(group.remove)
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint, start=False)
        small = NumberedSender("small", TAG, text_bytes=1000)
        large = NumberedSender("large", TAG, per_message=3000, window=2, text_bytes=20000)
        millrace.launch(group.prefix).wait_running()
        # The usual work has room there.
        small.run(millrace.port, lambda: small.sent_events < 20000)
        self.assertTrue(millrace.is_running())
        # 60 MB a message do not.
        with self.assertRaises(OSError):
            large.run(millrace.port, lambda: large.sent_events < 30000)
        self.assertEqual(millrace.wait_exit(), -signal.SIGKILL)
        millrace.start()
        large.run(millrace.port, lambda: False)
        millrace.wait_delivered()
        verdict = self.assert_all_well(endpoint, [small, large], repeats=None)
        print(f"    {large.acked_events} large and {small.acked_events} usual events after the "
              f"kernel's kill: {verdict.delivered} delivered", flush=True)
        self.assertEqual(verdict.delivered, small.sent_events + large.sent_events)


if __name__ == "__main__":
    cases.main(__file__)
