#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How much slower the windows of --probes=auto make os.write loops, in them and between them.

The kernel counts a process's writes, so from outside its speed is known of each millisecond: how slow it is in a window,
whether it is as fast as untraced between them, and how much time is lost in all, beside what auto says by its own
account. Turns traced and untraced alternate; "no tracer" shows the noise."""
import argparse
import json
import os
import threading
import time

from turns import Giltrace, NoTracer, Target, Traced, spread, warn_if_busy

STEP_S = 0.001
HITS = 2  # of probes a write: the lock is let go and taken back
SLOW = 0.5  # of the speed untraced: so slow is only who is probed,
STALLED = 0.02  # and so slow who had no CPU
TITLES = {
    "slower_pct": "slower, %",
    "between_pct": "between windows, %",
    "by_windows_pct": "by the windows alone, %",
    "own_pct": "by its own account, %",
    "windows_pct": "windows, % of the time",
    "in_windows": "slower in them, times",
    "hit_ns": "what a hit adds there, ns",
    "own_hit_ns": "by its own account, ns",
}


class Watched(Target):
    """Threads that write; the speed of each step of the last turn is in `steps`: seconds, and writes a second."""

    def __init__(self, python, workload):
        super().__init__(python, workload)
        self.steps = []

    def writes(self):
        with open("/proc/%d/io" % self.pid, encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("syscw"))

    def watch(self, until):
        seen = []
        while time.monotonic() < until:
            seen.append((self.writes(), time.monotonic()))
            time.sleep(STEP_S)
        self.steps = [(later[1] - at[1], (later[0] - at[0]) / (later[1] - at[1]))
                      for at, later in zip(seen, seen[1:])]

    def turn(self, seconds):
        thread = threading.Thread(target=self.watch, args=(time.monotonic() + seconds,))
        thread.start()
        result = super().turn(seconds)
        thread.join()
        return result


def speed_of(steps):
    return sum(seconds * speed for seconds, speed in steps) / sum(seconds for seconds, _ in steps)


def look(steps, untraced):
    """By how much, in %, the loop is slower in all, between windows, and by the windows alone (against what it does
    between them, so that the machine's changes of speed cancel out); how many times in them, their share of the time in
    %, and what a hit adds there. Steps at a window's ends are partly in it, so they count for neither."""
    slow = [False, *(STALLED * untraced < speed < SLOW * untraced for _, speed in steps), False]
    windows = [step for i, step in enumerate(steps) if slow[i + 1]]
    inside = [step for i, step in enumerate(steps) if all(slow[i:i + 3])]
    between = [step for i, step in enumerate(steps) if not any(slow[i:i + 3])]
    found = {"slower_pct": 100 * (untraced / speed_of(steps) - 1),
             "between_pct": 100 * (untraced / speed_of(between) - 1),
             "by_windows_pct": 100 * (speed_of(between) / speed_of(steps) - 1),
             "windows_pct": 100 * sum(seconds for seconds, _ in windows) / sum(seconds for seconds, _ in steps)}
    if inside:
        found["in_windows"] = speed_of(between) / speed_of(inside)
        found["hit_ns"] = (1 / speed_of(inside) - 1 / speed_of(between)) * 1e9 / HITS
    return found


def measure(options, target, tracers):
    figures = {tracer.name: [] for tracer in tracers}
    target.turn(options.seconds)
    before = speed_of(target.steps)
    for _ in range(options.rounds):
        for tracer in tracers:
            turn = Traced(target, tracer, 2 * options.seconds)
            steps = target.steps
            target.turn(options.seconds)
            after = speed_of(target.steps)
            found = look(steps, (before + after) / 2)
            if turn.report:
                share = turn.report["probes"]["overhead_pct"]
                found["own_pct"] = 100 * share / (100 - share)
                found["own_hit_ns"] = turn.report["probes"]["cost_ns_per_hit"]
            figures[tracer.name].append(found)
            before = after
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--workload", choices=["write-1", "write-2", "write-8"], default="write-1")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=2, help="of a turn untraced; traced ones are twice as long")
    parser.add_argument("--level", action="append", help="options of giltrace; repeatable (budgets of 0.5, 2, 10)")
    parser.add_argument("--out", help="where the raw figures go (BUILD/bench-windows.json)")
    options = parser.parse_args()
    warn_if_busy()
    target = Watched(options.python, options.workload)
    try:
        tracers = [NoTracer(), *(Giltrace(os.path.join(options.build, "bin/giltrace"), ["-p", str(target.pid)],
                                          *level.split())
                                 for level in options.level or ["--budget=%g" % b for b in (0.5, 2, 10)])]
        results = measure(options, target, tracers)
    finally:
        target.end()
    for tracer, found in results.items():
        print(tracer)
        for key, title in TITLES.items():
            values = [turn[key] for turn in found if key in turn]
            if values:
                print("  %-32s %s" % (title, spread(values, 1)), flush=True)
    with open(options.out or os.path.join(options.build, "bench-windows.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
