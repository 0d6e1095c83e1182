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
import signal
import statistics
import subprocess
import sys
import time

import workloads

HERE = os.path.dirname(os.path.abspath(__file__))
KIB = 1024


class Target:
    def __init__(self, python, name):
        self.process = subprocess.Popen([python, os.path.join(HERE, "workloads.py"), name], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.pid = int(self.process.stdout.readline())

    def work(self, seconds):
        """Units of work a second meanwhile."""
        begun, before = time.monotonic(), self.done()
        time.sleep(seconds)
        return (self.done() - before) / (time.monotonic() - begun)

    def done(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self):
        self.process.kill()
        self.process.wait()


class Tracer:
    def __init__(self, giltrace, pid, *options):
        self.process = subprocess.Popen([giltrace, "-p", str(pid), "-v", "--json", *options], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "tracing begins" in line:
                return
        sys.exit("bench: giltrace did not start: " + self.process.communicate()[1])

    def cpu_s(self):
        """Of all its threads."""
        total, tasks = 0, "/proc/%d/task" % self.process.pid
        for task in os.listdir(tasks):
            try:
                with open("%s/%s/schedstat" % (tasks, task), encoding="ascii") as file:
                    total += int(file.read().split()[0])
            except FileNotFoundError:  # a thread that ended meanwhile
                pass
        return total / 1e9

    def memory_mib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as file:
            return [int(line.split()[1]) / KIB for line in file if line.startswith("VmHWM")][0]

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return json.loads(self.process.communicate(timeout=60)[0])


def holds_of(report):
    """The main lock's holds: median, p99, share of the time."""
    gil = max(report["gils"], key=lambda g: (g["hold"] or {}).get("sum_ns") or 0, default=None)
    if not gil or not gil["hold"] or not gil["hold"]["count"]:
        return None
    hold = gil["hold"]
    return hold["p50_ns"], hold["p99_ns"], hold["sum_ns"] / report["window"]["duration_ns"]


def measure(giltrace, target, options, rounds, seconds):
    """Slowdowns in %, the tracer's CPU in %, its memory, and what it reported in the last round."""
    slowdowns, cpus, memory = [], [], 0
    for _ in range(rounds):
        before = target.work(seconds)
        tracer = Tracer(giltrace, target.pid, *options)
        began, cpu = time.monotonic(), tracer.cpu_s()
        traced = target.work(2 * seconds)
        cpus.append(100 * (tracer.cpu_s() - cpu) / (time.monotonic() - began))
        memory = max(memory, tracer.memory_mib())
        report = tracer.stop()
        after = target.work(seconds)
        slowdowns.append(100 * (1 - traced / ((before + after) / 2)))
    return slowdowns, cpus, memory, report


def spread(values, digits=2):
    return "%.*f [%.*f - %.*f]" % (digits, statistics.median(values), digits, min(values), digits, max(values))


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
            slowdowns, cpus, memory, report = measure(options.giltrace, target, level.split(), options.rounds,
                                                      options.seconds)
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
    parser.add_argument("--workload", action="append", choices=list(workloads.TITLES), help="repeatable; else all")
    parser.add_argument("--out", help="where the raw figures go (BUILD/bench-budget.json)")
    options = parser.parse_args()
    options.giltrace = os.path.join(options.build, "bin/giltrace")
    options.budget = options.budget or [0.5, 2, 10]
    results = {name: bench(options, name) for name in options.workload or workloads.TITLES}
    with open(options.out or os.path.join(options.build, "bench-budget.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
