# SPDX-License-Identifier: Apache-2.0
"""What the measuring scripts share: the build, the sink, the generator, the wait for every event."""
import contextlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import time

from certificates import Certificates
from millrace import Millrace, kinesis_match
from waiting import until

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


BEHIND = "behind"
AWAY = "http://127.0.0.1:9"


class Spoiled(Exception):
    """A run that must not become a figure."""


def build(*programs):
    """Builds these and millrace; returns the build directory."""
    for command in (["cmake", "--preset", "release", "-DMILLRACE_BENCH=ON"],
                    ["ninja", "-C", "build/release", "-j2", "millrace", *programs]):
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return os.path.join(TOP, "build", "release")


# What nobody who does this work can leave out, as kernel_bench names it; by body_format.
FLOOR = {"json": ("json", "md5", "base64", "sha256_of_json_body", "socket_copies_of_json_body",
                  "write_and_sync"),
         "cbor": ("json", "md5", "sha256_of_cbor_body", "socket_copies_of_cbor_body",
                  "write_and_sync")}
# OpenSSL leaves the processor's SHA instructions alone then: OPENSSL_ia32cap(3), bit 29 of leaf 7.
WITHOUT_SHA = {"OPENSSL_ia32cap": ":~0x20000000"}


def kernels(directory, place, names=".", environment=None):
    """CPU s per million events of each kernel, now, with `place` for the one that writes."""
    command = [os.path.join(directory, "bench", "kernel_bench"), "--benchmark_format=json",
               "--benchmark_min_time=0.2", f"--benchmark_filter={names}"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False,
                          env={**os.environ, **(environment or {})})
    if done.returncode != 0 or "error_message" in done.stdout:
        raise Spoiled(f"kernel_bench: {done.stderr[-1000:]}{done.stdout[-1000:]}")
    return {one["name"]: one["us/event"] for one in json.loads(done.stdout)["benchmarks"]}


def hardware_sha(directory, place):
    """Whether OpenSSL uses the processor's SHA instructions, in words."""
    name = "sha256_of_json_body"
    with_s = kernels(directory, place, name)[name]
    without_s = kernels(directory, place, name, WITHOUT_SHA)[name]
    used = "in use" if without_s > 1.5 * with_s else "NOT in use"
    return (f"SHA instructions of the processor: {used} ({with_s:.2f} CPU s per million events, "
            f"{without_s:.2f} without them)")


class Sink:
    """`certificates`: it speaks TLS with these."""

    def __init__(self, directory, *options, certificates=None):
        self._certificates = certificates
        if certificates:
            options += ("--certificate", certificates.certificate_file, "--key",
                        certificates.key_file)
        self._process = subprocess.Popen([os.path.join(directory, "bench", "millrace-sink"),
                                          *options], stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        if not line:
            raise Spoiled("the sink does not start")
        self.port = json.loads(line)["port"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()

    @property
    def url(self):
        return f"http{'s' if self._certificates else ''}://127.0.0.1:{self.port}"

    def stats(self):
        if self._certificates:
            trusted = ssl.create_default_context(cafile=self._certificates.ca_file)
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30,
                                                     context=trusted)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/_stats")
            return json.loads(connection.getresponse().read())


@contextlib.contextmanager
def receiver(directory, place, *sink_options, body="json", tls=False, chunk="300k", workers=2,
             flush_threads=4, outputs=1, backlog=0):
    """A started millrace, with all its files below `place`, that sends to a sink with these
    options: (millrace, sink). Its one match takes every tag; more of them take those that end in
    .0, .1 and so on. `backlog`: so many chunks of 1 MiB of one more output, BEHIND, wait for a
    service that is away."""
    certificates = Certificates(os.path.join(place, "tls")) if tls else None
    with Sink(directory, *sink_options, certificates=certificates) as sink:
        trust = {"ca_file": certificates.ca_file} if certificates else {}
        patterns = ["**"] if outputs == 1 else [f"**.{number}" for number in range(outputs)]
        matches = [{**kinesis_match(sink.url, body_format=body, **trust, buffer={
            "chunk_limit_size": chunk, "flush_interval": "5s",
            "flush_thread_count": flush_threads}), "pattern": pattern} for pattern in patterns]
        if backlog:
            matches.insert(0, {**kinesis_match(AWAY, id=BEHIND), "pattern": "behind.**"})
            log = os.path.join(place, "root", "worker0", BEHIND, "buffer")
            os.makedirs(log)
            subprocess.run([os.path.join(directory, "bench", "millrace-backlog"), log,
                            str(backlog)], check=True)
        with Millrace(place, matches, system={"workers": workers}).start() as millrace:
            yield millrace, sink


def cpu_seconds(pid):
    """User and system time of all threads: proc(5), fields 14 and 15 of stat."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def generate(directory, port, *flags, **options):
    """Runs millrace-load with these options; what it told."""
    command = [os.path.join(directory, "bench", "millrace-load"), "--port", str(port), *flags]
    for name, value in options.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Spoiled(f"the generator failed: {done.stderr.strip()} {done.stdout.strip()}")
    return json.loads(done.stdout)


def wait_for_all(millrace, sink, events):
    """Flushes until the sink has every event, or until nothing more comes; what it counted, and
    when it had them all, as settled_at."""
    progress = {"events": -1, "at": time.monotonic()}

    def settled():
        stats = sink.stats()
        if stats["distinct"] >= events or stats["bad_requests"] > 0:
            progress["settled"] = time.monotonic()
            return stats
        if stats["events"] != progress["events"]:
            progress.update(events=stats["events"], at=time.monotonic())
        if time.monotonic() - progress["at"] > 20:
            raise Spoiled(f"events are missing: {stats}")
        millrace.flush()
        return None

    stats = until(settled, "every event in the sink", seconds=600, pause=0.05)
    # A second copy would still be on its way: let all of it arrive before the count is believed.
    millrace.wait_idle(but=BEHIND)
    stats = sink.stats()
    if (stats["distinct"], stats["doubled"], stats["missing"]) != (events, 0, 0) \
            or stats["bad_requests"] or stats["other_requests"]:
        raise Spoiled(f"lost, doubled or damaged events: {stats}")
    return {**stats, "settled_at": progress["settled"]}
