// SPDX-License-Identifier: Apache-2.0

import { KinesisClient } from "@aws-sdk/client-kinesis";
import { NodeHttpHandler } from "@smithy/node-http-handler";

/** A client for a server on this machine. The SDK would speak HTTP/2 in clear text by itself. */
export function kinesisClient(endpoint, region = "us-east-1") {
  return new KinesisClient({
    endpoint,
    region,
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
    requestHandler: new NodeHttpHandler(),
  });
}

/** Calls `step` until it does not throw; throws its last error after `milliseconds`. */
export async function until(what, milliseconds, step) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`not reached: ${what}: ${error}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
