#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What stacks cost those who wait: the time that giltrace's own probes take for a contended wait, with stacks and
without, by the kernel's account of BPF programs (kernel.bpf_stats_enabled). A thread that begins to wait looks at two
stacks, its own and the holder's; the other looks are at failed attempts and at releases. What does not wait pays nothing
for it: that is in bench.py.

The target computes in one thread and wants the lock back twice every ms in two others, all of them DEPTH calls deep, of
functions that differ.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import time

DEPTH = 20
SECONDS = 2
LIMIT_US = 10
SWITCH = "/proc/sys/kernel/bpf_stats_enabled"
TARGET = """
import os, threading, time
for i in range(%d):
    exec("def deep%%d(work): return deep%%d(work)" %% (i, i + 1))
exec("def deep%%d(work): return work()" %% (i + 1))
def compute():
    while True:
        sum(range(200))
def want():
    while True:
        time.sleep(0.0005)
for work in (compute, want, want):
    threading.Thread(target=deep0, args=(work,), daemon=True).start()
print(os.getpid(), flush=True)
time.sleep(1000)
""" % DEPTH
KINDS = ("none", "python", "both")


def probes_ns():
    """What the probes' program has taken so far, ns. There must be one giltrace only."""
    shown = subprocess.run(["bpftool", "prog", "show", "-j"], capture_output=True, text=True, check=True,
                           env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin")).stdout
    found = [p.get("run_time_ns", 0) for p in json.loads(shown) if p.get("name") == "probe_any"]
    if len(found) != 1:
        raise SystemExit("bench: %d programs of giltrace are loaded, not 1" % len(found))
    return found[0]


def measure(giltrace, pid, kind):
    """us of the probes for a wait, and how often a stack was walked for one."""
    tracer = subprocess.Popen([giltrace, "-p", str(pid), "--stacks=" + kind, "--json"], stdout=subprocess.PIPE,
                              text=True)
    time.sleep(SECONDS)
    taken = probes_ns()
    tracer.send_signal(signal.SIGINT)
    report = json.loads(tracer.communicate()[0])
    waits = sum(gil["contended"] for gil in report["gils"])
    return taken / waits / 1e3, (report["stacks"]["walks"] or 0) / waits


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    giltrace = os.path.join(options.build, "bin/giltrace")
    with open(SWITCH, encoding="ascii") as file:
        before = file.read()
    target = subprocess.Popen([options.python, "-c", TARGET], stdout=subprocess.PIPE, text=True)
    figures = {kind: [] for kind in KINDS}
    walks = {}
    try:
        with open(SWITCH, "w", encoding="ascii") as file:
            file.write("1")
        target.stdout.readline()
        for _ in range(options.rounds):
            for kind in KINDS:
                taken, walks[kind] = measure(giltrace, target.pid, kind)
                figures[kind].append(taken)
    finally:
        target.kill()
        target.wait()
        with open(SWITCH, "w", encoding="ascii") as file:
            file.write(before)
    plain = statistics.median(figures["none"])
    print("\nStacks of a contended wait, %d frames deep, %s.\n"
          "us that the probes take for a wait, median [least - most] of %d rounds:" %
          (DEPTH + 4, options.python, options.rounds))
    for kind in KINDS:
        middle = statistics.median(figures[kind])
        print("  --stacks=%-8s %5.1f  [%.1f - %.1f]%s" % (
            kind, middle, min(figures[kind]), max(figures[kind]), "" if kind == "none" else
            "  %.1f looks: %.1f us more; for two looks %.1f (limit: %d)" % (
                walks[kind], middle - plain, 2 * (middle - plain) / walks[kind], LIMIT_US)))


if __name__ == "__main__":
    main()
