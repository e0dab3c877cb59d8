# SPDX-License-Identifier: Apache-2.0
"""A strict local Kinesis endpoint: it checks what AWS checks, and more, and can misbehave on order.

As a library: `StrictKinesis(...)`, whose methods are the test's view of it. As a program (see
kinesis_process.py for starting it): the same behind a control port, so that it outlives others.

Checked on every request: HTTP form, no Expect header, the SigV4 signature with session token and
date, content type, target. On PutRecord also: members, strict base64 or CBOR, stream, key of 1-256
characters, no ExplicitHashKey, data + key bytes within the limit, and per-shard throttling when on.
It answers in the form of the request: JSON, or CBOR, which it knows for PutRecord alone.
Not modelled: encryption, on-demand streams, PutRecords.
"""
import hashlib
import threading
import time

from http_server import Drop, HttpServer, Reply
from kinesis_bodies import FORMS, Json
from kinesis_faults import BROKEN, FaultScript, Gate
from kinesis_journal import Journal
from kinesis_reads import READS
from kinesis_stream import Stream
from sigv4_check import Refused, check_signature

TARGET_PREFIX = "Kinesis_20131202."
KEY_CHARACTERS_MAX = 256
PUT_MEMBERS = {"StreamName", "Data", "PartitionKey", "ExplicitHashKey", "SequenceNumberForOrdering"}

