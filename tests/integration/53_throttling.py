#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A service that takes less than there is: the rate is followed, nothing counts to a limit."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
from breaker import counter, is_away
from integration_case import IntegrationCase
from waiting import until

SPACED = "the output takes less than it is sent; requests are spaced"


class Throttling(IntegrationCase):
    def test_a_storm_of_many_threads_follows_what_a_shard_takes(self):
        endpoint = self.endpoint()
        endpoint.throttle = True
        millrace = self.to_endpoint(endpoint, system={"workers": 2}, buffer={
            "flush_thread_count": 16, "chunk_limit_size": "32k", "flush_interval": "100ms"})
        senders = [self.send_events(millrace, 6000, name=f"s{number}", text_bytes=1000)
                   for number in range(2)]
        until(lambda: counter(millrace, "breaker_opens_total", reason="throttled"), "throttled")
        self.assertEqual(counter(millrace, "breaker", state="throttled"), 1)
        millrace.wait_idle(120)
        self.assertEqual(self.assert_all_well(endpoint, senders).delivered, 12000)
        self.assert_one_put_per_chunk(endpoint, millrace)
        requests = endpoint.requests()
        first = next(entry.time for entry in requests if not entry.stored)
        late = [entry for entry in requests if first + 2 <= entry.time <= requests[-1].time - 1]
        span = late[-1].time - late[0].time
        asked = sum(entry.size for entry in late) / span / 1048576
        accepted = sum(entry.size for entry in late if entry.stored) / span / 1048576
        refused = sum(not entry.stored for entry in late)
        together = max(sum(a <= entry.time < a + 0.01 for entry in late)
                       for a in (entry.time for entry in late))
        print(f"    32 flush threads, 1 MiB/s: {asked:.2f} MiB/s asked, {accepted:.2f} accepted, "
              f"{refused} of {len(late)} refused over {span:.1f} s, at most {together} in 10 ms",
              flush=True)
        self.assertLess(asked, 1.25 + 1 / span)  # a second of its rate was saved up
        self.assertGreater(accepted, 0.1)  # 1.00 on an idle machine
        self.assertLess(together, 24)  # in step it would be 32
        self.assertEqual(millrace.dead(), {})
        self.assertEqual(millrace.log().count(SPACED), 1)

    def test_after_an_outage_the_backlog_drains_at_the_rate_of_the_shard(self):
        endpoint = self.endpoint()
        endpoint.throttle = True
        endpoint.faults.always(503)
        millrace = self.to_endpoint(endpoint, system={"workers": 2}, buffer={
            "flush_thread_count": 8, "chunk_limit_size": "64k", "flush_interval": "100ms",
            "retry_max_interval": "1s"})
        senders = [self.send_events(millrace, 6000, name=f"s{number}", text_bytes=1000)
                   for number in range(2)]
        until(lambda: is_away(millrace), "the breaker is open")
        endpoint.faults.clear()
        back = time.time()
        millrace.wait_delivered(120)
        self.assertEqual(self.assert_all_well(endpoint, senders).delivered, 12000)
        stored = [entry for entry in endpoint.requests() if entry.stored]
        # From the first chunk that came through; a second's worth of bytes was saved up by then.
        span = stored[-1].time - stored[0].time
        rate = (sum(entry.size for entry in stored) / 1048576 - 1) / span
        print(f"    {len(stored)} chunks, the first after {stored[0].time - back:.2f} s; then "
              f"{rate:.2f} MiB/s of 1 for {span:.1f} s", flush=True)
        self.assertLess(stored[0].time - back, 2)
        self.assertGreater(rate, 0.5)  # 0.9 and more on an idle machine

    def test_throttles_never_count_to_a_limit(self):
        endpoint = self.endpoint()
        endpoint.faults.always("ProvisionedThroughputExceededException")
        millrace = self.to_endpoint(endpoint, buffer={
            "retry_max_times": 1, "retry_timeout": "1s", "chunk_limit_records": 50})
        sender = self.send_events(millrace, 500)
        millrace.flush()
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 4 and len(endpoint.requests()) > 10,
              "four times the limit of time", 30)
        self.assertEqual(millrace.dead(), {})
        endpoint.faults.clear()
        millrace.wait_delivered()
        self.assertEqual(self.assert_all_well(endpoint, [sender]).delivered, 500)
        self.assertEqual(millrace.finished("D"), [])


if __name__ == "__main__":
    cases.main(__file__)
