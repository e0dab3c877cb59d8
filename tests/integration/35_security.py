#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[source.security] with the real binary: who is let in, what the others read, count and cost."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
import judges
from forward_client import ForwardClient, Refused, expected_json, message_frame, pack
from integration_case import IntegrationCase
from local_stream import read_payloads
from millrace import local_match
from waiting import until

KEY = "s3cr3t"
SECONDS = 1700000000
COUNT = 200
EXIT_UNREACHABLE = 69
EXIT_CONFIGURATION = 78
USERS = {"user_auth": True, "user": [{"username": "alice", "password": "${ALICE}"},
                                     {"username": "bob", "password": "builder"}]}
MODES = ("Message", "Forward", "PackedForward", "CompressedPackedForward")


class SecurityCase(IntegrationCase):
    def secured(self, start=True, **security):
        """An instance that writes to files, with the shared key from its environment."""
        security = {"self_hostname": "server.example", "shared_key": "${FORWARD_KEY}", **security}
        self.output = os.path.join(self.place("output"), "stream")
        return self.millrace([local_match(self.output)], source={"security": security}, start=start,
                             environment={"FORWARD_KEY": KEY, "ALICE": "wonder"})

    def assert_stored(self, expected):
        until(lambda: os.path.isdir(self.output) and len(read_payloads(self.output)) >= len(expected),
              f"{len(expected)} events in the output")
        self.assertEqual(sorted(read_payloads(self.output)), sorted(expected))

    def closed(self, millrace, reason):
        return millrace.metrics()[("millrace_connections_closed_total", (("reason", reason),))]

    def assert_no_secret_in(self, text):
        for secret in (KEY, "wonder", "builder"):
            self.assertNotIn(secret, text)


@cases.needs_judges("npm")
class RealClient(SecurityCase):
    """@fluent-org/logger, which verifies the server's digest and name too."""

    def node(self, millrace, *security, mode="PackedForward", tag="app.node"):
        judges.node_send(millrace.port, tag, COUNT, mode=mode, security=security)

    def expected(self, tag):
        return [expected_json(tag, SECONDS + n, 5000000, {"client": "node", "n": n, "text": "é😀"})
                for n in range(COUNT)]

    def test_shared_key(self):
        millrace = self.secured()
        for mode in MODES:
            with self.subTest(mode):
                self.node(millrace, "--shared-key", KEY, mode=mode, tag=f"app.{mode}")
        self.assert_stored([one for mode in MODES for one in self.expected(f"app.{mode}")])
        self.assertEqual(millrace.metrics()[("millrace_handshakes_total", ())], len(MODES))
        self.assertEqual(millrace.stop(), 0)

    def test_users(self):
        millrace = self.secured(**USERS)
        self.node(millrace, "--shared-key", KEY, "--user", "alice", "--password", "wonder")
        self.assert_stored(self.expected("app.node"))
        for user, password in (("alice", "builder"), ("eve", "wonder"), ("", "")):
            with self.subTest(user=user, password=password):
                with self.assertRaisesRegex(AssertionError,
                                            "ended with 77.*username/password mismatch"):
                    self.node(millrace, "--shared-key", KEY, "--user", user, "--password", password)
        self.assertEqual(self.closed(millrace, "user_mismatch"), 3)
        self.assert_stored(self.expected("app.node"))
        self.assert_no_secret_in(millrace.log())

    def test_wrong_key(self):
        millrace = self.secured()
        with self.assertRaisesRegex(AssertionError, "ended with 77.*shared_key mismatch"):
            self.node(millrace, "--shared-key", "wrong")
        self.assertEqual(self.closed(millrace, "shared_key_mismatch"), 1)
        self.assertIn('client="node.example"', millrace.log())

    def test_a_client_with_the_servers_name_refuses_it(self):
        millrace = self.secured()
        with self.assertRaisesRegex(AssertionError, "ended with 77.*Same hostname"):
            self.node(millrace, "--shared-key", KEY, "--hostname", "server.example")


class Rules(SecurityCase):
    def send_one(self, client, n):
        client.send(message_frame("app.test", SECONDS, {"n": n}, {"chunk": f"c{n}"}))
        self.assertEqual(client.wait_acks(1), [f"c{n}"])

    def refused(self, millrace, *arguments, **options):
        client = self.connect(millrace)
        with self.assertRaises(Refused) as caught:
            client.shake_hands(*arguments, **options)
        self.assertIsNone(client.receive())
        return str(caught.exception)

    def test_the_first_client_rule_that_fits_counts(self):
        millrace = self.secured(allow_anonymous_source=False, **USERS, client=[
            {"network": "10.0.0.0/8"},
            {"host": "localhost", "shared_key": "0ther", "users": ["alice"]}])
        client = self.connect(millrace)
        self.assertEqual(client.shake_hands("0ther", user="alice", password="wonder"),
                         "server.example")
        self.send_one(client, 1)
        self.assertEqual(self.refused(millrace, KEY, user="alice", password="wonder"),
                         "shared_key mismatch")
        self.assertEqual(self.refused(millrace, "0ther", user="bob", password="builder"),
                         "username/password mismatch")
        self.assert_stored([expected_json("app.test", SECONDS, 0, {"n": 1})])
        self.assertEqual(millrace.stop(), 0)
        self.assert_no_secret_in(millrace.log())

    def test_strangers(self):
        millrace = self.secured(allow_anonymous_source=False, client=[{"network": "10.0.0.0/8"}])
        self.assertEqual(self.refused(millrace, KEY), "anonymous source host '127.0.0.1' denied")
        self.assertEqual(self.closed(millrace, "anonymous_source"), 1)

    def test_an_agent_without_a_key_is_told_and_stores_nothing(self):
        millrace = self.secured()
        for frame in (message_frame("app.test", SECONDS, {"n": 1}, {"chunk": "c"}),
                      pack(["app.test", [[SECONDS, {"n": "x" * 100000}]], {"chunk": "c"}])):
            client = self.connect(millrace)
            client.read_helo()
            client.send(frame)
            with self.assertRaisesRegex(Refused, "invalid ping message"):
                client.read_pong()
            client.wait_closed()
        self.assertEqual(self.closed(millrace, "invalid_ping"), 2)
        good = self.connect(millrace)
        good.shake_hands(KEY)
        self.send_one(good, 2)
        self.assert_stored([expected_json("app.test", SECONDS, 0, {"n": 2})])

    def test_heartbeats_make_no_noise(self):
        millrace = self.secured()
        before = millrace.log()
        for _ in range(200):
            with ForwardClient(millrace.port) as client:
                client.shake_hands(KEY)
            socket.create_connection(("127.0.0.1", millrace.port)).close()
        until(lambda: millrace.status()["sources"][0]["connections"] == 0, "all are closed")
        self.assertEqual(millrace.metrics()[("millrace_handshakes_total", ())], 200)
        self.assertEqual(millrace.log(), before)

    def test_an_unknown_host_prevents_the_start(self):
        millrace = self.secured(start=False, client=[{"host": "no-such-host.invalid"}])
        self.assertEqual(millrace.launch().wait_exit(), EXIT_UNREACHABLE)
        self.assertIn("no-such-host.invalid", millrace.log())

    def test_a_key_in_a_file_for_everybody_prevents_the_start(self):
        millrace = self.secured(start=False, shared_key="HUSH")
        os.chmod(millrace.config_path, 0o644)
        self.assertEqual(millrace.launch().wait_exit(), EXIT_CONFIGURATION)
        self.assertIn("shared_key is a secret", millrace.log())
        self.assertNotIn("HUSH", millrace.log())


if __name__ == "__main__":
    cases.main(__file__)
