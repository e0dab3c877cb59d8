# SPDX-License-Identifier: Apache-2.0
"""botocore's own Kinesis client, pointed at the strict endpoint, for the tests of that endpoint."""
import unittest

import botocore.exceptions
import botocore.session
from botocore.config import Config

from strict_kinesis import DEFAULT_CREDENTIALS, StrictKinesis

KEY_ID, (SECRET, _) = next(iter(DEFAULT_CREDENTIALS.items()))


def client(url, *, key_id=KEY_ID, secret=SECRET, token=None, region="us-east-1", attempts=1,
           **more):
    return botocore.session.Session().create_client(
        "kinesis", region_name=region, endpoint_url=url, aws_access_key_id=key_id,
        aws_secret_access_key=secret, aws_session_token=token,
        config=Config(retries={"total_max_attempts": attempts}, read_timeout=20), **more)


def open_clients_of(case):
    """client(), each closed when the test case ends."""
    def make(url, **options):
        made = client(url, **options)
        case.addCleanup(made.close)
        return made
    return make


def put(kinesis, key="pk", data=b"data", **more):
    return kinesis.put_record(StreamName="events", PartitionKey=key, Data=data, **more)


class EndpointCase(unittest.TestCase):
    def setUp(self):
        self.client = open_clients_of(self)

    def start(self, **options):
        endpoint = StrictKinesis(**options)
        self.addCleanup(endpoint.stop)
        return endpoint

    def refused(self, code, call):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call()
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return caught.exception.response
