# SPDX-License-Identifier: Apache-2.0
"""The rule by which the Kinesis Client Library drops user records of an aggregated record.

Source: AggregatorUtil.java of awslabs/amazon-kinesis-client. Each user record has a hash: its
explicit hash key, else the MD5 of its partition key. As soon as one lies outside the shard's range
the library throws away all user records of that Kinesis record, those before it too, silently.
"""
import hashlib

from kinesis_stream import Stream, key_hash

SHARD_COUNTS = (1, 2, 7, 64)
STREAMS = {count: Stream("rule", count) for count in SHARD_COUNTS}

def user_record_hash(record):
    if record.explicit_hash is not None:
        return record.explicit_hash
    return int.from_bytes(hashlib.md5(record.key.encode("utf-8")).digest(), "big")


def kept_by_kcl(aggregate, shard_start, shard_end):
    """The user records that a KCL consumer of the shard [start, end] is given."""
    kept = []
    for record in aggregate.records:
        if not shard_start <= user_record_hash(record) <= shard_end:
            return []
        kept.append(record)
    return kept


def ranges_of(request_key):
    """name -> (first, last hash) of the shard that the key leads to, on streams of 1, 2, 7 and 64
    shards, and of the half of that shard after a split."""
    ranges, wanted = {}, key_hash(request_key)
    for count, stream in STREAMS.items():
        shard = stream.shard_of(request_key)
        middle = (shard.start + shard.end) // 2
        half = (shard.start, middle) if wanted <= middle else (middle + 1, shard.end)
        ranges[f"{count} shards"] = (shard.start, shard.end)
        ranges[f"{count} shards after a split"] = half
    return ranges


def lossy_ranges(aggregate, request_key, shard_range=None):
    """The names of the shards on which a KCL consumer would lose user records of this Kinesis
    record:
    those of ranges_of(), and `shard_range`, where it was stored."""
    hashes = {user_record_hash(record) for record in
              {(record.key, record.explicit_hash): record for record in aggregate.records}.values()}
    ranges = {"the shard it is in": shard_range} if shard_range else {}
    ranges.update(ranges_of(request_key))
    return [name for name, (start, end) in ranges.items()
            if not all(start <= one <= end for one in hashes)]
