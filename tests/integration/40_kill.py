#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A short kill -9 loop (kill_loop.py is the long one), and the kill between store and reply."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
import kill_loop
from integration_case import IntegrationCase
from position_file import dashed
from waiting import until


class Kill(IntegrationCase):
    def test_short_loop(self):
        summary, problems = kill_loop.run(["--cycles", "10"])
        print(f"    {summary}", flush=True)
        self.assertEqual(problems, [])

    def keys_of_held(self):
        return {entry.key for entry in self.held.requests() if entry.key}

    def kill_with_replies_held(self, when):
        """Kills while every flush thread waits for a reply; returns the keys held."""
        self.held = self.endpoint(shards=2)
        self.held.gate.hold(when)
        self.instance = self.to_endpoint(self.held, buffer={"flush_thread_count": 3,
                                                            "chunk_limit_records": 50},
                                         first_byte_timeout="60s")
        self.sender = self.send_events(self.instance, 500)
        until(lambda: len(self.keys_of_held()) == 3, "three requests held")
        keys = self.keys_of_held()
        self.instance.kill()
        self.assertEqual(self.instance.finished(), [])
        self.held.gate.release()
        until(self.held.is_quiet, "the held requests are over")
        return keys

    def restart_and_finish(self):
        self.instance.start()
        self.instance.wait_idle()
        verdict = self.assert_all_well(self.held, [self.sender], repeats=None)
        self.assertEqual(verdict.delivered, 500)
        self.assertEqual({record.key for _, record in self.held.records()},
                         {dashed(chunk) for chunk in self.instance.finished()})
        return verdict

    def test_killed_between_store_and_reply_repeats_the_same_bytes(self):
        keys = self.kill_with_replies_held("after")
        self.assertEqual(len(self.held.records()), 3)
        self.assertEqual(self.restart_and_finish().repeated, 3)
        counts = {key: sum(entry.key == key for entry in self.held.requests()) for key in keys}
        self.assertEqual(set(counts.values()), {2})

    def test_killed_before_the_store_repeats_nothing_else(self):
        keys = self.kill_with_replies_held("before")
        self.restart_and_finish()
        # Released after the kill, they were stored all the same: only these may come twice.
        again = [entry.key for entry in self.held.requests()]
        self.assertEqual({key for key in again if again.count(key) > 1}, keys)

    def test_staged_chunk_survives_and_keeps_its_events(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint, buffer={"flush_interval": "600s"})
        sender = self.send_events(millrace, 300)
        self.assertEqual(endpoint.requests(), [])
        millrace.kill()
        millrace.start()
        millrace.wait_delivered()
        until(endpoint.records, "recovery sealed the staged chunk")
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 300)

    def test_message_sent_again_after_the_kill_is_stored_once(self):
        endpoint = self.endpoint()
        millrace = self.to_endpoint(endpoint)
        sender = self.send_events(millrace, 200)
        again = sender.make_message()
        client = self.connect(millrace)
        client.send(again.frame)
        client.wait_acks(1)  # durable, but the agent dies before it notes the ack
        millrace.kill()
        millrace.start()
        client = self.connect(millrace)
        client.send(again.frame)
        self.assertEqual(client.wait_acks(1), [again.chunk])
        millrace.wait_idle()
        verdict = self.assert_all_well(endpoint, [sender])
        self.assertEqual(verdict.delivered, sender.sent_events)


if __name__ == "__main__":
    cases.main(__file__)
