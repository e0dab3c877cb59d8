# SPDX-License-Identifier: Apache-2.0
"""The request, what goes wrong with it, and what is never told."""
import base64
import json
import os
import subprocess
import time

import cases
from http_server import HttpServer, Reply
from kinesis_case import KinesisCase, event_json, events_without_repeats
from kpl_reader import read_own_aggregate
from millrace import KEY_ID, SECRET, kinesis_match
from position_file import dashed
from waiting import until

NEW_YEAR_2026_S = 1767225600
THROTTLED = "ProvisionedThroughputExceededException"
GOLDEN = {  # session token -> headers that are signed, signature
    "": ("content-type;host;x-amz-date;x-amz-target",
         "aa0bb736cea5493449f1d74287ca50dee6a3c653de731fec9a63c9103c93f540"),
    "TOKEN": ("content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
              "fe2bcfcb842dd6069b035925592899f83bd82734ac72302d60cf752a88940e6a"),
}
GOLDEN_BODY = (b'{"StreamName":"s","Data":"84mawgoCcGsaCwgAGgd7ImEiOjF9bLddcP3skLFNkgUfHwebgw==",'
               b'"PartitionKey":"pk"}')


# What the services quote when they cannot read the header.
AUTHORIZATION = (f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20260101/us-east-1/kinesis/aws4_request, "
                 f"SignedHeaders=host, Signature={'0123456789abcdef' * 4}")


class Signing(KinesisCase):
    def fixed_clock(self):
        """A library that stops the wall clock of a process."""
        library = os.path.join(self.directory, "fixed_clock.so")
        source = os.path.join(cases.REPOSITORY, "tests/support/fixed_clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True,
                       timeout=60)
        return {"LD_PRELOAD": library, "FIXED_CLOCK_S": str(NEW_YEAR_2026_S)}

    def kinesis_case_32(self):
        """The golden request, sent by a process whose clock says 2026-01-01, through a proxy so
        that the host is the service's: both signatures, without and with a session token."""
        clock = self.fixed_clock()
        for token, (headers, signature) in GOLDEN.items():
            with self.subTest(token=token):
                seen = []

                def answer(request):
                    seen.append(request)
                    return Reply(200, b'{"ShardId":"shardId-000000000000","SequenceNumber":"1"}')

                proxy = HttpServer(answer)
                self.addCleanup(proxy.stop)
                match = {**kinesis_match("http://kinesis.us-east-1.amazonaws.com", inject=False,
                                         fixed_partition_key="pk",
                                         http_proxy=f"http://127.0.0.1:{proxy.port}"),
                         "stream_name": "s"}
                self.instance = self.millrace([match], name=f"millrace{token}",
                                              environment={**clock, "AWS_SESSION_TOKEN": token})
                self.send({"a": 1})
                request = until(lambda: seen, "the request")[0]  # pylint: disable=W0640
                self.assertEqual(bytes(request.body), GOLDEN_BODY)
                self.assertEqual(request.headers["x-amz-date"], "20260101T000000Z")
                self.assertEqual(request.headers["authorization"],
                                 f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20260101/us-east-1/kinesis/"
                                 f"aws4_request, SignedHeaders={headers}, Signature={signature}")
                self.instance.wait_delivered()
                self.assertEqual(len(seen), 1)


