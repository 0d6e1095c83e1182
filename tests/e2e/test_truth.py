# SPDX-License-Identifier: MIT
"""The tracer against the truth: toygil keeps exact books of its lock, and giltrace must find the same from outside."""

import json
import os
import random
import unittest

from tracing import GILTRACE, SANITIZED, TraceTest

TOYGIL = os.path.join(os.path.dirname(GILTRACE), "toygil")
PROGRAMS = ("count-up", "sqrt", "sleep", "echo", "matmul", "hog", "refcount", "containers", "race", "mixed")
DESIGNS = {"ticks": [], "interval": [], "per-interpreter": ["--interpreters=2"]}
COUNTS = ("acquisitions", "contended", "failed", "timeouts", "stolen", "handoffs", "releases_forced",
          "releases_voluntary")
WAIT_COUNTS = ("contended", "failed", "timeouts", "stolen", "handoffs")
INTERVALS = {"all": ("wait", "hold"), "waits": ("wait",)}  # that a level measures

SUM_SHARE = 0.01  # sums of times agree within this share,
SUM_EVENT = 2000  # and ns an event, of which each interval has two; or what a probe took in that run, if that was more
ERROR_PCT = 3.125  # the stated error of the histogram that giltrace read a percentile from
DISTURBED_SHARE = 0.005
MANY = 30
PROBE_EVENTS = 4  # what the probes of one interval may add to it
UNSLEPT_NS = 50000  # what the waits that did not sleep took on average, whose length is not measured where no probe begins them


# A thread that loses its CPU between the runtime's look at the clock and the tracer's shows another time to each. Counts
# must be equal in every run; times in one of so many.
ATTEMPTS = 8


class Disturbed(Exception):
    """Counts agree and times do not."""


def value_at(histogram, rank):
    """The bounds of the bucket that holds the value of this rank, 1 for the least."""
    for low, high, count in histogram["buckets"]:
        rank -= count
        if rank <= 0:
            return max(low, histogram["min_ns"]), min(high, histogram["max_ns"])
    return histogram["max_ns"], histogram["max_ns"]


def disturbed(count):
    """How many of so many events may have lost the CPU within their probe."""
    return 1 + int(DISTURBED_SHARE * count)


