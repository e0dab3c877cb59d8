# SPDX-License-Identifier: Apache-2.0
"""Clients that take what they can get: memory, time, connections, guesses. Good ones do not notice."""
import re
import time

from forward_case import ACK, C, E1, T, X, bin32, octets
from forward_client import ForwardClient, Refused, digest_of, pack
from hostile_case import HostileCase
from waiting import until

MIB = 1 << 20
KEY = "s3cr3t"
SECURITY = {"shared_key": KEY, "self_hostname": "server.example", "handshake_timeout": "2s"}
OTHER_SOURCE = "127.0.0.2"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info |warn |error) \w+: [ -~\u00a0-\U0010ffff]*")
FREE_GUESSES = 10


class EndlessFrames(HostileCase):
    SOURCE = {"frame_limit": "1m"}

    def hostile_endless_frame(self):
        """Whatever it is made of, a frame ends at frame_limit."""
        entries = E1 * 1000
        for begin, more in ((b"\x92" + X + octets("dd 00 0f 00 00"), entries),
                            (b"\x93" + X + T + octets("df 00 07 00 00"), b"\xa1a\xa1b" * 1000),
                            (b"\x91" * 1000, b"\x91" * 1000),
                            (b'["test",[', b'[1700000000,{"a":1}],' * 100), (b'["', b"x" * 1000)):
            with self.subTest(begin[:8]):
                peer = self.peer()
                peer.send(begin)
                # What lies in the sockets' buffers counts as sent.
                self.assertLess(self.send_until_closed(peer, more, 64 * MIB), 32 * MIB)
        self.assert_counted(5, "connections_closed_total", reason="frame_limit")
        self.assert_others_are_served()


class FrameMemory(HostileCase):
    LIMIT = 4 * MIB
    SOURCE = {"receive_memory_limit": LIMIT, "frame_limit": LIMIT}

    def hostile_memory_of_all_frames(self):
        """Unfinished frames of all connections share one budget; small messages pass all the time."""
        self.assert_others_are_served()
        before = self.memory_bytes()
        begun = b"\x92" + X + octets("c6 00 3f 00 00") + b"\x01" * MIB
        peers = [self.peer() for _ in range(64)]
        left = {peer: begun for peer in peers}

        def push():
            for peer in peers:
                peer.sock.setblocking(False)
                try:
                    left[peer] = left[peer][peer.sock.send(left[peer]):]
                except BlockingIOError:
                    pass
            held = self.millrace.metrics()[("millrace_receive_memory_bytes", ())]
            paused = self.millrace.metrics()[("millrace_paused_connections", ())]
            return held > self.LIMIT and paused > 0 and (held, paused)
        until(push, "the budget is used up")
        self.assert_others_are_served()
        held = self.millrace.metrics()[("millrace_receive_memory_bytes", ())]
        # The budget, as much again of who was let in just before, and one first read of each.
        self.assertLess(held, 3 * self.LIMIT + len(peers) * 256 * 1024)
        self.assertLess(self.memory_bytes() - before, held + 16 * MIB)


class SlowClients(HostileCase):
    SOURCE = {"frame_timeout": "2s", "frame_rate_min": "1000"}

    def hostile_drip_feeding(self):
        """Inside a message a client has to go on: at all, and fast enough. Between two it may wait."""
        frame = b"\x94" + X + T + b"\x81\xa1a" + bin32(b"v" * 100_000) + C
        stuck, drips = self.peer(), self.peer()
        stuck.send(frame[:50_000])

        def drip():
            if not self.is_closed(drips):
                drips.send(frame[:1])
                return False
            return True
        drips.send(frame[:20])
        until(drip, "the dripping client is closed")
        until(lambda: self.is_closed(stuck), "the stuck client is closed")
        self.assert_counted(1, "connections_closed_total", reason="frame_timeout")
        self.assert_counted(1, "connections_closed_total", reason="frame_rate")
        rate, = [line for line in self.loud_log() if "frame_rate_min" in line]
        self.assertIn('peer="127.0.0.1" frame_rate_min=1000', rate)
        self.assert_others_are_served()
        self.assert_stored()