class Failures(KinesisCase):
    def assert_each_once(self, count):
        """A consumer who drops repeats has every event once."""
        self.assertEqual(sorted(events_without_repeats(self.kinesis.records())),
                         sorted(event_json({"n": n}) for n in range(count)))

    def kinesis_case_36(self):
        """Twice 500, then well: three requests, the same bytes and key, stored once."""
        self.start()
        self.kinesis.faults.queue([500, 500])
        self.send({"n": 0}, {"n": 1})
        self.assertEqual(len(self.delivered()), 1)
        self.assertEqual([entry.status for entry in self.requests()], [500, 500, 200])
        self.assert_same_bytes(self.requests())
        self.assertEqual(self.counted("flush_chunks_total", outcome="ambiguous"), 2)
        self.assert_each_once(2)

    def check_stored_twice(self, action, name, **options):
        self.start(name=name, **options)
        self.kinesis.faults.queue([action])
        self.send({"n": 0}, {"n": 1}, {"n": 2})
        first, second = self.delivered()
        self.assertEqual((first.key, first.data), (second.key, second.data))
        self.assertGreater(int(second.sequence), int(first.sequence))
        self.assert_same_bytes(self.requests())
        self.assertEqual(len(self.requests()), 2)
        self.assert_each_once(3)
        self.assertEqual(self.counted("flush_chunks_total", outcome="ambiguous"), 1)
        self.assertEqual(self.counted("flush_chunks_total", outcome="committed"), 1)

    def kinesis_case_37(self):
        """Stored, and the connection ended before the reply: sent again, the same bytes; a reader
        who goes by partition key and sub-sequence number has each event once."""
        for do in ("store_drop", "store_reset"):
            with self.subTest(do):
                self.check_stored_twice({"do": do}, do)

    def kinesis_case_38(self):
        """Stored, and the reply later than the timeout: as 37."""
        self.check_stored_twice({"do": "store_delay", "seconds": 1.5}, "late",
                                first_byte_timeout="300ms")

    def kinesis_case_39(self):
        """Killed between the store and the line in the position file: the same bytes come again."""
        self.start(first_byte_timeout="60s")
        self.kinesis.gate.hold("after")
        self.send({"n": 0}, {"n": 1})
        self.instance.flush()
        until(self.kinesis.records, "stored")
        self.instance.kill()
        self.assertEqual(self.instance.finished(), [])
        self.kinesis.gate.release()
        self.instance.start()
        first, second = self.delivered()
        self.assertEqual((first.key, first.data), (second.key, second.data))
        self.assertEqual([dashed(chunk) for chunk in self.instance.finished("C")], [first.key])
        self.assert_each_once(2)

    def kinesis_case_44(self):
        """The server ends a kept connection: one resend on a new one, counted, nothing in the log.
        One that ends in peace between two requests is replaced before anything is sent on it."""
        self.start(buffer={"flush_thread_count": 1})
        self.send({"n": 0})
        self.instance.wait_idle()
        self.kinesis.faults.queue([{"do": "drop"}])
        self.send({"n": 1})
        self.assertEqual(len(self.delivered()), 2)
        first, lost, again = self.requests()
        self.assertEqual(first.connection, lost.connection)
        self.assertNotEqual(lost.connection, again.connection)
        self.assert_same_bytes([lost, again])
        self.assertEqual(self.counted("flush_resends_total"), 1)
        self.assertEqual(self.kinesis.close_idle(), 1)
        until(lambda: self.kinesis.connections_open == 0, "closed")
        self.send({"n": 2})
        self.assertEqual(len(self.delivered()), 3)
        self.assertEqual(len(self.requests()), 4)
        self.assertEqual(self.counted("flush_chunks_total", outcome="committed"), 3)
        self.assertEqual(self.counted("flush_chunks_total"), 3)
        self.assertEqual(self.counted("flush_retries_total"), 0)
        self.assertNotRegex(self.instance.log(), r" (warn|error) ")
        self.assert_each_once(3)

    def kinesis_case_49(self):
        """A 200 without ShardId, or that is no JSON, proves nothing: the chunk stays and is sent
        again with the same bytes."""
        for do in ("no_shard_id", "invalid_json", "empty"):
            with self.subTest(do):
                self.start(name=do)
                self.kinesis.faults.always({"do": do})
                self.send({"n": 0})
                self.instance.flush()
                until(lambda: self.counted("flush_chunks_total", outcome="ambiguous") >= 2,
                      "two tries")
                self.assertEqual(self.instance.finished(), [])
                self.assertEqual(self.counted("flush_chunks_total", outcome="committed"), 0)
                self.kinesis.faults.clear()
                self.delivered()
                self.assert_same_bytes(self.requests())
                self.assertEqual(len(self.instance.finished("C")), 1)
                self.assert_each_once(1)

    def kinesis_case_52(self):
        """SIGTERM while the service throttles. There is no memory buffer; the file buffer: it ends
        quickly, or with flush_at_shutdown at stop_timeout, and what it holds is sent after the
        start."""
        for at_shutdown in (False, True):
            with self.subTest(flush_at_shutdown=at_shutdown):
                self.start(name=f"stop{at_shutdown}", system={"stop_timeout": "1s"},
                           buffer={"flush_at_shutdown": at_shutdown, "chunk_limit_records": 2})
                self.kinesis.faults.always(THROTTLED)
                self.send(*({"n": n} for n in range(11)))
                until(lambda: len(self.requests()) > 2, "tries")
                began = time.monotonic()
                self.assertEqual(self.instance.stop(), 0)
                self.assertLess(time.monotonic() - began, 8)
                self.assertEqual(self.kinesis.records(), [])
                tried = {entry.key: entry.sha256 for entry in self.requests()}
                self.kinesis.faults.clear()
                self.instance.start()
                stored = {record.key: record for record in self.delivered()}
                self.assertEqual(len(stored), 6)
                self.assertLessEqual(set(tried), set(stored))
                self.assertEqual({entry.sha256 for entry in self.requests()
                                  if entry.key in tried}, set(tried.values()))
                self.assert_each_once(11)
                self.assertEqual(self.instance.dead(), {})


class Secrets(KinesisCase):
    def kinesis_case_53(self):
        """At the log levels debug and trace: no secret key, token, Authorization or payload in the
        log, in good times and in bad."""
        token, payload = "SESSIONTOKENTHATNOBODYSEES", "PAYLOADTHATNOBODYSEES"
        for level in ("debug", "trace"):
            with self.subTest(level):
                endpoint = self.endpoint(credentials={KEY_ID: (SECRET, token)})
                echo = f"for {KEY_ID} {SECRET} {token}: Authorization={AUTHORIZATION}"
                self.start(endpoint=endpoint, name=level, aws_key_id=KEY_ID, aws_sec_key=SECRET,
                           aws_ses_token=token, system={"log_level": level},
                           buffer={"chunk_limit_records": 2})
                endpoint.faults.queue([
                    {"error": "IncompleteSignatureException", "status": 403, "message": echo},
                    {"error": "ThrottlingException", "message": echo}, {"do": "drop"},
                    {"do": "invalid_json"}, 500,
                    {"error": "ValidationException", "message": echo}])
                self.send(*({"n": n, "secret": payload} for n in range(10)))
                client = self.connect(self.instance)
                client.send(json.dumps(["json", 1, {payload: [payload]}]).encode() + b"\xc1")
                client.wait_closed()
                self.instance.flush()
                until(self.instance.dead, "the refused chunk is in dead/")
                until(lambda: len(endpoint.records()) > 2, "the others are delivered")
                log = self.instance.log() + json.dumps(self.instance.status())
                for shown in (" debug ", "IncompleteSignatureException", "ValidationException"):
                    self.assertIn(shown, log)
                encoded = base64.b64encode(b'xx' + payload.encode())[4:-4].decode()
                for hidden in (SECRET, token, payload, encoded, "AWS4-HMAC", "Signature=",
                               "0123456789abcdef"):
                    self.assertNotIn(hidden, log)
                self.assertTrue(all(payload.encode() in one for _, record in endpoint.records()
                                    for one in read_own_aggregate(record.data, record.key)))
