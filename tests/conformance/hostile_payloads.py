# SPDX-License-Identifier: Apache-2.0
"""Compressed payloads that would become far more than they are."""
import gzip

from forward_case import ACK, E1, T, X, bin32, octets, option
from forward_client import pack
from hostile_case import HostileCase

MIB = 1 << 20


def compressed(payload, name):
    return b"\x93" + X + bin32(payload) + option(chunk="c1", compressed=name)


def zstd_zeros(size):
    """A zstd frame of so many zero bytes, a multiple of 128 KiB: RLE blocks (RFC 8878, 3.1.1.2)."""
    block, count = 128 << 10, size // (128 << 10)
    blocks = [(block << 3 | 1 << 1 | (number == count - 1)).to_bytes(3, "little") + b"\0"
              for number in range(count)]
    return octets("28 b5 2f fd 00 58") + b"".join(blocks)  # no content size, a window of 2 MiB


class Compression(HostileCase):
    LIMIT = 32 * MIB
    SOURCE = {"decompression_size_limit": LIMIT, "undecodable": "refuse"}

    def assert_refused(self, data, reason, message):
        before = self.counted("connections_closed_total", reason=reason)
        self.assertEqual(self.fin_after(data), b"")
        self.assertEqual(self.counted("connections_closed_total", reason=reason), before + 1)
        self.assertIn(f"input: closed: {message} peer=", self.loud_log()[-1])

    def hostile_compression_bombs(self):
        """10 MiB that would be 10 GiB: refused at decompression_size_limit, in bounded memory."""
        self.assert_others_are_served()
        before = self.millrace.memory_peak_bytes()
        gzip_bomb = gzip.compress(bytes(64 * MIB), 9) * 161
        zstd_bomb = zstd_zeros(64 * MIB) * 160 + octets("50 2a 4d 18 00 00 a0 00") + bytes(10 * MIB)
        self.assertGreater(len(gzip_bomb), 10 * MIB)
        for name, bomb in (("gzip", gzip_bomb), ("zstd", zstd_bomb)):
            with self.subTest(name):
                self.assert_refused(compressed(bomb, name), "decompression",
                                    "a payload unpacks to more than decompression_size_limit")
        # The message, the room it grew into, and what came out of it.
        self.assertLess(self.millrace.memory_peak_bytes() - before, self.LIMIT + 4 * len(gzip_bomb))
        self.assert_stored()
        self.assert_others_are_served()

    def hostile_compression_ratio(self):
        """Above 16 MiB nothing may unpack to a thousand times its size; below, anything may."""
        for name, bomb in (("gzip", gzip.compress(bytes(20 * MIB), 9)), ("zstd", zstd_zeros(20 * MIB))):
            with self.subTest(name):
                self.assert_refused(compressed(bomb, name), "decompression_ratio",
                                    "a payload unpacks to more than decompression_ratio_limit times its size")
        line = self.loud_log()[-1]
        self.assertIn('peer="127.0.0.1" decompression_ratio_limit=1000', line)
        equal_lines = gzip.compress((b"\x92" + T + b"\x81\xa1a" + pack("v" * 4000)) * 4000, 9)
        self.assertEqual(self.open_after(compressed(equal_lines, "gzip")), ACK)
        self.assertEqual(len(self.stored()), 4000)

    def hostile_zstd_window(self):
        """A window above 8 MiB, or a content size that needs one, is refused before memory is taken."""
        before = self.millrace.memory_peak_bytes()
        for frame in ("28 b5 2f fd 00 88 01 00 00", "28 b5 2f fd 00 f8 01 00 00",
                      "28 b5 2f fd e0 00 00 00 00 00 00 00 10 01 00 00"):
            with self.subTest(frame):
                self.assert_refused(compressed(octets(frame), "zstd"), "decompression",
                                    "a zstd payload needs a window of more than 8 MiB")
        self.assertLess(self.millrace.memory_peak_bytes() - before, 16 * MIB)

    def hostile_many_members(self):
        """Any number of tiny members, up to a million."""
        member, empty = gzip.compress(E1, 1), gzip.compress(b"", 1)
        self.assertEqual(self.open_after(compressed(member * 50_000, "gzip")), ACK)
        self.assertEqual(len(self.stored()), 50_000)
        self.assert_refused(compressed(empty * 1_000_001, "gzip"), "decompression",
                            "a payload of more than 1000000 gzip members or zstd frames")
