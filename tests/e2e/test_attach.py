# SPDX-License-Identifier: MIT
"""Attaching to a process in the middle of its work: nothing is guessed, and what was open is counted apart."""

import identities
import pythons
from tracing import TraceTest, workload


@pythons.for_each(pythons.NAMES)
class MidFlight(TraceTest):
    def check_open_intervals(self, program):
        """Of three CPU-bound threads one holds the lock and two wait, at the start as at the end."""
        target = self.start_target(program, workload("spin"), 3, 0.02, 60)
        target.hear()
        report = self.trace("--quiet", "-p", target.pid, "-d", 0.6).report
        self.assert_nothing_lost(report)
        identities.check_sums(self, report)
        gil, window = self.only_gil(report), report["window"]["duration_ns"]
        self.assertEqual(report["window"]["ended_by"], "time")
        self.assertAlmostEqual(window / 1e9, 0.6, delta=0.2)
        opened = gil["open"]
        self.assertLessEqual(opened["holds_at_start"], 1, "only one thread can hold the lock")
        self.assertLessEqual(opened["holds_at_end"], 1)
        self.assertIn(opened["waits_at_start"], (1, 2), "two waited, or one when the lock was just handed over")
        self.assertIn(opened["waits_at_end"], (1, 2))
        self.assertEqual(opened["holds_at_start"] + gil["acquisitions"],
                         identities.releases(gil) + opened["holds_at_end"], "what was taken was let go or is held")
        self.assertEqual(gil["hold"]["count"] + opened["holds_at_start"], identities.releases(gil))
        for figures in [gil] + report["threads"]:
            for name in ("wait", "hold"):
                self.assertLessEqual(figures[name]["max_ns"] or 0, window, "a %s longer than the trace" % name)
        held = gil["held_ns"] + opened["held_ns"]
        self.assertLessEqual(held, window, "the lock was held for longer than there was time")
        self.assertGreater(held, 0.8 * window, "three CPU-bound threads leave no lock free")
        waited = gil["waited_ns"] + opened["waited_ns"]
        self.assertGreater(waited, 1.6 * window, "two of three wait at any time")
        self.assertLess(waited, 2.2 * window)

    def check_holders_are_named(self, program):
        """The first waits after the attach are behind a holder that was never seen to take the lock."""
        target = self.start_target(program, workload("spin"), 3, 0.01, 60)
        target.hear()
        report = self.trace("--quiet", "-p", target.pid, "-d", 0.5).report
        tids = {t["tid"] for t in report["threads"]}
        unknown = sum(b["wait_ns"] for b in report["blame"] if b["holder"] is None)
        total = sum(b["wait_ns"] for b in report["blame"])
        self.assertLess(unknown, 0.05 * total, "time is charged to nobody")
        self.assertLessEqual({b["holder"] for b in report["blame"]} - {None}, tids, "a holder that is no thread")


class Repeated(TraceTest):
    def test_two_tracers_at_once(self):
        """Each has its own figures, and neither takes the other's probes away."""
        target = self.start_target(pythons.system(), workload("spin"), 2, 0.005, 60)
        target.hear()
        first = self.start_tracer("--quiet", "--verbose", "-p", target.pid)
        first.wait_until_tracing()
        second = self.trace("--quiet", "-p", target.pid, "-d", 0.5).report
        report = first.interrupt().report
        for one in (report, second):
            self.assert_nothing_lost(one)
            identities.check_sums(self, one)
        self.assertGreater(self.only_gil(second)["acquisitions"], 20)
        self.assertGreater(self.only_gil(report)["acquisitions"], self.only_gil(second)["acquisitions"])

    def test_idle_process(self):
        """A process that does nothing with its lock: a report that says so, and no figure that is made up."""
        target = self.start_target(pythons.system(), workload("write_loop"), 1, 10, "steps")
        target.hear()
        result = self.trace("-p", target.pid, "-d", 0.3)
        self.assertEqual((result.report["gils"], result.report["threads"], result.report["probes"]["hits"]),
                         ([], [], 0))
        self.assertIn("No thread took", result.out)
