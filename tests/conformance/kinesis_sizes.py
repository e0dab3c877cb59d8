# SPDX-License-Identifier: Apache-2.0
"""Sizes, their options, and where records lie in a stream with several shards."""
import cases
import foreign_kpl
import vectors
from kcl_rule import kept_by_kcl
from kinesis_case import (KinesisCase, event_json, fragment_bytes, payload_for,
                          record_bytes, sized_event)
from kinesis_stream import Stream
from kpl_reader import read_aggregate, read_own_aggregate
from millrace import KEY_ID, SECRET, kinesis_match, run_command

RECORD_LIMIT = 1 << 20
FULL_KEY = "k" * 89
LONG_KEY = "\U0001f600" * 256  # 1024 bytes
KEYS = {b"AWS_ACCESS_KEY_ID": KEY_ID, b"AWS_SECRET_ACCESS_KEY": SECRET}


def events_of(fragments):
    """Records whose fragments add up to exactly so many bytes."""
    big = 100_000
    records = [sized_event(big)] * (fragments // fragment_bytes(big) - 1)
    rest = fragments - len(records) * fragment_bytes(big)
    half = rest // 2
    first = next(size for size in range(half, half + 20) if payload_for(size) and
                 payload_for(rest - size))
    return records + [sized_event(payload_for(first)), sized_event(payload_for(rest - first))]


def room(key_bytes):
    """What is left for fragments in a record of 1 MiB."""
    return RECORD_LIMIT - record_bytes(0, key_bytes)


class Options(KinesisCase):
    def check(self, *, buffer=None, **options):
        """What `check` says of a configuration: (exit code, the words)."""
        match = kinesis_match("http://127.0.0.1:9", buffer=buffer, **options)
        instance = self.millrace([match], start=False, name="check")
        done = run_command("check", "-c", instance.config_path, environment=KEYS)
        return done.returncode, (done.stdout + done.stderr).decode()

    def kinesis_case_16(self):
        """chunk_limit_size, which was buffer_chunk_limit: of what a record holds 200 bytes are kept
        free, or what a longer key takes with its overhead."""
        told = {349458: None, 349459: "warning", 1048376: "warning", 1048377: "error"}
        for size, word in told.items():
            with self.subTest(size):
                self.assert_told(word, buffer={"chunk_limit_size": size})
        # A stream with larger records: the same with record_limit.
        larger = {"record_limit": "2m"}
        third = ((2 << 20) - 200) // 3
        self.assert_told(None, buffer={"chunk_limit_size": third}, **larger)
        self.assert_told("warning", buffer={"chunk_limit_size": third + 1}, **larger)
        self.assert_told("warning", buffer={"chunk_limit_size": 1048377}, **larger)
        self.assert_told("warning", buffer={"chunk_limit_size": (2 << 20) - 200}, **larger)
        self.assert_told("error", buffer={"chunk_limit_size": (2 << 20) - 199}, **larger)
        # The key counts with its own size, here once in the table and once beside the data.
        long_key = {"fixed_partition_key": LONG_KEY}
        most = room(len(LONG_KEY.encode()))
        self.assert_told("warning", buffer={"chunk_limit_size": most}, **long_key)
        self.assert_told("error", buffer={"chunk_limit_size": most + 1}, **long_key)

    def assert_told(self, word, **options):
        code, text = self.check(**options)
        self.assertEqual(code, 78 if word == "error" else 0, text)
        told = ["warning" if " warning: " in line else "error" for line in text.splitlines()
                if "chunk_limit_size (" in line]
        self.assertEqual(told, [word] if word else [], text)

    def kinesis_case_23(self):
        """Half a pair of keys is an error, not passed over."""
        for given, missing in (("aws_key_id", "aws_sec_key"), ("aws_sec_key", "aws_key_id")):
            with self.subTest(given):
                code, text = self.check(**{given: "MYHALFOFAPAIR"})
                self.assertEqual(code, 78)
                self.assertIn(f"{given} is given without {missing}", text)
                self.assertNotIn("MYHALFOFAPAIR", text)


class Limits(KinesisCase):
    def start_full(self, key, name="millrace"):
        """With the largest chunk that is allowed; a key of 89 bytes takes what is kept free."""
        self.start(buffer={"chunk_limit_size": room(len(key.encode()))}, inject=False,
                   fixed_partition_key=key, name=name)

    def kinesis_case_17(self):
        """A chunk that makes exactly 1 MiB with its key is sent and taken."""
        self.start_full(FULL_KEY)
        self.send(*events_of(room(len(FULL_KEY))))
        record = self.only_record()
        self.assertEqual(self.requests()[0].size, RECORD_LIMIT)
        self.assertEqual(len(record.data) + len(FULL_KEY), RECORD_LIMIT)

    def kinesis_case_18(self):
        """One byte more is never built: the last event opens the next chunk."""
        records = events_of(room(len(FULL_KEY)))
        records[-1] = {"d": records[-1]["d"] + "x"}
        for one_message in (True, False):
            with self.subTest(one_message=one_message):
                self.start_full(FULL_KEY, name=f"millrace{one_message}")
                self.send(*records, one_message=one_message)
                counts = [len(read_own_aggregate(record.data, record.key))
                          for record in self.delivered()]
                self.assertEqual(sorted(counts), [1, len(records) - 1])
                self.assertLess(max(entry.size for entry in self.requests()), RECORD_LIMIT)
                self.assertEqual({entry.outcome for entry in self.requests()}, {"ok"})

    def kinesis_case_19(self):
        """A key of 256 four-byte characters and the largest chunk that is allowed beside it."""
        size = room(len(LONG_KEY.encode()))
        self.start_full(LONG_KEY)
        self.send(*events_of(size))
        self.assertEqual(self.only_record().key, LONG_KEY)
        self.assertEqual(self.requests()[0].size, RECORD_LIMIT)
        self.send(*events_of(size + 1))
        self.assertEqual(len(self.delivered()), 3)
        self.assertLessEqual(max(entry.size for entry in self.requests()), RECORD_LIMIT)
        self.assertEqual({entry.outcome for entry in self.requests()}, {"ok"})
        match = kinesis_match("http://127.0.0.1:9", fixed_partition_key=LONG_KEY,
                              buffer={"chunk_limit_size": size + 1})
        instance = self.millrace([match], start=False, name="check")
        done = run_command("check", "-c", instance.config_path, environment=KEYS)
        self.assertEqual(done.returncode, 78, done.stderr)


class Routing(KinesisCase):
    def kinesis_case_26(self):
        """Two shards: all under `foo` in the second, all under `pk` in the first."""
        for key, number in (("foo", 1), ("pk", 0)):
            with self.subTest(key):
                self.start(fixed_partition_key=key, name=key)
                for n in range(5):
                    self.send({"n": n})
                    self.instance.wait_idle()
                self.assertEqual(len(self.delivered()), 5)
                self.assertEqual({shard.number for shard, _ in self.kinesis.records()}, {number})

    @cases.needs_judges("java")
    def kinesis_case_27(self):
        """A fixed key, its shard split: nothing is dropped before and after, on 2 and 7 shards."""
        for shards in (2, 7):
            with self.subTest(shards=shards):
                self.start(endpoint=self.endpoint(shards=shards), fixed_partition_key="foo",
                           name=f"millrace{shards}")
                self.send({"n": 0}, {"n": 1})
                self.instance.wait_idle()
                first = self.kinesis.records()[0][0].number
                self.kinesis.split(first)
                self.send({"n": 2}, {"n": 3})
                records = self.delivered()
                used = [shard.number for shard, _ in self.kinesis.records()]
                self.assertEqual(used[0], first)
                self.assertIn(used[1], (shards, shards + 1))
                expected = [[("foo", event_json({"n": n})) for n in pair]
                            for pair in ((0, 1), (2, 3))]
                for (shard, record), events in zip(self.kinesis.records(), expected):
                    kept = kept_by_kcl(read_aggregate(record.data), shard.start, shard.end)
                    self.assertEqual([(one.key, one.data) for one in kept], events)
                self.assertEqual(self.read_by("java", records), expected)

    def assert_dropped(self, keys, user_records):
        """Foreign records: lost to a KCL consumer, and `decode` shows what is in them."""
        shard = Stream("s", 2).shard_of("foo")
        data = vectors.aggregate(keys, user_records)
        self.assertEqual(kept_by_kcl(read_aggregate(data), shard.start, shard.end), [])
        record = {"key": "foo", "data": data, "range": (shard.start, shard.end)}
        whole = {**record, "range": (0, 2 ** 128 - 1)}
        events = [(keys[index], payload) for index, payload in user_records]
        self.assertEqual(foreign_kpl.read("java", [record, whole]), [[], events])
        decoded = run_command("decode", stdin=data)
        self.assertEqual((decoded.returncode, decoded.stdout.splitlines()),
                         (0, [payload for _, payload in events]))

    @cases.needs_judges("java")
    def kinesis_case_28(self):
        """Negative control: user records keyed `a` under the request key `foo` are all dropped."""
        self.assert_dropped(["a"], [(0, b'{"n":1}'), (0, b'{"n":2}')])

    @cases.needs_judges("java")
    def kinesis_case_29(self):
        """Negative control: one foreign user record takes the good ones with it."""
        for order in ((0, 1), (1, 0)):
            self.assert_dropped(["foo", "a"], [(index, b'{"n":%d}' % index) for index in order])
