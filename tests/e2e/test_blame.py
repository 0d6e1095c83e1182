# SPDX-License-Identifier: MIT
"""Who blocked whom: a program with a known culprit must have it at the head of the blame."""

import os

import blame
import identities
import pythons
from test_truth import TOYGIL
from tracing import TraceTest, workload

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "toygil", "programs")
KINDS = {"re": "match", "sorted": "sort", "json": "load", "pydll": "digest", "sleep": "sleep"}
SECONDS = 1.5


def line_of(kind):
    """The line of the workload that is marked as the culprit's."""
    with open(workload("culprit"), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.rstrip().endswith("# the culprit's line: " + kind):
                return number
    raise AssertionError(kind)


@pythons.for_each(["pyenv 2.7", "pyenv 3.8", pythons.NAMES[0], "pyenv 3.13", "forky 3.15"])
class Culprits(TraceTest):
    def trace_culprit(self, program, kind, *options):
        result = self.trace("--quiet", *options, "--", program, workload("culprit"), kind, SECONDS, status=None)
        if result.status == 77:
            self.skipTest("this Python has no ctypes")
        self.assertEqual(result.status, 0, result)
        report = result.report
        self.assert_nothing_lost(report)
        identities.check_sums(self, report)
        if report["target"]["design"] != "ticks":  # there, the probes also meet the program's other locks
            identities.check_whole_waits(self, report)
        blame.check_quality(self, report)
        return report

    def assert_blamed(self, report, kind):
        self.assertGreaterEqual(blame.share_of_frame(report, KINDS[kind], line_of(kind)), 0.95, blame.heads(report))

    def check_re(self, program):
        self.assert_blamed(self.trace_culprit(program, "re"), "re")

    def check_sorted(self, program):
        self.assert_blamed(self.trace_culprit(program, "sorted"), "sorted")

    def check_json(self, program):
        self.assert_blamed(self.trace_culprit(program, "json"), "json")

    def check_pydll(self, program):
        self.assert_blamed(self.trace_culprit(program, "pydll", "--stacks=both"), "pydll")

    def asleep(self, report):
        return blame.share(report, lambda stack: stack and stack[0]["kind"] == "kernel"
                           and stack[0]["name"] in ("nanosleep", "clock_nanosleep"))

    def check_sleep(self, program):
        """Asleep while it holds the lock: the system call is told, too."""
        report = self.trace_culprit(program, "sleep")
        self.assert_blamed(report, "sleep")
        self.assertGreaterEqual(self.asleep(report), 0.95, blame.heads(report))
        worst = report["hogs"][0]
        self.assertIn(worst["syscall_name"], ("nanosleep", "clock_nanosleep"))
        self.assertGreater(worst["syscall_ns"], 140e6)
        self.assertGreater(worst["held_blocked_ns"] + worst["held_runnable_ns"], 0.9 * worst["held_ns"])
        self.assertIn(("sleep", line_of("sleep")), blame.python_frames(worst["stack"]))


class Toygil(TraceTest):
    """toygil's frames come through its own adapter."""

    def line_of_hog(self):
        with open(os.path.join(PROGRAMS, "hog.toy"), encoding="ascii") as file:
            return [number for number, line in enumerate(file, 1) if line.strip() == "native hog"][0]

    def test_hog(self):
        for design in ("interval", "per-interpreter"):
            with self.subTest(design=design):
                report = self.trace("--quiet", "--", TOYGIL, "--gil=" + design, "--threads=2", "hog").report
                self.assert_nothing_lost(report)
                blame.check_quality(self, report)
                share = blame.share_of_frame(report, "hog", self.line_of_hog())
                self.assertGreaterEqual(share, 0.95, blame.heads(report))


class ShortLived(TraceTest):
    def test_names_of_a_process_that_is_gone(self):
        """It lives for a moment only, and is gone when the report is made."""
        report = self.trace("--quiet", "--", pythons.system(), workload("culprit"), "re", 0.1).report
        names = {f["name"] for b in report["blame"] for f in b["stack"] if f["kind"] == "python"}
        self.assertIn("match", names)
