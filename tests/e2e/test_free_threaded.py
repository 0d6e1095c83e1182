# SPDX-License-Identifier: MIT
"""Free-threaded builds, with the GIL on and off, and a version to come whose lock is another: programs made for this,
in the shape of the real ones, none of which Debian has."""

import os
import shutil
import subprocess

import identities
from tracing import TraceTest

HERE = os.path.dirname(os.path.abspath(__file__))
CYCLES = 3000


class FreeThreaded(TraceTest):
    def build(self, *flags):
        if not shutil.which("cc"):
            self.skipTest("no compiler")
        path = os.path.join(self.directory, "python3.14t")
        subprocess.run(["cc", "-O2", "-rdynamic", "-pthread", *flags, "-o", path,
                        os.path.join(HERE, "programs", "free_threaded.c")], check=True)
        return path

    def environment(self, gil):
        return dict(os.environ, PYTHON_GIL=gil)

    def test_with_gil(self):
        """Traced as any other: the counts are exact, and the holder and the interpreter are told."""
        report = self.trace("--quiet", "--", self.build(), 4, CYCLES, env=self.environment("1")).report
        gil = self.only_gil(report)
        self.assert_nothing_lost(report)
        self.assertEqual(gil["acquisitions"], 4 * CYCLES)
        self.assertEqual(identities.releases(gil), 4 * CYCLES)
        self.assertEqual(gil["interpreter"], 0)
        identities.check_sums(self, report)
        identities.check_whole_waits(self, report)

    def test_running_without_gil(self):
        target = self.start_target(self.build(), 2, CYCLES, "steps", env=self.environment("0"))
        self.assertEqual(target.hear(), "ready")
        self.assert_one_line(self.run_giltrace("-p", target.pid), 3, "runs without a GIL", "PyMutex_Lock")

    def test_started_without_gil(self):
        self.assert_one_line(self.run_giltrace("--", self.build(), 2, CYCLES, env=self.environment("0")), 3,
                             "runs without a GIL", "PyMutex_Lock")

    def test_other_shape_is_refused(self):
        """Its first call under contention shows that the mutex is not where it was: better no report than a wrong one."""
        done = self.run_giltrace("--", self.build("-DOTHER_SHAPE"), 4, 50 * CYCLES, env=self.environment("1"))
        self.assert_one_line(done, 1, "3.17.0 is not known", "does not fit")
