# SPDX-License-Identifier: Apache-2.0
"""Aggregated records read and made by the libraries of others, in one process a call.

`java` is the Kinesis Client Library's de-aggregator (reading) and amazon-kinesis-aggregator
(making), `pip` and `npm` are aws-kinesis-agg for Python and Node.
"""
import base64
import json
import os
import re
import subprocess
import tempfile
import threading

from cases import JUDGES, require_judge

SECONDS_MAX = 300
JAVA = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]


def _pinned(file, pattern):
    with open(os.path.join(JUDGES, file), encoding="utf-8") as text:
        return re.search(pattern, text.read())[1]


NAMES = {"java": "Java amazon-kinesis-client " + _pinned(
             "java/SHA256SUMS", r"kcl/amazon-kinesis-client-([\d.]+)\.jar"),
         "pip": "Python aws-kinesis-agg " + _pinned(
             "pip/requirements.txt", r"aws-kinesis-agg==([\d.]+)"),
         "npm": "Node aws-kinesis-agg " + _pinned(
             "npm/package.json", r'"aws-kinesis-agg": "([\d.]+)"')}


def _lines(command, given):
    """Runs a program on these lines (an iterable); its own lines, as they come."""
    with tempfile.TemporaryFile() as words, tempfile.TemporaryFile() as errors:
        for line in given:
            words.write(line.encode())
        words.seek(0)
        with subprocess.Popen(command, stdin=words, stdout=subprocess.PIPE,
                              stderr=errors) as process:
            timer = threading.Timer(SECONDS_MAX, process.kill)
            timer.start()
            try:
                for line in process.stdout:
                    yield line.rstrip(b"\n")
            finally:
                process.stdout.close()
                code = process.wait()
                timer.cancel()
        if code != 0:
            errors.seek(0)
            raise AssertionError(f"{' '.join(command[:4])} ended with {code}: "
                                 f"{errors.read().decode(errors='replace')[-2000:]}")


def _java(name):
    place = os.path.join(JUDGES, "java")
    library = {"Deaggregate": "kcl", "Aggregate": "aggregator"}[name]
    return [*JAVA, "-cp", f"{place}/classes/{library}:{place}/lib/{library}/*", name]


def _script(judge, name):
    if judge == "pip":
        return [os.path.join(JUDGES, "pip/.venv/bin/python"),
                os.path.join(JUDGES, f"pip/{name}.py")]
    return ["node", os.path.join(JUDGES, f"npm/{name}.mjs")]


def _text(data):
    return base64.b64encode(data).decode()


def read(judge, records):
    """The list of what read_each() yields."""
    return list(read_each(judge, records))


def read_each(judge, records):
    """Yields what the reader makes of each record (a dict with key, data and the shard's range).

    A list of (key, payload), empty when all were dropped; None for a record that the reader takes
    for not aggregated, or damaged.
    """
    require_judge(judge)
    place, events = 0, []
    lines = _read_java(records) if judge == "java" else _read_script(judge, records)
    for number, sub, key, payload in lines:
        while place < number:
            yield events
            place, events = place + 1, []
        if key is None:
            events = None
            continue
        if number != place or sub != len(events):
            raise AssertionError(f"record {number}: user record {sub} after {events}")
        events.append((key, payload))
    while place < len(records):
        yield events
        place, events = place + 1, []


def _read_java(records):
    given = (f"{_text(one['key'].encode())}\t{_text(one['data'])}\t{one['range'][0]}\t"
             f"{one['range'][1]}\n" for one in records)
    for line in _lines(_java("Deaggregate"), given):
        number, outcome, *rest = line.decode("ascii").split("\t")
        if outcome == "raw":
            yield int(number), 0, None, None
        elif outcome == "user":
            yield (int(number), int(rest[0]), base64.b64decode(rest[1]).decode(),
                   base64.b64decode(rest[2]))


def _read_script(judge, records):
    given = (json.dumps({"key": one["key"], "data": _text(one["data"])}) + "\n"
             for one in records)
    for line in _lines(_script(judge, "deaggregate"), given):
        told = json.loads(line)
        if "raw" in told:
            yield told["record"], 0, None, None
        else:
            # Node knows no key where the index is beyond the table.
            yield told["record"], told["sub"], told.get("key", ""), base64.b64decode(told["data"])


def make(judge, records):
    """Aggregated records of (key, explicit hash key or None, payload) lists, one of each."""
    require_judge(judge)
    if judge == "java":
        given = ["".join(f"{_text(key.encode())}\t{hash_key or ''}\t{_text(payload)}\n"
                         for key, hash_key, payload in record) + "\n" for record in records]
        command = _java("Aggregate")
    else:
        given = [json.dumps([{"key": key, "hash": hash_key, "data": _text(payload)}
                             for key, hash_key, payload in record]) + "\n" for record in records]
        command = _script(judge, "aggregate")
    made = [base64.b64decode(line) for line in _lines(command, given)]
    if len(made) != len(records):
        raise AssertionError(f"{len(made)} records made, {len(records)} asked for")
    return made
