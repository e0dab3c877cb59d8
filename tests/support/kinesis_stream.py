# SPDX-License-Identifier: Apache-2.0
"""The stored side of the strict Kinesis endpoint: streams, shards, records, limits.

Not thread-safe: the endpoint calls it under its lock. Sequence numbers grow over the whole stream.
"""
import base64
import hashlib
import json
from dataclasses import dataclass, field

HASH_END = 2 ** 128 - 1
FIRST_SEQUENCE = 49680418332609370529457931872841085405721004510917165058
SHARD_BYTES_PER_SECOND = 1024 * 1024
SHARD_RECORDS_PER_SECOND = 1000


def key_hash(key):
    return int.from_bytes(hashlib.md5(key.encode("utf-8")).digest(), "big")


class TokenBucket:
    """`rate` a second, at most one second saved up. Empty at no time below zero."""

    def __init__(self, rate):
        self.rate = rate
        self.level = rate
        self.seen = None

    def refill(self, now):
        if self.seen is not None and now > self.seen:
            self.level = min(self.rate, self.level + (now - self.seen) * self.rate)
        self.seen = now


@dataclass
class Record:
    sequence: str
    time: float
    key: str
    data: bytes
    request: int  # number of the request in the journal

    def to_json(self):
        return {"SequenceNumber": self.sequence, "ApproximateArrivalTimestamp": self.time,
                "PartitionKey": self.key, "Data": base64.b64encode(self.data).decode()}


@dataclass
class Shard:
    number: int
    start: int  # both ends belong to it
    end: int
    parent: "int | None" = None
    closed: bool = False
    records: list = field(default_factory=list)
    bytes_bucket: TokenBucket = None
    records_bucket: TokenBucket = None

    def __post_init__(self):
        self.bytes_bucket = TokenBucket(SHARD_BYTES_PER_SECOND)
        self.records_bucket = TokenBucket(SHARD_RECORDS_PER_SECOND)

    @property
    def shard_id(self):
        return f"shardId-{self.number:012d}"

    def to_json(self):
        told = {"ShardId": self.shard_id,
                "HashKeyRange": {"StartingHashKey": str(self.start),
                                 "EndingHashKey": str(self.end)},
                "SequenceNumberRange": {"StartingSequenceNumber": str(FIRST_SEQUENCE)}}
        if self.parent is not None:
            told["ParentShardId"] = f"shardId-{self.parent:012d}"
        if self.closed:
            told["SequenceNumberRange"]["EndingSequenceNumber"] = str(FIRST_SEQUENCE + 2 ** 62)
        return told

    def admits(self, size, now):
        """Takes tokens for one record of `size` bytes; False means throttled, nothing taken."""
        self.bytes_bucket.refill(now)
        self.records_bucket.refill(now)
        # A record above the rate passes when the bucket is full, as a large record does in AWS.
        needed = min(size, self.bytes_bucket.rate)
        if self.records_bucket.level < 1 or self.bytes_bucket.level < needed:
            return False
        self.records_bucket.level -= 1
        self.bytes_bucket.level -= size
        return True


class Stream:
    def __init__(self, name, shard_count):
        self.name = name
        width = 2 ** 128 // shard_count
        self.shards = [Shard(n, n * width, (n + 1) * width - 1) for n in range(shard_count)]
        self.shards[-1].end = HASH_END
        self._next = 0

    def shard_of(self, key, explicit_hash=None):
        wanted = key_hash(key) if explicit_hash is None else explicit_hash
        for shard in self.shards:
            if not shard.closed and shard.start <= wanted <= shard.end:
                return shard
        raise AssertionError(f"no open shard for {wanted}")

    def put(self, shard, key, data, now, request):
        record = Record(str(FIRST_SEQUENCE + self._next), now, key, data, request)
        self._next += 1
        shard.records.append(record)
        return record

    def split(self, number):
        """Closes a shard and opens two for the halves of its range."""
        old = self.shards[number]
        if old.closed or old.start == old.end:
            raise ValueError(f"{old.shard_id} cannot be split")
        old.closed = True
        middle = (old.start + old.end) // 2
        for start, end in ((old.start, middle), (middle + 1, old.end)):
            self.shards.append(Shard(len(self.shards), start, end, parent=number))
        return self.shards[-2:]

    def records(self):
        """(shard, record) of all shards, by sequence number."""
        pairs = [(shard, record) for shard in self.shards for record in shard.records]
        return sorted(pairs, key=lambda pair: int(pair[1].sequence))


def make_iterator(stream, shard, index):
    return base64.b64encode(json.dumps([stream.name, shard.number, index]).encode()).decode()


def start_index(shard, kind, sequence, timestamp):
    """Where a shard iterator of the given type starts; ValueError for an unknown type."""
    records = shard.records
    if kind == "TRIM_HORIZON":
        return 0
    if kind == "LATEST":
        return len(records)
    if kind == "AT_TIMESTAMP":
        return sum(record.time < timestamp for record in records)
    if kind == "AT_SEQUENCE_NUMBER":
        return sum(int(record.sequence) < int(sequence) for record in records)
    if kind == "AFTER_SEQUENCE_NUMBER":
        return sum(int(record.sequence) <= int(sequence) for record in records)
    raise ValueError(kind)
