# SPDX-License-Identifier: Apache-2.0
"""What is not the protocol, what is too large, too deep or never ends."""
import time

from forward_case import A1, ACK, C, T, X, ForwardCase, bin32, octets, stored
from waiting import until

MIB = 1 << 20
FRAME_LIMIT = 64 * MIB
CLIENT_HELLO = (octets("16 03 01 00 2f 01 00 00 2b 03 03") + bytes(32) +
                octets("00 00 02 13 01 01 00"))
# What the process may take for reading and counting, whatever it is told to expect.
SOME_MEMORY = 4 * MIB


class Hostile(ForwardCase):
    def one_line(self, *words):
        (line,) = self.loud_log()
        for word in words:
            self.assertIn(word, line)

    def forward_case_67(self):
        """HTTP: one line names it, FIN."""
        self.assertEqual(self.fin_after(b"GET / HTTP/1.1\r\n\r\n"), b"")
        self.one_line("HTTP")
        self.assert_counted(1, "connections_closed_total", reason="foreign_protocol")

    def forward_case_68(self):
        """TLS on the plain port: one line names it, FIN."""
        self.assertEqual(self.fin_after(CLIENT_HELLO), b"")
        self.one_line("TLS")
        self.assert_counted(1, "connections_closed_total", reason="foreign_protocol")

    def forward_case_69(self):
        """A record of 128 levels, itself and 127 nested arrays, is stored whole. 128 nested arrays
        below it, or 100 000, cost only that event: its neighbours are stored, and it is acked."""
        nested = octets("81 a1 61") + b"\x91" * 126 + b"\x90"
        self.assertEqual(self.open_after(b"\x94" + X + T + nested + C), ACK)
        self.assert_stored(stored('{"a":' + "[" * 127 + "]" * 127 + "}"))
        for count, arrays in enumerate((128, 100_000), 1):
            deep = octets("81 a1 61") + b"\x91" * (arrays - 1) + b"\x90"
            entries = b"\x93\x92" + T + A1 + b"\x92" + T + deep + b"\x92" + T + A1
            self.assertEqual(self.open_after(b"\x93" + X + entries + C), ACK)
            self.assertEqual(self.stored()[1:], [stored('{"a":1}')] * 2 * count)
            self.assert_counted(count, "discarded_entries_total", reason="too_deep")

    def forward_case_71(self):
        """A bin of 4 GiB is refused by its header."""
        self.assertEqual(self.fin_after(b"\x92" + X + octets("c6 ff ff ff ff")), b"")
        self.one_line("frame_limit")
        self.assert_counted(1, "connections_closed_total", reason="frame_limit")

    def forward_case_73(self):
        """The byte that begins no value."""
        self.assertEqual(self.fin_after(b"\xc1"), b"")
        self.one_line("closed")
        self.assert_counted(1, "connections_closed_total", reason="malformed")
        self.assert_stored()

    def forward_case_88(self):
        """An option that is no map: stored once, no ack."""
        for wrong in (b"\x07", octets("91 a5 63 68 75 6e 6b")):
            self.assertEqual(self.open_after(b"\x93" + X + b"\x91\x92" + T + A1 + wrong), b"")
        self.assertEqual(len(self.stored()), 2)


class Unfinished(ForwardCase):
    SOURCE = {"frame_timeout": "1s"}

    def forward_case_70(self):
        """A map of 2^32-1, then silence: no memory for it. What no frame may hold is refused by its
        header, before frame_timeout is asked; the largest that one may hold waits for that long."""
        before = self.memory_bytes()
        self.assertEqual(self.fin_after(b"\x93" + X + T + octets("df ff ff ff ff")), b"")
        self.assert_counted(1, "connections_closed_total", reason="frame_limit")
        peer = self.peer()
        message = b"\x93" + X + T + octets("df 01 ff ff f0")
        sent = time.monotonic()
        peer.send(message)
        until(lambda: self.counted("receive_memory_bytes") > 0, "its header is there")
        self.assertLess(self.memory_bytes() - before, SOME_MEMORY)
        self.assertEqual(peer.read_to_fin(), b"")
        self.assertGreater(time.monotonic() - sent, 0.5)
        self.assertLess(self.memory_bytes() - before, SOME_MEMORY)
        self.assert_counted(1, "connections_closed_total", reason="frame_timeout")
        self.assert_counted(1, "connections_closed_total", reason="frame_limit")
        self.assert_stored()


class FrameLimit(ForwardCase):
    def frame_of(self, size):
        """One message of exactly so many bytes: entries of half a MiB, acked as c1."""
        entry = b"\x92" + T + octets("81 a1 61 c6 00 08 00 00") + b"v" * (MIB >> 1)
        payload = entry * (size // len(entry) - 1)
        # The rest is one more entry, to the byte.
        left = size - len(b"\x93" + X + bin32(payload) + C)
        filler = b"\x92" + T + octets("81 a1 61") + bin32(b"v" * (left - 14))
        frame = b"\x93" + X + bin32(payload + filler) + C
        self.assertEqual(len(frame), size)
        return frame

    def forward_case_86(self):
        """A frame of exactly the limit is taken, one of a byte more is refused."""
        frame = self.frame_of(FRAME_LIMIT)
        self.assertEqual(self.open_after(frame), ACK)
        stored = self.stored()
        self.assertEqual(sum(one.count(b"v") for one in stored), frame.count(b"v"))
        self.assertEqual(self.fin_after(self.frame_of(FRAME_LIMIT + 1)), b"")
        self.assertEqual(len(self.stored()), len(stored))
        self.assert_counted(1, "connections_closed_total", reason="frame_limit")
