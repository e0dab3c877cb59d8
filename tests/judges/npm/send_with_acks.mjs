// SPDX-License-Identifier: Apache-2.0

// Sends numbered events to a forward server with @fluent-org/logger, acks required.
//
//   node send_with_acks.mjs --port 24224 --tag app.node --count 1000 [--mode PackedForward]
//        [--shared-key KEY [--user NAME --password PASSWORD] [--hostname NAME]]
//
// Modes: Message, Forward, PackedForward, CompressedPackedForward. Exits 0 only when every event was
// acknowledged, 77 when the server refuses the client or proves to be the wrong one; stderr says why.

import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const { FluentClient, EventTime } = createRequire(import.meta.url)("@fluent-org/logger");

const { values } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string" },
    tag: { type: "string", default: "app.node" },
    count: { type: "string", default: "1" },
    first: { type: "string", default: "0" },
    mode: { type: "string", default: "PackedForward" },
    "shared-key": { type: "string" },
    user: { type: "string", default: "" },
    password: { type: "string", default: "" },
    hostname: { type: "string", default: "node.example" },
  },
});
const security = values["shared-key"] === undefined ? undefined : {
  clientHostname: values.hostname,
  sharedKey: values["shared-key"],
  username: values.user,
  password: values.password,
};
const client = new FluentClient(null, {
  security,
  eventMode: values.mode,
  ack: { ackTimeout: 60_000 },
  milliseconds: true,
  socket: { host: values.host, port: Number(values.port), timeout: 60_000 },
  flushInterval: 20,
  disconnect: { waitForPending: true },
});
// What the library emits when it gives a connection up for good.
client.socketOn("error", (error) => {
  console.error(`${error.name}: ${error.message}`);
  process.exit(77);
});
const acked = [];
const first = Number(values.first);
const count = Number(values.count);
for (let n = first; n < first + count; n++) {
  const event = { client: "node", n, text: "é😀" };
  acked.push(client.emit(values.tag, event, new EventTime(1700000000 + n, 5_000_000)));
  // A window of events in hand: large enough for batches, small enough for several messages.
  if (acked.length % 100 === 0) await Promise.all(acked.slice(-100));
}
await Promise.all(acked);
await client.disconnect();
console.log(`sent ${count}`);
