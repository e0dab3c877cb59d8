# SPDX-License-Identifier: Apache-2.0
"""Message mode and times: one event a message."""
from forward_case import (A1, ACK, C, E1, E2, T, X, ForwardCase, octets, stored)
from waiting import until


class MessageMode(ForwardCase):
    def forward_case_01(self):
        """Three elements: stored, no reply, open."""
        self.assertEqual(self.open_after(b"\x93" + X + T + A1), b"")
        self.assert_stored(stored('{"a":1}'))

    def forward_case_02(self):
        """With a chunk: stored, and exactly its ack."""
        self.assertEqual(self.open_after(b"\x94" + X + T + A1 + C), ACK)
        self.assert_stored(stored('{"a":1}'))

    def forward_case_03(self):
        """A nil option is none."""
        self.assertEqual(self.open_after(b"\x94" + X + T + A1 + b"\xc0"), b"")
        self.assert_stored(stored('{"a":1}'))

    def forward_case_04(self):
        """An empty option is none."""
        self.assertEqual(self.open_after(b"\x94" + X + T + A1 + b"\x80"), b"")
        self.assert_stored(stored('{"a":1}'))

    def forward_case_05(self):
        """An extra element is passed over."""
        self.assertEqual(self.open_after(b"\x95" + X + T + A1 + C + octets("a1 7a")), ACK)
        self.assert_stored(stored('{"a":1}'))
