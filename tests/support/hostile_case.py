# SPDX-License-Identifier: Apache-2.0
"""The base of the cases of hostile clients: no flood or drip may harm a good agent."""
import os

from forward_case import ForwardCase


class HostileCase(ForwardCase):
    """`agent` is connected all the time, and must not notice what the others do."""

    def setUp(self):
        super().setUp()
        self.agent = self.peer()
        if "security" not in self.SOURCE:
            self.probe(self.agent)

    def assert_others_are_served(self):
        self.probe(self.agent)
        self.probe(self.peer())

    def is_closed(self, peer):
        """Whether the server has ended the connection; what it still had to say is kept."""
        peer.sock.setblocking(False)
        try:
            while new := peer.sock.recv(65536):
                peer.data += new
            return True
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        finally:
            peer.sock.setblocking(True)
            peer.sock.settimeout(30)

    def send_until_closed(self, peer, data, most):
        """Sends it again and again until the server closes; how many bytes it took."""
        sent = 0
        try:
            while sent < most:
                peer.send(data)
                sent += len(data)
        except ConnectionError:
            pass
        return sent

    def cpu_seconds(self):
        with open(f"/proc/{self.millrace.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
