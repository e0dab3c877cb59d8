#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The strict Kinesis endpoint judged by botocore's Kinesis client, and by bytes it never sends."""
import hashlib
import http.client
import tempfile
import time
from email.utils import parsedate_to_datetime

import botocore.exceptions
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import cases
import cbor
from botocore_client import KEY_ID, SECRET, EndpointCase, put
from certificates import Certificates
from kinesis_bodies import Cbor, Json
from waiting import until


class PutAndRead(EndpointCase):
    def test_record_is_stored_and_read(self):
        endpoint = self.start(shards=2)
        kinesis = self.client(endpoint.url)
        self.assertEqual(put(kinesis, "pk")["ShardId"], "shardId-000000000000")
        self.assertEqual(put(kinesis, "foo", b"\x00\xff")["ShardId"], "shardId-000000000001")
        shards = kinesis.list_shards(StreamName="events")["Shards"]
        read = []
        for shard in shards:
            iterator = kinesis.get_shard_iterator(StreamName="events", ShardId=shard["ShardId"],
                                                  ShardIteratorType="TRIM_HORIZON")
            reply = kinesis.get_records(ShardIterator=iterator["ShardIterator"])
            read += [(one["PartitionKey"], one["Data"]) for one in reply["Records"]]
            self.assertEqual(reply["MillisBehindLatest"], 0)
        self.assertEqual(read, [("pk", b"data"), ("foo", b"\x00\xff")])
        entries = endpoint.requests()
        self.assertEqual([one.key for one in entries], ["pk", "foo"])
        self.assertEqual(entries[0].sha256, hashlib.sha256(b"data").hexdigest())
        until(lambda: all(one.replied for one in endpoint.requests()), "replies handed over")
        self.assertTrue(all(one.stored and one.status == 200 for one in entries))
        self.assertEqual(endpoint.violations(), [])

    def test_sequence_numbers_grow(self):
        endpoint = self.start(shards=7)
        kinesis = self.client(endpoint.url)
        numbers = [int(put(kinesis, f"key{n}")["SequenceNumber"]) for n in range(30)]
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_split_sends_later_records_to_the_children(self):
        endpoint = self.start(shards=2)
        kinesis = self.client(endpoint.url)
        put(kinesis, "foo")
        kinesis.split_shard(StreamName="events", ShardToSplit="shardId-000000000001",
                            NewStartingHashKey="255211775190703847597530955573826158592")
        self.assertEqual(put(kinesis, "foo")["ShardId"], "shardId-000000000002")
        summary = kinesis.describe_stream_summary(StreamName="events")["StreamDescriptionSummary"]
        self.assertEqual((summary["StreamStatus"], summary["OpenShardCount"]), ("ACTIVE", 3))
        iterator = kinesis.get_shard_iterator(StreamName="events", ShardId="shardId-000000000001",
                                              ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        self.assertNotIn("NextShardIterator", kinesis.get_records(ShardIterator=iterator))

    def test_tls_by_its_own_authority(self):
        with tempfile.TemporaryDirectory() as directory:
            certificates = Certificates(directory)
            endpoint = self.start(tls=certificates.server_context())
            put(self.client(endpoint.url, verify=certificates.ca_file))
            with self.assertRaises(botocore.exceptions.SSLError):
                put(self.client(endpoint.url))
        self.assertEqual(len(endpoint.records()), 1)


class Refusals(EndpointCase):
    def test_signatures(self):
        endpoint = self.start(credentials={KEY_ID: (SECRET, None), "AKIDTOKEN": ("s3", "TOKEN/+=")})
        cases = [("wrong secret", {"secret": "other"}, "InvalidSignatureException"),
                 ("unknown key", {"key_id": "AKIDOTHER"}, "UnrecognizedClientException"),
                 ("other region", {"region": "eu-west-1"}, "InvalidSignatureException"),
                 ("token not sent", {"key_id": "AKIDTOKEN", "secret": "s3"},
                  "UnrecognizedClientException"),
                 ("wrong token", {"key_id": "AKIDTOKEN", "secret": "s3", "token": "x"},
                  "UnrecognizedClientException")]
        for name, options, code in cases:
            with self.subTest(name):
                self.refused(code, lambda: put(self.client(endpoint.url, **options)))
        put(self.client(endpoint.url, key_id="AKIDTOKEN", secret="s3", token="TOKEN/+="))
        self.assertEqual([one.stored for one in endpoint.requests(operation=None)],
                         [False] * len(cases) + [True])

    def test_clock_skew(self):
        endpoint = self.start()
        for offset, text in ((1200, "Signature expired"), (-1200, "Signature not yet current")):
            endpoint.clock_offset = offset
            response = self.refused("InvalidSignatureException",
                                    lambda: put(self.client(endpoint.url)))
            self.assertIn(text, response["Error"]["Message"])
            self.assertIn("date", response["ResponseMetadata"]["HTTPHeaders"])
        endpoint.clock_offset = 200
        put(self.client(endpoint.url))

    def test_the_date_header_is_the_endpoints_clock(self):
        endpoint = self.start()
        endpoint.clock_offset = 1200
        connection = http.client.HTTPConnection("127.0.0.1", endpoint.port)
        self.addCleanup(connection.close)
        connection.request("GET", "/")
        date = connection.getresponse().getheader("Date")
        self.assertAlmostEqual(parsedate_to_datetime(date).timestamp() - time.time(), 1200, delta=5)

    def test_sizes_and_keys(self):
        endpoint = self.start(record_limit=1000)
        kinesis = self.client(endpoint.url)
        put(kinesis, "é" * 256, b"x" * (1000 - 512))
        self.refused("ValidationException", lambda: put(kinesis, "é" * 256, b"x" * (1001 - 512)))
        # botocore checks neither bound of the key itself
        self.refused("ValidationException", lambda: put(kinesis, "k" * 257))
        self.refused("ResourceNotFoundException", lambda: kinesis.put_record(
            StreamName="other", PartitionKey="k", Data=b""))
        self.assertEqual(endpoint.violations(), [])

    def test_explicit_hash_key_only_when_allowed(self):
        endpoint = self.start(shards=2)
        kinesis = self.client(endpoint.url)
        self.refused("ValidationException", lambda: put(kinesis, ExplicitHashKey="0"))
        self.assertEqual(len(endpoint.violations()), 1)
        endpoint.allow_explicit_hash_key = True
        reply = put(kinesis, "foo", ExplicitHashKey="0")
        self.assertEqual(reply["ShardId"], "shardId-000000000000")

    def test_throttling_by_records_and_bytes(self):
        endpoint = self.start()
        endpoint.throttle = True
        kinesis = self.client(endpoint.url)
        put(kinesis, data=b"x" * 1000000)
        self.refused("ProvisionedThroughputExceededException",
                     lambda: put(kinesis, data=b"x" * 1000000))
        self.assertEqual(len(endpoint.records()), 1)
        until(lambda: _succeeds(lambda: put(kinesis, data=b"x" * 1000)), "tokens come back", 5)


def _succeeds(call):
    try:
        call()
        return True
    except botocore.exceptions.ClientError:
        return False


class HandMadeRequests(EndpointCase):
    """What botocore's client never sends, signed by botocore's signer."""

    def send(self, endpoint, body, headers=None, sign=None, form=Json):
        given = {"Host": f"127.0.0.1:{endpoint.port}", "X-Amz-Target": "Kinesis_20131202.PutRecord",
                 "Content-Type": form.content_type}
        given.update(sign or {})
        request = AWSRequest("POST", endpoint.url + "/", given, data=body)
        SigV4Auth(Credentials(KEY_ID, SECRET), "kinesis", "us-east-1").add_auth(request)
        lines = dict(request.headers.items()) | (headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", endpoint.port)
        connection.request("POST", "/", body, lines)
        reply = connection.getresponse()
        answer = reply.read()
        connection.close()
        self.assertEqual(reply.getheader("Content-Type"), form.content_type)
        return reply.status, form.parse(answer).get("__type")

    def test_bodies(self):
        good = '{"StreamName":"events","Data":"eHg=","PartitionKey":"k"}'
        cases = [("good", good, 200, None),
                 ("not JSON", good[:-1], 400, "SerializationException"),
                 ("member twice", good[:-1] + ',"Data":"eHg="}', 400, "SerializationException"),
                 ("unknown member", good[:-1] + ',"DryRun":true}', 400, "ValidationException"),
                 ("unpadded", good.replace("eHg=", "eHg"), 400, "SerializationException"),
                 ("bits left over", good.replace("eHg=", "eHh="), 400, "SerializationException"),
                 ("not the alphabet", good.replace("eHg=", "e-_="), 400, "SerializationException"),
                 ("line feed", good.replace("eHg=", "eH\\ng="), 400, "SerializationException"),
                 ("empty key", good.replace('"k"', '""'), 400, "ValidationException"),
                 ("no key", '{"StreamName":"events","Data":"eHg="}', 400, "ValidationException"),
                 ("data no string", good.replace('"eHg="', "7"), 400, "SerializationException")]
        endpoint = self.start()
        for name, body, status, code in cases:
            with self.subTest(name):
                self.assertEqual(self.send(endpoint, body), (status, code))
        self.assertEqual(len(endpoint.records()), 1)

    def test_cbor_bodies(self):
        good = {"StreamName": "events", "Data": b"xx", "PartitionKey": "k"}
        written = cbor.dumps(good)
        twice = b"\xa4" + written[1:] + cbor.dumps("Data") + cbor.dumps(b"yy")
        cases = [("good", written, 200, None),
                 ("cut short", written[:-1], 400, "SerializationException"),
                 ("a byte behind", written + b"\0", 400, "SerializationException"),
                 ("no map", cbor.dumps([good]), 400, "SerializationException"),
                 ("member twice", twice, 400, "SerializationException"),
                 ("indefinite", b"\xbf" + written[1:] + b"\xff", 400, "SerializationException"),
                 ("a long head", b"\xb8\x03" + written[1:], 400, "SerializationException"),
                 ("unknown member", cbor.dumps({**good, "DryRun": True}), 400,
                  "ValidationException"),
                 ("Data is text", cbor.dumps({**good, "Data": "eHg="}), 400,
                  "SerializationException"),
                 ("key of bytes", cbor.dumps({**good, "PartitionKey": b"k"}), 400,
                  "ValidationException"),
                 ("too large", cbor.dumps({**good, "Data": b"x" * 1000}), 400,
                  "ValidationException"),
                 ("JSON", b'{"StreamName":"events"}', 400, "SerializationException")]
        endpoint = self.start(record_limit=1000)
        for name, body, status, code in cases:
            with self.subTest(name):
                self.assertEqual(self.send(endpoint, body, form=Cbor), (status, code))
        reads = {"X-Amz-Target": "Kinesis_20131202.ListShards"}
        self.assertEqual(self.send(endpoint, cbor.dumps({}), sign=reads, form=Cbor),
                         (400, "UnknownOperationException"))
        stored, = endpoint.records()
        self.assertEqual((stored[1].key, bytes(stored[1].data)), ("k", b"xx"))
        self.assertEqual({one.body_format for one in endpoint.requests()}, {"cbor"})

    def test_headers(self):
        body = '{"StreamName":"events","Data":"eHg=","PartitionKey":"k"}'
        endpoint = self.start()
        cases = [("expect", {"Expect": "100-continue"}, "ValidationException"),
                 ("body changed", {"Content-Length": str(len(body) - 1)},
                  "InvalidSignatureException"),
                 ("target changed", {"X-Amz-Target": "Kinesis_20131202.PutRecords"},
                  "InvalidSignatureException"),
                 ("token not signed", {"X-Amz-Security-Token": "T"}, "UnrecognizedClientException"),
                 ("no signature", {"Authorization": ""}, "IncompleteSignatureException")]
        for name, headers, code in cases:
            with self.subTest(name):
                self.assertEqual(self.send(endpoint, body, headers), (400, code))
        with self.subTest("user agent must not be signed"):
            status = self.send(endpoint, body, {"User-Agent": "b"}, {"User-Agent": "a"})
            self.assertEqual(status, (200, None))  # botocore leaves it out of the signature
        self.assertEqual(len(endpoint.records()), 1)


if __name__ == "__main__":
    cases.main(__file__)