class ByteByByte(HostileCase):
    def cpu_of_dripping(self, message, times):
        peer = self.peer()
        before = self.cpu_seconds()
        for _ in range(times):
            for at in range(len(message)):
                peer.sock.send(message[at:at + 1])
            peer.read_until(ACK)
            peer.data = b""
        return self.cpu_seconds() - before

    def hostile_drip_feeding_is_linear(self):
        """The same bytes, one a segment: a message of 1 MiB costs what short ones of its size do."""
        def message(size):
            count = size // len(E1)
            return b"\x93" + X + b"\xdd" + count.to_bytes(4, "big") + E1 * count + C
        parts = 32
        short = self.cpu_of_dripping(message(MIB // parts), parts)
        long = self.cpu_of_dripping(message(MIB), 1)
        # Rescanning would cost `parts` times as much; how many bytes a read gets, three or four.
        self.assertLess(long, short * parts / 4)


class SecuredCase(HostileCase):
    SOURCE = {"security": SECURITY}

    def client(self, source="127.0.0.1"):
        client = ForwardClient(self.millrace.port, source=source)
        self.addCleanup(client.close)
        return client

    def guess(self, client, key="wrong", name="client.example"):
        nonce, _ = client.read_helo()
        client.send(pack(["PING", name, "salt", digest_of(b"salt", name.encode(), nonce,
                                                          key.encode()).decode(), "", ""]))


class Handshakes(SecuredCase):
    def hostile_drip_feeding_a_handshake(self):
        """The whole of it has handshake_timeout."""
        silent, slow = self.peer(), self.peer()

        def drip():
            if self.is_closed(slow):
                return True
            slow.send(b"n")
            return False
        slow.send(octets("96 a4 50 49 4e 47 da 0f 00"))  # the name will have 3840 bytes
        until(drip, "the slow one is closed", pause=0.05)
        until(lambda: self.is_closed(silent), "the silent one is closed")
        until(lambda: self.is_closed(self.agent), "the one that was here is closed")
        self.assert_counted(3, "connections_closed_total", reason="handshake_timeout")

    def hostile_wrong_keys(self):
        """Ten guesses of an address are free, then one a second is judged, right or wrong; those
        that would wait too long are dropped. Other addresses do not notice."""
        began = time.monotonic()
        for _ in range(FREE_GUESSES):
            client = self.client(OTHER_SOURCE)
            self.guess(client)
            with self.assertRaisesRegex(Refused, "shared_key mismatch"):
                client.read_pong()
        guesses = [self.client(OTHER_SOURCE) for _ in range(20)]
        for client in guesses:
            self.guess(client)
        self.assertEqual(self.client().shake_hands(KEY), "server.example")
        refused = []
        for client in guesses:
            try:
                client.read_pong()
            except Refused:
                refused.append(client)
            except (ConnectionError, ValueError):
                pass  # dropped: FIN instead of a PONG
        seconds = time.monotonic() - began
        # Turns are given for the two seconds of handshake_timeout to come.
        self.assertLessEqual(len(refused), seconds + 3)
        self.assert_counted(FREE_GUESSES + len(refused), "connections_closed_total",
                            reason="shared_key_mismatch")
        self.assert_counted(len(guesses) - len(refused), "connections_closed_total",
                            reason="too_many_guesses")
        self.assertIn(self.counted("handshakes_delayed_total"), range(1, len(refused) + 1))
        self.assertTrue([line for line in self.loud_log() if 'peer="127.0.0.2"' in line])

        def good_one_gets_in():
            try:
                return self.client(OTHER_SOURCE).shake_hands(KEY) == "server.example"
            except (ConnectionError, ValueError):
                return False  # the turns of the next two seconds are given away
        until(good_one_gets_in, "an agent at the same address gets its turn")


class Names(SecuredCase):
    def hostile_log_injection(self):
        """What a client calls itself stands in the log as text, on one line, and not all of it."""
        forged = "2026-01-01T00:00:00.000Z error app: the disk has failed"
        names = [f"a\n{forged}", f'a" peer="10.0.0.1', "\x1b[2J\x9b2J\u202e\u2028", "\0\r\b",
                 "x" * 3000]
        for name in names:
            client = self.client()
            self.guess(client, name=name)
            with self.assertRaises(Refused):
                client.read_pong()

        def told():
            lines = [line for line in self.loud_log() if "another shared_key" in line]
            return len(lines) >= len(names) and lines
        lines = until(told, "a line for each")
        for line, shown in zip(lines, (rf"a\u000a{forged}", r"a\" peer=\"10.0.0.1",
                                       r"\u001b[2J\u009b2J\u202e\u2028", r"\u0000\u000d\u0008",
                                       "x" * 512)):
            self.assertIn(f' peer="127.0.0.1" client="{shown}"', line)
        with open(self.millrace.log_path, "rb") as file:
            for line in file.read().decode("utf-8").split("\n")[:-1]:
                self.assertRegex(line, rf"\A{LINE.pattern}\Z")


class IdleConnections(HostileCase):
    SOURCE = {"idle_timeout": "1s"}

    def hostile_idle_connections(self):
        """With idle_timeout a connection between two messages is closed in time; by default never."""
        silent = self.peer()
        for peer in (silent, self.agent):
            self.assertEqual(peer.read_to_fin()[len(peer.data):], b"")
        self.assert_counted(2, "connections_closed_total", reason="idle_timeout")
        self.assertEqual(self.loud_log(), [])


class Flood(HostileCase):
    LIMIT = 20
    SOURCE = {"connection_limit": LIMIT}

    def hostile_connection_flood(self):
        """At connection_limit the oldest that has shown nothing makes room, silent ones first; who
        has sent a message stays, and when all have, the next is refused."""
        heard = self.peer()
        heard.send(b"\x94")
        self.wait_connections(2)
        silent = [self.peer() for _ in range(3 * self.LIMIT)]
        # The agent, the one that was heard, and the youngest 18 are left.
        gone = len(silent) - (self.LIMIT - 2)
        until(lambda: all(map(self.is_closed, silent[:gone])), "the older ones are closed")
        self.assertFalse(any(map(self.is_closed, [heard, *silent[gone:]])))
        agents = [self.peer() for _ in range(self.LIMIT - 2)]
        for agent in agents:
            self.probe(agent)
        self.assertTrue(all(map(self.is_closed, silent)))
        self.assertFalse(self.is_closed(heard))
        self.probe(self.peer())
        until(lambda: self.is_closed(heard), "who has only begun goes last")
        for agent in (self.agent, *agents):
            self.probe(agent)
        refused = self.peer()
        until(lambda: self.is_closed(refused), "the next is refused")
        self.assert_counted(len(silent) + 1, "connections_closed_total", reason="made_room")
        self.assert_counted(1, "connections_closed_total", reason="connection_limit")
        made_room = [line for line in self.loud_log() if "made room" in line]
        self.assertIn(f'peer="127.0.0.1" connection_limit={self.LIMIT}', made_room[0])
        self.assertLessEqual(len(made_room), 10, "a flood is not a flood of lines")


class FewFiles(HostileCase):
    FILES = 320
    SOURCE = {"connection_limit": 10_000}
    PREFIX = ("prlimit", f"--nofile=100:{FILES}")

    def hostile_open_files(self):
        """Connections never take the files that buffer and outputs need."""
        lowered, = [line for line in self.millrace.log().splitlines() if "is lowered" in line]
        limit = int(re.search(r" lowered_to=(\d+) ", lowered)[1])
        self.assertIn(limit, range(10, self.FILES - 100))
        flood = [self.peer() for _ in range(self.FILES)]
        until(lambda: sum(map(self.is_closed, flood)) == len(flood) - limit + 1, "the rest is closed")
        # A large message needs further segments; the agent was here before the flood.
        entries = (b"\x92" + T + b"\x81\xa1a" + bin32(b"v" * (250 << 10))) * 200
        self.agent.send(b"\x93" + X + bin32(entries) + C)
        self.agent.read_until(ACK)
        self.assertEqual(len(self.stored()), 200)
        self.assert_others_are_served()
        self.assertNotIn("could not be accepted", "\n".join(self.loud_log()))


class OneSource(HostileCase):
    LIMIT = 5
    SOURCE = {"connection_limit_per_source": LIMIT}

    def hostile_connections_of_a_source(self):
        """One address has connection_limit_per_source; others are not touched by it."""
        first = [self.peer(source=OTHER_SOURCE) for _ in range(self.LIMIT)]
        more = [self.peer(source=OTHER_SOURCE) for _ in range(self.LIMIT)]
        until(lambda: all(self.is_closed(peer) for peer in more), "the others are refused")
        self.assert_counted(self.LIMIT, "connections_closed_total",
                            reason="connection_limit_per_source")
        for peer in first:
            self.probe(peer)
        self.assert_others_are_served()
        first[0].close()
        self.wait_connections(self.LIMIT - 1 + 2)
        self.probe(self.peer(source=OTHER_SOURCE))
