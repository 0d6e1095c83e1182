#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What stacks cost those who wait: the time that a thread which goes to sleep takes to look at them, by giltrace's own
account (stacks.waiter_look_ns). It looks at the holder's stack; its own was seen when it let go of the lock, for it had
none since, or is looked at now. What does not wait pays nothing for it: that is in bench.py. Beside it, what all probes
take for such a wait, its release included, by the kernel's account of BPF programs (kernel.bpf_stats_enabled).

In the target two threads take turns, each computes for a while, in functions that call each other DEPTH deep and all
differ, and lets go. The CPUs are idle in between, so the caches are cold: that is what a wait finds.
"""
import argparse
import json
import os
import signal
import subprocess
import time

from turns import spread

DEPTHS = (8, 16, 24, 48)
SECONDS = 1.5
LIMIT_US = 10
SWITCH = "/proc/sys/kernel/bpf_stats_enabled"
TARGET = """
import os, sys, threading, time
depth = int(sys.argv[1]) - 4  # with those of threading and turns()
for i in range(depth):
    exec("def deep%d(work): return deep%d(work)" % (i, i + 1))
exec("def deep%d(work): return work()" % depth)
def turns():
    numbers = list(range(20000))
    while True:
        sum(numbers)
        time.sleep(0.0001)
for i in range(2):
    threading.Thread(target=deep0, args=(turns,)).start()
print(os.getpid())
sys.stdout.flush()
"""
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
    """us of the probes for a wait, and us of a waiter's look at stacks."""
    tracer = subprocess.Popen([giltrace, "-p", str(pid), "--stacks=" + kind, "--json"], stdout=subprocess.PIPE,
                              text=True)
    time.sleep(SECONDS)
    taken = probes_ns()
    tracer.send_signal(signal.SIGINT)
    report = json.loads(tracer.communicate()[0])
    waits = sum(gil["contended"] for gil in report["gils"])
    stacks = report["stacks"]
    return taken / waits / 1e3, stacks["waiter_looks"] and stacks["waiter_look_ns"] / stacks["waiter_looks"] / 1e3


def measure_depth(giltrace, python, depth, rounds):
    figures = {kind: [] for kind in KINDS}
    target = subprocess.Popen([python, "-c", TARGET, str(depth)], stdout=subprocess.PIPE, text=True)
    try:
        target.stdout.readline()
        for _ in range(rounds):
            for kind in KINDS:
                figures[kind].append(measure(giltrace, target.pid, kind))
    finally:
        target.kill()
        target.wait()
    return figures


def show(depth, figures):
    print("%d frames: us, median [least - most]" % depth)
    for kind in KINDS:
        taken, looks = zip(*figures[kind])
        print("  --stacks=%-8s all probes of a wait %s" % (kind, spread(taken, 1, 5)) +
              ("" if kind == "none" else "   the waiter's look %s (limit: %d)" % (spread(looks, 1, 5), LIMIT_US)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--short", action="store_true", help="2 rounds with a depth of 16")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--depth", type=int, action="append", help="repeatable; by default %s" % (DEPTHS,))
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.short else 5)
    with open(SWITCH, encoding="ascii") as file:
        before = file.read()
    try:
        with open(SWITCH, "w", encoding="ascii") as file:
            file.write("1")
        print("\nStacks of a contended wait, %s" % options.python)
        for depth in options.depth or ([16] if options.short else DEPTHS):
            show(depth, measure_depth(os.path.join(options.build, "bin/giltrace"), options.python, depth,
                                      options.rounds))
    finally:
        with open(SWITCH, "w", encoding="ascii") as file:
            file.write(before)


if __name__ == "__main__":
    main()
