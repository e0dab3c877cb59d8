# SPDX-License-Identifier: Apache-2.0
"""The rule by which the Kinesis Client Library drops user records of an aggregated record.

Source: AggregatorUtil.java of awslabs/amazon-kinesis-client. Each user record has a hash: its
explicit hash key, else the MD5 of its partition key. As soon as one lies outside the shard's range
the library throws away all user records of that Kinesis record, those before it too, silently.
"""
import hashlib


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