def percentile_bounds(true, percent, event_ns, longest_ns, unslept):
    """What a percentile may read: within the error and the probes' cost. In the middle of many that is the usual cost,
    with DISTURBED_SHARE of the events, and one more, displaced by a lost CPU; at the edge, and of few, where one such
    event decides, the longest that a probe took in this run. So many of the values as `unslept` read 0 instead."""
    rank = -(-true["count"] * percent // 100)
    slack = disturbed(true["count"])
    in_the_middle = percent == 50 and true["count"] >= MANY
    slack_ns = PROBE_EVENTS * event_ns if in_the_middle else max(PROBE_EVENTS * event_ns, longest_ns)
    least = value_at(true, max(1, rank - slack - unslept))[0] if rank > unslept else 0
    most = value_at(true, min(true["count"], rank + slack))[1]
    return least * (1 - ERROR_PCT / 100) - slack_ns, most * (1 + ERROR_PCT / 100) + slack_ns


class Truth(TraceTest):
    plain, sums = 0, 0  # how many sums agree within SUM_SHARE and SUM_EVENT alone, of how many

    @classmethod
    def tearDownClass(cls):
        if cls.sums:
            print("truth: %d of %d sums of times agree within 1 %% plus 2 us an event alone" % (cls.plain, cls.sums))

    @staticmethod
    def compare_times(where, traced, true, event_ns, longest_ns, again):
        if not true["count"]:
            return
        plain = SUM_SHARE * true["sum_ns"] + 2 * SUM_EVENT * true["count"]
        Truth.sums += 1
        Truth.plain += abs(traced["sum_ns"] - true["sum_ns"]) <= plain
        unslept = sum(count for low, _, count in traced["buckets"] if not low)
        allowed = SUM_SHARE * true["sum_ns"] + 2 * event_ns * true["count"] + disturbed(true["count"]) * longest_ns
        if not -allowed - unslept * UNSLEPT_NS <= traced["sum_ns"] - true["sum_ns"] <= allowed:
            raise Disturbed("%s.sum_ns: traced %d, truth %d, allowed difference %d%s" %
                            (where, traced["sum_ns"], true["sum_ns"], allowed, again))
        for percent in (50, 99):
            least, most = percentile_bounds(true, percent, event_ns, longest_ns, unslept)
            value = traced["p%d_ns" % percent]
            if not least <= value <= most:
                raise Disturbed("%s.p%d_ns: traced %d, truth %d, allowed %d to %d%s" %
                                (where, percent, value, true["p%d_ns" % percent], least, most, again))

    def run_once(self, level, design, program, threads):
        """One run; the counts must be equal. Raises Disturbed when only the times differ."""
        truth_path = os.path.join(self.directory, "truth.json")
        command = [TOYGIL, "--gil=" + design, "--threads=%d" % threads, "--duration=0.4",
                   "--seed=%d" % random.randrange(1 << 31), "--truth=" + truth_path] + DESIGNS[design] + [program]
        report = self.trace("--quiet", "--probes=" + level, "--", *command).report
        with open(truth_path, encoding="utf-8") as file:
            truth = json.load(file)
        again = "; again: " + " ".join(command)
        self.assert_nothing_lost(report)
        self.assertEqual(report["target"]["runtime"], "toygil")
        self.assertEqual(report["target"]["design"], design)
        traced_locks = {gil["gil"]: gil for gil in report["gils"]}
        true_locks = {gil["gil"]: gil for gil in truth["gils"]}
        traced_threads = {(thread["tid"], thread["gil"]): thread for thread in report["threads"]}
        true_threads = {(thread["tid"], thread["gil"]): thread for thread in truth["threads"]
                        if thread["acquisitions" if level == "all" else "contended"]}
        if level == "waits":  # which sees no lock that nobody waited for
            true_locks = {key: true for key, true in true_locks.items() if true["contended"]}
        self.assertEqual(sorted(traced_locks), sorted(true_locks), "the locks" + again)
        self.assertEqual(sorted(traced_threads), sorted(true_threads), "the threads" + again)
        pairs = [("lock %s" % key, traced_locks[key], true_locks[key]) for key in true_locks]
        pairs += [("thread %d" % key[0], traced_threads[key], true_threads[key]) for key in true_threads]
        for key in true_locks:
            self.assertEqual(traced_locks[key]["interpreter"], true_locks[key]["interpreter"], "interpreter" + again)
        for where, traced, true in pairs:
            for key in (COUNTS if level == "all" else WAIT_COUNTS) + ("attempts",) * ("attempts" in true):
                self.assertEqual(traced[key], true[key], "%s: %s%s" % (where, key, again))
            for key in INTERVALS[level]:
                self.assertEqual(traced[key]["count"], true[key]["count"], "%s: %s.count%s" % (where, key, again))
        if SANITIZED:
            return  # toygil's own code is then slower than the probes
        probes = truth["probes"]
        probed = probes["hits"] if level == "all" else report["probes"]["hits"]  # the others cost next to nothing
        event_ns = max(SUM_EVENT, probes["cost_ns_per_hit"] * probes["hits"] / max(1, probed))
        for where, traced, true in pairs:
            for key in INTERVALS[level]:
                self.compare_times("%s: %s" % (where, key), traced[key], true[key], event_ns, probes["longest_ns"], again)

    def check(self, level, design, program, threads):
        for attempt in range(ATTEMPTS):
            try:
                return self.run_once(level, design, program, threads)
            except Disturbed as disturbed:
                last = disturbed
        self.fail("the times differed in each of %d runs; in the last: %s" % (ATTEMPTS, last))


def add_test(level, design, program, threads):
    name = "test_%s%s_%s_%d_threads" % ("waits_" * (level == "waits"), design.replace("-", "_"),
                                        program.replace("-", "_"), threads)
    setattr(Truth, name, lambda self: self.check(level, design, program, threads))


for each_design in DESIGNS:
    for each_program in PROGRAMS:
        for each_threads in (2, 8):
            add_test("all", each_design, each_program, each_threads)
            if each_design != "ticks":  # there each acquisition tells
                add_test("waits", each_design, each_program, each_threads)


if __name__ == "__main__":
    unittest.main()
