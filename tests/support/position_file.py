# SPDX-License-Identifier: Apache-2.0
"""Reads the position files (chunks.pos) of a buffer, from their description alone.

Block 0 is the header `MRPOS1 UUID EPOCH CHUNK_SEQ LSN CRC`, padded with spaces to 4095 bytes and a
line feed. From offset 4096 follow slots of 80 bytes; a slot is all zero or a line that ends with
the CRC-32C of the log's 16-byte uuid and of the line's bytes before the CRC.
"""
import os
from dataclasses import dataclass

HEADER_BYTES = 4096
SLOT_BYTES = 80
KINDS = "CSDXRG"  # delivered, secondary, dead, dropped; retry; removed range


def _make_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _make_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@dataclass
class Line:
    kind: str
    chunk_seq: int
    chunk_id: str  # 32 lower-case hex digits
    attempts: int
    unix_ms: int


@dataclass
class Positions:
    uuid: str
    lines: list
    invalid_slots: int

    def finished(self, kind="C"):
        """The chunk ids whose lines of this kind are there, each once, in order of the slots."""
        return list(dict.fromkeys(line.chunk_id for line in self.lines if line.kind == kind))


def dashed(chunk_id):
    """A chunk id as it stands in a random partition key: 8-4-4-4-12."""
    return "-".join((chunk_id[:8], chunk_id[8:12], chunk_id[12:16], chunk_id[16:20], chunk_id[20:]))


def _parse_line(slot, uuid):
    fields = slot.decode("ascii").split(" ")
    if slot[-1:] != b"\n" or fields[0] not in KINDS or len(fields) != 6:
        return None
    if int(fields[5], 16) != crc32c(uuid + slot[:71]):
        return None
    return Line(fields[0], int(fields[1], 16), fields[2], int(fields[3], 16), int(fields[4]))


def read_positions(path):
    """Raises ValueError when the header cannot be read."""
    with open(path, "rb") as file:
        data = file.read()
    fields = data[:HEADER_BYTES].decode("ascii").split()
    if len(data) < HEADER_BYTES or len(fields) != 6 or fields[0] != "MRPOS1":
        raise ValueError(f"{path}: header {data[:80]!r}")
    uuid = bytes.fromhex(fields[1])
    covered = data[:len("MRPOS1 ") + 33 + 9 + 17 + 17]
    if int(fields[5], 16) != crc32c(uuid + covered):
        raise ValueError(f"{path}: the header's CRC differs")
    lines, invalid = [], 0
    for at in range(HEADER_BYTES, len(data) - SLOT_BYTES + 1, SLOT_BYTES):
        slot = data[at:at + SLOT_BYTES]
        if slot.count(0) == SLOT_BYTES:
            continue
        try:
            line = _parse_line(slot, uuid)
        except ValueError:
            line = None
        if line:
            lines.append(line)
        else:
            invalid += 1
    return Positions(fields[1], lines, invalid)


def find_positions(root):
    """Every position file below a directory: path -> Positions."""
    found = {}
    for directory, _, names in os.walk(root):
        if "chunks.pos" in names:
            path = os.path.join(directory, "chunks.pos")
            found[path] = read_positions(path)
    return found