DEFAULT_CREDENTIALS = {"AKIDEXAMPLE": ("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)}


class StrictKinesis:
    """`credentials`: access key id -> (secret, session token or None); may be replaced at any time.

    Settable while it runs: clock_offset (seconds its clock is ahead), record_limit, throttle,
    allow_explicit_hash_key, credentials. `faults` is its FaultScript, `gate` holds requests.
    """

    def __init__(self, *, stream="events", shards=1, region="us-east-1", credentials=None,
                 record_limit=1048576, port=0, tls=None, directory=None):
        self.region = region
        self.credentials = dict(DEFAULT_CREDENTIALS if credentials is None else credentials)
        self.record_limit = record_limit
        self.clock_offset = 0.0
        self.throttle = False
        self.allow_explicit_hash_key = False
        self.faults = FaultScript()
        self.gate = Gate()
        self.journal = Journal(directory)
        self.lock = threading.Lock()  # of the streams
        self.streams = {stream: Stream(stream, shards)}
        self.stream = self.streams[stream]
        self._in_hand = {}  # connection -> its entry of the journal
        self._server = HttpServer(self._handle, port=port, tls=tls, now=self.now,
                                  answered=self._answered, malformed=self.journal.violation)
        self.port = self._server.port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def now(self):
        return time.time() + self.clock_offset

    # What tests ask.

    def requests(self, since=0, operation="PutRecord"):
        return [one for one in self.journal.entries(since) if operation in (None, one.operation)]

    def records(self):
        """(shard, record) in the order they were stored."""
        with self.lock:
            return self.stream.records()

    def split(self, shard_number):
        with self.lock:
            return self.stream.split(shard_number)

    def violations(self):
        return self.journal.violations()

    def is_quiet(self):
        """Whether every request has been answered and entered in the journal."""
        return not self._in_hand

    def close_idle(self):
        return self._server.close_idle()

    @property
    def connections_accepted(self):
        return self._server.connections_accepted

    @property
    def connections_open(self):
        return self._server.connections_open

    def stop(self):
        self.gate.stop()
        self._server.stop()
        self.journal.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # One request.

    def _handle(self, request):
        self.gate.enter()
        entry = self.journal.open_entry(time.time(), request.connection)
        self._in_hand[request.connection] = entry
        form = FORMS.get(request.headers.get("content-type"), Json)
        entry.body_format = form.name
        try:
            reply = self._answer(request, entry, form)
        except Refused as refused:
            entry.outcome = refused.code
            reply = self._error(form, refused.status, refused.code, refused.message)
        finally:
            # Before the reply: whoever has read it may already have sent the next request.
            self.gate.leave()
        entry.status = reply.status if isinstance(reply, Reply) else 0
        return reply

    def _answered(self, request, ok):
        self.journal.close_entry(self._in_hand.pop(request.connection), ok)

    def _answer(self, request, entry, form):
        if request.method != "POST" or request.target != "/":
            raise self._violation(f"{request.method} {request.target}")
        if "expect" in request.headers:
            raise self._violation("an Expect header")
        check_signature(request, self.credentials, self.region, self.now())
        target = request.headers.get("x-amz-target", "")
        known = request.headers.get("content-type") in FORMS
        if not known or not target.startswith(TARGET_PREFIX):
            raise Refused("UnknownOperationException", f"target {target!r}")
        entry.operation = target[len(TARGET_PREFIX):]
        body = self._parse_body(request.body, form)
        if entry.operation == "PutRecord":
            return self._put_record(body, entry, form)
        if entry.operation not in READS or form is not Json:
            raise Refused("UnknownOperationException", entry.operation)
        with self.lock:
            answer = READS[entry.operation](self, body)
        entry.outcome = "ok"
        return self._reply(form, 200, answer)

    @staticmethod
    def _parse_body(body, form):
        try:
            parsed = form.parse(body)
        except ValueError as error:
            raise Refused("SerializationException", str(error)) from None
        if not isinstance(parsed, dict):
            raise Refused("SerializationException", "body is not an object")
        return parsed

    def _put_record(self, body, entry, form):
        key, data = self._check_put(body, entry, form)
        action = self.faults.next(key)
        if not self.gate.pass_through("before"):
            return Drop()
        if action.do == "error":
            entry.outcome = action.code or f"status {action.status}"
            if not action.code:
                return Reply(action.status, b"<html><body>scripted</body></html>",
                             [("Content-Type", "text/html")])
            raise Refused(action.code, action.message, action.status)
        if action.stored:
            good = self._store(body, key, data, entry)
        entry.outcome = action.do
        if action.do == "store_delay" and not self.gate.pause(action.seconds):
            return Drop()
        if not self.gate.pass_through("after"):
            return Drop()
        if action.do in ("ok", "store_delay"):
            return self._reply(form, 200, good)
        if action.do in ("store_trickle", "store_short"):
            reply = self._reply(form, 200, good)
            reply.byte_seconds = action.seconds
            reply.missing = 10 if action.do == "store_short" else 0
            return reply
        if action.do in BROKEN:
            return Reply(200, form.broken[action.do], [("Content-Type", form.content_type)])
        return Drop(reset=action.do.endswith("reset"))

    def _check_put(self, body, entry, form):
        unknown = set(body) - PUT_MEMBERS
        if unknown:
            raise self._violation(f"members {sorted(unknown)}")
        if body.get("StreamName") not in self.streams:
            raise Refused("ResourceNotFoundException",
                          f"Stream {body.get('StreamName')} under account 000000000000 not found.")
        key = body.get("PartitionKey")
        if not isinstance(key, str) or not 1 <= len(key) <= KEY_CHARACTERS_MAX:
            raise Refused("ValidationException", "partitionKey must have 1 to 256 characters")
        try:
            data = form.data_of(body.get("Data"))
        except ValueError as error:
            raise Refused("SerializationException", str(error)) from None
        entry.key = key
        entry.sha256 = hashlib.sha256(data).hexdigest()
        entry.size = len(data) + len(key.encode("utf-8"))
        entry.explicit_hash = "ExplicitHashKey" in body
        if entry.explicit_hash and not self.allow_explicit_hash_key:
            raise self._violation("ExplicitHashKey")
        if entry.size > self.record_limit:
            raise Refused("ValidationException",
                          f"data and partitionKey: {entry.size} bytes, limit {self.record_limit}")
        return key, data

    def _store(self, body, key, data, entry):
        explicit = int(body["ExplicitHashKey"]) if entry.explicit_hash else None
        with self.lock:
            stream = self.streams[body["StreamName"]]
            shard = stream.shard_of(key, explicit)
            if self.throttle and not shard.admits(entry.size, time.monotonic()):
                raise Refused("ProvisionedThroughputExceededException",
                              f"Rate exceeded for shard {shard.shard_id}.")
            record = stream.put(shard, key, data, self.now(), entry.number)
            self.journal.stored(shard, record)
        entry.stored = True
        entry.shard = shard.shard_id
        entry.sequence = record.sequence
        return {"ShardId": shard.shard_id, "SequenceNumber": record.sequence,
                "EncryptionType": "NONE"}

    # Replies.

    def _violation(self, text):
        self.journal.violation(text)
        return Refused("ValidationException", f"never to be sent: {text}")

    @staticmethod
    def _reply(form, status, body):
        headers = [("Content-Type", form.content_type), ("x-amzn-RequestId", "00000000-test")]
        return Reply(status, form.write(body), headers)

    def _error(self, form, status, code, message):
        reply = self._reply(form, status, {"__type": code, "message": message})
        reply.headers.append(("x-amzn-ErrorType", code))
        return reply
