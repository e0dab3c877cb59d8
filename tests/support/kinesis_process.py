#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The strict Kinesis endpoint as a process of its own, and the test's view of that process.

    kinesis_process.py [--stream S] [--shards N] [--port P] [--directory DIR] [--tls DIR] ...

prints {"port", "control_port", "url"} when it serves, and runs until its standard input ends,
SIGTERM, or /_control/stop. `KinesisProcess` starts that and talks to its control port.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from urllib.parse import urlencode

from certificates import Certificates
from kinesis_control import ControlServer
from strict_kinesis import DEFAULT_CREDENTIALS, StrictKinesis


class KinesisProcess:
    """The endpoint in another process. Keyword arguments are the program's options."""

    def __init__(self, **options):
        command = [sys.executable, os.path.abspath(__file__)]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{command} ended with {self._process.wait()}")
        told = json.loads(line)
        self.pid = self._process.pid
        self.port = told["port"]
        self.url = told["url"]
        self._control = f"http://127.0.0.1:{told['control_port']}/_control/"

    def ask(self, command, **parameters):
        query = f"?{urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(self._control + command + query, timeout=60) as reply:
            return json.load(reply)

    def script(self, **sources):
        return self.ask("script", **{name: json.dumps(value) for name, value in sources.items()})

    def stop(self):
        if self._process.poll() is None:
            self._process.stdin.close()
            self._process.wait(timeout=30)
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def parse_arguments():
    parser = argparse.ArgumentParser(description="a strict local Kinesis endpoint")
    parser.add_argument("--stream", default="events")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--directory", help="keep journal and records there too")
    parser.add_argument("--tls", metavar="DIR", help="serve TLS; DIR/ca.pem is made, for clients")
    parser.add_argument("--record-limit", type=int, default=1048576)
    parser.add_argument("--token", help="the session token clients must send")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    key_id, (secret, _) = next(iter(DEFAULT_CREDENTIALS.items()))
    tls = Certificates(arguments.tls).server_context() if arguments.tls else None
    with StrictKinesis(stream=arguments.stream, shards=arguments.shards, region=arguments.region,
                       credentials={key_id: (secret, arguments.token)}, port=arguments.port,
                       record_limit=arguments.record_limit, tls=tls,
                       directory=arguments.directory) as endpoint:
        control = ControlServer(endpoint, arguments.control_port)
        signal.signal(signal.SIGTERM, lambda *_: control.stopped.set())
        threading.Thread(target=lambda: (sys.stdin.read(), control.stopped.set()),
                         daemon=True).start()
        print(json.dumps({"port": endpoint.port, "control_port": control.port,
                          "url": endpoint.url}), flush=True)
        control.stopped.wait()
        control.stop()


if __name__ == "__main__":
    main()
