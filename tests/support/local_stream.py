# SPDX-License-Identifier: Apache-2.0
"""Reads what the `local` output wrote: files local.<8 digits>.jsonl of GetRecords entries."""
import base64
import json
import os
import re

from kpl_reader import read_own_aggregate

FILE_NAME = re.compile(r"local\.\d{8}\.jsonl")
MEMBERS = {"SequenceNumber", "ApproximateArrivalTimestamp", "PartitionKey", "Data"}


def read_records(directory):
    """(partition key, data) of every record, in the order of files and lines."""
    records = []
    for name in sorted(os.listdir(directory)):
        if not FILE_NAME.fullmatch(name):
            raise AssertionError(f"{name} among the local stream's files")
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            for line in file:
                if not line.endswith("\n"):
                    break  # a reader beside a write sees its first pages before the others
                entry = json.loads(line)
                if set(entry) != MEMBERS:
                    raise AssertionError(f"members {sorted(entry)}")
                records.append((entry["PartitionKey"],
                                base64.b64decode(entry["Data"], validate=True)))
    return records


def read_payloads(directory):
    """Every event's payload, in order."""
    return [payload for key, data in read_records(directory)
            for payload in read_own_aggregate(data, key)]
