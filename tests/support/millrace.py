# SPDX-License-Identifier: Apache-2.0
"""Runs the millrace binary on a configuration and looks at it from outside.

The binary is $MILLRACE, or build/release/src/millrace of this repository. Every instance gets its
own directory, port 0 and a minimal environment; its log is kept beside its root.
"""
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess

import metric_rows
from cases import REPOSITORY
from position_file import find_positions
from strict_kinesis import DEFAULT_CREDENTIALS
from waiting import NotReached, until

SANITIZER_REPORT = re.compile(r"WARNING: ThreadSanitizer|ERROR: \w+Sanitizer|: runtime error: ")
KEY_ID, (SECRET, _) = next(iter(DEFAULT_CREDENTIALS.items()))


def binary():
    path = os.environ.get("MILLRACE", os.path.join(REPOSITORY, "build/release/src/millrace"))
    if not os.access(path, os.X_OK):
        raise AssertionError(f"no millrace binary at {path}: build it, or set MILLRACE")
    return path


def _toml_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml_value(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _table(name, options):
    """One TOML table; a dict among the options becomes a table below it."""
    plain = [f"{key} = {_toml_value(value)}" for key, value in options.items()
             if not isinstance(value, dict)]
    below = [_table(f"{name.strip('[]')}.{key}", value) for key, value in options.items()
             if isinstance(value, dict)]
    head = name if name.startswith("[") else f"[{name}]"
    return "\n".join([head, *plain, *below])


def config_text(root, matches, *, system=None, source=None):
    """A configuration file: one forward source, and these [[match]] tables in order."""
    tables = [_table("system", {"root_dir": root, **(system or {})}),
              _table("[[source]]", {"type": "forward", "port": 0, **(source or {})})]
    tables += [_table("[[match]]", match) for match in matches]
    return "\n\n".join(tables) + "\n"


def kinesis_match(url, *, buffer=None, **options):
    """A match for every tag that sends to a strict endpoint, flushing soon and retrying fast."""
    quick = {"flush_interval": "200ms", "retry_wait": "50ms", "retry_max_interval": "500ms",
             **(buffer or {})}
    return {"pattern": "**", "type": "kinesis_aggregation", "stream_name": "events",
            "region": "us-east-1", "endpoint": url, **options, "buffer": quick}


def local_match(path=None, *, buffer=None, **options):
    where = {"path": path} if path else {}
    return {"pattern": "**", "type": "local", **where, **options,
            "buffer": {"flush_interval": "200ms", **(buffer or {})}}


class ControlConnection(http.client.HTTPConnection):
    def __init__(self, path, seconds):
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Millrace:
    """One instance below `directory`. `matches` and the rest go to config_text()."""

    def __init__(self, directory, matches, *, system=None, source=None, environment=None):
        self.directory = directory
        self.root = os.path.join(directory, "root")
        self.config_path = os.path.join(directory, "millrace.toml")
        self.log_path = os.path.join(directory, "millrace.log")
        self.port = None
        suppressions = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tsan.supp")
        self._environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": KEY_ID,
                             "AWS_SECRET_ACCESS_KEY": SECRET,
                             "TSAN_OPTIONS": f"suppressions='{suppressions}'",
                             **(environment or {})}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LLVM_PROFILE_FILE"):
            if name in os.environ:
                self._environment[name] = os.environ[name]
        self._process = None
        os.makedirs(self.root, exist_ok=True)
        self.configure(matches, system=system, source=source)

    def configure(self, matches, *, system=None, source=None):
        with open(self.config_path, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)  # it may hold secrets
            file.write(config_text(self.root, matches, system=system, source=source))

    # Life.

    def launch(self, prefix=()):
        """Starts the process without waiting for it to serve."""
        environment = dict(self._environment)
        if prefix and "LLVM_PROFILE_FILE" in environment:
            environment["LLVM_PROFILE_FILE"] = os.devnull  # another user may not write there
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                [*prefix, binary(), "run", "-c", self.config_path], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=environment, cwd=self.directory)
        return self

    def start(self, seconds=60):
        """Starts it and waits until it serves; `port` is then the port it got."""
        self.launch()
        self.wait_running(seconds)
        return self

    def wait_running(self, seconds=60):
        try:
            until(self.is_running, "millrace serves", seconds)
        except NotReached:
            raise AssertionError(f"millrace does not serve; its log ends:\n{self.log()[-4000:]}") \
                from None

    def is_running(self):
        if self._process.poll() is not None:
            raise AssertionError(f"millrace ended with {self._process.returncode}; its log ends:\n"
                                 f"{self.log()[-4000:]}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            status = self.status()
            # A killed instance leaves its socket, but nothing answers there.
            if status["pid"] == self._process.pid and status["state"] == "running":
                self.port = status["sources"][0]["port"]
                return self.port > 0
        return False

    @property
    def pid(self):
        return self._process.pid

    def signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        """kill -9, and waits until it is gone."""
        self._process.kill()
        return self._process.wait(timeout=30)

    def stop(self, seconds=60):
        """SIGTERM; returns the exit code."""
        self._note_metrics()
        self._process.terminate()
        return self.wait_exit(seconds)

    def wait_exit(self, seconds=60):
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"millrace has not ended; its log ends:\n{self.log()[-4000:]}") \
                from None

    def is_alive(self):
        return self._process is not None and self._process.poll() is None

    def _note_metrics(self):
        """For the account of the rows that tests hit; nothing if it cannot tell, for it may hang."""
        if metric_rows.is_wanted():
            with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
                parse_metrics(self._ask("GET", "/metrics", seconds=3))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.is_alive():
            self._note_metrics()
            self.kill()
        # A binary built with a sanitizer goes on after some of its reports.
        report = SANITIZER_REPORT.search(self.log())
        if report:
            raise AssertionError(f"a sanitizer's report: {self.log()[report.start():][:4000]}")

    # What can be seen.

    def log(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        return ""

    def _ask(self, method, path, seconds=30):
        connection = ControlConnection(os.path.join(self.root, "control.sock"), seconds)
        try:
            connection.request(method, path)
            reply = connection.getresponse()
            body = reply.read()
        finally:
            connection.close()
        if reply.status != 200:
            raise AssertionError(f"{method} {path}: {reply.status} {body!r}")
        return body.decode()

    def status(self):
        return json.loads(self._ask("GET", "/status"))

    def output(self, output_id=None):
        """The status of an output: its workers' numbers added up, states and errors listed."""
        outputs = self.status()["outputs"]
        # Without an id: the only one that somebody configured.
        chosen = [one for one in outputs
                  if output_id == one["id"] or (output_id is None and one["id"] != "unmatched")]
        if len(chosen) != 1:
            raise AssertionError(f"outputs {[one['id'] for one in outputs]}, wanted {output_id}")
        total = {}
        for worker in chosen[0]["workers"]:
            for name, value in worker.items():
                if isinstance(value, (int, float)):
                    total[name] = total.get(name, 0) + value
                else:
                    total.setdefault(name, []).append(value)
        return total

    def flush(self):
        """Seals all staged chunks; returns how many."""
        return json.loads(self._ask("POST", "/flush"))["chunks"]

    def metrics(self):
        return parse_metrics(self._ask("GET", "/metrics"))

    def wait_delivered(self, seconds=60, but=None):
        """Until every output, but for the one of this id, has nothing staged, queued or in
        flight."""
        def drained():
            outputs = self.status()["outputs"]
            return all(worker[name] == 0 for one in outputs if one["id"] != but
                       for worker in one["workers"]
                       for name in ("staged_chunks", "queued_chunks", "in_flight"))
        until(drained, "all chunks delivered", seconds)

    def wait_idle(self, seconds=60, but=None):
        """Flushes, then as wait_delivered."""
        self.flush()
        self.wait_delivered(seconds, but)

    def positions(self):
        return find_positions(self.root)

    def finished(self, kind="C"):
        """Chunk ids with a line of this kind, over all logs."""
        return [one for positions in self.positions().values() for one in positions.finished(kind)]

    def dead(self):
        """(the .json, the bytes of .chunk) of every chunk given up, by path."""
        found = {}
        for directory, _, names in os.walk(self.root):
            if os.path.basename(directory) != "dead":
                continue
            for name in names:
                if name.endswith(".json"):
                    path = os.path.join(directory, name)
                    with open(path, encoding="utf-8") as file:
                        told = json.load(file)
                    with open(path[:-len(".json")] + ".chunk", "rb") as file:
                        found[path] = (told, file.read())
        return found

    def memory_peak_bytes(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")


def parse_metrics(text):
    """Prometheus text -> {(name, ((label, value), ...)): number}."""
    found = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        series, _, value = line.rpartition(" ")
        name, _, labels = series.partition("{")
        pairs = []
        for label in labels.rstrip("}").split('",'):
            if label:
                key, _, text_value = label.partition("=")
                pairs.append((key, text_value.strip('"')))
        found[(name, tuple(sorted(pairs)))] = float(value)
    metric_rows.note(found)
    return found


def run_command(*arguments, stdin=b"", seconds=60, environment=None):
    """Runs `millrace ARGUMENTS` to its end."""
    return subprocess.run([binary(), *arguments], input=stdin, capture_output=True, timeout=seconds,
                          env={"PATH": os.environ["PATH"], **(environment or {})}, check=False)
