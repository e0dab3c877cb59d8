# SPDX-License-Identifier: Apache-2.0
"""Calls the judges: foreign senders, a foreign Kinesis, protoc; readers: foreign_kpl.py."""
import base64
import json
import os
import re
import subprocess
import tempfile
import urllib.request

from cases import JUDGES, REPOSITORY, require_judge

NPM = os.path.join(JUDGES, "npm")
NODE_SECONDS_MAX = 120


def _run(command, **options):
    done = subprocess.run(command, capture_output=True, timeout=NODE_SECONDS_MAX, check=False,
                          **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command[:2])} ended with {done.returncode}: "
                             f"{done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def node_send(port, tag, count, first=0, mode="PackedForward", security=()):
    """@fluent-org/logger; returns when every event is acked. `security`: the script's options."""
    require_judge("npm")
    return _run(["node", f"{NPM}/send_with_acks.mjs", "--port", str(port), "--tag", tag,
                 "--count", str(count), "--first", str(first), "--mode", mode, *security])


def go_send(port, tag, count, first=0, *flags):
    """fluent-logger-golang with RequestAck; returns when every event is acked."""
    require_judge("go")
    return _run([os.path.join(JUDGES, "go/send"), "-port", str(port), "-tag", tag, "-ack",
                 "-count", str(count), "-first", str(first), *flags])


class KinesisLocal:
    """kinesis-local with the stream `events`."""

    SCRIPT = "kinesis_local.mjs"

    def __init__(self, shards):
        require_judge("npm")
        self._process = subprocess.Popen(
            ["node", f"{NPM}/{self.SCRIPT}", "--stream", "events", "--shards", str(shards)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"{self.SCRIPT} ended with {self._process.wait()}")
        self.url = json.loads(line)["endpoint"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def records(self):
        """By the AWS SDK: dicts with shard, range, sequence, key, data (bytes)."""
        return self._read()

    def events(self):
        """By the AWS SDK and the npm aws-kinesis-agg: as records(), one an event, with sub."""
        return self._read("--deaggregate")

    def _read(self, *flags):
        out = _run(["node", f"{NPM}/read_stream.mjs", "--endpoint", self.url, *flags])
        lines = [json.loads(line) for line in out.splitlines()]
        for line in lines:
            line["data"] = base64.b64decode(line["data"])
        return lines


class Kinesalite(KinesisLocal):
    """kinesalite in its place, for requests in CBOR."""

    SCRIPT = "kinesalite.mjs"
    # It wants these to be there, and looks no further.
    HEADERS = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Date": "20260101T000000Z",
               "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/kinesis/"
                                "aws4_request, SignedHeaders=host, Signature=0"}

    def _ask(self, operation, **members):
        request = urllib.request.Request(self.url, json.dumps(members).encode(), {
            **self.HEADERS, "X-Amz-Target": f"Kinesis_20131202.{operation}"})
        with urllib.request.urlopen(request, timeout=NODE_SECONDS_MAX) as reply:
            return json.load(reply)

    def _read(self, *flags):
        """It hands out Data that came as bytes as a list of numbers, which no SDK reads."""
        assert not flags
        found = []
        for shard in self._ask("ListShards", StreamName="events")["Shards"]:
            keys = shard["HashKeyRange"]
            place = {"shard": shard["ShardId"],
                     "range": [keys["StartingHashKey"], keys["EndingHashKey"]]}
            iterator = self._ask("GetShardIterator", StreamName="events", ShardId=shard["ShardId"],
                                 ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
            while records := (reply := self._ask("GetRecords", ShardIterator=iterator))["Records"]:
                found += [{**place, "sequence": one["SequenceNumber"], "key": one["PartitionKey"],
                           "data": bytes(one["Data"]["data"])} for one in records]
                iterator = reply["NextShardIterator"]
        return found


ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b'"': b'"', b"'": b"'", b"\\": b"\\"}


def _unescape(match):
    letter = match.group(1)
    return bytes([int(letter, 8)]) if len(letter) == 3 else ESCAPED[letter]


def protoc_events(data):
    """One record's Data through `protoc --decode` with the repository's proto: its payloads.

    protoc is strict about required fields; magic and MD5 are cut off unread.
    """
    proto = os.path.join(REPOSITORY, "proto", "kpl.proto")
    with open(proto, encoding="utf-8") as file:
        package = re.search(r"^package\s+([\w.]+)\s*;", file.read(), re.MULTILINE)
    message = f"{package.group(1)}.AggregatedRecord" if package else "AggregatedRecord"
    with tempfile.TemporaryFile() as body:
        body.write(data[4:-16])
        body.seek(0)
        text = _run(["protoc", f"--decode={message}", "-I", os.path.dirname(proto), proto],
                    stdin=body)
    unknown = re.search(rb"^\s*\d+[:{ ]", text, re.MULTILINE)
    if unknown:
        raise AssertionError(f"protoc met an unknown field: {unknown.group(0)!r}")
    return [ESCAPE.sub(_unescape, quoted)
            for quoted in re.findall(rb'^  data: "(.*)"$', text, re.MULTILINE)]
