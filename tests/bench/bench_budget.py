#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What --probes=auto costs a target, by budget, and how its figures agree with those of --probes=all.

Each workload counts its own work. A round measures it untraced and traced, one after the other, in short turns, so that
what else the machine does hits both alike; the slowdown is the median of the rounds' ratios. The tracer's own CPU time
and memory are read from /proc. Then the same workload is traced with --probes=all, for the holds' median, 99th
percentile and sum."""
import argparse
import json
import os
import sys

import workloads
from turns import Giltrace, NotStarted, Target, Traced, spread

WORKLOADS = [name for name in workloads.TITLES if not name.startswith("processes-")]  # those of one process


def holds_of(report):
    """The main lock's holds: median, p99, share of the time."""
    gil = max(report["gils"], key=lambda g: (g["hold"] or {}).get("sum_ns") or 0, default=None)
    if not gil or not gil["hold"] or not gil["hold"]["count"]:
        return None
    hold = gil["hold"]
    return hold["p50_ns"], hold["p99_ns"], hold["sum_ns"] / report["window"]["duration_ns"]


def measure(options, target, level):
    """Slowdowns in %, the tracer's CPU in %, its memory, and what it reported in the last round."""
    slowdowns, cpus, memory = [], [], 0
    for _ in range(options.rounds):
        before = target.work(options.seconds)
        try:
            turn = Traced(target, Giltrace(options.giltrace, ["-p", str(target.pid)], *level), 2 * options.seconds)
        except NotStarted as error:
            sys.exit("bench: giltrace did not start: %s" % error)
        after = target.work(options.seconds)
        cpus.append(turn.cpu_pct)
        memory = max(memory, turn.memory_mib)
        slowdowns.append(100 * (1 - turn.rate / ((before + after) / 2)))
    return slowdowns, cpus, memory, turn.report


def difference(found, truth):
    return "%+.1f" % (100 * (found / truth - 1)) if truth else "-"


def bench(options, name):
    results = {}
    target = Target(options.python, name)
    try:
        print("\n%s" % workloads.TITLES[name])
        print("  %-26s %-24s %-22s %6s %9s  %s" % ("", "target's slowdown, %", "tracer's CPU, %", "MiB", "coverage",
                                                  "holds against all: p50 p99 sum, %"))
        for level in ["--probes=all", "--probes=waits"] + ["--probes=auto --budget=%g" % b for b in options.budget]:
            slowdowns, cpus, memory, report = measure(options, target, level.split())
            holds = holds_of(report)
            if level == "--probes=all":
                truth = holds
            compared = "" if not holds or not truth else " ".join(difference(a, b) for a, b in zip(holds, truth))
            print("  %-26s %-24s %-22s %6.1f %7.2f %%  %s" % (level, spread(slowdowns), spread(cpus), memory,
                                                             report["probes"]["coverage_pct"], compared), flush=True)
            results[level] = {"slowdown_pct": slowdowns, "cpu_pct": cpus, "memory_mib": memory, "holds": holds,
                              "coverage_pct": report["probes"]["coverage_pct"], "lost": report["lost"]}
    finally:
        target.end()
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of a turn")
    parser.add_argument("--budget", type=float, action="append", help="%% of one CPU; repeatable (0.5, 2, 10)")
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="repeatable; else all")
    parser.add_argument("--out", help="where the raw figures go (BUILD/bench-budget.json)")
    options = parser.parse_args()
    options.giltrace = os.path.join(options.build, "bin/giltrace")
    options.budget = options.budget or [0.5, 2, 10]
    results = {name: bench(options, name) for name in options.workload or WORKLOADS}
    with open(options.out or os.path.join(options.build, "bench-budget.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
