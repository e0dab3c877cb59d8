# SPDX-License-Identifier: Apache-2.0
"""Values in records, odd entries, odd tags and chunks: what of them becomes JSON."""
import struct

from forward_case import (A1, ACK, C, E1, E2, T, T_TEXT, X, ForwardCase, octets, stored)
from forward_client import pack


def record(*pairs):
    """A map of these (key, value) pairs, each packed already."""
    return bytes([0x80 + len(pairs)]) + b"".join(key + value for key, value in pairs)


def float64(value):
    return b"\xcb" + struct.pack(">d", value)


class Values(ForwardCase):
    def store(self, packed_record, tag=X):
        self.assertEqual(self.open_after(b"\x94" + tag + T + packed_record + C), ACK)

    def forward_case_74(self):
        """Invalid UTF-8 becomes U+FFFD; with json_compat = "oj" it is copied."""
        bad = record((pack("v"), octets("a3 61 ff 62")))
        self.store(bad)
        self.assert_stored(stored('{"v":"a\ufffdb"}'))
        self.assert_counted(1, "replaced_values_total", reason="invalid_utf8")
        self.store(bad, tag=pack("oj"))
        (payload,) = self.stored(self.OJ)
        self.assertEqual(payload, b'{"v":"a\xffb","time":"%s","tag":"oj"}' % T_TEXT.encode())

    def forward_case_75(self):
        """NUL in a string."""
        self.store(record((pack("v"), pack("a\0b"))))
        self.assert_stored(stored('{"v":"a\\u0000b"}'))

    def forward_case_76(self):
        """Keys that are no strings."""
        self.store(record((b"\x01", b"\x01"), (b"\xc0", b"\x02"), (b"\xc3", b"\x03"),
                          (float64(1.5), b"\x04")))
        self.assert_stored(stored('{"1":1,"":2,"true":3,"1.5":4}'))

    def forward_case_77(self):
        """Equal keys: the last value in the first place."""
        self.store(record((pack("a"), b"\x01"), (pack("b"), b"\x02"), (pack("a"), b"\x03")))
        self.assert_stored(stored('{"a":3,"b":2}'))

    def forward_case_79(self):
        """Integers stay exact."""
        self.store(pack({"a": 2 ** 64 - 1, "b": -2 ** 63, "c": 2 ** 53 + 1}))
        first = stored(f'{{"a":{2 ** 64 - 1},"b":{-2 ** 63},"c":{2 ** 53 + 1}}}')
        self.assert_stored(first)
        # JSON mode has longer ones; an ext that says it was one has no meaning.
        longer = f'{{"a":{2 ** 64},"b":{-10 ** 400}}}'
        self.open_after(f'["test",1700000000,{longer}]'.encode(), as_json=True)
        self.store(record((pack("v"), octets("c7 02 64 31 32"))))
        self.assert_stored(first, stored(longer), stored('{"v":null}'))

    def forward_case_80(self):
        """Floats as Fluentd writes them."""
        expected = {"1000000000000000.0": float64(1e15), "1.0e+20": float64(1e20),
                    "1.0e-05": float64(1e-5), "0.30000000000000004": float64(0.1 + 0.2),
                    "0.0": float64(-0.0),
                    "0.10000000149011612": b"\xca" + struct.pack(">f", 0.1)}
        for value in expected.values():
            self.store(record((pack("v"), value)))
        self.assert_stored(*(stored(f'{{"v":{text}}}') for text in expected))

    def forward_case_81(self):
        """An EventTime in a record becomes its seconds."""
        self.store(record((pack("v"), octets("d7 00 65 53 f1 00 07 5b cd 15"))))
        self.assert_stored(stored('{"v":1700000000}'))

    def forward_case_82(self):
        """An ext of type 5 in a record: nothing of the message is lost."""
        with_ext = b"\x92" + T + record((pack("v"), octets("d4 05 2a")))
        self.assertEqual(self.open_after(b"\x93" + X + b"\x93" + E1 + with_ext + E2 + C), ACK)
        self.assert_stored(stored('{"a":1}'), stored('{"v":null}'), stored('{"a":2}'))
        self.assert_counted(1, "replaced_values_total", reason="ext")

    def forward_case_83(self):
        """Good and bad entries: the good are stored, the bad are counted, acked."""
        string_record = b"\x92" + T + pack("text")
        not_an_array = b"\x2a"
        nil_time = b"\x92\xc0" + A1
        message = b"\x93" + X + b"\x95" + E1 + string_record + not_an_array + nil_time + E2 + C
        self.assertEqual(self.open_after(message), ACK)
        self.assert_stored(stored('{"a":1}'), stored('{"a":2}'))
        self.assert_counted(3, "discarded_entries_total")
        for reason in ("record_not_a_map", "entry_not_an_array", "invalid_time"):
            self.assert_counted(1, "discarded_entries_total", reason=reason)

    def forward_case_85(self):
        """A tag that is not UTF-8."""
        self.store(A1, tag=octets("a4 74 ff 73 74"))
        self.assert_stored(stored('{"a":1}', tag="t\ufffdst"))

    def forward_case_87(self):
        """A chunk is echoed as what it came; nil and false are none."""
        for chunk, reply in (("4d", "81 a3 61 63 6b 4d"),
                             ("c4 02 01 02", "81 a3 61 63 6b c4 02 01 02"), ("c0", ""), ("c2", "")):
            told = octets("81 a5 63 68 75 6e 6b") + octets(chunk)
            self.assertEqual(self.open_after(b"\x94" + X + T + A1 + told), octets(reply))
        self.assert_stored(*[stored('{"a":1}')] * 4)
