#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One life of the service under valgrind's memcheck: every mode in, Kinesis and a local stream out,
faults on the way, flush, status, metrics, graceful stop, and a second life that recovers."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from forward_client import (ForwardClient, NumberedSender, event_time, message_frame)
from integration_case import IntegrationCase
from millrace import kinesis_match, local_match
from waiting import until

ERROR_EXIT = 99
JSON_MODE = b'["local.json",1700000000,{"n":18446744073709551615},{"chunk":"q=="}]'
HOSTILE = (b"\xc1", b"GET / HTTP/1.1\r\n\r\n", b"\xdf\xff\xff\xff\xff", b"\x93\xa4test\xce", JSON_MODE[:20])


@unittest.skipIf("LLVM_PROFILE_FILE" in os.environ, "valgrind does not start what counts its lines")
class Valgrind(IntegrationCase):
    def launch(self, millrace):
        self.report = os.path.join(self.directory, "valgrind.log")
        millrace.launch(["valgrind", "--quiet", f"--error-exitcode={ERROR_EXIT}", "--leak-check=full",
                         "--errors-for-leak-kinds=definite,indirect", "--track-fds=no",
                         f"--log-file={self.report}"])
        millrace.wait_running(120)

    def stop(self, millrace):
        code = millrace.stop(120)
        with open(self.report, encoding="utf-8") as file:
            report = file.read()
        self.assertEqual((code, report), (0, ""))

    def test_two_lives(self):
        endpoint = self.endpoint(shards=2)
        endpoint.faults.queue([500, {"do": "drop"}, "ProvisionedThroughputExceededException"])
        millrace = self.millrace([{**kinesis_match(endpoint.url), "pattern": "app.**"},
                                  {**local_match(), "pattern": "local.**"}], start=False)
        self.launch(millrace)
        sender = NumberedSender("sender", "app.test", modes=("packed", "forward", "gzip"))
        sender.run(millrace.port, lambda: sender.sent_events < 2000)
        for data in HOSTILE:
            with ForwardClient(millrace.port) as client:
                client.send(data)
                client.half_close()
                client.wait_closed()
        with ForwardClient(millrace.port) as client:
            client.send(message_frame("nobody.wants", event_time(1700000000, 5), {"n": 1}, {"chunk": "c"}))
            self.assertEqual(client.wait_acks(1), ["c"])
        with ForwardClient(millrace.port) as client:
            client.send(JSON_MODE)
            self.assertEqual(client.sock.recv(100), b'{"ack":"q=="}')
        millrace.wait_idle(120)
        self.assertGreater(millrace.metrics()[("millrace_acks_total", ())], 0)
        # Chunks stay staged, for the second life to recover.
        sender.run(millrace.port, lambda: sender.sent_events < 3000)
        self.stop(millrace)
        self.launch(millrace)
        millrace.wait_idle(120)
        self.stop(millrace)
        until(endpoint.is_quiet, "the endpoint has read everything")
        self.assert_all_well(endpoint, [sender], repeats=None)
        self.assertEqual(sender.acked_events, 3000)


if __name__ == "__main__":
    cases.main(__file__)
