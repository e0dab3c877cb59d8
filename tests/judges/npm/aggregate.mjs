// SPDX-License-Identifier: Apache-2.0

// Makes aggregated records with the npm aws-kinesis-agg.
//
// Each line is a JSON array of {"key", "hash" or null, "data"} (data in base64); for each one line is
// written, the record in base64.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { RecordAggregator } = createRequire(import.meta.url)("aws-kinesis-agg");

for await (const line of createInterface({ input: process.stdin })) {
  const aggregator = new RecordAggregator();
  for (const { key, hash, data } of JSON.parse(line)) {
    const record = { partitionKey: key, data: Buffer.from(data, "base64") };
    if (hash !== null) record.explicitHashKey = hash;
    aggregator.addUserRecord(record);
  }
  process.stdout.write(aggregator.build().data.toString("base64") + "\n");
}
