# SPDX-License-Identifier: Apache-2.0
"""The base of the Kinesis output's conformance cases: events in, stored records out."""
import json

import foreign_kpl
from forward_client import new_chunk, packed_frame, rfc3339
from integration_case import IntegrationCase
from kpl_reader import read_aggregate
from waiting import until

SECONDS = 1700000000
TAG = "test"
SHARDS = 2


def varint_bytes(value):
    return max(1, (value.bit_length() + 6) // 7)


def fragment_bytes(data_bytes):
    """What one event of so many payload bytes takes in a record (aggregation-format.md)."""
    inner = 3 + varint_bytes(data_bytes) + data_bytes
    return 1 + varint_bytes(inner) + inner


def record_bytes(fragments, key_bytes):
    """Bytes that AWS counts: data and key. `fragments`: the sum of fragment_bytes()."""
    return 20 + 1 + varint_bytes(key_bytes) + 2 * key_bytes + fragments


def sized_event(payload_bytes):
    """A record that becomes so many bytes of JSON with `inject` off."""
    return {"d": "x" * (payload_bytes - len('{"d":""}'))}


def payload_for(fragment):
    """The payload bytes whose fragment is exactly so large; None when no payload has it."""
    return next((size for size in range(fragment - 13, fragment) if size > 7 and
                 fragment_bytes(size) == fragment), None)


class KinesisCase(IntegrationCase):
    def start(self, *, endpoint=None, buffer=None, name="millrace", **options):
        """An instance that seals only when it is told to, or when a chunk is full."""
        self.kinesis = endpoint or self.endpoint(shards=SHARDS)
        self.instance = self.to_endpoint(self.kinesis, name=name, **options,
                                         buffer={"flush_interval": "1h", **(buffer or {})})
        return self.instance

    def send(self, *records, tag=TAG, when=SECONDS, one_message=True):
        """Sends records (values, or packed entries as bytes), acked."""
        client = self.connect(self.instance)
        batches = [records] if one_message else [[record] for record in records]
        for number, batch in enumerate(batches):
            entries = batch[0] if isinstance(batch[0], bytes) else [(when, one) for one in batch]
            client.send(packed_frame(tag, entries, {"chunk": new_chunk()}))
            client.wait_acks(number + 1)

    def delivered(self):
        """Seals, waits, and returns what is stored in order."""
        self.instance.wait_idle()
        until(self.kinesis.is_quiet, "the endpoint has answered")
        self.assertEqual(self.kinesis.violations(), [])
        return [record for _, record in self.kinesis.records()]

    def only_record(self):
        record, = self.delivered()
        return record

    def requests(self):
        until(self.kinesis.is_quiet, "the endpoint has answered")
        return self.kinesis.requests()

    def counted(self, name, **labels):
        wanted = set(labels.items())
        return sum(value for (row, pairs), value in self.instance.metrics().items()
                   if row == f"millrace_{name}" and wanted <= set(pairs))

    def assert_same_bytes(self, entries):
        """All of these requests had one key and one body."""
        self.assertEqual(len({(entry.key, entry.sha256, entry.size) for entry in entries}), 1)

    def read_by(self, judge, records):
        """What a foreign reader makes of stored records."""
        ranges = {record.sequence: (shard.start, shard.end)
                  for shard, record in self.kinesis.records()}
        return foreign_kpl.read(judge, [{"key": record.key, "data": bytes(record.data),
                                         "range": ranges[record.sequence]} for record in records])


def events_without_repeats(pairs):
    """What a consumer keeps of (shard, record) pairs who drops repeats by what is in the records:
    per shard and partition key, the highest sub-sequence number that was seen."""
    seen, events = {}, []
    for shard, record in pairs:
        for number, one in enumerate(read_aggregate(record.data).records):
            place = (shard.number, record.key)
            if number > seen.get(place, -1):
                seen[place] = number
                events.append(one.data)
    return events


def event_json(record, tag=TAG, when=SECONDS):
    return json.dumps({**record, "time": rfc3339(when, 0), "tag": tag}, ensure_ascii=False,
                      separators=(",", ":")).encode()


