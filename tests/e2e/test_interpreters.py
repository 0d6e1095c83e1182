# SPDX-License-Identifier: MIT
"""Interpreters with their own locks, and such that share one."""

import identities
import pythons
from tracing import TraceTest, end, workload

SECONDS = 0.7
WITH_OWN_LOCKS = ["pyenv 3.12", "pyenv 3.13", "trixie 3.13", "forky 3.14", "forky 3.15", "built bolt",
                  "built musl"]


@pythons.for_each(WITH_OWN_LOCKS)
class Interpreters(TraceTest):
    def trace_running(self, program, kind):
        target = self.start_target(program, workload("interpreters"), kind, 20)
        self.assertEqual(target.hear(), "ready")
        report = self.trace("--quiet", "-p", target.pid, "-d", SECONDS).report
        end(target.process)
        self.assert_nothing_lost(report)
        identities.check_sums(self, report)
        return report

    def shares(self, report):
        """Which part of the time each lock was held."""
        return [(g["held_ns"] + g["open"]["held_ns"]) / report["window"]["duration_ns"] for g in report["gils"]]

    def idle(self, report):
        """The locks that were not held almost all the time, in words."""
        return ["lock %d was held %.0f %%" % (i, 100 * held) for i, held in enumerate(self.shares(report))
                if held < 0.95]

    def check_own_locks(self, program):
        """Two interpreters, both busy: two locks, both held all the time, and nobody waits across them. Once more if
        need be: on a busy machine a hand-off takes long, and nobody holds the lock meanwhile."""
        report = self.trace_running(program, "own")
        for _ in range(4):
            if self.idle(report):
                print("retried %s: %s" % (self.id(), "; ".join(self.idle(report))))
                report = self.trace_running(program, "own")
        self.assertEqual(self.idle(report), [])
        self.assertEqual([gil["interpreter"] for gil in report["gils"]], [0, 1])
        for gil in report["gils"]:
            self.assertGreater(gil["handoffs"], 5, "its two threads take turns")
        threads = [{t["tid"] for t in report["threads"] if t["gil"] == gil["gil"]} for gil in report["gils"]]
        self.assertEqual(threads[0] & threads[1], set(), "a thread that had both locks")
        across = []
        for blame in report["blame"]:
            where = [gil["gil"] for gil in report["gils"]].index(blame["gil"])
            if blame["waiter"] not in threads[where] or blame["holder"] not in threads[where] | {None}:  # None: unknown
                across.append((where, blame["waiter"], blame["holder"], blame["wait_ns"]))
        print("%s: locks held %s %% of the time, %s hand-offs of their own, %d waits for the other's holder" % (
            self.id(), " and ".join("%.1f" % (100 * share) for share in self.shares(report)),
            " and ".join(str(gil["handoffs"]) for gil in report["gils"]), len(across)))
        self.assertEqual(across, [], "waits for the holder of another lock (lock, waiter, holder, ns); the threads are %s" % threads)

    def check_own_locks_after_the_end(self, program):
        """Which interpreter's a lock was is known although no process is left to ask."""
        report = self.trace("--quiet", "--", program, workload("interpreters"), "own", 1.5).report
        self.assertEqual(report["window"]["ended_by"], "exited")
        self.assertEqual([gil["interpreter"] for gil in report["gils"]], [0, 1])
        self.assert_nothing_lost(report)
        identities.check_sums(self, report)

    def check_shared_lock(self, program):
        report = self.trace_running(program, "shared")
        self.assertEqual(self.only_gil(report)["interpreter"], 0)
        self.assertGreaterEqual(len([t for t in report["threads"] if t["acquisitions"] + t["open"]["waits_at_end"]]), 4,
                                "threads of both interpreters")

    def check_text(self, program):
        target = self.start_target(program, workload("interpreters"), "own", 20)
        self.assertEqual(target.hear(), "ready")
        text = self.run_giltrace("-p", target.pid, "-d", 0.5).out
        self.assertRegex(text, r"2 locks, each of its own interpreters:\n\n  interpreter  lock ")
        for interpreter in (0, 1):
            self.assertRegex(text, r"\n +%d  0x[0-9a-f]+ +[0-9.]+ " % interpreter)
            self.assertIn("BOUND BY THE GIL OF INTERPRETER %d: held" % interpreter, text)
        self.assertLessEqual(max(len(line) for line in text.splitlines()), 100)
