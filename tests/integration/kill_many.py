#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The long form of kill_loop.py and kill_points.py: thousands of kills, several loops side by side.

    kill_many.py kills  [--cycles 2000] [--parallel 4] [--seed N] [--counter-file FILE] [--table]
    kill_many.py points [--hits 50] ...                         every point of kill_points.py

Each loop is a process of its own with its own instance and endpoint, a batch of cycles long; batch n
has seed N + n. With a counter file it goes on where it was stopped. --table prints only a row for
bench/README.md of what the counter file holds. $MILLRACE names the binary.
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import re
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import kill_points  # noqa: E402  (the path is set just above)

BATCH_CYCLES = 25
SUMMARY = re.compile(r"cycles (\d+), acked (\d+), in doubt (\d+), delivered (\d+), "
                     r"repeated chunks (\d+)")
NAMES = ("cycles", "acked", "in_doubt", "delivered", "repeated_chunks")
TARGETS = {"kills": "G1, G3, G4 (T01, K1): no acked record lost by kill -9, none altered, only chunks "
                    "in flight repeated",
           "points": "G1 (T02, K1): the same, killed before and after each call to the system"}


class Counter:
    """What has been done so far, in a JSON file that is replaced whole."""

    def __init__(self, path, seed):
        self._path = path
        self._lock = threading.Lock()
        self.values = {"seed": seed, "next_batch": 0, "wrong": 0, **dict.fromkeys(NAMES, 0)}
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.values = json.load(file)

    def take_batch(self):
        with self._lock:
            self.values["next_batch"] += 1
            return self.values["next_batch"] - 1

    def add(self, told, wrong):
        with self._lock:
            for name, value in told.items():
                self.values[name] += value
            self.values["wrong"] += wrong
            self.values["date"] = datetime.date.today().isoformat()
            if self._path:
                with open(self._path + ".tmp", "w", encoding="utf-8") as file:
                    json.dump(self.values, file)
                os.replace(self._path + ".tmp", self._path)


def arguments():
    parser = argparse.ArgumentParser(description="kills by the thousand, judged event by event")
    parser.add_argument("what", choices=sorted(TARGETS))
    parser.add_argument("--cycles", type=int, default=2000, help="(%(default)s)")
    parser.add_argument("--hits", type=int, default=50, help="of a point (%(default)s)")
    parser.add_argument("--parallel", type=int, default=4, help="loops at once (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--counter-file")
    parser.add_argument("--table", action="store_true")
    return parser.parse_args()


def batches(chosen):
    cycles = len(kill_points.points(chosen.hits)) if chosen.what == "points" else chosen.cycles
    return -(-cycles // BATCH_CYCLES)


def command(chosen, seed, batch):
    if chosen.what == "points":
        return ["kill_points.py", "--hits", str(chosen.hits), "--seed", str(seed), "--first",
                str(batch * BATCH_CYCLES), "--cycles", str(BATCH_CYCLES)]
    return ["kill_loop.py", "--cycles", str(BATCH_CYCLES), "--seed", str(seed + batch)]


def run_batch(chosen, counter, batch):
    words = command(chosen, counter.values["seed"], batch)
    done = subprocess.run([sys.executable, os.path.join(HERE, words[0]), *words[1:]],
                          capture_output=True, text=True, check=False)
    found = SUMMARY.search(done.stdout)
    told = dict(zip(NAMES, map(int, found.groups()))) if found else {}
    if done.returncode != 0 or not found:
        print(f"BROKEN: {' '.join(words)}\n{done.stdout}{done.stderr}", flush=True)
    counter.add(told, int(done.returncode != 0 or not found))


def run(chosen, counter):
    last = batches(chosen)

    def work():
        while (batch := counter.take_batch()) < last:
            run_batch(chosen, counter, batch)
    with concurrent.futures.ThreadPoolExecutor(chosen.parallel) as pool:
        for done in [pool.submit(work) for _ in range(chosen.parallel)]:
            done.result()
    print(json.dumps(counter.values))
    return counter.values["wrong"] == 0


def row(chosen, counter):
    told = counter.values
    how = f"--hits {chosen.hits}" if chosen.what == "points" else f"--cycles {chosen.cycles}"
    wrong = "none lost, altered or invented" if told["wrong"] == 0 else \
        f"BROKEN: {told['wrong']} batches"
    return (f"| {TARGETS[chosen.what]} | `kill_many.py {chosen.what} {how} --seed {told['seed']}` | "
            f"{told['seed']} | {told['cycles']} kills; {told['acked']} events acked, "
            f"{told['in_doubt']} in doubt, {told['repeated_chunks']} chunks repeated | {wrong} | "
            f"{told.get('date', '')} |")


def main():
    chosen = arguments()
    counter = Counter(chosen.counter_file, chosen.seed)
    if chosen.table:
        print(row(chosen, counter))
        return 0
    return 0 if run(chosen, counter) else 1


if __name__ == "__main__":
    sys.exit(main())
