# SPDX-License-Identifier: Apache-2.0
"""The operations of the strict Kinesis endpoint that change nothing but the shards' shape.

Each is called with the endpoint (its lock held) and the request's body, and returns the reply.
"""
import base64
import json

from kinesis_stream import make_iterator, start_index
from sigv4_check import Refused

REPLY_BYTES_MAX = 10 * 1024 * 1024
REPLY_RECORDS_MAX = 10000


def _stream(endpoint, body):
    name = body.get("StreamName")
    if name not in endpoint.streams:
        raise Refused("ResourceNotFoundException", f"Stream {name} not found.")
    return endpoint.streams[name]


def _shard(stream, shard_id):
    for shard in stream.shards:
        if shard.shard_id == shard_id:
            return shard
    raise Refused("ResourceNotFoundException", f"Shard {shard_id} not found.")


def describe_stream_summary(endpoint, body):
    stream = _stream(endpoint, body)
    return {"StreamDescriptionSummary": {
        "StreamName": stream.name,
        "StreamARN": f"arn:aws:kinesis:{endpoint.region}:000000000000:stream/{stream.name}",
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "RetentionPeriodHours": 24,
        "StreamCreationTimestamp": 1700000000,
        "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        "EncryptionType": "NONE",
        "OpenShardCount": sum(not shard.closed for shard in stream.shards),
        "MaxRecordSizeInKiB": endpoint.record_limit // 1024}}


def list_shards(endpoint, body):
    return {"Shards": [shard.to_json() for shard in _stream(endpoint, body).shards]}


def get_shard_iterator(endpoint, body):
    stream = _stream(endpoint, body)
    shard = _shard(stream, body.get("ShardId"))
    try:
        index = start_index(shard, body.get("ShardIteratorType"),
                            body.get("StartingSequenceNumber"), body.get("Timestamp"))
    except (TypeError, ValueError) as error:
        raise Refused("InvalidArgumentException", f"iterator: {error}") from None
    return {"ShardIterator": make_iterator(stream, shard, index)}


def get_records(endpoint, body):
    try:
        name, number, index = json.loads(base64.b64decode(body["ShardIterator"], validate=True))
        stream = endpoint.streams[name]
        shard = stream.shards[number]
    except (KeyError, ValueError, IndexError):
        raise Refused("InvalidArgumentException", "Invalid ShardIterator.") from None
    records, size = [], 0
    for record in shard.records[index:index + body.get("Limit", REPLY_RECORDS_MAX)]:
        size += len(record.data)
        if records and size > REPLY_BYTES_MAX:
            break
        records.append(record.to_json())
    index += len(records)
    reply = {"Records": records, "MillisBehindLatest": 0 if index == len(shard.records) else 1}
    if not (shard.closed and index == len(shard.records)):
        reply["NextShardIterator"] = make_iterator(stream, shard, index)
    return reply


def split_shard(endpoint, body):
    stream = _stream(endpoint, body)
    shard = _shard(stream, body.get("ShardToSplit"))
    try:
        stream.split(shard.number)
    except ValueError as error:
        raise Refused("InvalidArgumentException", str(error)) from None
    return {}


READS = {"DescribeStreamSummary": describe_stream_summary, "ListShards": list_shards,
         "GetShardIterator": get_shard_iterator, "GetRecords": get_records,
         "SplitShard": split_shard}
