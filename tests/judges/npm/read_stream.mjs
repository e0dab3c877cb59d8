// SPDX-License-Identifier: Apache-2.0

// Reads every record of every shard with the AWS SDK, as JSON lines.
//
//   node read_stream.mjs --endpoint http://127.0.0.1:4568 --stream events [--deaggregate]
//
// Without --deaggregate: {"shard","range":[start,end],"sequence","key","data"} (data in base64).
// With it, one line an event, read by aws-kinesis-agg with checksums on; its errors end the program:
// {"shard","range","sequence","sub","key","data"}.

import {
  GetRecordsCommand, GetShardIteratorCommand, ListShardsCommand,
} from "@aws-sdk/client-kinesis";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { kinesisClient } from "./client.mjs";

const agg = createRequire(import.meta.url)("aws-kinesis-agg");

const { values } = parseArgs({
  options: {
    endpoint: { type: "string" },
    stream: { type: "string", default: "events" },
    region: { type: "string", default: "us-east-1" },
    deaggregate: { type: "boolean", default: false },
  },
});
const client = kinesisClient(values.endpoint, values.region);

function print(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

function printEvents(place, record) {
  const input = {
    data: Buffer.from(record.Data).toString("base64"),
    partitionKey: record.PartitionKey,
    sequenceNumber: record.SequenceNumber,
  };
  agg.deaggregateSync(input, true, (error, events) => {
    if (error) throw new Error(`record ${record.SequenceNumber}: ${error}`);
    for (const event of events) {
      if (event.subSequenceNumber === undefined) {
        throw new Error(`record ${record.SequenceNumber} is not aggregated`);
      }
      print({ ...place, sub: event.subSequenceNumber, key: event.partitionKey, data: event.data });
    }
  });
}

async function readShard(shard) {
  const range = [shard.HashKeyRange.StartingHashKey, shard.HashKeyRange.EndingHashKey];
  const { ShardIterator: first } = await client.send(new GetShardIteratorCommand({
    StreamName: values.stream, ShardId: shard.ShardId, ShardIteratorType: "TRIM_HORIZON",
  }));
  // Done at the end of a closed shard, or where the reader has caught up with the writer.
  for (let iterator = first; iterator;) {
    const reply = await client.send(new GetRecordsCommand({ ShardIterator: iterator }));
    for (const record of reply.Records) {
      const place = { shard: shard.ShardId, range, sequence: record.SequenceNumber };
      if (values.deaggregate) {
        printEvents(place, record);
      } else {
        const data = Buffer.from(record.Data).toString("base64");
        print({ ...place, key: record.PartitionKey, data });
      }
    }
    if (reply.Records.length === 0 && reply.MillisBehindLatest === 0) return;
    iterator = reply.NextShardIterator;
  }
}

for (let token; ;) {
  const page = await client.send(
    new ListShardsCommand(token ? { NextToken: token } : { StreamName: values.stream }));
  for (const shard of page.Shards) await readShard(shard);
  token = page.NextToken;
  if (!token) break;
}
client.destroy();
