# SPDX-License-Identifier: MIT
"""CPython 2.7's lock: a semaphore that is released each hundred bytecodes, and fought for at each release."""

import os
import re

import identities
import pythons
from tracing import TraceTest, end, workload

CYCLES = 20000
START_UP = 2000
NAME = "pyenv 2.7"


def preferred():
    """Two threads fight only while each has a CPU: on a busy machine they need priority. A preexec_fn."""
    os.nice(-20)


class Ticks(TraceTest):
    def check(self, report):
        """What must hold of every report."""
        self.assert_nothing_lost(report)
        identities.check_sums(self, report)
        gil = self.only_gil(report)
        self.assertEqual(report["target"]["design"], "ticks")
        self.assertEqual((gil["timeouts"], gil["releases_forced"]), (0, 0), "this lock knows neither")
        self.assertEqual(gil["stolen"], gil["failed"])
        self.assertEqual(gil["interpreter"], 0)
        return gil

    def count(self, threads, **popen):
        program = pythons.program(NAME)
        report = self.trace("--quiet", "--", program, workload("write_loop"), threads, CYCLES, **popen).report
        gil = self.check(report)
        self.assertGreaterEqual(gil["acquisitions"], CYCLES, "acquisitions were missed")
        # It is also released each hundred bytecodes, which are some 10 passes of the loop.
        self.assertLessEqual(gil["acquisitions"], CYCLES * 1.25 + START_UP, "something else was counted")
        self.assertIn(gil["acquisitions"] - identities.releases(gil), (0, 1), "a release was missed or invented")
        self.assertEqual(gil["hold"]["count"], identities.releases(gil), "each release closes a hold")
        self.assertEqual(report["probes"]["hits"], 2 * gil["acquisitions"] + identities.releases(gil),
                         "two traps an acquisition and one a release, none for the program's own locks")
        workers = [t for t in report["threads"] if t["acquisitions"] >= CYCLES // threads]
        self.assertEqual(len(workers), threads, "each started thread has its own cycles")

    def test_counts_of_one_thread(self):
        self.count(1)

    def test_counts_of_four_threads(self):
        self.count(4)

    def test_counts_with_one_link_a_probe(self):
        self.count(4, env={"GILTRACE_NO_MULTI": "1"})

    def spinning(self, name=NAME):
        target = self.start_target(pythons.program(name), workload("spin"), 2, 0.005, 20, preexec_fn=preferred)
        self.assertEqual(target.hear(), "ready")
        return target

    def spin(self, name):
        target = self.spinning(name)
        report = self.trace("--quiet", "-p", target.pid, "-d", 1).report
        end(target.process)
        return report

    def test_fights_of_two_busy_threads(self):
        """Failed attempts by the thousand a second; of the lock that came after it, none but the timeouts. Once more
        if need be: threads that other load keeps on one CPU do not fight."""
        old = self.check(self.spin(NAME))
        for _ in range(5):
            if old["failed"] <= 1000:
                print("retried %s: %d failed attempts" % (self.id(), old["failed"]))
                old = self.check(self.spin(NAME))
        self.assertGreater(old["failed"], 1000)
        new = self.only_gil(self.spin("pyenv 3.8"))
        print("failed attempts in a second: %d in 2.7; %d in 3.8, of which %d are timeouts" % (
            old["failed"], new["failed"], new["timeouts"]))
        self.assertLess(new["failed"] - new["timeouts"], 100)

    def test_who_held_it(self):
        """Two busy threads wait for each other, and for nobody else."""
        report = self.spin(NAME)
        known = sum(b["wait_ns"] for b in report["blame"] if b["holder"])
        self.assertGreater(known, 0.8 * sum(b["wait_ns"] for b in report["blame"]))
        for blame in report["blame"]:
            self.assertNotEqual(blame["waiter"], blame["holder"])

    def test_sleeps_as_the_kernel_counts_them(self):
        """Beazley's failures: a thread woke up and found the lock taken again. Contended acquisitions and failures are
        all the sleeps, but for the few in which threads are started and joined; getrusage() counts them, too."""
        target = self.start_target(pythons.program(NAME), workload("sleeps"), 4, 4 * CYCLES)
        self.assertEqual(target.hear(), "ready")
        tracer = self.start_tracer("--quiet", "--verbose", "-p", target.pid)
        tracer.wait_until_tracing()
        target.tell()
        counted = int(target.hear())
        gil = self.check(tracer.interrupt().report)
        sleeps = gil["contended"] + gil["failed"]
        print("sleeps: %d by giltrace, %d by the kernel" % (sleeps, counted))
        self.assertGreater(sleeps, 20)
        self.assertAlmostEqual(sleeps, counted, delta=20 + counted // 100)

    def test_waits_only_is_refused(self):
        self.assert_one_line(self.run_giltrace("-p", self.spinning().pid, "--probes=waits"), 1, "--probes=all")

    def test_doctor(self):
        shown = self.run_giltrace("doctor", "-p", self.spinning().pid).out
        self.assertIn("GIL design: ticks", shown)
        self.assertRegex(shown, r"at this moment +check interval 100 ticks, (free|held)")
        self.assertTrue({"taking", "taken", "released"} <= set(re.findall(r"^  (\w+) +0x", shown, re.MULTILINE)))
