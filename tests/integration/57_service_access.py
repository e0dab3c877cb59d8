#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TLS, credentials and secrets on the way to the service."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from certificates import Certificates
from integration_case import IntegrationCase
from millrace import KEY_ID, SECRET
from waiting import until

TOKEN = "FwoGZXIvYXdzEXAMPLETOKEN//////////wEaDExample+/="


class Tls(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates(self.place("certificates"))
        self.served = self.endpoint(tls=self.certificates.server_context())

    def check_delivered(self, **options):
        millrace = self.to_endpoint(self.served, **options)
        sender = self.send_events(millrace, 100)
        millrace.wait_idle()
        self.assertEqual(self.assert_all_well(self.served, [sender]).delivered, 100)

    def test_ca_file_of_the_output(self):
        self.check_delivered(ca_file=self.certificates.ca_file)

    def test_ca_file_of_the_environment(self):
        self.check_delivered(environment={"AWS_CA_BUNDLE": self.certificates.ca_file})

    def test_unknown_authority_is_refused_and_nothing_lost(self):
        millrace = self.to_endpoint(self.served)
        sender = self.send_events(millrace, 100)
        millrace.flush()
        error = until(lambda: "".join(millrace.output()["last_error"]), "the error is told")
        self.assertIn("certificate", error.lower())
        self.assertEqual(self.served.requests(), [])
        self.assertEqual(millrace.stop(), 0)
        millrace = self.to_endpoint(self.served, ca_file=self.certificates.ca_file)
        millrace.wait_delivered()
        self.assertEqual(self.assert_all_well(self.served, [sender]).delivered, 100)


class Credentials(IntegrationCase):
    def check(self, endpoint, **options):
        millrace = self.to_endpoint(endpoint, **options)
        sender = self.send_events(millrace, 100)
        millrace.wait_idle()
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 100)
        self.assertEqual([one.outcome for one in endpoint.requests(operation=None)],
                         ["ok"] * len(endpoint.records()))

    def test_session_token_of_the_environment(self):
        self.check(self.endpoint(credentials={KEY_ID: (SECRET, TOKEN)}),
                   environment={"AWS_SESSION_TOKEN": TOKEN})

    def test_keys_of_the_output_before_the_environment(self):
        self.check(self.endpoint(credentials={"AKIDOTHER": ("other/secret+", TOKEN)}),
                   aws_key_id="AKIDOTHER", aws_sec_key="other/secret+", aws_ses_token=TOKEN)

    def test_region_of_the_environment(self):
        endpoint = self.endpoint(region="eu-central-1")
        self.check(endpoint, region="${REGION_OF_TEST}",
                   environment={"REGION_OF_TEST": "eu-central-1"})

    def test_no_secret_is_ever_told(self):
        for name, credentials in (("right", {KEY_ID: (SECRET, TOKEN)}), ("wrong", {})):
            with self.subTest(name):
                endpoint = self.endpoint(credentials=credentials)
                millrace = self.to_endpoint(endpoint, name=name,
                                            system={"log_level": "trace"},
                                            environment={"AWS_SESSION_TOKEN": TOKEN})
                sender = self.send_events(millrace, 100)
                millrace.flush()
                until(lambda: endpoint.requests(operation=None), "a request")
                until(endpoint.is_quiet, "answered")
                told = (millrace.log() + str(millrace.status()) + str(millrace.metrics()) +
                        str(millrace.output()))
                self.assertEqual(millrace.stop(), 0)
                told += millrace.log()
                for secret in (SECRET, TOKEN, "AWS4-HMAC-SHA256", sender.record(0)["text"][:20]):
                    self.assertNotIn(secret, told)


@unittest.skipIf(os.geteuid() != 0, "needs root for a mount of its own")
class Names(IntegrationCase):
    """The service's name, as a file of hosts that only this instance sees tells it."""

    def names(self, text):
        with open(os.path.join(self.directory, "hosts"), "w", encoding="ascii") as file:
            file.write(f"127.0.0.1 localhost\n{text}\n")

    def test_a_name_that_moves_to_another_address(self):
        endpoint = self.endpoint()
        good, endpoint.url = endpoint.url, endpoint.url.replace("127.0.0.1", "kinesis.test")
        self.names("127.0.0.2 kinesis.test")  # where nobody listens
        millrace = self.to_endpoint(endpoint, start=False, connect_timeout="1s",
                                    buffer={"retry_max_interval": "1s", "flush_thread_count": 1})
        endpoint.url = good
        hosts = os.path.join(self.directory, "hosts")
        millrace.launch(["unshare", "--mount", "--propagation", "private", "sh", "-ec",
                         f'mount --bind {hosts} /etc/hosts; exec "$@"', "sh"])
        millrace.wait_running()
        sender = self.send_events(millrace, 200)
        millrace.flush()
        until(lambda: millrace.log().count("Failed to connect to kinesis.test") >= 3, "it asks there")
        self.names("127.0.0.1 kinesis.test")
        moved = time.monotonic()
        millrace.wait_delivered(120)
        print(f"    delivered {time.monotonic() - moved:.1f} s after the name moved", flush=True)
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 200)


if __name__ == "__main__":
    cases.main(__file__)
