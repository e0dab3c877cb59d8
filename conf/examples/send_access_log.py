#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends the lines of an Apache access log as events, through Debian's python3-fluent-logger.

    send_access_log.py FILE HOST PORT TAG

Each line becomes one event with the fields and the time an agent's `apache2` parser gives it.
Prints how many events were sent; a line that is not of the combined format ends it with exit code 65.
"""
import datetime
import re
import sys

from fluent import sender

COMBINED = re.compile(
    r'(?P<host>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] '
    r'"(?P<method>\S+) (?P<path>\S+) [^"]*" (?P<code>\d{3}) (?P<size>\d+|-)'
    r' "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"')


def event_of(line):
    """(seconds since 1970, record) of one line, or None."""
    match = COMBINED.fullmatch(line)
    if match is None:
        return None
    fields = match.groupdict()
    time = datetime.datetime.strptime(fields.pop("time"), "%d/%b/%Y:%H:%M:%S %z")
    record = {key: None if value == "-" else value for key, value in fields.items()}
    for key in ("code", "size"):
        record[key] = None if record[key] is None else int(record[key])
    return int(time.timestamp()), record


def main(path, host, port, tag):
    logger = sender.FluentSender(tag, host=host, port=int(port))
    sent = 0
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            event = event_of(line.rstrip("\n"))
            if event is None:
                print(f"{path}:{number}: not a line of the combined log format", file=sys.stderr)
                return 65
            if not logger.emit_with_time(None, *event):
                print(f"{host}:{port}: {logger.last_error}", file=sys.stderr)
                return 69
            sent += 1
    logger.close()
    print(sent)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 5:
        print("usage: send_access_log.py FILE HOST PORT TAG", file=sys.stderr)
        sys.exit(64)
    sys.exit(main(*sys.argv[1:]))
