#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs all tests: the unit-test programs of a build and the end-to-end tests on real interpreters.

What failed is printed in full, what was skipped with its reason. The last line is "N passed, N failed, N skipped".
"""

import argparse
import os
import re
import subprocess
import sys
import time
import traceback
import unittest

TESTS = os.path.dirname(os.path.abspath(__file__))
UNIT_TIMEOUT = 300  # seconds
FETCH_TIMEOUT = 600


class Tally:
    """Counts the tests and tells of each as it ends."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def ok(self, name, seconds=None):
        self.passed += 1
        self._tell("ok", name, "" if seconds is None else "  (%.1f s)" % seconds)

    def fail(self, name, details):
        self.failed += 1
        self._tell("FAILED", name, "\n" + "\n".join("    " + line for line in details.rstrip().splitlines()))

    def skip(self, name, reason):
        self.skipped += 1
        self._tell("skipped", name, ": " + (reason or "no reason given"))

    @staticmethod
    def _tell(verdict, name, rest):
        print("%-8s%s%s" % (verdict, name, rest), flush=True)

    def __str__(self):
        return "%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped)


class TallyingResult(unittest.TestResult):
    """What unittest tells, turned into the tally. A test with failed subtests is one that failed."""

    def __init__(self, tally):
        super().__init__()
        self.tally = tally
        self.problems = []
        self.began = 0.0

    @staticmethod
    def _name(test):
        return test.id() if hasattr(test, "id") else str(test)

    def startTest(self, test):
        super().startTest(test)
        self.problems = []
        self.began = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        if self.problems:
            self.tally.fail(self._name(test), "\n".join(self.problems))

    def addSuccess(self, test):
        if not self.problems:
            self.tally.ok(self._name(test), time.monotonic() - self.began)

    def addFailure(self, test, err):
        self._note(test, err)

    def addError(self, test, err):
        self._note(test, err)

    def _note(self, test, err):
        text = "".join(traceback.format_exception(*err))
        if isinstance(test, unittest.TestCase):
            self.problems.append(text)
        else:  # a module or a class could not be set up: there is no stopTest to tell it
            self.tally.fail(self._name(test), text)

    def addSubTest(self, test, subtest, err):
        if err:
            self.problems.append(subtest.id() + "\n" + "".join(traceback.format_exception(*err)))

    def addSkip(self, test, reason):
        self.tally.skip(self._name(test), reason)


def run_unit_program(path, pattern, tally):
    """One cmocka program: its TAP lines are the tests; what it said besides goes with each failure."""
    program = os.path.basename(path)
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    try:
        done = subprocess.run([path], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=UNIT_TIMEOUT, check=False)
        output, status = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as hung:
        output, status = (hung.stdout or b"").decode(errors="replace"), "none: it hung for %d s" % UNIT_TIMEOUT
    before = tally.failed
    # cmocka says "not ok 3 # SKIP name" of a test that skipped itself.
    results = re.findall(r"^(ok|not ok) \d+ (-|# SKIP) (.+)$", output, re.MULTILINE)
    for verdict, mark, test in results:
        name = program + "." + test
        if pattern and not re.search(pattern, name):
            continue
        if mark != "-":
            tally.skip(name, "what it needs is not there")
        elif verdict == "ok":
            tally.ok(name)
        else:
            tally.fail(name, output)
    planned = [int(count) for count in re.findall(r"^1\.\.(\d+)$", output, re.MULTILINE)]  # one a group
    complete = planned and sum(planned) == len(results)
    if (status != 0 or not complete) and tally.failed == before and not pattern:
        tally.fail(program, "exit status %s after %d tests\n%s" % (status, len(results), output))


def run_unit_programs(directory, pattern, tally):
    programs = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    programs = [p for p in (os.path.join(directory, name) for name in programs) if os.access(p, os.X_OK)]
    if not programs:
        tally.fail("unit tests", "no program in " + directory + ": run make first")
    for program in programs:
        run_unit_program(program, pattern, tally)


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def run_end_to_end(pattern, tally):
    directory = os.path.join(TESTS, "e2e")
    sys.path.insert(0, directory)
    sys.dont_write_bytecode = True
    found = unittest.TestLoader().discover(directory, "test_*.py", directory)
    chosen = [test for test in flatten(found) if not pattern or re.search(pattern, test.id())]
    unittest.TestSuite(chosen).run(TallyingResult(tally))


def fetch(script):
    """What cannot be fetched is skipped by name where it is wanted."""
    try:
        subprocess.run([os.path.join(TESTS, script)], stdin=subprocess.DEVNULL, timeout=FETCH_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        print("%s: %s" % (script, problem))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="where make built (default: build)")
    parser.add_argument("--sanitized", action="store_true",
                        help="giltrace was built with sanitizers: leave out figures of time and memory")
    parser.add_argument("-k", metavar="PATTERN", help="only tests whose name matches this regular expression")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    os.environ["GILTRACE"] = os.path.join(build, "bin", "giltrace")
    os.environ["GILTRACE_SANITIZED"] = "1" if options.sanitized else "0"
    fetch("fetch-pythons.sh")
    fetch("fetch-speedscope.sh")
    tally = Tally()
    run_unit_programs(os.path.join(build, "tests"), options.k, tally)
    run_end_to_end(options.k, tally)
    print(tally)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
