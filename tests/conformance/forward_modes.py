# SPDX-License-Identifier: Apache-2.0
"""The modes of the protocol, times, compression, and how messages lie in the stream."""
import gzip
import time
import zlib

from forward_case import (A1, ACK, C, E1, E2, T, X, ForwardCase, bin32, octets, option, stored)
from forward_client import pack

GZIP = option(compressed="gzip", chunk="c1")
ZSTD = option(compressed="zstd", chunk="c1")
ONE, TWO = stored('{"a":1}'), stored('{"a":2}')
MIB = 1 << 20


def packed(payload, options=b""):
    return bytes([0x93 if options else 0x92]) + X + bin32(payload) + options


def zstd_frame(data):
    """RFC 8878: one raw block; a compressor is not needed to be one's peer."""
    header = octets("28 b5 2f fd 20") + bytes([len(data)])
    return header + (1 | len(data) << 3).to_bytes(3, "little") + data


def gzip_bomb(unpacked_bytes):
    """One gzip member that goes on for so long; made of one piece, again and again."""
    piece_bytes = 16 * MIB
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = deflate.compress(bytes(piece_bytes)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return octets("1f 8b 08 00 00 00 00 00 00 ff") + first * (unpacked_bytes // piece_bytes)


class MessageMode(ForwardCase):
    def forward_case_01(self):
        """Three elements: stored, no reply, open."""
        self.assertEqual(self.open_after(b"\x93" + X + T + A1), b"")
        self.assert_stored(ONE)

    def forward_case_02(self):
        """With a chunk: stored, and exactly its ack."""
        self.assertEqual(self.open_after(b"\x94" + X + T + A1 + C), ACK)
        self.assert_stored(ONE)

    def forward_case_03(self):
        """A nil option is none."""
        self.assertEqual(self.open_after(b"\x94" + X + T + A1 + b"\xc0"), b"")
        self.assert_stored(ONE)

    def forward_case_04(self):
        """An empty option is none."""
        self.assertEqual(self.open_after(b"\x94" + X + T + A1 + b"\x80"), b"")
        self.assert_stored(ONE)

    def forward_case_05(self):
        """An extra element is passed over."""
        self.assertEqual(self.open_after(b"\x95" + X + T + A1 + C + octets("a1 7a")), ACK)
        self.assert_stored(ONE)

    def forward_case_07(self):
        """EventTime as fixext 8."""
        self.assertEqual(self.open_after(b"\x93" + X + octets("d7 00 65 53 f1 00 07 5b cd 15 80")),
                         b"")
        self.assert_stored(stored("{}", "2023-11-14T22:13:20.123456789Z"))

    def forward_case_08(self):
        """EventTime as ext 8."""
        self.assertEqual(
            self.open_after(b"\x93" + X + octets("c7 08 00 65 53 f1 00 07 5b cd 15 80")), b"")
        self.assert_stored(stored("{}", "2023-11-14T22:13:20.123456789Z"))

    def forward_case_09(self):
        """The seconds of an EventTime are unsigned."""
        self.assertEqual(self.open_after(b"\x93" + X + octets("d7 00 ff ff ff ff 00 00 00 01 80")),
                         b"")
        self.assert_stored(stored("{}", "2106-02-07T06:28:15.000000001Z"))

    def forward_case_10(self):
        """Time 0 is the server's own time."""
        before = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        self.assertEqual(self.open_after(b"\x93" + X + b"\x00" + A1), b"")
        after = time.strftime("%Y-%m-%dT%H:%M:%S~", time.gmtime())
        (payload,) = self.stored()
        told = payload.decode().split('"')[5]
        self.assertEqual(payload, stored('{"a":1}', told))
        self.assertTrue(before <= told <= after, told)

    def forward_case_11(self):
        """A time as float is taken."""
        self.assertEqual(
            self.open_after(b"\x93" + X + octets("cb 41 d9 54 fc 40 20 00 00") + A1), b"")
        self.assert_stored(stored('{"a":1}', "2023-11-14T22:13:20.500000000Z"))


class ManyEntries(ForwardCase):
    def forward_case_13(self):
        """Forward mode: two events in order."""
        self.assertEqual(self.open_after(b"\x92" + X + b"\x92" + E1 + E2), b"")
        self.assert_stored(ONE, TWO)

    def forward_case_14(self):
        """The same with a chunk: one ack."""
        self.assertEqual(self.open_after(b"\x93" + X + b"\x92" + E1 + E2 + C), ACK)
        self.assert_stored(ONE, TWO)

    def forward_case_15(self):
        """No entries: acked."""
        self.assertEqual(self.open_after(b"\x93" + X + b"\x90" + C), ACK)
        self.assert_stored()

    def forward_case_16(self):
        """PackedForward in a bin."""
        self.assertEqual(self.open_after(b"\x93" + X + octets("c4 0a") + E1 + C), ACK)
        self.assert_stored(ONE)

    def forward_case_17(self):
        """PackedForward in a str 32, as Fluentd sends it."""
        self.assertEqual(self.open_after(b"\x93" + X + octets("db 00 00 00 0a") + E1 + C), ACK)
        self.assert_stored(ONE)

    def forward_case_19(self):
        """`compressed: text` is not compressed, and a wrong size does no harm."""
        told = option(compressed="text", size=99)
        self.assertEqual(self.open_after(b"\x93" + X + octets("c4 0a") + E1 + told), b"")
        self.assert_stored(ONE)

    def forward_case_20(self):
        """gzip of two entries."""
        self.assertEqual(self.open_after(packed(gzip.compress(E1 + E2), GZIP)), ACK)
        self.assert_stored(ONE, TWO)

    def forward_case_21(self):
        """Two gzip members, split inside an entry."""
        both = E1 + E2
        for at in range(1, len(both)):
            members = gzip.compress(both[:at]) + gzip.compress(both[at:])
            self.assertEqual(self.open_after(packed(members, GZIP)), ACK)
        self.assert_stored(*[ONE, TWO] * (len(both) - 1))

    def forward_case_22(self):
        """zstd, one frame and two frames."""
        self.assertEqual(self.open_after(packed(zstd_frame(E1 + E2), ZSTD)), ACK)
        self.assert_stored(ONE, TWO)
        both = E1 + E2
        frames = zstd_frame(both[:7]) + zstd_frame(both[7:])
        self.assertEqual(self.open_after(packed(frames, ZSTD)), ACK)
        self.assert_stored(ONE, TWO, ONE, TWO)


class BadPayloads(ForwardCase):
    def refused(self, payload, told, reason):
        """No ack, FIN, nothing stored, counted and told in one line. The agent sends it again; the
        third time it is kept as it came, and acked. Returns the first line."""
        chunk = self.id().rpartition("_")[2]
        frame = packed(payload, option(chunk=chunk, compressed=told))
        for times in (1, 2):
            self.assertEqual(self.fin_after(frame), b"")
            self.assert_stored()
            self.assert_counted(times, "connections_closed_total", reason=reason)
            self.assertEqual(len(self.loud_log()), times)
        self.assertEqual(self.open_after(frame), pack({"ack": chunk}))
        self.assert_stored()
        self.assert_counted(1, "dead_letters_total", reason="undecodable")
        self.assertIn(frame, [data for letter, data in self.millrace.dead().values()
                              if letter["reason"] == "undecodable"])
        return self.loud_log()[0]

    def forward_case_23(self):
        """Plain bytes that are said to be gzip."""
        self.refused(E1, "gzip", "decompression")

    def forward_case_25(self):
        """A gzip member without its last 6 bytes."""
        self.refused(gzip.compress(E1 + E2)[:-6], "gzip", "decompression")

    def forward_case_26(self):
        """A gzip bomb of 10 GiB is refused at the limit; memory stays bounded."""
        bomb = gzip_bomb(10 << 30)
        self.assertGreater(len(bomb), 9 * MIB)
        line = self.refused(bomb, "gzip", "decompression")
        self.assertIn("decompression_size_limit", line)
        self.assertLess(self.millrace.memory_peak_bytes(), (256 + 64) * MIB)
        self.assertLess(self.memory_bytes(), 64 * MIB)

    def forward_case_27(self):
        """An unknown compression: one line names the reason."""
        line = self.refused(E1, "lz4", "unknown_compression")
        self.assertIn("compressed", line)


class Streams(ForwardCase):
    def forward_case_28(self):
        """One byte a segment: the same as in one piece."""
        messages = [b"\x94" + X + T + A1 + C, b"\x93" + X + octets("c4 0a") + E1 + C,
                    packed(gzip.compress(E1 + E2), GZIP), b"\x93" + X + b"\x92" + E1 + E2 + C]
        whole = b"".join(messages)
        self.assertEqual(self.open_after(whole), 4 * ACK)
        in_one_piece = self.stored()
        self.assertEqual(self.open_after(*(whole[at:at + 1] for at in range(len(whole)))), 4 * ACK)
        self.assertEqual(self.stored(), in_one_piece * 2)
        self.assertEqual(in_one_piece, [ONE, ONE, ONE, TWO, ONE, TWO])

    def forward_case_29(self):
        """1000 messages in one segment: 1000 acks in order."""
        chunks = [f"c{n}" for n in range(1000)]
        data = b"".join(pack(["test", 1700000000, {"n": n}, {"chunk": chunk}])
                        for n, chunk in enumerate(chunks))
        self.assertLess(len(data), 65_483)  # what one segment of the loopback takes
        self.assertEqual(self.open_after(data), b"".join(pack({"ack": one}) for one in chunks))
        self.assert_stored(*(stored(f'{{"n":{n}}}') for n in range(1000)))

    def forward_case_31(self):
        """The heartbeat of old clients: nothing, open."""
        self.assertEqual(self.open_after(octets("92 a0 90")), b"")
        self.assert_stored()
        self.assert_counted(0, "discarded_entries_total")

    def forward_case_32(self):
        """Connect and close: no line above debug, no error counted."""
        peer = self.peer()
        self.assert_counted(1, "connections_total")
        peer.close()
        self.wait_connections()
        self.assertEqual([line for line in self.new_log() if " debug " not in f" {line} "], [])
        for name in ("connections_closed_total", "discarded_frames_total", "discarded_bytes_total",
                     "discarded_entries_total"):
            self.assert_counted(0, name)

    def forward_case_33(self):
        """The begin of a message, then close: nothing stored, no line above debug."""
        peer = self.peer()
        peer.send((b"\x93" + X)[:3])
        self.assert_counted(3, "received_bytes_total")
        peer.close()
        self.wait_connections()
        self.assertEqual(self.loud_log(), [])
        self.assert_stored()
        self.assert_counted(1, "discarded_frames_total", reason="cut_short")
        self.assert_counted(0, "connections_closed_total")

    def forward_case_34(self):
        """A client that half-closes at once: stored, its ack, then FIN."""
        peer = self.peer()
        peer.send(b"\x94" + X + T + A1 + C)
        peer.half_close()
        self.assertEqual(peer.read_to_fin(), ACK)
        self.assert_stored(ONE)
