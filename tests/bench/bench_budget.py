#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What --probes=auto costs a target, by budget, and how its figures agree with those of --probes=all.

Each workload counts its own work. In a round the levels take turns, each between two turns untraced, which it is held
against; each round begins with another level. The one that traces nothing shows the noise: what else the machine
does, and the program's own changes of rhythm; two empty probes on the instructions of waits show what no tracer that
probes these can save. Printed are the time and the CPU time that a unit of work takes longer, the
tracer's own CPU time and memory, and the holds' median, 99th percentile and share of the time against those of
--probes=all: medians of the rounds."""
import argparse
import json
import os
import statistics
import sys

import competitors
import workloads
from turns import Giltrace, NotStarted, NoTracer, Target, Traced, spread, warn_if_busy

WORKLOADS = [name for name in workloads.TITLES if not name.startswith("processes-")]  # those of one process
USUAL = [name for name in WORKLOADS if name in workloads.USUAL]


def percentile(histogram, percent):
    """Within its bucket as if the bucket were filled evenly: two histograms that are compared by the middles of buckets
    would differ by none or by a whole one, 6 %."""
    rank = histogram["count"] * percent / 100
    for low, high, count in histogram["buckets"]:
        if rank <= count:
            return low + (min(high, histogram["max_ns"]) - low) * rank / count
        rank -= count
    return histogram["max_ns"]


def holds_of(report):
    """The main lock's holds: median, p99, share of the time."""
    gil = max(report["gils"], key=lambda g: (g["hold"] or {}).get("sum_ns") or 0, default=None)
    if not gil or not gil["hold"] or not gil["hold"]["count"]:
        return None
    hold = gil["hold"]
    return percentile(hold, 50), percentile(hold, 99), hold["sum_ns"] / report["window"]["duration_ns"]


def tracers_for(options, target):
    case = competitors.Case(options.build, target)
    tracers = [NoTracer()]
    for events in options.empty or ["blocked waited"]:
        tracers.append(case.empty_probes(*events.split()))
        tracers[-1].name = "empty probes: " + events
    for build in [options.build, *options.beside]:
        for level in options.level:
            tracers.append(Giltrace(os.path.join(build, "bin/giltrace"), ["-p", str(target.pid)], *level.split()))
            if build != options.build:
                tracers[-1].name += " of " + build
    return tracers


def note(figures, turn, before, after):
    """One traced turn, and those around it."""
    values = {"added_pct": 100 * ((before[0] + after[0]) / 2 / turn.rate - 1),
              "cpu_added_pct": 100 * (turn.unit_cpu_ns / ((before[1] + after[1]) / 2) - 1),
              "cpu_pct": turn.cpu_pct, "memory_mib": turn.memory_mib}
    if isinstance(turn.report, dict):  # giltrace's
        values.update(holds=holds_of(turn.report), coverage_pct=turn.report["probes"]["coverage_pct"],
                      overhead_pct=turn.report["probes"]["overhead_pct"], lost=turn.report["lost"])
    for key, value in values.items():
        figures.setdefault(key, []).append(value)


def measure(options, target, tracers):
    figures = {tracer.name: {} for tracer in tracers}
    for number in range(options.rounds):
        before = target.turn(options.seconds)
        for tracer in tracers[number % len(tracers):] + tracers[:number % len(tracers)]:
            try:
                turn = Traced(target, tracer, 2 * options.seconds)
            except NotStarted as error:
                sys.exit("bench: %s did not start: %s" % (tracer.name, error))
            after = target.turn(options.seconds)
            note(figures[tracer.name], turn, before, after)
            before = after
    return figures


def against(found, truth):
    """Median, p99 and share of the holds, in % of the truth's of the same round: medians of the rounds; empty where there
    are none."""
    pairs = [(holds, true) for holds, true in zip(found.get("holds", []), truth.get("holds", [])) if holds and true]
    ratios = zip(*([a / b for a, b in zip(holds, true)] for holds, true in pairs if all(true)))
    return " ".join("%+.1f" % (100 * (statistics.median(values) - 1)) for values in ratios)


def bench(options, name):
    target = Target(options.python, name)
    try:
        results = measure(options, target, tracers_for(options, target))
    finally:
        target.end()
    print("\n%s" % workloads.TITLES[name])
    print("  %-35s %-22s %-22s %-18s %5s %9s %9s  %s" % (
        "", "added to a unit, %", "CPU added, %", "tracer's CPU, %", "MiB", "by itself", "coverage",
        "holds against all: p50 p99 sum, %"))
    for tracer, figures in results.items():
        line = "  %-35s %-22s %-22s" % (tracer, spread(figures["added_pct"], 1), spread(figures["cpu_added_pct"], 1))
        if "overhead_pct" in figures:
            line += " %-18s %5.1f %8.2f%% %8.2f%%  %s" % (
                spread(figures["cpu_pct"], 1), max(figures["memory_mib"]), statistics.median(figures["overhead_pct"]),
                statistics.median(figures["coverage_pct"]), against(figures, results.get("giltrace --probes=all", {})))
        print(line, flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1, help="of a turn untraced; traced ones are twice as long")
    parser.add_argument("--budget", type=float, action="append", help="%% of one CPU; repeatable (0.5, 2, 10)")
    parser.add_argument("--level", action="append", help="options of giltrace; repeatable (all, waits, each budget)")
    parser.add_argument("--empty", metavar="EVENTS", action="append",
                        help="empty probes on the instructions of these; repeatable (\"blocked waited\")")
    parser.add_argument("--beside", metavar="BUILD", action="append", default=[], help="another build, in the same run")
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help=workloads.HELP)
    parser.add_argument("--out", help="where the raw figures go (BUILD/bench-budget.json)")
    options = parser.parse_args()
    options.level = options.level or ["--probes=all", "--probes=waits",
                                      *("--probes=auto --budget=%g" % b for b in options.budget or [0.5, 2, 10])]
    warn_if_busy()
    results = {name: bench(options, name) for name in options.workload or USUAL}
    with open(options.out or os.path.join(options.build, "bench-budget.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
