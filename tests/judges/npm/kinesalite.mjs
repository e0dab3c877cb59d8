// SPDX-License-Identifier: Apache-2.0

// Runs kinesalite with one stream, for as long as standard input is open.
//
//   node kinesalite.mjs --stream events --shards 7
//
// Prints one line of JSON, {"endpoint":"http://127.0.0.1:PORT","pid":N}, when the stream is ACTIVE.

import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { CreateStreamCommand, DescribeStreamSummaryCommand } from "@aws-sdk/client-kinesis";
import { kinesisClient, until } from "./client.mjs";

const kinesalite = createRequire(import.meta.url)("kinesalite");

const { values } = parseArgs({
  options: {
    stream: { type: "string", default: "events" },
    shards: { type: "string", default: "1" },
    region: { type: "string", default: "us-east-1" },
  },
});

const server = kinesalite({ createStreamMs: 1, shardLimit: 100 });
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const endpoint = `http://127.0.0.1:${server.address().port}`;
const client = kinesisClient(endpoint, values.region);
const name = { StreamName: values.stream };
await client.send(new CreateStreamCommand({ ...name, ShardCount: Number(values.shards) }));
await until("the stream is ACTIVE", 60_000, async () => {
  const { StreamDescriptionSummary: summary } =
      await client.send(new DescribeStreamSummaryCommand(name));
  if (summary.StreamStatus !== "ACTIVE") throw new Error(summary.StreamStatus);
});
client.destroy();
console.log(JSON.stringify({ endpoint, pid: process.pid }));

const stop = () => process.exit(0);
process.on("SIGTERM", stop);
process.stdin.on("end", stop).on("error", stop).resume();
