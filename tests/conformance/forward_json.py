# SPDX-License-Identifier: Apache-2.0
"""JSON mode: a connection whose first byte is [ or {."""
from forward_case import ForwardCase, stored

M1 = stored('{"m":1}', tag="t")


class JsonMode(ForwardCase):
    def forward_case_62(self):
        """The ack is JSON text."""
        self.assertEqual(self.open_after(b'["t",1700000000,{"m":1},{"chunk":"q=="}]', as_json=True),
                         b'{"ack":"q=="}')
        self.assert_stored(M1)

    def forward_case_63(self):
        """Values with a line break between, with nothing between, and one in three segments."""
        one = b'["t",1700000000,{"m":1}]'
        self.assertEqual(self.open_after(one + b"\n" + one, as_json=True), b"")
        self.assertEqual(self.open_after(one + one, as_json=True), b"")
        peer = self.peer()
        before = self.counted("received_bytes_total")
        for begin, end in ((0, 5), (5, 18), (18, len(one))):
            peer.send(one[begin:end])
            # The next piece goes when this one has been read.
            self.assert_counted(before + end, "received_bytes_total")
        self.assertEqual(self.probe(peer, as_json=True), b"")
        self.assert_stored(*[M1] * 5)

    def forward_case_64(self):
        """Entries in an array."""
        self.assertEqual(self.open_after(b'["t",[[1700000000,{"m":1}]]]', as_json=True), b"")
        self.assert_stored(M1)

    def forward_case_65(self):
        """What is no JSON: FIN, nothing stored."""
        self.assertEqual(self.fin_after(b'["t",1700000000,{m}]'), b"")
        self.assert_stored()
        self.assert_counted(1, "connections_closed_total", reason="malformed")
