#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Which rows of src/metrics/metrics.def a test has seen move: a counter that nothing hits is a promise nobody keeps.

    tests/support/metric_rows.py DIRECTORY      DIRECTORY: what instances told while tests ran with
                                                MILLRACE_METRICS_DIR=DIRECTORY

A row is hit when an instance under test told more than 0 there, or when a unit test expects more than 0
of its id. "There" is with the label `output` for the rows of buffers and outputs, and without it for all
others: what an instance told in the wrong place hits nothing, and is a failure of its own. Prints the rows
that no test hit, and ends with `N passed, N failed, 0 skipped`; exit code 1 if there is any.
"""
import collections
import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PREFIX = "millrace_"
VARIABLE = "MILLRACE_METRICS_DIR"

_noted = set()  # by this process

# `labels`: as in .moved files, where every output is the same.
Row = collections.namedtuple("Row", "id name labels")
OF_AN_OUTPUT = (("output", "*"),)

DEFINITION = re.compile(r'^(COUNTER|GAUGE|HISTOGRAM)\(\s*(\w+),\s*"(\w+)"(?:,\s*"(\w*)",\s*"(\w*)")?', re.MULTILINE)
# From this row on metrics.def speaks of buffers and outputs.
FIRST_OF_OUTPUTS = re.compile(r"kFirstOfOutputs = Metric::(\w+);")
# Metric::kX, the end of the call, a comparison or a comma, and what it is compared with.
EXPECTED = re.compile(r"Metric::(k\w+)[^;]*?\)\s*(==|>=|>|!=|,)\s*([\w.*' ]+)")
# A function of a test that returns the value of a row.
READER = re.compile(r"(\w+)\(\) (?:const )?\{ return [\w.>-]*total\(Metric::(k\w+)\); \}")


def rows():
    with open(os.path.join(TOP, "src/metrics/metrics.def"), encoding="utf-8") as file:
        found = DEFINITION.findall(file.read())
    with open(os.path.join(TOP, "src/metrics/exposition.cc"), encoding="utf-8") as file:
        first = [row_id for _, row_id, *_ in found].index(FIRST_OF_OUTPUTS.search(file.read())[1])
    return [Row(row_id, PREFIX + name + ("_count" if kind == "HISTOGRAM" else ""),
                (OF_AN_OUTPUT if at >= first else ()) + (((label, value),) if label else ()))
            for at, (kind, row_id, name, label, value) in enumerate(found)]


def is_wanted():
    return bool(os.environ.get(VARIABLE))


def told_labels(labels):
    other = tuple(pair for pair in labels if pair[0] not in ("output", "le"))
    return (OF_AN_OUTPUT if "output" in dict(labels) else ()) + other


def note(metrics):
    """Remembers what was above 0 in a scrape ({(name, labels): number}), if somebody wants to know."""
    if not is_wanted():
        return
    moved = {(name, told_labels(labels)) for (name, labels), value in metrics.items() if value > 0} - _noted
    _noted.update(moved)
    with open(os.path.join(os.environ[VARIABLE], f"{os.getpid()}.moved"), "a", encoding="utf-8") as file:
        for name, labels in sorted(moved):
            file.write(" ".join([name, *(f"{key}={value}" for key, value in labels)]) + "\n")


def moved_in_instances(directory):
    """{(name, labels)} of all processes that ran tests."""
    found = set()
    for path in glob.glob(os.path.join(directory, "*.moved")):
        with open(path, encoding="utf-8") as file:
            for line in file:
                name, *pairs = line.split()
                found.add((name, tuple(tuple(pair.split("=", 1)) for pair in pairs)))
    return found


def expected_by_unit_tests():
    """The ids of which a unit test expects more than 0."""
    found = set()
    for path in glob.glob(os.path.join(TOP, "tests/unit/**/*.cc"), recursive=True):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for name, row_id in READER.findall(text):
            text = text.replace(f"({name}()", f"(Metric::{row_id})")
        for row_id, comparison, value in EXPECTED.findall(text):
            zero = re.fullmatch(r"0[uUlL]*", value.strip())
            if not zero or comparison in (">", "!="):
                found.add(row_id)
    return found


def judge(directory):
    """The rows that no test hit, and those that an instance told in the wrong place."""
    instances, units = moved_in_instances(directory), expected_by_unit_tests()
    missed, misplaced = [], []
    for row in rows():
        if row.id not in units and (row.name, row.labels) not in instances:
            missed.append(row)
        other = row.labels[1:] if row.labels[:1] == OF_AN_OUTPUT else OF_AN_OUTPUT + row.labels
        if (row.name, other) in instances:
            misplaced.append(row._replace(labels=other))
    return missed, misplaced


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    missed, misplaced = judge(sys.argv[1])
    for what, found in (("no test hits", missed), ("counted in the wrong place:", misplaced)):
        for row in found:
            labels = "".join(f'{{{key}="{value}"}}' for key, value in row.labels)
            print(f"FAILED: {what} {row.id}, {row.name}{labels}")
    total, failed = len(rows()), len({row.id for row in missed + misplaced})
    print(f"{total - failed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed or not total else 0)


if __name__ == "__main__":
    main()
