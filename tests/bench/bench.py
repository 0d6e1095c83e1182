#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tracing costs, in one run: the time that it adds to an uncontended GIL cycle, beside two empty probes on the
same instructions and beside an equivalent bpftrace script; then how fast giltrace starts and goes, and its memory.

The target is one process that writes to /dev/null in a loop and tells the time of each batch; the tracers take turns
on it, round by round, so that whatever else the machine does meets all of them alike. Prints ratios; the raw figures
go to a JSON file.
"""
import argparse
import glob
import json
import os
import queue
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time

TARGET = """
import os, sys, time
null = os.open(os.devnull, os.O_WRONLY)
write = os.write
print(os.getpid(), flush=True)
while True:
    start = time.monotonic()
    for _ in range(20000):
        write(null, b"x")
    print(start, (time.monotonic() - start) / 20000 * 1e9, flush=True)
"""

# The same figures by the means of bpftrace: it cannot put a probe within a function here, so it takes the functions'
# entries and take_gil's return, and needs a build with symbols and with drop_gil out of line.
BPFTRACE = """
BEGIN {{ printf("attached\\n"); }}
uprobe:{libc}:pthread_cond_timedwait {{ @failed[tid] = count(); }}
uprobe:{file}:take_gil {{ @since[tid] = nsecs; }}
uretprobe:{file}:take_gil {{ if (@since[tid]) {{ @wait = hist(nsecs - @since[tid]); }} @taken[tid] = nsecs; }}
uprobe:{file}:drop_gil {{ if (@taken[tid]) {{ @hold = hist(nsecs - @taken[tid]); delete(@taken[tid]); }} }}
"""


class Target:
    """The process that writes, and the batches that it tells of."""

    def __init__(self, python):
        self.process = subprocess.Popen([python, "-c", TARGET], stdout=subprocess.PIPE, text=True, bufsize=1)
        self.pid = int(self.process.stdout.readline())
        self.batches = queue.SimpleQueue()

        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        """Takes in the batches as they come, so that the target never waits for us."""
        for line in self.process.stdout:
            self.batches.put(tuple(map(float, line.split())))
        self.batches.put(None)

    def cycle_ns(self, batches):
        """The median time of a cycle over so many whole batches that begin from now on."""
        now, times = time.monotonic(), []
        while len(times) < batches:
            batch = self.batches.get(timeout=10)
            if not batch:
                sys.exit("bench: the target ended")
            if batch[0] >= now:
                times.append(batch[1])
        return statistics.median(times)

    def end(self):
        self.process.kill()
        self.process.wait()


def sites_of(giltrace, pid):
    """The probe plan as `giltrace doctor` tells it: the file, and (address, offset) by event."""
    text = subprocess.run([giltrace, "doctor", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    sites = {}
    for event, address, offset in re.findall(r"^  (\w+) +(0x\w+) +(0x\w+) ", text, re.M):
        sites.setdefault(event, []).append((address, offset))
    return re.search(r"probes go into +(\S+)", text).group(1), sites


def bpftrace_script(file, pid):
    symbols = subprocess.run(["nm", file], capture_output=True, text=True).stdout
    libc = re.search(r"(/\S*/libc\.so\.6)$", open(f"/proc/{pid}/maps").read(), re.M)
    if not shutil.which("bpftrace") or not libc or not re.search(r" t take_gil$", symbols, re.M) or \
            not re.search(r" t drop_gil$", symbols, re.M):
        return None
    return BPFTRACE.format(file=file, libc=libc.group(1))


class Tracer:
    """A tracer process that can be on or off. `ready` waits until its probes are in."""

    def __init__(self, name, arguments, ready):
        self.name, self.arguments, self.ready = name, arguments, ready

    def start(self):
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        for line in getattr(self.process, self.ready[0]):
            if self.ready[1] in line:
                return
        sys.exit(f"bench: {self.name} did not start: {self.process.communicate()[1]}")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)


def tracers_for(options, target):
    giltrace = os.path.join(options.build, "bin/giltrace")
    file, sites = sites_of(giltrace, target.pid)
    hot = [offset for event in ("acquired", "released") for _, offset in sites[event]]
    tracers = [
        Tracer("two empty probes", [os.path.join(options.build, "bench/empty_probes"), str(target.pid), file, *hot],
               ("stdout", "attached")),
        Tracer("giltrace --probes=all", [giltrace, "-p", str(target.pid), "-v", "--probes=all"],
               ("stderr", "tracing begins")),
        Tracer("giltrace --probes=waits", [giltrace, "-p", str(target.pid), "-v", "--probes=waits"],
               ("stderr", "tracing begins")),
    ]
    script = bpftrace_script(file, target.pid)
    if script:
        tracers.append(Tracer("bpftrace", ["bpftrace", "-B", "line", "-p", str(target.pid), "-e", script],
                              ("stdout", "attached")))
    else:
        print(f"bpftrace is left out: it is not installed, or {file} has no symbol take_gil or drop_gil")
    return tracers


def spread(values):
    return f"{statistics.median(values):8.0f}  [{min(values):.0f} - {max(values):.0f}]"


def bench_cycle(options):
    target = Target(options.python)
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
    print(f"os.write loop of one thread, {options.python}: a GIL cycle takes {statistics.median(plain):.0f} ns untraced")
    print("ns added to a cycle: median [least - most] of", options.rounds, "paired rounds")
    for name, values in added.items():
        print(f"  {name:26} {spread(values)}")
    exact = statistics.median(added["giltrace --probes=all"])
    floor = statistics.median(added["two empty probes"])
    print(f"  giltrace / two empty probes: {exact / floor:.2f}")
    if "bpftrace" in added:
        print(f"  giltrace / bpftrace:         {exact / statistics.median(added['bpftrace']):.2f}  (limit: 0.6)")
    return {"plain_ns": plain, "added_ns": added}


def memory_of(pid):
    status = open(f"/proc/{pid}/status").read()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024


def bench_start(options):
    """From exec to the window's begin, from the window's end to giltrace's end, and resident memory."""
    giltrace = os.path.join(options.build, "bin/giltrace")
    target = Target(options.python)
    starts, ends, memory = [], [], []
    try:
        for _ in range(options.rounds):
            begun = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            tracer = subprocess.Popen([giltrace, "-p", str(target.pid), "--json"], stdout=subprocess.PIPE, text=True)
            time.sleep(0.5)
            memory.append(memory_of(tracer.pid))
            tracer.send_signal(signal.SIGINT)
            text = tracer.communicate()[0]
            ended = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            window = json.loads(text)["window"]
            starts.append((window["start_ns"] - begun) / 1e6)
            ends.append((ended - window["start_ns"] - window["duration_ns"]) / 1e6)
    finally:
        target.end()
    print(f"\ngiltrace on {options.python}, {options.rounds} runs: median [least - most]")
    print(f"  from its start to the first event, ms  {spread(starts)}  (limit: {options.start_limit})")
    print(f"  from the end of the trace to gone, ms  {spread(ends)}  (limit: 100)")
    print(f"  resident memory at most, MiB           {max(memory):8.1f}  (limit: 20)")
    return {"start_ms": starts, "end_ms": ends, "memory_mib": memory}


def default_pythons():
    """The system's, and one of pyenv's with symbols, which bpftrace needs."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    return ["/usr/bin/python3"] + sorted(glob.glob(os.path.join(pyenv, "versions/3.11.*/bin/python3.11")))[:1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", action="append", help="repeatable; by default the system's python3")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=9)
    parser.add_argument("--out", help="where the raw figures go (BUILD/bench.json)")
    options = parser.parse_args()
    results = {}
    for python in options.python or default_pythons():
        options.python = python
        options.start_limit = 150 if python.startswith("/usr/bin") else 300
        results[python] = {**bench_cycle(options), **bench_start(options)}
    with open(options.out or os.path.join(options.build, "bench.json"), "w") as out:
        json.dump(results, out, indent=1)


if __name__ == "__main__":
    main()
