# SPDX-License-Identifier: Apache-2.0
"""Every request the strict Kinesis endpoint got, in order of arrival, and what became of it.

With a directory, what is known is also on disk: `requests.jsonl` (a line when a request has been
answered) and `records.jsonl` (a line when a record is stored, before it is answered).
"""
import dataclasses
import json
import os
import threading
from dataclasses import dataclass


@dataclass
class Entry:
    number: int
    time: float
    connection: int
    operation: str = ""
    body_format: str = ""  # "json", "cbor"
    key: str = ""
    sha256: str = ""  # of the data
    size: int = 0  # data and key, as AWS counts
    explicit_hash: bool = False
    outcome: str = ""  # "ok", an error code, or the fault that was scripted
    status: int = 0  # 0 when the connection was ended without a status
    stored: bool = False
    shard: str = ""
    sequence: str = ""
    replied: bool = False  # the whole reply was handed to the kernel

    def to_json(self):
        return dataclasses.asdict(self)


class Journal:
    def __init__(self, directory=None):
        self._lock = threading.Lock()
        self._entries = []
        self._violations = []
        self._files = {}
        if directory:
            os.makedirs(directory, exist_ok=True)
            for name in ("requests", "records"):
                path = os.path.join(directory, f"{name}.jsonl")
                self._files[name] = open(path, "a", encoding="utf-8")

    def open_entry(self, now, connection):
        with self._lock:
            entry = Entry(len(self._entries), now, connection)
            self._entries.append(entry)
            return entry

    def close_entry(self, entry, replied):
        entry.replied = replied
        self._write("requests", entry.to_json())

    def stored(self, shard, record):
        self._write("records", {"shard": shard.shard_id, "request": record.request,
                                **record.to_json()})

    def violation(self, text):
        """Something a client of ours must never do, even where AWS would not mind."""
        with self._lock:
            self._violations.append(text)

    def _write(self, name, line):
        if name in self._files:
            with self._lock:
                self._files[name].write(json.dumps(line) + "\n")
                self._files[name].flush()

    def entries(self, since=0):
        with self._lock:
            return list(self._entries[since:])

    def violations(self):
        with self._lock:
            return list(self._violations)

    def close(self):
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files = {}
