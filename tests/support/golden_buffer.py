# SPDX-License-Identifier: Apache-2.0
"""The golden buffers (tests/golden/README.md), to be copied to where an output's log is looked for."""
import gzip
import json
import os

import cases

GOLDEN = os.path.join(cases.REPOSITORY, "tests", "golden", "buffer")


class Golden:
    """One golden buffer, and what a recovery finds in it."""

    def __init__(self, name):
        self.source = os.path.join(GOLDEN, name)
        with open(os.path.join(self.source, "expected.json"), encoding="utf-8") as file:
            expected = json.load(file)
        self.queued = expected["queued"]
        self.dead_letters = expected["dead_letters"]
        self.finished_before = [line.split()[2] for line in expected["lines"]
                                if line[0] in "CSDX"]
        self.dead_before = [line.split()[2] for line in expected["lines"] if line[0] == "D"]

    def place_at(self, directory):
        for where, _, names in os.walk(self.source):
            for name in names:
                if not name.endswith(".gz"):
                    continue
                path = os.path.join(directory, os.path.relpath(where, self.source), name[:-3])
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with gzip.open(os.path.join(where, name)) as packed, open(path, "xb") as file:
                    file.write(packed.read())
