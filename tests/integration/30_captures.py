#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Replays the recorded bytes of real agents: the same acks, and exactly the events they carry."""
import glob
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from forward_client import digest_of, expected_json, pack
from integration_case import IntegrationCase
from local_stream import read_payloads
from millrace import local_match
from waiting import until

CAPTURES = os.path.join(cases.REPOSITORY, "tests", "compat", "captures")
ONE_BYTE_AT_A_TIME = {"fluentbit-5.1.1-ack", "fluentbit-5.1.1-gzip-ack", "fluentd-1.18-ack",
                      "fluentd-1.18-keepalive-ack"}


class Connection:
    """One recorded connection: its bytes, its events as payloads, the acks it was given."""

    def __init__(self, name, number, acks, ping):
        stem = os.path.join(CAPTURES, f"{name}.{number}")
        with open(f"{stem}.bin", "rb") as file:
            self.data = file.read()
        with open(f"{stem}.events.jsonl", encoding="utf-8") as file:
            events = [json.loads(line) for line in file]
        self.payloads = [expected_json(one["tag"], one["sec"], one["nsec"], one["record"])
                         for one in events]
        self.replies = b"".join(pack({"ack": bytes.fromhex(ack).decode()}) for ack in acks)
        self.ping = [bytes.fromhex(field) for field in ping or ()]


class Server:
    """The server of the recording, as far as its clients know it."""

    def __init__(self, told):
        self.name = told["server_hostname"].encode()
        self.key = (told["shared_key"] or "").encode()
        user, _, password = (told["user"] or "").partition(":")
        self.password = password.encode()
        self.source = {}
        if told["shared_key"] is not None:
            security = {"self_hostname": told["server_hostname"],
                        "shared_key": told["shared_key"]}
            if user:
                security |= {"user_auth": True, "user": [{"username": user, "password": password}]}
            self.source = {"security": security}


def read_capture(name):
    """(its connections that were recorded, its server)."""
    with open(os.path.join(CAPTURES, f"{name}.json"), encoding="utf-8") as file:
        told = json.load(file)
    connections = [Connection(name, one["connection"], one["acks"], one.get("ping_fields"))
                   for one in told["connections"]
                   if os.path.exists(os.path.join(CAPTURES, f"{name}.{one['connection']}.bin"))]
    return connections, Server(told)


def capture_names():
    return sorted(os.path.basename(path)[:-len(".json")]
                  for path in glob.glob(os.path.join(CAPTURES, "*.json")))


class Replay(IntegrationCase):
    def shake_hands(self, client, connection, server):
        """The recorded PING answers another HELO: its digests are made anew and nothing else of it.

        Returns the recorded bytes behind it.
        """
        nonce, auth = client.read_helo()
        word, hostname, salt, digest, user, password_digest = connection.ping
        self.assertEqual(word, b"PING")
        end = connection.data.index(password_digest) + len(password_digest)
        ping = connection.data[:end]
        for old, new in ((digest, digest_of(salt, hostname, nonce, server.key)),
                         (password_digest, digest_of(auth, user, server.password))):
            self.assertEqual(ping.count(old), 1)
            ping = ping.replace(old, new)
        client.send(ping)
        name, proof = client.read_pong()
        self.assertEqual(name, server.name)
        self.assertEqual(proof, digest_of(salt, name, nonce, server.key))
        return connection.data[end:]

    def replay(self, name, step):
        connections, server = read_capture(name)
        self.assertGreater(sum(len(one.payloads) for one in connections), 0)
        output = os.path.join(self.place(name), "output")
        millrace = self.millrace([local_match(output, buffer={"flush_thread_count": 1})], name=name,
                                 source=server.source)
        for connection in connections:
            client = self.connect(millrace)
            data = connection.data
            if connection.ping:
                data = self.shake_hands(client, connection, server)
            for at in range(0, len(data), step):
                client.send(data[at:at + step])
            client.half_close()
            replies = b""
            while more := client.sock.recv(65536):
                replies += more
            self.assertEqual(replies, connection.replies)
        expected = [one for connection in connections for one in connection.payloads]
        until(lambda: os.path.isdir(output) and len(read_payloads(output)) >= len(expected),
              f"{len(expected)} events in the output")
        self.assertEqual(read_payloads(output), expected)
        self.assertEqual(millrace.stop(), 0)
        self.assertEqual(read_payloads(output), expected)

    def test_captures(self):
        names = capture_names()
        self.assertEqual(len(names), 14)
        for name in names:
            with self.subTest(name):
                self.replay(name, step=65536)

    def test_one_byte_at_a_time(self):
        for name in sorted(ONE_BYTE_AT_A_TIME):
            with self.subTest(name):
                self.replay(name, step=1)


if __name__ == "__main__":
    cases.main(__file__)
