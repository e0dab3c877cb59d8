# SPDX-License-Identifier: Apache-2.0
"""Runs the cases of one area and compares them with the list of those that must hold.

A case is one method AREA_case_NN, or AREA_WORD, of a unittest.TestCase in a program AREA_*.py,
whatever subtests it has. A case of AREA.cases without a method is a failure, and so is a method
that is not in the list or that two classes have.
"""
import glob
import importlib
import os
import time
import unittest


def read_names(path, area):
    """The names of a list of cases: `1-5 7 9-11` are numbers, other words names; # begins a comment."""
    numbers, names = [], []
    with open(path, encoding="utf-8") as file:
        for line in file:
            for word in line.partition("#")[0].split():
                first, _, last = word.partition("-")
                if not first.isdigit():
                    names.append(f"{area}_{word}")
                    continue
                numbers += range(int(first), int(last or first) + 1)
    if numbers != sorted(set(numbers)) or len(names) != len(set(names)) or not numbers + names:
        raise AssertionError(f"{path}: empty, or not in order")
    return [f"{area}_case_{number:02}" for number in numbers] + names


def load_cases(directory, area):
    """name -> the tests that have it, of all programs of the area."""
    loader = unittest.TestLoader()
    loader.testMethodPrefix = f"{area}_"
    found = {}
    for path in sorted(glob.glob(os.path.join(directory, f"{area}_*.py"))):
        module = importlib.import_module(os.path.basename(path).removesuffix(".py"))
        for suite in loader.loadTestsFromModule(module):
            for test in suite:
                found.setdefault(test._testMethodName, []).append(test)
    return found


class CaseResult(unittest.TextTestResult):
    """Knows which methods failed and which were skipped; the slowest are told."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.seconds = {}
        self._began = 0.0

    def startTest(self, test):
        super().startTest(test)
        self._began = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        self.seconds[test._testMethodName] = time.monotonic() - self._began

    def failed_names(self):
        # A part's test knows its case; a class that cannot be set up is none.
        tests = [getattr(test, "test_case", test) for test, _ in self.failures + self.errors]
        return {getattr(test, "_testMethodName", str(test)) for test in tests}

    def skipped_names(self):
        return {getattr(getattr(test, "test_case", test), "_testMethodName", str(test))
                for test, _ in self.skipped}


def run_area(directory, area, names, quiet=False):
    """Runs all cases of the area, or those of these names; prints and returns the counts."""
    listed = read_names(os.path.join(directory, f"{area}.cases"), area)
    found = load_cases(directory, area)
    wanted = [name for name in listed if not names or name in names]
    if not wanted:
        raise AssertionError(f"none of {names} is in {area}.cases")
    # In the order of their names within a class, so that each class is set up once.
    tests = [test for name in wanted for test in found.get(name, [])]
    tests.sort(key=lambda test: (type(test).__module__, type(test).__qualname__,
                                 test._testMethodName))
    result = unittest.TextTestRunner(resultclass=CaseResult, warnings="ignore",
                                     verbosity=1 if quiet else 2).run(unittest.TestSuite(tests))
    failed, skipped = result.failed_names(), result.skipped_names()
    outcomes = {"passed": 0, "failed": 0, "skipped": 0}
    for name in wanted:
        claims = len(found.get(name, []))
        if claims != 1:
            print(f"    FAILED: {name}: {claims} methods have this name")
        if claims != 1 or name in failed or name not in result.seconds and name not in skipped:
            outcomes["failed"] += 1
        elif name in skipped:
            outcomes["skipped"] += 1
        else:
            outcomes["passed"] += 1
    for name in sorted(set(found) - set(listed)):
        print(f"    FAILED: {name} is not in {area}.cases")
        outcomes["failed"] += 1
    slowest = sorted(result.seconds.items(), key=lambda one: -one[1])[:3]
    print(f"    slowest: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in slowest)}")
    print(f"{area} cases: {outcomes['passed']} of {len(wanted)}")
    counts = list(outcomes.values())
    print(f"{area}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped", flush=True)
    return counts
