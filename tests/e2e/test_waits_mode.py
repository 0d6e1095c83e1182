# SPDX-License-Identifier: MIT
"""--probes=waits sees the same waits as --probes=all, and says null where it does not know."""

import ctypes
import os
import re
import time

import identities
import pythons
from tracing import TraceTest, cpu_delay, end, workload

SECONDS = 1.5
DISTURBED = 0.07  # of the time spent waiting for a CPU, where 15 % is the tolerance
PERF_EVENT = "7"  # the type of a timer's program
BPF, BPF_ENABLE_STATS = 321, 32  # the system call on x86-64, and one of its commands
UNKNOWN = ["acquisitions", "releases_forced", "releases_voluntary", "held_ns", "hold", "handoff"]


@pythons.for_each([pythons.NAMES[0], "pyenv 3.6", "pyenv 3.8", "pyenv 3.12", "pyenv 3.13"])
class WaitsMode(TraceTest):
    def rates(self, pid, level):
        """Figures a second, of one run on a running process."""
        report = self.trace("--quiet", "--probes=" + level, "-p", pid, "-d", SECONDS).report
        self.assert_nothing_lost(report)
        identities.check_sums(self, report)
        gil = self.only_gil(report)
        self.assertEqual(report["probes"]["level"], level)
        seconds = report["window"]["duration_ns"] / 1e9
        return gil, {name: gil[name] / seconds
                     for name in ("contended", "failed", "timeouts", "handoffs", "waited_ns")}

    def differences(self, pid):
        _, exact = self.rates(pid, "all")
        _, waits = self.rates(pid, "waits")
        return ["%s: %.4g a second with all, %.4g with waits" % (name, exact[name], waits[name])
                for name in exact if abs(exact[name] - waits[name]) > 0.15 * exact[name]]

    def check_same_figures(self, program):
        target = self.start_target(program, workload("spin"), 3, 0.002, 60)
        target.hear()
        for _ in range(2):
            delay = cpu_delay(target.pid)
            different = self.differences(target.pid)
            delayed = (cpu_delay(target.pid) - delay) / (2 * SECONDS * 1e9)
            if not different or delayed < DISTURBED:
                break
            print("disturbed: %s: threads had to wait for a CPU" % self.id())
        if different and delayed >= DISTURBED:
            self.skipTest("other load: threads had to wait for a CPU for %d %% of the time" % (100 * delayed))
        self.assertEqual(different, [], "both levels watched the same program")

    def check_unknown_is_null(self, program):
        target = self.start_target(program, workload("spin"), 2, 0.005, 60)
        target.hear()
        gil, _ = self.rates(target.pid, "waits")
        self.assertEqual([name for name in UNKNOWN if gil[name] is not None], [], "not probed, so not known")
        self.assertGreater(gil["contended"], 50)

    def check_scheduler_tells(self, program):
        """The probe where waits begin goes when the scheduler tells as much, where probes are the process's alone and
        no native stacks are wanted from it."""
        hits = {}
        for options in [(), ("--follow",), ("--stacks=native",)]:
            target = self.start_target(program, workload("spin"), 2, 0.001, 60)
            target.hear()
            report = self.trace("--quiet", "--probes=waits", *options, "-p", target.pid, "-d", SECONDS).report
            gil = self.only_gil(report)
            self.assertGreater(gil["contended"] + gil["failed"], 500)
            hits[options] = report["probes"]["hits"] / (gil["contended"] + gil["failed"])
        self.assertLess(hits[()], 1.2, "one a sleep, but for the first moments")
        self.assertGreater(min(hits[("--follow",)], hits[("--stacks=native",)]), 1.95, "two a sleep")

    def check_uncontended_is_free(self, program):
        """One thread never waits: not one hit, whatever it does with the lock."""
        report = self.trace("--quiet", "--probes=waits", "--", program, workload("write_loop"), 1, 5000).report
        self.assertLess(report["probes"]["hits"], 50, "the main thread may wait for the one that it started")

    def check_whole_waits(self, program):
        """From start to end of a program whose threads meet: all identities hold without the acquisitions."""
        report = self.trace("--quiet", "--probes=waits", "--", program, workload("write_loop"), 4, 20000).report
        self.assert_nothing_lost(report)
        identities.check_sums(self, report)
        identities.check_whole_waits(self, report)
        self.assertGreater(sum(gil["contended"] for gil in report["gils"]), 0)


class Timer(TraceTest):
    def runs(self, pid):
        """How often the timer's program has run, as far as the kernel counted."""
        runs = []
        for number in os.listdir("/proc/%d/fdinfo" % pid):
            with open("/proc/%d/fdinfo/%s" % (pid, number), encoding="ascii") as file:
                info = dict(re.findall(r"^(\w+):\t(\w+)$", file.read(), re.MULTILINE))
            if info.get("prog_type") == PERF_EVENT:
                runs.append(int(info["run_cnt"]))
        return max(runs)

    def rates(self, *work):
        """Runs a second in each of some parts of a trace, but for its first moments."""
        target = self.start_target(pythons.system(), workload(work[0]), *work[1:])
        tracer = self.start_tracer("--verbose", "--probes=waits", "-p", target.pid, "-d", 4)
        tracer.wait_until_tracing()
        seen = []
        for _ in range(6):
            time.sleep(0.5)
            seen.append((self.runs(tracer.pid), time.monotonic()))
        tracer.finish()
        end(target.process)
        return [(more - runs) / (later - when) for (runs, when), (more, later) in zip(seen, seen[1:])]

    def test_adapts(self):
        """It interrupts whom it looks at, so it looks often only where waiters sleep for long."""
        counting = ctypes.CDLL(None).syscall(BPF, BPF_ENABLE_STATS, ctypes.byref(ctypes.c_uint32(0)), 4)
        self.assertGreater(counting, 0)
        self.addCleanup(os.close, counting)
        self.assertLess(min(self.rates("write_loop", 2, 1000000000)), 50)
        self.assertGreater(max(self.rates("spin", 2, 0.005, 60)), 300)
