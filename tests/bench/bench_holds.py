#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How the holds of --probes=auto agree with those of --probes=all on the same program.

Turns of the two alternate, and one with auto is held against those with all right before and after it, for the machine's
speed changes from one second to the next. "all" is each turn with all against the two around it, twice as far apart: the
noise. The median and the 99th percentile are of the main lock's holds, the sum is the share of the time that they took."""
import argparse
import json
import os
import subprocess
import sys

import workloads
from bench_budget import WORKLOADS, holds_of
from turns import Target, spread, warn_if_busy

STATIONARY = ["write-1", "write-2", "write-8", "convoy", "http", "release"]
TITLES = ("median", "99th percentile", "sum")


def look(options, target, level, seconds):
    done = subprocess.run([os.path.join(options.build, "bin/giltrace"), "-p", str(target.pid), "-d", str(seconds), "--json",
                           *level.split()], capture_output=True, check=True)
    holds = holds_of(json.loads(done.stdout))
    if not holds:
        sys.exit("bench: %s saw no hold in %g s: take longer turns (--seconds)" % (level, seconds))
    return holds


def differences(found, around):
    """In %, to the mean of the two."""
    return [100 * (2 * a / (b + c) - 1) for a, b, c in zip(found, *around)]


def measure(options, target):
    truth = [look(options, target, "--probes=all", options.seconds)]
    results = {"all": [], **{"--budget=%g" % budget: [] for budget in options.budget}}
    for _ in range(options.rounds):
        for budget in options.budget:
            found = look(options, target, "--budget=%g" % budget, 4 * options.seconds)
            truth.append(look(options, target, "--probes=all", options.seconds))
            results["--budget=%g" % budget].append(differences(found, truth[-2:]))
            if len(truth) > 2:
                results["all"].append(differences(truth[-2], (truth[-3], truth[-1])))
    return results


def bench(options, name):
    target = Target(options.python, name)
    try:
        results = measure(options, target)
    finally:
        target.end()
    print("\n%s\n  %-14s" % (workloads.TITLES[name], "") + "".join(" %-22s" % (title + ", %") for title in TITLES))
    for level, turns in results.items():
        print("  %-14s" % level + "".join(" %-22s" % spread(values, 1) for values in zip(*turns)), flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=1, help="of a turn with all; those with auto are 4 times as long")
    parser.add_argument("--budget", type=float, action="append", help="%% of one CPU; repeatable (2)")
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="repeatable; else the stationary ones")
    parser.add_argument("--out", help="where the raw figures go (BUILD/bench-holds.json)")
    options = parser.parse_args()
    options.budget = options.budget or [2]
    warn_if_busy()
    results = {name: bench(options, name) for name in options.workload or STATIONARY}
    with open(options.out or os.path.join(options.build, "bench-holds.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
