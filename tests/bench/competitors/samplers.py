# SPDX-License-Identifier: MIT
"""Sampling profilers: they look at the target's memory now and then, and so tell who had the lock how often, not for
how long each time, nor who waited. The one of Python 3.15 needs a target of the same version; where that runs in a
chroot, so does it, and there /proc must be mounted."""
import os
import re
import time

from turns import PATIENCE_S, Tracer

from .case import LeftOut

PYTHON, AUSTIN = "profiling.sampling", "Austin"


def make_python(case):
    if not case.version.startswith("cpython 3.15"):
        raise LeftOut(PYTHON, "only for a target of Python 3.15")
    if case.is_many:
        raise LeftOut(PYTHON, "traces one process")
    root = os.readlink("/proc/%d/root" % case.pid)
    if root != "/" and not os.path.exists(os.path.join(root, "proc/self")):
        raise LeftOut(PYTHON, "no /proc in " + root)
    python = "/" + os.path.relpath(os.path.realpath("/proc/%d/exe" % case.pid), root)
    command = ["chroot", root, python, "-m", "profiling.sampling", "attach", "-a", "--mode=gil", str(case.pid)]
    return Tracer(PYTHON, command, 1.0, lambda out, _: int((re.search(r"Captured (\d+)", out) or ["", 0])[1]),
                  environment={"LC_ALL": "C"})


class Austin(Tracer):
    """It has found the interpreter once there are samples in its file."""

    def __init__(self, case, program):
        self.out = os.path.join(case.scratch, "austin.out")
        super().__init__(AUSTIN, [program, "-o", self.out, "-p", str(case.pid)], None, lambda seen: seen)

    def is_ready(self):
        until = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < until:
            if os.path.exists(self.out) and os.path.getsize(self.out):
                return True
            time.sleep(0.02)
        return False

    def stop(self):
        super().stop()
        with open(self.out, "rb") as file:
            seen = sum(1 for _ in file)
        os.unlink(self.out)
        return (seen,)


def make_austin(case):
    """It tells nothing about the GIL, but is the lightest of its kind."""
    return Austin(case, case.need(AUSTIN, "austin", one_process=True))
