# SPDX-License-Identifier: Apache-2.0
"""CBOR (RFC 8949) for the strict Kinesis endpoint: what is read must be in the form of section 4.2.1
without its order of keys: definite lengths, shortest heads, each key once, and nothing behind."""
import struct

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)
CONSTANTS = {20: False, 21: True, 22: None}
DEPTH_MAX = 16


def _head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    power = 0 if value < 1 << 8 else 1 if value < 1 << 16 else 2 if value < 1 << 32 else 3
    return bytes([major << 5 | 24 + power]) + value.to_bytes(1 << power, "big")


def dumps(value):
    if value is None or isinstance(value, bool):
        return bytes([SIMPLE << 5 | {False: 20, True: 21, None: 22}[value]])
    if isinstance(value, int):
        return _head(UNSIGNED, value) if value >= 0 else _head(NEGATIVE, -1 - value)
    if isinstance(value, float):
        return bytes([SIMPLE << 5 | 27]) + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode("utf-8")
        return _head(TEXT, len(text)) + text
    if isinstance(value, (bytes, bytearray)):
        return _head(BYTES, len(value)) + value
    if isinstance(value, dict):
        return _head(MAP, len(value)) + b"".join(dumps(key) + dumps(one)
                                                 for key, one in value.items())
    return _head(ARRAY, len(value)) + b"".join(dumps(one) for one in value)


def loads(data):
    """The value of all of `data`; ValueError says what is wrong with it."""
    value, end = _item(memoryview(data), 0, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes behind the value")
    return value


def _item(data, at, depth):
    major, value, at = _read_head(data, at)
    if major == UNSIGNED:
        return value, at
    if major == NEGATIVE:
        return -1 - value, at
    if major in (BYTES, TEXT):
        if value > len(data) - at:
            raise ValueError("a string without its end")
        content = bytes(data[at:at + value])
        return content if major == BYTES else content.decode("utf-8"), at + value
    if major == SIMPLE:
        if value not in CONSTANTS:
            raise ValueError(f"simple value {value}")
        return CONSTANTS[value], at
    if major == TAG or depth == DEPTH_MAX:
        raise ValueError("a tag" if major == TAG else "too deep")
    items = []
    for _ in range(value * (2 if major == MAP else 1)):
        item, at = _item(data, at, depth + 1)
        items.append(item)
    return (items if major == ARRAY else _map(items[::2], items[1::2])), at


def _map(keys, values):
    if not all(isinstance(key, str) for key in keys):
        raise ValueError("a key that is no text")
    if len(set(keys)) != len(keys):
        raise ValueError("a key twice")
    return dict(zip(keys, values))


def _read_head(data, at):
    if at >= len(data):
        raise ValueError("cut short")
    major, info = data[at] >> 5, data[at] & 31
    if info < 24:
        return major, info, at + 1
    if info > 27:
        raise ValueError("an indefinite length" if info == 31 else f"reserved {info}")
    if major == SIMPLE:
        raise ValueError("a number with a fraction, or a long simple value")
    end = at + 1 + (1 << info - 24)
    if end > len(data):
        raise ValueError("cut short")
    value = int.from_bytes(data[at + 1:end], "big")
    if len(_head(major, value)) != end - at:
        raise ValueError("a head that could be shorter")
    return major, value, end
