#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes aggregated records with the Python aws-kinesis-agg.

Each line is a JSON array of {"key", "hash" or null, "data"} (data in base64); for each one line is
written, the record in base64.
"""
import base64
import json
import sys

from aws_kinesis_agg.aggregator import AggRecord


def main():
    for line in sys.stdin:
        record = AggRecord()
        for one in json.loads(line):
            if not record.add_user_record(one["key"], base64.b64decode(one["data"]), one["hash"]):
                sys.exit("the user record does not fit")
        _, _, data = record.get_contents()
        print(base64.b64encode(data).decode())


if __name__ == "__main__":
    main()
