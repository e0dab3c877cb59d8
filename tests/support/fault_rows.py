#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every test that the fault catalogue (tests/fault/README.md) names exists, and every row is there.

    tests/support/fault_rows.py       prints what is wrong, and which rows have no test; ends with
                                      `N passed, N failed, 0 skipped`

A name is one of: `Suite.Test` of a C++ test, `file.py Class.test` of an integration test, `file.py case` of a
conformance case, `scripts/reliability NAME`, `fault_crash`, a fuzzer, a mutation's .patch, or a file. `*` stands for any
end of a name. A row without a test has to say what is not covered; a test whose own name begins with ids of rows has to
be named by each of them.
"""
import fnmatch
import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CATALOGUE = "tests/fault/README.md"
IDS = [f"{kind}{n}" for kind, last in (("K", 8), ("D", 7), ("F", 9), ("Q", 7), ("X", 4), ("A", 4), ("G", 16))
       for n in range(1, last + 1)] + ["G20"]
IDS += [f"T{n:02}" for n in (*range(1, 12), 14, 15, *range(19, 26), 29, 30, 31)]

CPP_TEST = re.compile(r"^(?:TEST|TEST_F|TEST_P|RC_GTEST_PROP)\(\s*(\w+),\s*(\w+)", re.MULTILINE)
PYTHON_CLASS = re.compile(r"^class (\w+).*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
LEADING_IDS = re.compile(r"(?:[KDFQXAGT]\d+)+(?=[A-Z])")
ONE_ID = re.compile(r"[KDFQXAGT]\d+")
CODE = re.compile(r"`([^`]+)`")


def content(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def paths(pattern):
    return [os.path.relpath(path, TOP) for path in glob.glob(os.path.join(TOP, pattern), recursive=True)]


def known_names():
    """Everything that a row may name."""
    names = set()
    for path in paths("tests/unit/**/*_test.cc") + paths("tests/fault/*_test.cc"):
        names.update(f"{suite}.{test}" for suite, test in CPP_TEST.findall(content(path)))
    for path in paths("tests/integration/*.py"):
        for found in PYTHON_CLASS.finditer(content(path)):
            names.update(f"{os.path.basename(path)} {found[1]}.{test}"
                         for test in re.findall(r"^    def (test_\w+)", found[0], re.MULTILINE))
    for path in paths("tests/conformance/*.py"):
        names.update(f"{os.path.basename(path)} {case}" for case in re.findall(r"^    def (\w+)", content(path), re.MULTILINE))
    names.update(f"scripts/reliability {name}"
                 for name in re.search(r"^all=\((.*)\)", content("scripts/reliability"), re.MULTILINE)[1].split())
    for pattern in ("tests/fault/fault_*.cc", "tests/fuzz/*_fuzzer.cc"):
        names.update(os.path.basename(path)[:-len(".cc")] for path in paths(pattern))
    names.update(os.path.basename(path) for path in paths("tests/mutations/*.patch"))
    return names


def is_known(name, names):
    if "*" in name:
        return any(fnmatch.fnmatchcase(known, name) for known in names)
    return name in names or ("/" in name and os.path.isfile(os.path.join(TOP, name)))


def rows():
    """{id: (tests, what is not covered)} of the catalogue, then the names in the other tables."""
    found, others = {}, []
    for line in content(CATALOGUE).splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and ONE_ID.fullmatch(cells[0]):
            if cells[0] in found:
                raise SystemExit(f"{CATALOGUE}: {cells[0]} stands there twice")
            found[cells[0]] = (CODE.findall(cells[2]), cells[3])
        elif len(cells) == 2:
            others += CODE.findall(cells[1])
    return found, others


def problems_of(row_id, found, names):
    if row_id not in found:
        return [f"{row_id} has no row"]
    tests, missing = found[row_id]
    problems = [f"{row_id} names {test}, which does not exist" for test in tests if not is_known(test, names)]
    if not tests and not missing:
        problems.append(f"{row_id} names no test and does not say what is not covered")
    return problems


def unnamed(found, names):
    """Tests with ids in their names that a row of these ids does not name."""
    for name in sorted(names):
        leading = LEADING_IDS.match(name.partition(".")[2]) if " " not in name else None
        for row_id in ONE_ID.findall(leading[0]) if leading else []:
            if not any(fnmatch.fnmatchcase(name, test) for test in found.get(row_id, ((), ""))[0]):
                yield f"{row_id} does not name {name}"


def main():
    names = known_names()
    found, others = rows()
    wrong = {row_id: problems_of(row_id, found, names) for row_id in IDS + sorted(set(found) - set(IDS))}
    rest = [f"{name} does not exist" for name in others if not is_known(name, names)] + list(unnamed(found, names))
    for problem in [one for problems in wrong.values() for one in problems] + rest:
        print(f"FAILED: {CATALOGUE}: {problem}")
    failed = sum(bool(problems) for problems in wrong.values()) + len(rest)
    passed = len(wrong) - sum(bool(problems) for problems in wrong.values())
    print("rows without a test:", " ".join(row_id for row_id, (tests, _) in found.items() if not tests) or "none")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
