# SPDX-License-Identifier: MIT
"""The switch interval, which Python's own setting tells us, must be what giltrace measures."""

import identities
import pythons
from tracing import TraceTest, undisturbed, workload

SECONDS = 1.2


@pythons.for_each(pythons.EVERY)
class Interval(TraceTest):
    def measure(self, program, interval):
        target = self.start_target(program, workload("spin"), 2, interval, 30, preexec_fn=undisturbed)
        target.hear()
        report = self.trace("--quiet", "-p", target.pid, "-d", SECONDS).report
        self.assert_nothing_lost(report)
        identities.check_sums(self, report)
        return self.only_gil(report)

    def deviations(self, gil, interval_ns):
        """What does not fit the interval, in words."""
        wrong = []
        for name in ("hold", "wait"):
            if not 0.8 * interval_ns <= gil[name]["p50_ns"] <= 1.2 * interval_ns:
                wrong.append("the median %s is %.3f ms" % (name, gil[name]["p50_ns"] / 1e6))
        if gil["releases_forced"] <= 0.8 * identities.releases(gil):
            wrong.append("only %d of %d releases are forced" % (gil["releases_forced"], identities.releases(gil)))
        if not 0.8 * gil["handoffs"] <= gil["timeouts"] <= 1.5 * gil["handoffs"]:
            wrong.append("%d timeouts for %d hand-offs" % (gil["timeouts"], gil["handoffs"]))
        if gil["handoffs"] < 0.5 * SECONDS * 1e9 / interval_ns:
            wrong.append("only %d hand-offs" % gil["handoffs"])
        return wrong

    def check(self, program, interval):
        """Once more if need be: another load on the machine stretches intervals, which says nothing about giltrace."""
        wrong = self.deviations(self.measure(program, interval), interval * 1e9)
        if wrong:
            print("retried %s: %s" % (self.id(), "; ".join(wrong)))
            wrong = self.deviations(self.measure(program, interval), interval * 1e9)
        self.assertEqual(wrong, [], "with a switch interval of %g ms" % (interval * 1000))

    def check_5_ms(self, program):
        self.check(program, 0.005)

    def check_1_ms(self, program):
        self.check(program, 0.001)
