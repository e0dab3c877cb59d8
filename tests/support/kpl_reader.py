# SPDX-License-Identifier: Apache-2.0
"""Reads KPL-aggregated records, strictly, from the wire description alone.

Source: aggregation-format.md of awslabs/amazon-kinesis-producer. No protobuf library is used, so
that a mistake in one cannot hide itself. Where readers in the field are lenient, this one raises:
every record must be readable by the strictest of them.
"""
import hashlib
from dataclasses import dataclass

MAGIC = bytes.fromhex("f3899ac2")
DIGEST_BYTES = 16
VARINT, LENGTH_DELIMITED = 0, 2
HASH_KEY_MAX = 2 ** 128 - 1


class NotReadable(Exception):
    """The record is not a well-formed aggregated record; the text says where."""


@dataclass
class UserRecord:
    key: str
    explicit_hash: "int | None"
    data: bytes


@dataclass
class Aggregate:
    keys: list  # the partition key table
    explicit_hashes: list
    records: list


class Fields:
    """The (number, wire type, value) triples of one protobuf message."""

    def __init__(self, data, what):
        self._data = data
        self._at = 0
        self._what = what

    def _varint(self):
        value = 0
        for count in range(10):
            if self._at >= len(self._data):
                raise NotReadable(f"{self._what}: ends inside a varint")
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << (7 * count)
            if not byte & 0x80:
                if count and byte == 0:
                    raise NotReadable(f"{self._what}: varint longer than needed")
                if value >= 2 ** 64:
                    break
                return value
        raise NotReadable(f"{self._what}: varint above 64 bits")

    def __iter__(self):
        while self._at < len(self._data):
            tag = self._varint()
            number, wire_type = tag >> 3, tag & 7
            if number == 0:
                raise NotReadable(f"{self._what}: field number 0")
            if wire_type == VARINT:
                yield number, wire_type, self._varint()
            elif wire_type == LENGTH_DELIMITED:
                length = self._varint()
                if length > len(self._data) - self._at:
                    raise NotReadable(f"{self._what}: field {number} is longer than the rest")
                self._at += length
                yield number, wire_type, self._data[self._at - length:self._at]
            else:
                raise NotReadable(f"{self._what}: wire type {wire_type}")


def _text(value, what):
    try:
        return bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotReadable(f"{what}: {error}") from None


def _hash_key(value):
    text = _text(value, "explicit hash key")
    if not text.isdigit() or (text != "0" and text[0] == "0") or int(text) > HASH_KEY_MAX:
        raise NotReadable(f"explicit hash key {text!r}")
    return int(text)


RECORD_FIELDS = {1: VARINT, 2: VARINT, 3: LENGTH_DELIMITED, 4: LENGTH_DELIMITED}


def _read_record(data, place):
    """(key index, explicit hash index or None, data); the indices are not checked here."""
    seen = {}
    for number, wire_type, value in Fields(data, f"record {place}"):
        if RECORD_FIELDS.get(number) != wire_type:
            raise NotReadable(f"record {place}: field {number} of wire type {wire_type}")
        if number in seen:
            raise NotReadable(f"record {place}: field {number} twice")
        if number == 4:
            raise NotReadable(f"record {place}: tags, which no producer writes")
        seen[number] = value
    if 1 not in seen or 3 not in seen:
        raise NotReadable(f"record {place}: a required field is missing")
    return seen[1], seen.get(2), bytes(seen[3])


def read_aggregate(data):
    """The aggregate in the Data of a Kinesis record. Raises NotReadable."""
    if len(data) < len(MAGIC) + 1 + DIGEST_BYTES or data[:len(MAGIC)] != MAGIC:
        raise NotReadable("no magic, or too short")
    message = memoryview(data)[len(MAGIC):-DIGEST_BYTES]
    if hashlib.md5(message).digest() != data[-DIGEST_BYTES:]:
        raise NotReadable("the MD5 differs")
    keys, hashes, found = [], [], []
    for number, wire_type, value in Fields(message, "aggregate"):
        if wire_type != LENGTH_DELIMITED:
            raise NotReadable(f"aggregate: field {number} of wire type {wire_type}")
        if number == 1:
            keys.append(_text(value, "partition key"))
        elif number == 2:
            hashes.append(_hash_key(value))
        elif number == 3:
            found.append(_read_record(value, len(found)))
        else:
            raise NotReadable(f"aggregate: unknown field {number}")
    records = []
    for place, (key, explicit, payload) in enumerate(found):
        if key >= len(keys) or (explicit is not None and explicit >= len(hashes)):
            raise NotReadable(f"record {place}: index beyond its table")
        explicit_hash = None if explicit is None else hashes[explicit]
        records.append(UserRecord(keys[key], explicit_hash, payload))
    if not records:
        raise NotReadable("no user record")
    return Aggregate(keys, hashes, records)


def read_own_aggregate(data, request_key, compat=False):
    """As read_aggregate, and held to what millrace promises of each record it sends.

    One key, the request's, in the table; with `compat` (Fluentd's form) "a" before it; every user
    record under that key; no explicit hash keys. Returns the list of payloads.
    """
    return own_payloads(read_aggregate(data), request_key, compat)


def own_payloads(aggregate, request_key, compat=False):
    """As read_own_aggregate, of a record that was read before."""
    table = ["a", request_key] if compat else [request_key]
    if aggregate.keys != table or aggregate.explicit_hashes:
        raise NotReadable(f"tables {aggregate.keys} {aggregate.explicit_hashes}, not {table}")
    for place, record in enumerate(aggregate.records):
        if record.key != request_key:
            raise NotReadable(f"record {place} has the key {record.key!r}, not {request_key!r}")
    return [record.data for record in aggregate.records]
