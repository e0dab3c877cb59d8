# SPDX-License-Identifier: Apache-2.0
"""A store that is full, and the end of the process: what was accepted is kept, nothing else is acked."""
import os
import select
import signal
import socket
import threading
import time

from forward_case import SECONDS, TAG, Peer
from forward_client import expected_json, message_frame, pack
from integration_case import IntegrationCase
from local_stream import read_payloads
from millrace import kinesis_match, local_match
from waiting import until

TEXT = "x" * 4000
# Where a frame may be cut: in its head, in its record, before its last byte.
CUTS = (1, 10, 2000, -1)
STOP_SECONDS = 8


class Sender(Peer):
    """A connection with numbered messages of its own; each wants its ack."""

    def __init__(self, port, name, count):
        super().__init__(port)
        self.name = name
        self.chunks = [f"{name}-{n}" for n in range(count)]
        self.frames = [message_frame(TAG, SECONDS, {"id": chunk, "text": TEXT}, {"chunk": chunk})
                       for chunk in self.chunks]

    def acks(self, count=None):
        """The bytes that answer the first so many messages."""
        return b"".join(pack({"ack": chunk}) for chunk in self.chunks[:count])

    def acked(self):
        """How many messages were acked: in order, each once, and nothing else came."""
        count = self.data.count(pack("ack"))
        if self.data != self.acks(count):
            raise AssertionError(f"{self.name}: {self.data!r}")
        return count


def payloads(chunks):
    return sorted(expected_json(TAG, SECONDS, 0, {"id": chunk, "text": TEXT}) for chunk in chunks)


def read_what_came(senders, seconds):
    """Reads until nothing comes for so long; an end of a connection is an error."""
    by_socket = {sender.sock: sender for sender in senders}
    while ready := select.select(list(by_socket), [], [], seconds)[0]:
        for sock in ready:
            new = sock.recv(65536)
            if not new:
                raise AssertionError(f"{by_socket[sock].name} was closed")
            by_socket[sock].data += new


class LifeCase(IntegrationCase):
    def sender(self, name, count):
        sender = Sender(self.instance.port, name, count)
        self.addCleanup(sender.close)
        return sender

    def rows(self, name):
        """output -> the sum of the metric's rows; "" for those without an output."""
        found = {}
        for (row, pairs), value in self.instance.metrics().items():
            if row == f"millrace_{name}":
                output = dict(pairs).get("output", "")
                found[output] = found.get(output, 0) + value
        return found

    def total(self, name):
        return sum(self.rows(name).values())


class FullStore(LifeCase):
    CLIENTS, MESSAGES = 20, 80
    FILLING = 400  # more than the store takes

    def send_all(self, sender):
        """The sockets take only a part of it until somebody reads."""
        thread = threading.Thread(target=sender.send, args=[b"".join(sender.frames)])
        thread.start()
        self.addCleanup(thread.join, 30)

    def fill(self):
        """One client fills the store, then many come."""
        senders = [self.sender("filler", self.FILLING)]
        self.send_all(senders[0])
        until(lambda: self.total("paused_connections") == 1, "the store is full")
        senders += [self.sender(f"client{n}", self.MESSAGES) for n in range(self.CLIENTS)]
        for one in senders[1:]:
            self.send_all(one)
        until(lambda: self.total("paused_connections") == len(senders), "all clients wait")
        return senders

    def assert_at_rest(self, senders):
        """Connections stay open, reading stands still; only what is stored is acked."""
        read_what_came(senders, 0.5)  # the last commit is answered
        stored = self.rows("buffer_records_total")["full"]
        received = self.total("received_bytes_total")
        read_what_came(senders, 0.5)
        # The last bytes of the store may have gone to any of them.
        self.assertEqual(sum(one.acked() for one in senders), stored)
        self.assertGreater(stored, 0)
        self.assertEqual([one.name for one in senders if one.acked() == len(one.frames)], [])
        self.assertEqual(self.rows("buffer_records_total")["full"], stored)
        self.assertEqual(self.total("received_bytes_total"), received)
        sent = sum(len(frame) for one in senders for frame in one.frames)
        self.assertLess(received, sent)
        self.assertEqual(self.total("paused_connections"), len(senders))
        self.assertEqual(self.instance.status()["sources"][0]["connections"], len(senders))
        self.assertEqual(self.total("connections_closed_total"), 0)
        print(f"    {stored:.0f} events stored and acked, {received / sent:.0%} of what was sent "
              "is read", flush=True)

    def forward_case_89(self):
        """The store is full: connections stay open, reads pause, no ack. Once there is space every
        ack comes, in order, and every event is stored once."""
        endpoint = self.endpoint()
        endpoint.gate.hold("before")
        self.instance = self.millrace([kinesis_match(endpoint.url, id="full", buffer={
            "total_limit_size": "1m", "chunk_limit_size": "100k"})])
        senders = self.fill()
        self.assert_at_rest(senders)
        overflow = self.rows("buffer_overflow_total")
        self.assertGreaterEqual(overflow.pop("full"), len(senders))
        self.assertEqual(overflow, {"unmatched": 0})

        endpoint.gate.release()
        for one in senders:
            one.read_until(one.acks())
            self.assertEqual(one.acked(), len(one.frames))
        self.instance.wait_idle()
        until(endpoint.is_quiet, "the endpoint has answered")
        self.assertEqual(sorted(self.payloads(endpoint)),
                         payloads(chunk for one in senders for chunk in one.chunks))
        self.assertEqual(self.total("paused_connections"), 0)
        self.assertEqual(self.total("connections_closed_total"), 0)


