// SPDX-License-Identifier: Apache-2.0

// Runs kinesis-local with one stream, for as long as standard input is open.
//
//   node kinesis_local.mjs --stream events --shards 7
//
// Prints one line of JSON, {"endpoint":"http://127.0.0.1:PORT","pid":N}, when the stream is ACTIVE.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { CreateStreamCommand, DescribeStreamSummaryCommand } from "@aws-sdk/client-kinesis";
import { kinesisClient, until } from "./client.mjs";

const { values } = parseArgs({
  options: {
    stream: { type: "string", default: "events" },
    shards: { type: "string", default: "1" },
    region: { type: "string", default: "us-east-1" },
  },
});

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const main = createRequire(import.meta.url).resolve("kinesis-local/main.js");
const plain = await freePort();
const tls = await freePort();
const server = spawn(process.execPath, [main], {
  cwd: dirname(main), // it looks for its certificate there
  env: {
    PATH: process.env.PATH,
    KINESIS_MOCK_PLAIN_PORT: String(plain),
    KINESIS_MOCK_TLS_PORT: String(tls),
    CREATE_STREAM_DURATION: "1ms",
    SHARD_LIMIT: "100",
    AWS_REGION: values.region,
    LOG_LEVEL: "ERROR",
  },
  stdio: ["ignore", "pipe", "pipe"],
});
// It warns about a busy machine all the time; what it said is told only when it ends by itself.
let said = "";
for (const stream of [server.stdout, server.stderr]) {
  stream.on("data", (data) => { said = (said + data).slice(-10_000); });
}
let stopping = false;
server.on("exit", (code, signal) => {
  if (stopping) return;
  console.error(`kinesis-local ended by itself: ${code ?? signal}\n${said}`);
  process.exit(1);
});

const endpoint = `http://127.0.0.1:${plain}`;
const client = kinesisClient(endpoint, values.region);
const name = { StreamName: values.stream };
await until("kinesis-local answers", 60_000, () =>
  client.send(new CreateStreamCommand({ ...name, ShardCount: Number(values.shards) })));
await until("the stream is ACTIVE", 60_000, async () => {
  const { StreamDescriptionSummary: summary } =
      await client.send(new DescribeStreamSummaryCommand(name));
  if (summary.StreamStatus !== "ACTIVE") throw new Error(summary.StreamStatus);
});
client.destroy();
console.log(JSON.stringify({ endpoint, pid: server.pid }));

function stop() {
  stopping = true;
  server.once("exit", () => process.exit(0));
  server.kill("SIGKILL");
}
process.on("SIGTERM", stop);
process.stdin.on("end", stop).on("error", stop).resume();
