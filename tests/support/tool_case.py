# SPDX-License-Identifier: Apache-2.0
"""The base of the tests of `millrace buffer`."""
import hashlib
import json
import os

from integration_case import IntegrationCase
from millrace import run_command
from waiting import until

FINE, USAGE, BAD_DATA, DISK, LOCKED = 0, 64, 65, 74, 75


def contents(directory):
    """Every file below: path -> (bytes' digest, time of the last change); and the directories'."""
    found = {}
    for where, _, names in os.walk(directory):
        found[where] = os.stat(where).st_mtime_ns
        for name in names:
            path = os.path.join(where, name)
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                found[path] = (hashlib.md5(file.read()).hexdigest(), os.stat(path).st_mtime_ns)
    return found


def flip(path, offset, bit=0x10):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ bit]))


class ToolCase(IntegrationCase):
    def tool(self, *words, code=FINE):
        """`millrace buffer WORDS`, which must end with `code`."""
        done = run_command("buffer", *words)
        self.assertEqual(done.returncode, code, f"{words}: {done.stderr.decode()[-2000:]}\n"
                                                f"{done.stdout.decode(errors='replace')[-2000:]}")
        return done

    def rows(self, *words, command=("ls",), code=FINE):
        done = self.tool(*command, "--json", *words, code=code)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def errors(self, *words, code):
        return self.tool(*words, code=code).stderr.decode()

    def config(self, millrace):
        return ("-c", millrace.config_path)

    def killed_with_chunks(self, *, events=500, name="millrace", system=None, **options):
        """A killed instance whose chunks were never answered for; its endpoint and sender."""
        endpoint = self.endpoint(shards=2)
        endpoint.gate.hold("before")
        millrace = self.to_endpoint(endpoint, name=name, system=system, id="to_kinesis",
                                    buffer={"chunk_limit_records": 50}, first_byte_timeout="60s",
                                    **options)
        sender = self.send_events(millrace, events)
        millrace.kill()
        endpoint.gate.release()
        # One whose connection is open may still have to be read.
        until(lambda: endpoint.connections_open == 0 and endpoint.is_quiet(),
              "the held requests are over")
        self.stored_before = len(endpoint.records())
        return endpoint, millrace, sender
