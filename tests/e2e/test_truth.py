# SPDX-License-Identifier: MIT
"""The tracer against the truth: toygil keeps exact books of its lock, and giltrace must find the same from outside."""

import json
import os
import random
import unittest

from tracing import GILTRACE, TraceTest

TOYGIL = os.path.join(os.path.dirname(GILTRACE), "toygil")
PROGRAMS = ("count-up", "sqrt", "sleep", "echo", "matmul", "hog", "refcount", "containers", "race", "mixed")
DESIGNS = {"ticks": [], "interval": [], "per-interpreter": ["--interpreters=2"]}
COUNTS = ("acquisitions", "contended", "failed", "timeouts", "stolen", "handoffs", "releases_forced",
          "releases_voluntary")

SUM_SHARE = 0.01  # sums of times agree within this share,
SUM_EVENT = 2000  # and ns an event
ERROR_PCT = 2 * 3.125  # both sides read a percentile from a histogram with this stated error
PROBE_NS = 4000  # what the probes themselves may add to one interval


class Truth(TraceTest):
    def compare_times(self, where, traced, truth):
        self.assertEqual(traced["count"], truth["count"], where + ".count")
        if not truth["count"]:
            return
        allowed = SUM_SHARE * truth["sum_ns"] + SUM_EVENT * truth["count"]
        self.assertLessEqual(abs(traced["sum_ns"] - truth["sum_ns"]), allowed,
                             "%s.sum_ns: traced %d, truth %d" % (where, traced["sum_ns"], truth["sum_ns"]))
        for key in ("p50_ns", "p99_ns"):
            allowed = ERROR_PCT / 100 * truth[key] + PROBE_NS
            self.assertLessEqual(abs(traced[key] - truth[key]), allowed,
                                 "%s.%s: traced %d, truth %d" % (where, key, traced[key], truth[key]))

    def compare(self, where, traced, truth, times):
        for key in COUNTS:
            self.assertEqual(traced[key], truth[key], "%s.%s: traced %d, truth %d" %
                             (where, key, traced[key], truth[key]))
        for key in times:
            self.compare_times(where + "." + key, traced[key], truth[key])

    def check(self, design, program, threads):
        seed = random.randrange(1 << 31)
        truth_path = os.path.join(self.directory, "truth.json")
        command = [TOYGIL, "--gil=" + design, "--threads=%d" % threads, "--duration=0.4", "--seed=%d" % seed,
                   "--truth=" + truth_path] + DESIGNS[design] + [program]
        report = self.trace("--quiet", "--", *command).report
        with open(truth_path, encoding="utf-8") as file:
            truth = json.load(file)
        again = "; again: " + " ".join(command)
        self.assert_nothing_lost(report)
        self.assertEqual(report["target"]["runtime"], "toygil")
        self.assertEqual(report["target"]["design"], design)
        locks = {gil["gil"]: gil for gil in report["gils"]}
        self.assertEqual(sorted(locks), sorted(gil["gil"] for gil in truth["gils"]), "the locks" + again)
        for gil in truth["gils"]:
            self.compare("lock %s%s" % (gil["gil"], again), locks[gil["gil"]], gil, ("wait", "hold", "handoff"))
            self.assertEqual(locks[gil["gil"]]["attempts"], gil["attempts"], "attempts" + again)
        by_tid = {(thread["tid"], thread["gil"]): thread for thread in report["threads"]}
        self.assertEqual(sorted(by_tid), sorted((t["tid"], t["gil"]) for t in truth["threads"] if t["acquisitions"]),
                         "the threads" + again)
        for thread in truth["threads"]:
            if thread["acquisitions"]:
                self.compare("thread %d%s" % (thread["tid"], again), by_tid[thread["tid"], thread["gil"]], thread,
                             ("wait", "hold"))


def add_test(design, program, threads):
    name = "test_%s_%s_%d_threads" % (design.replace("-", "_"), program.replace("-", "_"), threads)
    setattr(Truth, name, lambda self: self.check(design, program, threads))


for each_design in DESIGNS:
    for each_program in PROGRAMS:
        for each_threads in (2, 8):
            add_test(each_design, each_program, each_threads)


if __name__ == "__main__":
    unittest.main()
