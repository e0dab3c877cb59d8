#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The test's own tools: forward client, configuration writer, position files, metrics."""
import gzip
import os
import socket
import tempfile
import threading
import tomllib
import unittest

import msgpack

import cases
import forward_client
from forward_client import NumberedSender, event_time, expected_json, packed_frame
from millrace import config_text, kinesis_match, local_match, parse_metrics
from position_file import crc32c, dashed, read_positions


class Acker:
    """A forward server that acks every message that asks, until it has acked `most`."""

    def __init__(self, most=10 ** 9):
        self.messages = []
        self._most = most
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock:
                unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
                while self._most > 0 and (data := sock.recv(65536)):
                    unpacker.feed(data)
                    for message in unpacker:
                        self._take(sock, message)

    def _take(self, sock, message):
        if self._most > 0:
            self._most -= 1
            self.messages.append(message)
            sock.sendall(msgpack.packb({"ack": message[2]["chunk"]}))

    def allow(self, most):
        self._most = most

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Sender(unittest.TestCase):
    def acker(self, most=10 ** 9):
        acker = Acker(most)
        self.addCleanup(acker.close)
        return acker

    def test_numbered_events_of_every_mode_are_acked_in_order(self):
        acker = self.acker()
        sender = NumberedSender("c", "app.x", per_message=10,
                                modes=("packed", "forward", "gzip"))
        sender.run(acker.port, lambda: sender.sent_events < 300)
        self.assertEqual(sender.acked_events, 300)
        self.assertEqual([len(acker.messages), list(sender.doubtful)], [30, []])
        numbers = []
        for _, entries, option in acker.messages:
            if isinstance(entries, bytes):
                entries = gzip.decompress(entries) if "compressed" in option else entries
                unpacker = msgpack.Unpacker()
                unpacker.feed(entries)
                entries = list(unpacker)
            self.assertEqual(len(entries), option["size"])
            numbers += [record["n"] for _, record in entries]
        self.assertEqual(numbers, list(range(300)))

    def test_doubtful_messages_go_again_with_the_same_bytes(self):
        acker = self.acker(most=5)
        sender = NumberedSender("c", "app.x", per_message=10, window=4)
        with self.assertRaises(OSError):
            sender.run(acker.port, lambda: True)
        self.assertLessEqual(sender.acked_events, 50)  # a reset may have eaten some acks
        first = list(sender.doubtful)
        self.assertGreater(len(first), 0)
        self.assertEqual(first[0].first, sender.acked_events)
        acker.allow(10 ** 9)
        sender.run(acker.port, lambda: False)
        self.assertEqual(sender.acked_events, sender.sent_events)
        self.assertEqual([message[2]["chunk"] for message in acker.messages[5:]],
                         [message.chunk for message in first])

    def test_payload_that_is_expected(self):
        self.assertEqual(expected_json("t", 1293974055, 0, {"a": "é", "b": [1, None]}),
                         '{"a":"é","b":[1,null],"time":"2011-01-02T13:14:15Z","tag":"t"}'.encode())
        self.assertIn(b'"time":"2011-01-02T13:14:15.000000789Z"',
                      expected_json("t", 1293974055, 789, {}))

    def test_frames(self):
        entries = [(event_time(1, 2), {"a": 1})]
        self.assertEqual(packed_frame("t", entries).hex(),
                         "92a174" "c40f" "92d7000000000100000002" "81a16101")
        self.assertEqual(forward_client.message_frame("t", 1, {}).hex(), "93a1740180")
        self.assertEqual(forward_client.forward_frame("t", [], {"chunk": "c"}).hex(),
                         "93a1749081a56368756e6ba163")


class Configuration(unittest.TestCase):
    def test_text_is_toml_of_the_given_tables(self):
        text = config_text("/r", [kinesis_match("http://e", pattern=["a.*", "b"]), local_match()],
                           system={"workers": 2, "log": {"format": "json"}},
                           source={"json": False})
        parsed = tomllib.loads(text)
        self.assertEqual(parsed["system"], {"root_dir": "/r", "workers": 2,
                                            "log": {"format": "json"}})
        self.assertEqual(parsed["source"], [{"type": "forward", "port": 0, "json": False}])
        self.assertEqual([one["type"] for one in parsed["match"]],
                         ["kinesis_aggregation", "local"])
        self.assertEqual(parsed["match"][0]["pattern"], ["a.*", "b"])
        self.assertEqual(parsed["match"][1]["buffer"], {"flush_interval": "200ms"})

    def test_metrics(self):
        found = parse_metrics('# HELP x y\nx 3\ny{a="1",b="p,q"} 2.5\n')
        self.assertEqual(found, {("x", ()): 3, ("y", (("a", "1"), ("b", "p,q"))): 2.5})


class PositionFiles(unittest.TestCase):
    UUID = bytes(range(16))

    def slot(self, text):
        return text + b"%08x\n" % crc32c(self.UUID + text)

    def read(self, *slots, header=None):
        head = b"MRPOS1 %s %08x %016x %016x " % (self.UUID.hex().encode(), 3, 9, 4096)
        head = header or head + b"%08x" % crc32c(self.UUID + head)
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "chunks.pos")
            with open(path, "wb") as file:
                file.write(head.ljust(4095) + b"\n" + b"".join(slots))
            return read_positions(path)

    def test_known_crc(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)

    def test_lines_zero_slots_and_damage(self):
        chunk = "ab" * 16
        line = self.slot(b"C %016x %s %04x %013d " % (7, chunk.encode(), 2, 1700000000123))
        self.assertEqual(len(line), 80)
        found = self.read(line, bytes(80), line.replace(b"C", b"D", 1), b"x" * 80)
        self.assertEqual((found.uuid, found.invalid_slots), (self.UUID.hex(), 2))
        self.assertEqual(found.finished(), [chunk])
        self.assertEqual((found.lines[0].chunk_seq, found.lines[0].attempts), (7, 2))
        self.assertEqual(dashed(chunk), "abababab-abab-abab-abab-abababababab")

    def test_header(self):
        with self.assertRaises(ValueError):
            self.read(header=b"MRPOS2 x")


if __name__ == "__main__":
    cases.main(__file__)
