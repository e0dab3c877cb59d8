// SPDX-License-Identifier: Apache-2.0

// De-aggregates Kinesis records with the npm aws-kinesis-agg, checksums on.
//
// Reads JSON lines {"key", "data"} (data in base64), writes one JSON line an event: {"record": number
// of the input line, "sub", "key", "data"}, or {"record", "raw": true} for a record that the library
// refuses or does not take for aggregated.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const agg = createRequire(import.meta.url)("aws-kinesis-agg");

let number = 0;

function print(lines) {
  process.stdout.write(lines.map((line) => JSON.stringify(line) + "\n").join(""));
}

for await (const line of createInterface({ input: process.stdin })) {
  const given = JSON.parse(line);
  const record = number++;
  const input = { data: given.data, partitionKey: given.key, sequenceNumber: String(record) };
  let events = [];
  let refused = false;  // it may be called again after an error
  agg.deaggregateSync(input, true, (error, found) => {
    refused ||= Boolean(error);
    events = found;
  });
  if (refused || events.some((event) => event.subSequenceNumber === undefined)) {
    print([{ record, raw: true }]);
    continue;
  }
  print(events.map((event) => (
    { record, sub: event.subSequenceNumber, key: event.partitionKey, data: event.data })));
}
