# SPDX-License-Identifier: Apache-2.0
"""Bytes and values that no good agent sends: each costs its own event or connection, nothing else."""
import json
import ssl
import struct

from forward_case import (A1, ACK, C, E1, E2, T, X, ForwardCase, bin32, octets, option, stored)
from forward_client import pack
from waiting import until

SOME_MEMORY = 8 << 20  # what reading and counting may take, whatever a length says
DEPTH = 128            # levels of a record, as Fluentd


def client_hello():
    """What a TLS client of OpenSSL says first."""
    said = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), said,
                                                   server_hostname="collector.example")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return said.read()


NAMED_PROTOCOLS = (
    ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"),
    ("HTTP", b"POST /app.log HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n" b'{"a":1}'),
    ("HTTP", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + octets("00 00 00 04 00 00 00 00 00")),
    ("TLS", client_hello()),
    ("SSH", b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"))
OTHER_PROTOCOLS = (
    b"<34>1 2023-11-14T22:13:20Z host app 7 - - text\n",        # syslog, RFC 5424
    b"49 <34>1 2023-11-14T22:13:20Z host app 7 - - text\n",     # with octet counting, RFC 6587
    b"*1\r\n$4\r\nPING\r\n",                                  # Redis
    b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 24224\r\n",          # PROXY protocol 1 and 2
    b"\r\n\r\n\0\r\nQUIT\n" + octets("20 00 00 00"),
    b"2W\0\0\0\x01" b"2J\0\0\0\x01\0\0\0\x02{}",               # Beats
    octets("10 0c 00 04 4d 51 54 54 04 02 00 3c 00 00"),         # MQTT CONNECT
    octets("00 00 00 08 04 d2 16 2f"))                           # PostgreSQL SSLRequest


def packed(payload, options=b""):
    """A PackedForward message; `options`: an option map, packed."""
    return bytes([0x93 if options else 0x92]) + X + bin32(payload) + options


class HostileBytes(ForwardCase):
    def assert_refused(self, data, reason):
        """FIN, no answer, nothing stored, one line in the log, one connection counted."""
        lines, events = len(self.loud_log()), len(self.stored())
        closed = self.counted("connections_closed_total", reason=reason)
        self.assertEqual(self.fin_after(data), b"")
        self.assertEqual(len(self.stored()), events)
        self.assertEqual(len(self.loud_log()), lines + 1, self.loud_log())
        self.assertIn('peer="127.0.0.1"', self.loud_log()[-1])
        self.assertEqual(self.counted("connections_closed_total", reason=reason), closed + 1)

    def hostile_deep_nesting(self):
        """128 levels are stored; deeper is skipped, counted and acked, in an entry or a message."""
        def nested(levels):
            return octets("81 a1 61") + b"\x91" * (levels - 2) + b"\x90"
        self.assertEqual(self.open_after(b"\x94" + X + T + nested(DEPTH) + C), ACK)
        self.assertEqual(len(self.stored()), 1)
        deep = (DEPTH + 1, 100_000, 1_000_000)
        for levels in deep:
            self.assertEqual(self.open_after(b"\x94" + X + T + nested(levels) + C), ACK)
            entry = b"\x92" + T + nested(levels)
            self.assertEqual(self.open_after(packed(E1 + entry + E2, C)), ACK)
        self.assertEqual(len(self.stored()), 1 + 2 * len(deep))
        self.assert_counted(2 * len(deep), "discarded_entries_total", reason="too_deep")

    def hostile_declared_counts(self):
        """Arrays and maps of 2^32-1: refused by their header, or a truncated tail; no memory."""
        before = self.memory_bytes()
        for head in ("dd ff ff ff ff", "df ff ff ff ff", "93 a4 74 65 73 74 05 df ff ff ff ff",
                     "92 a4 74 65 73 74 dd ff ff ff ff"):
            with self.subTest(head):
                self.assert_refused(octets(head), "frame_limit")
        for head in ("dd ff ff ff ff", "df ff ff ff ff"):
            tail = b"\x92" + T + octets(head) + b"\x01" * 9
            self.assertEqual(self.open_after(packed(E1 + tail, C)), ACK)
        self.assert_stored(*[stored('{"a":1}')] * 2)
        self.assertLess(self.memory_bytes() - before, SOME_MEMORY)

    def hostile_declared_lengths(self):
        """str, bin and ext of 4 GiB: refused by their header, or a truncated tail; no memory."""
        before = self.memory_bytes()
        for head in ("db ff ff ff ff", "c6 ff ff ff ff", "c9 ff ff ff ff 00"):
            with self.subTest(head):
                self.assert_refused(b"\x92" + X + octets(head), "frame_limit")
                tail = b"\x92" + T + b"\x81\xa1a" + octets(head) + b"v" * 9
                self.assertEqual(self.open_after(packed(E1 + tail, C)), ACK)
        self.assert_stored(*[stored('{"a":1}')] * 3)
        self.assertLess(self.memory_bytes() - before, SOME_MEMORY)

    def hostile_foreign_protocols(self):
        """What clients of other protocols say first, whole and in pieces: one line, FIN. It names
        HTTP, TLS and SSH; all else begins with an integer, which is no message."""
        for name, data in NAMED_PROTOCOLS:
            self.assert_named(name, data)
        for name, data in (NAMED_PROTOCOLS[0], *NAMED_PROTOCOLS[-2:]):
            self.assert_named(name, data[:1], data[1:])
        self.assert_counted(len(NAMED_PROTOCOLS) + 3, "connections_closed_total",
                            reason="foreign_protocol")
        for data in OTHER_PROTOCOLS:
            with self.subTest(data):
                self.assert_refused(data, "malformed")

    def assert_named(self, name, *segments):
        """One line that names the protocol, FIN, no answer. (Of equal lines ten are logged.)"""
        with self.subTest(name, segments=len(segments)):
            lines = len(self.loud_log())
            peer = self.peer()
            for segment in segments:
                have = self.counted("received_bytes_total") + len(segment)
                peer.send(segment)
                until(lambda: self.counted("received_bytes_total") == have,  # pylint: disable=W0640
                      "the segment is read")
            self.assertEqual(peer.read_to_fin(), b"")
            self.assertEqual(len(self.loud_log()), lines + 1)
            self.assertIn(f'protocol="{name}"', self.loud_log()[-1])

    def hostile_foreign_protocol_unread(self):
        """A client that goes on and on: its line is there, whatever the reset leaves of the FIN."""
        peer = self.peer()
        try:
            peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100_000)
            peer.read_to_fin()
        except ConnectionError:
            pass
        until(self.loud_log, "a line")
        (line,) = self.loud_log()
        self.assertIn('protocol="HTTP"', line)

    def hostile_reserved_byte(self):
        """c1, wherever framing meets it."""
        for data in (b"\xc1", b"\x93" + X + T + b"\xc1", b"\x92" + X + b"\x92" + E1 + b"\xc1",
                     packed(E1 + b"\xc1", option(chunk="r1")),
                     packed(b"\x92" + T + b"\x81\xa1a\xc1", option(chunk="r2"))):
            with self.subTest(data.hex(" ")):
                self.assert_refused(data, "malformed")

    def hostile_truncated_payload(self):
        """Complete entries are kept, the tail is counted, and it is acked: a retry has the same."""
        for cut in range(1, len(E2)):
            self.assertEqual(self.open_after(packed(E1 + E2[:-cut], C)), ACK)
        self.assert_stored(*[stored('{"a":1}')] * (len(E2) - 1))
        self.assert_counted(len(E2) - 1, "discarded_entries_total", reason="truncated")

    def hostile_long_chunk(self):
        """A chunk of up to 1 KiB is echoed; a longer one, or one of a strange type, is counted and
        gets no ack. The events are stored, the size of the option map is nobody's harm."""
        chunk = "c" * 1024
        self.assertEqual(self.open_after(packed(E1, option(chunk=chunk))), pack({"ack": chunk}))
        strange = (chunk + "c", chunk.encode() + b"c", "c" * 1_000_000, True, ["c"], {"c": 1}, 1.5)
        for one in strange:
            self.assertEqual(self.open_after(packed(E1, option(chunk=one))), b"")
        many = {f"key{n}": ["x"] * 9 for n in range(20_000)}
        self.assertEqual(self.open_after(packed(E1, option(**many, chunk="c1"))), ACK)
        self.assert_stored(*[stored('{"a":1}')] * (len(strange) + 2))
        self.assert_counted(len(strange), "odd_options_total", option="chunk")

    def hostile_unknown_compression(self):
        """Neither gzip, zstd nor text: closed without ack, counted."""
        # Each with a chunk of its own: what comes for the third time goes to dead/.
        for number, name in enumerate(("lz4", "GZIP", "", "g" * 100_000, 5, ["gzip"])):
            with self.subTest(str(name)[:10]):
                self.assert_refused(packed(E1, option(chunk=f"u{number}", compressed=name)),
                                    "unknown_compression")


class HostileValues(ForwardCase):
    def store(self, packed_record, tag=X):
        self.assertEqual(self.open_after(b"\x94" + tag + T + packed_record + C), ACK)

    def stored_json(self):
        """What was stored, as a strict reader reads it."""
        def refuse(name):
            raise AssertionError(f"not JSON: {name}")
        return [json.loads(payload.decode("utf-8"), parse_constant=refuse)
                for payload in self.stored()]

    def hostile_tag_not_utf8(self):
        """Accepted; where the tag is text the bytes are replaced, and counted."""
        self.store(A1, tag=octets("a4 74 ff 73 74"))
        self.assertEqual([one["tag"] for one in self.stored_json()], ["t\ufffdst"])
        self.assert_counted(1, "replaced_values_total", reason="invalid_utf8")

    def hostile_text_not_utf8(self):
        """Each maximal invalid subpart of a key or value becomes one U+FFFD."""
        parts = {b"a\xffb": "a\ufffdb", b"\xc3": "\ufffd", b"\xe2\x82": "\ufffd",
                 b"\xe2\x82x": "\ufffdx", b"\xed\xa0\x80": "\ufffd" * 3, b"\xc0\xaf": "\ufffd" * 2,
                 b"\xf0\x9f\x98": "\ufffd", b"\xf4\x90\x80\x80": "\ufffd" * 4, b"\x80": "\ufffd"}
        for raw in parts:
            text = bytes([0xa0 + len(raw)]) + raw
            self.store(b"\x81" + text + text)
        self.assertEqual([{key: one[key] for key in one if key not in ("time", "tag")}
                          for one in self.stored_json()],
                         [{text: text} for text in parts.values()])
        self.assertGreaterEqual(self.counted("replaced_values_total", reason="invalid_utf8"),
                                len(parts))

    def hostile_nul_bytes(self):
        self.store(b"\x81" + pack("k\0") + pack("a\0b"), tag=pack("t\0"))
        (payload,) = self.stored()
        self.assertIn(rb'"k\u0000":"a\u0000b"', payload)
        self.assertIn(rb'"tag":"t\u0000"', payload)

    def hostile_keys_of_all_types(self):
        """As Ruby's to_s; maps and arrays as their own JSON text."""
        keys = {"1": b"\x01", "": b"\xc0", "true": b"\xc3", "1.5": b"\xcb" + struct.pack(">d", 1.5),
                "-7": b"\xf9", "[1,2]": b"\x92\x01\x02", '{"k":null}': b"\x81\xa1k\xc0"}
        self.store(bytes([0x80 + len(keys)]) + b"".join(key + b"\x05" for key in keys.values()))
        ((key_order, _),) = [(list(one), one) for one in self.stored_json()]
        self.assertEqual(key_order, [*keys, "time", "tag"])

    def hostile_equal_keys(self):
        """The last value at the first place, however many there are."""
        self.store(b"\x83\xa1a\x01\xa1b\x02\xa1a\x03")
        self.store(b"\xdf\x00\x01\x86\xa0" + b"\xa1a\x01" * 99_999 + b"\xa1a\x07")
        self.assert_stored(stored('{"a":3,"b":2}'), stored('{"a":7}'))

    def hostile_many_keys(self):
        """Each key of a large map costs time: more of them than a Kinesis record could hold end in
        a dead letter, at once, and others are served."""
        def keys(count):
            head = b"\xdf" + struct.pack(">I", count)
            return head + b"".join(b"\xce" + struct.pack(">I", n) + b"\x01" for n in range(count))
        self.store(keys(60_000))
        self.assertEqual(len(self.stored()), 1)
        self.assertEqual(self.open_after(packed(b"\x92" + T + keys(1_000_000), C)), ACK)
        self.assert_counted(1, "dead_letters_total", reason="expansion")
        self.assertEqual(len(self.stored()), 1)

    def hostile_record_not_a_map(self):
        """Dropped, counted, acked; its neighbours are stored."""
        others = (b"\x01", b"\xc0", pack("text"), b"\x91\x01", b"\xc4\x01x", b"\xd4\x05x")
        for other in others:
            self.store(other)
            self.assertEqual(self.open_after(packed(E1 + b"\x92" + T + other + E2, C)), ACK)
        self.assertEqual(len(self.stored()), 2 * len(others))
        self.assert_counted(2 * len(others), "discarded_entries_total", reason="record_not_a_map")

    def hostile_not_finite(self):
        """NaN and the infinities are null, and counted."""
        numbers = (struct.pack(">Bd", 0xcb, value) for value in
                   (float("nan"), float("inf"), float("-inf")))
        singles = (struct.pack(">Bf", 0xca, value) for value in
                   (float("nan"), float("inf"), float("-inf")))
        self.store(b"\x86" + b"".join(b"\xa1" + name.encode() + value for name, value in
                                      zip("abcdef", (*numbers, *singles))))
        (record,) = self.stored_json()
        self.assertEqual([record[name] for name in "abcdef"], [None] * 6)
        self.assert_counted(6, "replaced_values_total", reason="not_finite")

    def hostile_large_integers(self):
        self.store(pack({"a": 2 ** 64 - 1, "b": 2 ** 63, "c": -2 ** 63}))
        self.assert_stored(stored(f'{{"a":{2 ** 64 - 1},"b":{2 ** 63},"c":{-2 ** 63}}}'))

    def hostile_bin_values(self):
        """Valid UTF-8 is a string, else it is repaired like one."""
        self.store(b"\x82" + pack("a") + pack("é".encode()) + pack("b") + pack(b"\xff\xfe"))
        ((a, b),) = [(one["a"], one["b"]) for one in self.stored_json()]
        self.assertEqual((a, b), ("é", "\ufffd\ufffd"))
        self.assert_counted(1, "replaced_values_total", reason="invalid_utf8")

    def hostile_ext_values(self):
        """EventTime: whole seconds; timestamp: RFC 3339; others: null and counted; never refused."""
        values = {"event": octets("d7 00 65 53 f1 00 00 00 00 05"),
                  "stamp4": octets("d6 ff 65 53 f1 00"),
                  "stamp12": octets("c7 0c ff 00 00 00 05 00 00 00 00 65 53 f1 00"),
                  "bad": octets("d4 ff 00"), "other": octets("d4 05 00"),
                  "long": octets("c8 01 00 7f") + bytes(256)}
        self.store(bytes([0x80 + len(values)]) +
                   b"".join(pack(key) + value for key, value in values.items()))
        (record,) = self.stored_json()
        self.assertEqual({key: record[key] for key in values},
                         {"event": 1700000000, "stamp4": "2023-11-14T22:13:20Z",
                          "stamp12": "2023-11-14T22:13:20.000000005Z",
                          "bad": None, "other": None, "long": None})
        self.assert_counted(3, "replaced_values_total", reason="ext")
