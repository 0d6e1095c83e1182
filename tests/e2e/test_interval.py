# SPDX-License-Identifier: MIT
"""The switch interval, which Python's own setting tells us, must be what giltrace measures."""

import identities
import pythons
from tracing import TraceTest, cpu_delay, workload

SECONDS = 1.2
DISTURBED = 0.1  # of the interval spent waiting for a CPU, where 20 % is the tolerance


@pythons.for_each(pythons.EVERY)
class Interval(TraceTest):
    def measure(self, program, interval):
        """The lock's figures, and how long a thread had to wait for a CPU per hand-off, as a share of the interval."""
        target = self.start_target(program, workload("spin"), 2, interval, 30)
        target.hear()
        delay = cpu_delay(target.pid)
        report = self.trace("--quiet", "-p", target.pid, "-d", SECONDS).report
        delay = cpu_delay(target.pid) - delay
        target.process.kill()
        self.assert_nothing_lost(report)
        identities.check_sums(self, report)
        gil = self.only_gil(report)
        self.assertGreater(gil["releases_forced"], 0.8 * identities.releases(gil), "forced releases must dominate")
        return gil, delay / gil["handoffs"] / (interval * 1e9)

    def deviations(self, gil, interval_ns):
        """What does not fit the interval, in words."""
        wrong = []
        for name in ("hold", "wait"):
            error = 1 + gil[name]["error_pct"] / 100  # with which the histogram tells a median
            if not 0.8 * interval_ns / error <= gil[name]["p50_ns"] <= 1.2 * interval_ns * error:
                wrong.append("the median %s is %.3f ms" % (name, gil[name]["p50_ns"] / 1e6))
        if not 0.8 * gil["handoffs"] <= gil["timeouts"] <= 1.5 * gil["handoffs"]:
            wrong.append("%d timeouts for %d hand-offs" % (gil["timeouts"], gil["handoffs"]))
        if gil["handoffs"] < 0.5 * SECONDS * 1e9 / interval_ns:
            wrong.append("only %d hand-offs" % gil["handoffs"])
        return wrong

    def measure_interval(self, program, interval):
        """Once more, and only when other load kept the threads from their CPUs; twice disturbed says nothing."""
        for _ in range(2):
            gil, delayed = self.measure(program, interval)
            wrong = self.deviations(gil, interval * 1e9)
            if not wrong or delayed < DISTURBED:
                break
            print("disturbed: %s: threads had to wait for a CPU" % self.id())
        if wrong and delayed >= DISTURBED:
            self.skipTest("other load: at each hand-off a thread had to wait for a CPU for %d %% of the interval"
                          % (100 * delayed))
        self.assertEqual(wrong, [], "with a switch interval of %g ms" % (interval * 1000))

    def check_5_ms(self, program):
        self.measure_interval(program, 0.005)

    def check_1_ms(self, program):
        self.measure_interval(program, 0.001)
