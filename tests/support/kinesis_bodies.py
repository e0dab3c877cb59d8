# SPDX-License-Identifier: Apache-2.0
"""The two forms of Kinesis bodies, each read strictly and written: what differs between them.

`parse` and `data_of` (the bytes of the member Data) raise ValueError with what is wrong. `broken`
are the bodies of answers that go wrong: kinesis_faults.py.
"""
import base64
import binascii
import json

import cbor

_NO_SHARD_ID = {"SequenceNumber": "49680418332609370529"}
_WHOLE = {"ShardId": "shardId-000000000000", "SequenceNumber": "49680418332609370529"}


class Json:
    name = "json"
    content_type = "application/x-amz-json-1.1"
    write = staticmethod(lambda value: json.dumps(value).encode())
    broken = {"no_shard_id": json.dumps(_NO_SHARD_ID).encode(),
              "invalid_json": b'{"ShardId":"shardId-000000000000","Sequen', "empty": b""}

    @staticmethod
    def parse(body):
        try:
            return json.loads(body.decode("utf-8"), object_pairs_hook=_object_without_repeats)
        except (UnicodeDecodeError, ValueError) as error:
            raise ValueError(f"body is not JSON: {error}") from None

    @staticmethod
    def data_of(value):
        try:
            data = binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
        except (AttributeError, ValueError) as error:
            raise ValueError(f"Data is not base64: {error}") from None
        # Strict mode lets bits through that the last quantum leaves over.
        last = base64.b64encode(data[-(len(data) % 3 or 3):]).decode()
        if data and last != value[-4:]:
            raise ValueError("Data is not base64: not the shortest form")
        return data


class Cbor:
    name = "cbor"
    content_type = "application/x-amz-cbor-1.1"
    write = staticmethod(cbor.dumps)
    broken = {"no_shard_id": cbor.dumps(_NO_SHARD_ID), "invalid_json": cbor.dumps(_WHOLE)[:40],
              "empty": b""}

    @staticmethod
    def parse(body):
        try:
            return cbor.loads(body)
        except (UnicodeDecodeError, ValueError) as error:
            raise ValueError(f"body is not CBOR: {error}") from None

    @staticmethod
    def data_of(value):
        if not isinstance(value, bytes):
            raise ValueError("Data is no byte string")
        return value


FORMS = {form.content_type: form for form in (Json, Cbor)}


def _object_without_repeats(pairs):
    parsed = dict(pairs)
    if len(parsed) != len(pairs):
        raise ValueError("a member twice")
    return parsed
