# SPDX-License-Identifier: MIT
"""Exact counts: each acquisition and release of a known program, on every interpreter, stripped or not."""

import identities
import pythons
from tracing import TraceTest, workload

CYCLES = 20000
START_UP = 2000  # an interpreter's own acquisitions from its start to its end, at most


class Counting(TraceTest):
    def count(self, program, threads, **popen):
        report = self.trace("--quiet", "--", program, workload("write_loop"), threads, CYCLES, **popen).report
        gil = self.only_gil(report)
        self.assert_nothing_lost(report)
        self.assertGreaterEqual(gil["acquisitions"], CYCLES, "acquisitions were missed")
        self.assertLessEqual(gil["acquisitions"], CYCLES + START_UP, "something else was counted as acquisition")
        self.assertIn(gil["acquisitions"] - identities.releases(gil), (0, 1), "a release was missed or invented")
        self.assertEqual(gil["hold"]["count"], identities.releases(gil), "each release closes a hold")
        identities.check_sums(self, report)
        identities.check_whole_waits(self, report)
        workers = [t for t in report["threads"] if t["acquisitions"] >= CYCLES // threads]
        self.assertEqual(len(workers), threads, "each started thread has its own cycles")
        return report


@pythons.for_each(pythons.EVERY)
class ExactCounts(Counting):
    def check_one_thread(self, program):
        self.count(program, 1)

    def check_four_threads(self, program):
        self.count(program, 4)


class OlderKernels(Counting):
    def test_one_link_a_probe(self):
        """Kernels before 6.10 get one perf-event link a site: slower to detach, with the same counts."""
        self.count(pythons.any_pyenv("3.12", "3.11", "3.9"), 4, env={"GILTRACE_NO_MULTI": "1"})

    def test_one_link_a_probe_on_system(self):
        self.count(pythons.system(), 4, env={"GILTRACE_NO_MULTI": "1"})
