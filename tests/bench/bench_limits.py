#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""giltrace's own limits, measured: what a cycle costs with many threads, what is lost at the highest rate, start and
stop with 50 processes, the memory of the kernel's maps, and what the tracer itself takes. Each figure is printed with
its limit, and none is judged: on a busy machine that would be chance. The raw figures go to a JSON file."""
import argparse
import contextlib
import json
import os
import re
import signal
import subprocess

import start_stop
from chroots import find_python
from turns import Giltrace, Target, Traced, memory_mib, spread, warn_if_busy

CROWDS = ("crowd-2", "crowd-1000")


class Targets(contextlib.ExitStack):
    """Targets that end with the block."""

    def start(self, python, *workloads):
        found = [Target(python, name) for name in workloads]
        for target in found:
            self.callback(target.end)
        return found


def giltrace(options, target, *how):
    return Giltrace(options.giltrace, ["-p", str(target.pid)], *how)


def run_only(target, others):
    for other in others:
        os.kill(other.pid, signal.SIGSTOP)
    os.kill(target.pid, signal.SIGCONT)


def say(what, values, limit, digits=1):
    print("  %-58s %s  (limit: %s)" % (what, spread(values, digits, 7), limit), flush=True)


def many_threads(options):
    """ns added to a cycle of the only thread that writes, by how many there are beside it that rarely take the lock."""
    added = {name: [] for name in CROWDS}
    with Targets() as targets:
        crowds = targets.start(options.python, *CROWDS)
        for _ in range(options.rounds):
            for name, target in zip(CROWDS, crowds):
                run_only(target, [other for other in crowds if other is not target])
                before = target.work(options.seconds)
                turn = Traced(target, giltrace(options, target, "--probes=all"), options.seconds)
                after = target.work(options.seconds)
                added[name].append(1e9 / turn.rate - 1e9 / ((before + after) / 2))
    few, many = (added[name] for name in CROWDS)
    say("2 threads: ns added to a cycle", few, "none", 0)
    say("1000 threads: ns added to a cycle", many, "none", 0)
    say("1000 threads to 2", [a / b for a, b in zip(many, few)], "1.10", 2)
    return added


def highest_rate(options):
    """Two processes that write, both CPUs busy: what is lost, and what the tracer takes."""
    rates, lost, cpus, memory = [], [], [], []
    with Targets() as targets:
        target, _ = targets.start(options.python, "write-1", "write-1")
        for _ in range(options.rounds):
            turn = Traced(target, Giltrace(options.giltrace, ["--all"], "--probes=all"), 2 * options.seconds)
            acquisitions = sum(gil["acquisitions"] for gil in turn.report["gils"])
            rates.append(acquisitions / turn.report["window"]["duration_ns"] * 1e6)
            lost.append(sum(turn.report["lost"].values()))
            cpus.append(turn.cpu_pct)
            memory.append(turn.memory_mib)
            for name, count in turn.report["lost"].items():
                if count:
                    print("  lost: %s %d" % (name, count))
    say("2 processes that write, --all: 1000 cycles a second", rates, "none", 0)
    say("lost at that rate, of all kinds", lost, 0, 0)
    say("the tracer's CPU at that rate, %", cpus, 5, 2)
    say("resident memory, MiB", memory, 20)
    return {"kilocycles_per_s": rates, "lost": lost, "cpu_pct": cpus, "memory_mib": memory}


def at_rest(options):
    found = {}
    with Targets() as targets:
        target, = targets.start(options.python, "rest")
        for level in ("all", "waits", "auto"):
            found[level] = []
            for _ in range(options.rounds):
                turn = Traced(target, giltrace(options, target, "--probes=" + level), 2 * options.seconds)
                found[level].append(turn.cpu_pct)
            say("the tracer's CPU at rest, --probes=%s, %%" % level, found[level], 1, 2)
    return found


def fifty_processes(options):
    with Targets() as targets:
        targets.start(options.python, "processes-50")
        found = start_stop.measure(options.giltrace, ["--all"], options.rounds)
    both = [start + end for start, end in zip(found["start_ms"], found["end_ms"])]
    say("50 processes, --all: from its start to the first event, ms", found["start_ms"], "none", 0)
    say("50 processes, --all: from the end of the trace to gone, ms", found["end_ms"], "none", 0)
    say("50 processes, --all: both, ms", both, 1000, 0)
    say("50 processes, --all: resident memory, MiB", found["memory_mib"], 20)
    return found


def map_names():
    """By id."""
    shown = subprocess.run(["bpftool", "-j", "map", "show"], capture_output=True, text=True, check=True,
                           env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}).stdout
    return {one["id"]: one.get("name", "?") for one in json.loads(shown)}


def maps_mib(pid):
    """What the kernel says of the maps that a process has open, by id, MiB."""
    found, directory = {}, "/proc/%d/fdinfo" % pid
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), encoding="ascii") as file:
            info = dict(re.findall(r"^(map_id|memlock):\s+(\d+)", file.read(), re.M))
        if "map_id" in info:
            found[int(info["map_id"])] = int(info["memlock"]) / 2**20
    return found


def kernel_memory(options):
    """Of a target with so many threads, and with --max-threads. The memory is what it is from the start."""
    found = {}
    for threads, limit in ((64, 8), (1000, 32)):
        for how in ([], ["--max-threads=%d" % threads]):
            with Targets() as targets:
                target, = targets.start(options.python, "idle-%d" % threads)
                tracer = giltrace(options, target, *how)
                tracer.start()
                names, sizes = map_names(), maps_mib(tracer.process.pid)
                maps = {names[number]: size for number, size in sizes.items()}
                resident = memory_mib(tracer.process.pid)
                tracer.stop()
            name = "%d threads%s" % (threads, ", " + how[0] if how else "")
            largest = sorted(maps.items(), key=lambda item: -item[1])[:3]
            say("%s: kernel maps, MiB" % name, [sum(maps.values())], limit)
            print("    most of it: %s; resident %.1f MiB" % (", ".join("%s %.1f" % item for item in largest), resident))
            found[name] = maps
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", default="system")
    parser.add_argument("--short", action="store_true", help="2 rounds of short turns")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of a turn (1)")
    parser.add_argument("--only", action="append", choices=[part.__name__ for part in PARTS], help="repeatable")
    parser.add_argument("--out", help="where the raw figures go (BUILD/bench-limits.json)")
    options = parser.parse_args()
    options.python = find_python(options.python)
    options.giltrace = os.path.join(options.build, "bin/giltrace")
    options.rounds = options.rounds or (2 if options.short else 7)
    options.seconds = options.seconds or (0.5 if options.short else 1)
    warn_if_busy()
    print("\ngiltrace's limits, %s: median [least - most] of %d" % (options.python, options.rounds))
    results = {part.__name__: part(options) for part in PARTS if not options.only or part.__name__ in options.only}
    with open(options.out or os.path.join(options.build, "bench-limits.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)


PARTS = (many_threads, highest_rate, at_rest, fifty_processes, kernel_memory)

if __name__ == "__main__":
    main()
