#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""giltrace beside what else looks at a global interpreter lock: what each costs a target, by workload, in the same run.

Each workload counts its own work. In a round the tracers take turns, each between two turns without any, which it is
held against; each round begins with another tracer. So what else the machine does meets all alike, and the tracer that
is none shows how much that is. What is not at hand is left out by name. Prints a table for each workload; the raw
figures go to a JSON file and a plot of them beside it."""
import argparse
import json
import os
import resource
import sys

import compare_plot
import compare_table
import competitors
import workloads
from chroots import enter_namespace, find_python
from turns import Giltrace, NotStarted, NoTracer, Target, Traced, warn_if_busy

PYTHONS = ["system", "forky 3.15"]
SHORT = ["write-1", "cpu-2", "http"]


def tracers_for(case, budget):
    whom = ["--all"] if case.is_many else ["-p", str(case.pid)]
    levels = ["--probes=all"], ["--probes=waits"], ["--probes=auto", "--budget=%g" % budget]
    ours = [NoTracer()] + [Giltrace(case.giltrace, whom, *level) for level in levels]
    others, left_out = competitors.all_for(case)
    return ours + others, left_out


def seen_by(tracer, report):
    """How many events, where it can tell; giltrace also tells how many were lost."""
    if isinstance(tracer, Giltrace):
        counts = [gil["acquisitions"] for gil in report["gils"]]
        return None if None in counts else sum(counts), sum(report["lost"].values())
    return tracer.seen(*report) if tracer.seen else None, None


def note(figures, tracer, turn, before, after):
    """One traced turn: the time and the CPU that a unit of work takes longer than in the turns around it, in %."""
    seen, lost = seen_by(tracer, turn.report)
    values = {"added_pct": 100 * ((before[0] + after[0]) / 2 / turn.rate - 1),
              "cpu_added_pct": 100 * (turn.unit_cpu_ns / ((before[1] + after[1]) / 2) - 1),
              "tracer_cpu_pct": turn.cpu_pct, "memory_mib": turn.memory_mib, "start_s": turn.start_s,
              "stop_s": turn.stop_s, "seen": seen, "lost": lost}
    for key, value in values.items():
        figures.setdefault(key, []).append(value)


def trace(target, tracer, seconds):
    """Tried twice: BCC once failed to attach where it did before and after; why is not known."""
    try:
        return Traced(target, tracer, seconds)
    except NotStarted:
        return Traced(target, tracer, seconds)


def measure(options, target, tracers, left_out):
    """The raw figures of each tracer, by name, and the work a second without any."""
    figures, rates = {tracer.name: {} for tracer in tracers}, []
    for number in range(options.rounds):
        before = target.turn(options.seconds)
        for tracer in tracers[number % len(tracers):] + tracers[:number % len(tracers)]:
            if tracer.name in left_out:
                continue
            if sys.stderr.isatty():
                print("\r\033[Kround %d of %d: %s" % (number + 1, options.rounds, tracer.name), end="", file=sys.stderr)
            try:
                turn = trace(target, tracer, options.seconds)
            except NotStarted as error:
                left_out[tracer.name] = "did not start: %s" % error
                continue
            after = target.turn(options.seconds)
            note(figures[tracer.name], tracer, turn, before, after)
            rates.append(after[0])
            before = after
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return {name: found for name, found in figures.items() if found}, rates


def bench(options, python, name, started):
    """`started`: which tracers did, with this interpreter; what failed with the first workload is tried no more."""
    target = Target(python, name)
    case = competitors.Case(options.build, target)
    with case.undo:
        try:
            tracers, left_out = tracers_for(case, options.budget)
            left_out.update({name: reason for name, reason in started.items() if reason})
            figures, rates = measure(options, target, tracers, left_out)
        finally:
            target.end()
    for tracer in tracers:
        started.setdefault(tracer.name, left_out.get(tracer.name))
    return {"title": workloads.TITLES[name], "version": case.version, "units_per_s": rates, "tracers": figures,
            "left_out": left_out, "where": {tracer.name: tracer.where for tracer in tracers if tracer.where}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", action="append", help="a path, or a name as the tests have them; repeatable (%s)"
                        % ", ".join(PYTHONS))
    parser.add_argument("--short", action="store_true", help="2 rounds of short turns with %s" % ", ".join(SHORT))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of a turn (1)")
    parser.add_argument("--budget", type=float, default=2, help="%% of one CPU")
    parser.add_argument("--workload", action="append", choices=list(workloads.TITLES), help=workloads.HELP)
    parser.add_argument("--out", help="where the raw figures go (BUILD/bench-compare.json)")
    options = parser.parse_args()
    enter_namespace()
    sys.stdout.reconfigure(line_buffering=True)
    warn_if_busy()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # perf takes one for each event, thread and CPU
    options.rounds = options.rounds or (2 if options.short else 7)
    options.seconds = options.seconds or (0.5 if options.short else 1)
    out = options.out or os.path.join(options.build, "bench-compare.json")
    os.makedirs(os.path.join(options.build, "bench"), exist_ok=True)
    pythons = [(name, find_python(name)) for name in options.python or PYTHONS[:1 if options.short else None]]
    results = {"kernel": os.uname().release, "cpus": os.cpu_count(), "seconds": options.seconds, "pythons": {}}
    for name, python in pythons:
        if not python:
            print("%s is left out: it is not installed (tests/fetch-pythons.sh has those of other releases)" % name)
            continue
        found, started = results["pythons"].setdefault(name, {}), {}
        for workload in options.workload or (SHORT if options.short else workloads.USUAL):
            found[workload] = bench(options, python, workload, started)
            compare_table.show(found[workload])
            with open(out, "w", encoding="utf-8") as file:
                json.dump(results, file, indent=1)
    compare_plot.write(results, os.path.splitext(out)[0] + ".svg")


if __name__ == "__main__":
    main()
