#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""De-aggregates Kinesis records with the Python aws-kinesis-agg.

Reads JSON lines {"key", "data"} (data in base64) and writes one JSON line an event:
{"record": number of the input line, "sub", "key", "data"}, or {"record", "raw": true} for a record
that the library hands on as it came (not aggregated, or damaged).
"""
import base64
import json
import sys

from aws_kinesis_agg.deaggregator import deaggregate_records


def main():
    for number, line in enumerate(sys.stdin):
        given = json.loads(line)
        record = {
            "kinesis": {
                "data": given["data"],
                "partitionKey": given["key"],
                "sequenceNumber": str(number),
                "kinesisSchemaVersion": "1.0",
                "approximateArrivalTimestamp": 0,
            },
            # The library copies these from the event that Lambda would hand it.
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": str(number),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "",
            "awsRegion": "us-east-1",
            "eventSourceARN": "",
        }
        raw = base64.b64decode(given["data"])
        for event in deaggregate_records([record]):
            part = event["kinesis"]
            if "subSequenceNumber" not in part or base64.b64decode(part["data"]) == raw:
                print(json.dumps({"record": number, "raw": True}))
                continue
            print(json.dumps({"record": number, "sub": part["subSequenceNumber"],
                              "key": part["partitionKey"],
                              "data": part["data"].decode()}))


if __name__ == "__main__":
    main()
