# SPDX-License-Identifier: MIT
"""Reports of traces that never were (tests/fabricated/): the same every time, and without root."""

import os
import subprocess

from tracing import GILTRACE

PROGRAM = os.path.join(os.path.dirname(os.path.dirname(GILTRACE)), "fabricated")
KINDS = ("blame", "wait", "hold")
TRACES = ("shop", "empty", "several", "hostile")
GOLDEN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden")


def report(trace, name, kind="blame"):
    """The bytes of a report."""
    return subprocess.run([PROGRAM, trace, name, kind], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60,
                          check=True).stdout
