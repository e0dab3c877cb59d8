# SPDX-License-Identifier: Apache-2.0
"""Runs the unittest cases of a test program, counts them, and knows the judges.

A test method counts as one case, or, when it has subtests, as that many. A program ends with one
line, `NAME: N passed, N failed, N skipped`, and fails when no case ran.

Judges are foreign programs that tests/judges/install puts in place. With `--no-judges` the tests
that need them are skipped; without it a missing judge is a failure.
"""
import atexit
import os
import sys
import unittest

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JUDGES = os.path.join(REPOSITORY, "tests", "judges")
JUDGE_FILES = {"npm": "npm/node_modules/kinesis-local/main.js", "pip": "pip/.venv/bin/python",
               "go": "go/send", "java": "java/classes/aggregator/Aggregate.class"}
NO_JUDGES = "--no-judges" in sys.argv
CLOSING_LINES = []  # functions; what they return is printed before a program's last line


def needs_judges(*names):
    """Decorates a test method or class that cannot run without these judges."""
    return unittest.skipIf(NO_JUDGES, f"--no-judges (needs {', '.join(names)})")


def require_judge(name):
    if not os.path.exists(os.path.join(JUDGES, JUDGE_FILES[name])):
        raise AssertionError(f"judge {name} is not installed: run tests/judges/install {name}")


class CountingResult(unittest.TextTestResult):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.passed = self.failed = self.skips = 0
        self._parts = 0  # cases the running test has already counted

    def startTest(self, test):
        super().startTest(test)
        self._parts = 0

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        self._parts += 1
        if error is None:
            self.passed += 1
        else:
            self.failed += 1

    def addSuccess(self, test):
        super().addSuccess(test)
        if self._parts == 0:
            self.passed += 1

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.failed += 1

    def addError(self, test, error):
        super().addError(test, error)
        self.failed += 1

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._parts += 1
        self.skips += 1


def run_suite(suite):
    """The result with its counts."""
    return unittest.TextTestRunner(resultclass=CountingResult, warnings="ignore",
                                   verbosity=1 if "-q" in sys.argv else 2).run(suite)


def main(file, last=None):
    """Runs the cases of the program's own file; arguments: [--no-judges] [-q] [Class[.method]].

    `last`: a class whose cases run after all others, unless names were given.
    """
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    loader = unittest.TestLoader()
    module = sys.modules["__main__"]
    suite = (loader.loadTestsFromNames(wanted, module) if wanted
             else loader.loadTestsFromModule(module))
    if last is not None and not wanted:
        suite.addTests(loader.loadTestsFromTestCase(last))
    result = run_suite(suite)
    name = os.path.splitext(os.path.basename(file))[0]
    sys.stderr.flush()
    for line in CLOSING_LINES:
        print(line())
    print(f"{name}: {result.passed} passed, {result.failed} failed, {result.skips} skipped",
          flush=True)
    ran = result.passed + result.failed + result.skips
    if ran > 0 and result.failed == 0:
        sys.exit(0)
    # Threads that a failed test has left behind would be waited for, perhaps for ever.
    atexit._run_exitfuncs()
    os._exit(1)
