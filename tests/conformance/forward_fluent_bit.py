# SPDX-License-Identifier: Apache-2.0
"""What Fluent Bit sends and expects: entries with metadata, groups, signals, one read an ack."""
import gzip

from forward_case import (ACK, E1, X, ForwardCase, bin32, octets, option, stored)
from forward_client import pack

V2 = octets("92 92 d7 00 65 53 f1 00 00 00 00 05 80 81 a1 6e 02")
V2_STORED = stored('{"n":2}', "2023-11-14T22:13:20.000000005Z")
GROUP_BEGIN = octets("92 92 d7 00 ff ff ff ff 00 00 00 00 81 a6 73 63 68 65 6d 61 a4 6f 74 6c 70"
                     "81 a8 72 65 73 6f 75 72 63 65 80")
GROUP_END = octets("92 92 d7 00 ff ff ff fe 00 00 00 00 80 80")
ACK_READ_BYTES = 511


class FluentBit(ForwardCase):
    def forward_case_35(self):
        """An entry with metadata beside its time."""
        self.assertEqual(self.open_after(b"\x92" + X + b"\x91" + V2), b"")
        self.assert_stored(V2_STORED)

    def forward_case_37(self):
        """The same packed and compressed."""
        self.assertEqual(self.open_after(b"\x92" + X + bin32(V2)), b"")
        compressed = bin32(gzip.compress(V2)) + option(compressed="gzip", chunk="c1")
        self.assertEqual(self.open_after(b"\x93" + X + compressed), ACK)
        self.assert_stored(V2_STORED, V2_STORED)

    def forward_case_38(self):
        """The option as map 32, the entries' arrays as array 32."""
        told = octets("df 00 00 00 02 a4 73 69 7a 65 01 ad") + b"fluent_signal" + b"\x00"
        self.assertEqual(self.open_after(b"\x93" + X + b"\x91" + V2 + told), b"")
        wide = octets("dd 00 00 00 02 dd 00 00 00 02") + V2[2:]
        self.assertEqual(self.open_after(b"\x93" + X + b"\x91" + wide + told), b"")
        self.assert_stored(V2_STORED, V2_STORED)
        self.assert_counted(0, "odd_options_total")

    def forward_case_39(self):
        """A group's markers are not events."""
        entries = b"\x93" + GROUP_BEGIN + V2 + GROUP_END
        self.assertEqual(self.open_after(b"\x93" + X + entries + option(size=3, chunk="c1")), ACK)
        self.assert_stored(V2_STORED)
        self.assert_counted(0, "discarded_entries_total")

    def forward_case_40(self):
        """Metrics are no events: dropped, counted, acked."""
        told = option(fluent_signal=1, chunk="c1")
        metrics = bin32(octets("82 a4") + b"meta")
        self.assertEqual(self.open_after(b"\x93" + X + metrics + told), ACK)
        self.assert_stored()
        self.assert_counted(1, "discarded_entries_total", reason="not_a_log_signal")
        self.assert_counted(1, "discarded_entries_total")

    def forward_case_41(self):
        """Message mode with metadata in the option: stored without it."""
        told = option(metadata={"k": "v"}, chunk="c1")
        message = b"\x94" + X + octets("d7 00 65 53 f1 00 00 00 00 05 81 a1 6e 02") + told
        self.assertEqual(self.open_after(message), ACK)
        self.assert_stored(V2_STORED)

    def forward_case_43(self):
        """A chunk of 32 hex characters is echoed."""
        chunk = "0123456789abcdef" * 2
        self.assertEqual(self.open_after(b"\x93" + X + b"\x91" + E1 + option(chunk=chunk)),
                         pack({"ack": chunk}))
        self.assert_stored(stored('{"a":1}'))

    def forward_case_44(self):
        """A client that reads an ack with one read of 511 bytes gets all of it, every time."""
        peer = self.peer()
        for n in range(1000):
            chunk = f"{n:032x}"
            peer.send(b"\x93" + X + b"\x91" + V2 + option(chunk=chunk))
            self.assertEqual(peer.sock.recv(ACK_READ_BYTES), pack({"ack": chunk}))
        self.assert_stored(*[V2_STORED] * 1000)

