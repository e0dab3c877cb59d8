#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A short storm of badly behaved connections (storm.py is the long one)."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import cases
import storm


class Storm(unittest.TestCase):
    def test_good_clients_lose_nothing_and_nothing_is_left(self):
        figures, problems = storm.run(["--connections", "500", "--seconds", "10"])
        print(f"    {figures}", flush=True)
        self.assertEqual(problems, [])
        self.assertGreaterEqual(figures["open at once"], 300)
        for end in ("fin", "reset", "half_close", "acks_read"):
            self.assertGreater(figures[end], 100, end)


if __name__ == "__main__":
    cases.main(__file__)
