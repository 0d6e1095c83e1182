# SPDX-License-Identifier: MIT
"""What giltrace is held against: other ways of measuring a global interpreter lock from outside, each in a file."""
from . import bpftrace, perf, python_bcc, samplers
from .case import Case, LeftOut

__all__ = ["Case", "LeftOut", "all_for"]

MAKERS = (bpftrace.make, perf.make_record, perf.make_stat, python_bcc.make, samplers.make_python, samplers.make_austin)


def all_for(case):
    """The tracers that are at hand for a target, and why others are not, by name."""
    tracers, left_out = [], {}
    for make in MAKERS:
        try:
            tracers.append(make(case))
        except LeftOut as error:
            left_out[error.name] = error.reason
    return tracers, left_out
