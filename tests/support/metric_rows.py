#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Which rows of src/metrics/metrics.def a test has seen move: a counter that nothing hits is a promise nobody keeps.

    tests/support/metric_rows.py DIRECTORY      DIRECTORY: what instances told while tests ran with
                                                MILLRACE_METRICS_DIR=DIRECTORY

A row is hit when an instance under test told more than 0 there, or when a unit test expects more than 0
of its id. Prints the rows that no test hit, and ends with `N passed, N failed, 0 skipped`; exit code 1 if
there is any.
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

Row = collections.namedtuple("Row", "id name labels is_histogram")

DEFINITION = re.compile(r'^(COUNTER|GAUGE|HISTOGRAM)\(\s*(\w+),\s*"(\w+)"(?:,\s*"(\w*)",\s*"(\w*)")?', re.MULTILINE)
# Metric::kX, the end of the call, a comparison or a comma, and what it is compared with.
EXPECTED = re.compile(r"Metric::(k\w+)[^;]*?\)\s*(==|>=|>|!=|,)\s*([\w.*' ]+)")
# A function of a test that returns the value of a row.
READER = re.compile(r"(\w+)\(\) (?:const )?\{ return [\w.>-]*total\(Metric::(k\w+)\); \}")


def rows():
    with open(os.path.join(TOP, "src/metrics/metrics.def"), encoding="utf-8") as file:
        found = DEFINITION.findall(file.read())
    return [Row(row_id, PREFIX + name, ((label, value),) if label else (), kind == "HISTOGRAM")
            for kind, row_id, name, label, value in found]


def is_wanted():
    return bool(os.environ.get(VARIABLE))


def note(metrics):
    """Remembers what was above 0 in a scrape ({(name, labels): number}), if somebody wants to know."""
    if not is_wanted():
        return
    moved = {(name, tuple(pair for pair in labels if pair[0] not in ("output", "le")))
             for (name, labels), value in metrics.items() if value > 0} - _noted
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
    """The rows that no test hit."""
    instances, units = moved_in_instances(directory), expected_by_unit_tests()
    return [row for row in rows() if row.id not in units
            and (row.name + ("_count" if row.is_histogram else ""), row.labels) not in instances]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    missed = judge(sys.argv[1])
    for row in missed:
        labels = "".join(f'{{{key}="{value}"}}' for key, value in row.labels)
        print(f"FAILED: no test hits {row.id}, {row.name}{labels}")
    total = len(rows())
    print(f"{total - len(missed)} passed, {len(missed)} failed, 0 skipped")
    sys.exit(1 if missed or not total else 0)


if __name__ == "__main__":
    main()