class Stop(LifeCase):
    def stored(self):
        self.instance.wait_idle()
        return sorted(read_payloads(self.output))

    def stand_still(self):
        """What is sent from now on is in flight until go_on_and_stop()."""
        self.instance.signal(signal.SIGSTOP)

        def is_stopped():
            with open(f"/proc/{self.instance.pid}/stat", encoding="ascii") as file:
                return file.read().rpartition(")")[2].split()[0] == "T"

        until(is_stopped, "it stands still")

    def is_refused(self):
        try:
            socket.create_connection(("127.0.0.1", self.instance.port), 5).close()
            return False
        except ConnectionRefusedError:
            return True

    def begin(self):
        """Connections of every kind; the first message of each is acked."""
        self.whole = [self.sender(f"whole{n}", 6) for n in range(4)]
        self.cut = [(self.sender(f"cut{at}", 3), at) for at in CUTS]
        self.rest = [(self.sender(f"rest{at}", 3), at) for at in CUTS]
        self.idle = [self.sender(f"idle{n}", 1) for n in range(3)]
        self.all = [*self.whole, *(one for one, _ in self.cut + self.rest), *self.idle]
        for one in self.all:
            one.send(one.frames[0])
            one.read_until(one.acks(1))

    def send_in_flight(self):
        for one in self.whole:
            one.send(b"".join(one.frames[1:]))
        for one, at in self.cut + self.rest:
            one.send(one.frames[1] + one.frames[2][:at])

    def forward_case_92(self):
        """SIGTERM with messages that wait for their acks and others half sent: nobody can connect
        any more, while who is connected has what came whole stored and acked, then FIN. Exit code 0
        within stop_timeout. What never came whole is not stored; all that is sent again after the
        restart is stored once."""
        self.output = os.path.join(self.directory, "stream")
        self.instance = self.millrace([local_match(self.output, buffer={"flush_interval": "1h"})],
                                      system={"stop_timeout": f"{STOP_SECONDS}s"})
        self.begin()
        self.stand_still()
        self.send_in_flight()
        began = time.monotonic()
        self.instance.signal(signal.SIGTERM)
        self.instance.signal(signal.SIGCONT)

        until(self.is_refused, "the listener is closed", STOP_SECONDS / 4, 0.001)
        # Who is in the midst of a message has time for the rest.
        read_what_came([one for one, _ in self.cut + self.rest], 0.2)
        for one, at in self.rest:
            one.send(one.frames[2][at:])
        for one in [*self.whole, *(one for one, _ in self.rest), *self.idle]:
            self.assertEqual(one.read_to_fin(), one.acks(), one.name)
        for one, _ in self.cut:
            self.assertEqual(one.read_to_fin(), one.acks(2), one.name)
        self.assertEqual(self.instance.wait_exit(STOP_SECONDS), 0)
        self.assertLess(time.monotonic() - began, STOP_SECONDS)

        self.instance.start()
        acked = [chunk for one in self.all for chunk in one.chunks[:one.acked()]]
        self.assertEqual(self.stored(), payloads(acked))
        for one in self.all:
            again = self.sender(one.name, len(one.frames))
            again.send(b"".join(again.frames))
            again.half_close()
            self.assertEqual(again.read_to_fin(), again.acks(), again.name)
        self.assertEqual(self.stored(), payloads(chunk for one in self.all for chunk in one.chunks))
        self.assertEqual(self.instance.stop(), 0)
