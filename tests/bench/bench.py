#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tracing costs, in one run: the time that it adds to an uncontended GIL cycle, beside two empty probes on the
same instructions and beside an equivalent bpftrace script; then how fast giltrace starts and goes, and its memory.

The target is one process that writes to /dev/null in a loop; the tracers take turns on it, round by round, so that
whatever else the machine does meets all of them alike. Prints ratios; the raw figures go to a JSON file.
"""
import argparse
import glob
import json
import os
import statistics
import sys

import competitors
import competitors.bpftrace
import start_stop
from turns import Giltrace, Target, spread


def tracers_for(options, target):
    case = competitors.Case(options.build, target)
    whom = ["-p", str(target.pid)]
    tracers = [
        case.empty_probes("acquired", "released"),
        Giltrace(case.giltrace, whom, "--probes=all"),
        Giltrace(case.giltrace, whom, "--probes=waits"),
    ]
    try:
        tracers.append(competitors.bpftrace.make(case))
    except competitors.LeftOut as error:
        print(error)
    return tracers


def bench_cycle(options):
    target = Target(options.python, "write-1")
    tracers = tracers_for(options, target)
    added = {tracer.name: [] for tracer in tracers}
    plain = []
    try:
        for round_number in range(options.rounds):
            print(f"\rround {round_number + 1} of {options.rounds}", end="", file=sys.stderr, flush=True)
            for tracer in tracers:
                before = target.cycle_ns(options.batches)
                tracer.start()
                traced = target.cycle_ns(options.batches)
                tracer.stop()
                after = target.cycle_ns(options.batches)
                plain += [before, after]
                added[tracer.name].append(traced - (before + after) / 2)
    finally:
        target.end()
        print("\r", end="", file=sys.stderr)
    print(f"os.write loop of one thread, {options.python}: {statistics.median(plain):.0f} ns a GIL cycle untraced")
    print("ns added to a cycle: median [least - most] of", options.rounds, "paired rounds")
    for name, values in added.items():
        print(f"  {name:32} {spread(values, 0, 8)}")
    exact = statistics.median(added["giltrace --probes=all"])
    floor = statistics.median(added[tracers[0].name])
    print(f"  giltrace / two empty probes: {exact / floor:.2f}")
    if "bpftrace" in added:
        print(f"  giltrace / bpftrace:         {exact / statistics.median(added['bpftrace']):.2f}  "
              f"(limit: 0.5; bpftrace on {tracers[-1].where})")
    return {"plain_ns": plain, "added_ns": added}


def bench_start(options):
    target = Target(options.python, "write-1")
    try:
        figures = start_stop.measure(os.path.join(options.build, "bin/giltrace"), ["-p", str(target.pid)],
                                     options.rounds)
    finally:
        target.end()
    print(f"\ngiltrace on {options.python}, {options.rounds} runs: median [least - most]")
    print(f"  from its start to the first event, ms  {spread(figures['start_ms'], 0, 8)}  "
          f"(limit: {options.start_limit})")
    print(f"  from the end of the trace to gone, ms  {spread(figures['end_ms'], 0, 8)}  (limit: 100)")
    print(f"  resident memory at most, MiB           {max(figures['memory_mib']):8.1f}  (limit: 20)")
    return figures


def default_pythons():
    """The system's, and one of pyenv's."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    return ["/usr/bin/python3"] + sorted(glob.glob(os.path.join(pyenv, "versions/3.11.*/bin/python3.11")))[:1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", action="append", help="repeatable; by default the system's python3")
    parser.add_argument("--short", action="store_true", help="2 rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--batches", type=int, default=9, help="of a turn")
    parser.add_argument("--out", help="where the raw figures go (BUILD/bench.json)")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.short else 7)
    results = {}
    for python in options.python or default_pythons():
        options.python = python
        options.start_limit = 150 if python.startswith("/usr/bin") else 300
        results[python] = {**bench_cycle(options), **bench_start(options)}
    with open(options.out or os.path.join(options.build, "bench.json"), "w") as out:
        json.dump(results, out, indent=1)


if __name__ == "__main__":
    main()
