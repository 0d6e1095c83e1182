#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A recording of very many events: bytes an event on disk, and how long each report of it takes to write, with the CPU
time and the memory of that. The events are real: each hold and each wait of workloads that take the lock as often as
this machine can. The limits: 8 bytes an event; the text and the flame graph of 10 million within 3 s."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from chroots import find_python
from turns import Target, warn_if_busy

WORKLOADS = ["write-1", "write-8"]
REPORTS = [("text", []), ("text and flame graph", ["--flame=%s"]), ("json", ["-q", "--json=%s"]),
           ("html", ["-q", "--html=%s"]), ("speedscope", ["-q", "--speedscope=%s"]), ("pprof", ["-q", "--pprof=%s"]),
           ("timeline", ["-q", "--timeline=%s"])]


def report_of(giltrace, recording):
    done = subprocess.run([giltrace, "report", recording, "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def events_of(report):
    """How many waits and holds ended."""
    return sum(gil["hold"]["count"] + gil["contended"] for gil in report["gils"])


def record(options, pid, path, seconds):
    subprocess.run([options.giltrace, "record", "-q", "-p", str(pid), "-d", "%.2f" % seconds, "-o", path, "--probes=all",
                    "--events=all"], check=True, stderr=subprocess.DEVNULL)
    return report_of(options.giltrace, path)


def timed(command):
    """Seconds, CPU seconds, and MiB at most."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit("bench: %s: exit status %d" % (" ".join(command), process.returncode))
    return time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def bench(options, name, directory):
    path, out = os.path.join(directory, "recording.gilt"), os.path.join(directory, "out")
    target = Target(options.python, name)
    try:
        rate = events_of(record(options, target.pid, path, 1))  # a second of it
        report = record(options, target.pid, path, 1.03 * options.events / rate)
    finally:
        target.end()
    events, size = events_of(report), os.path.getsize(path)
    print("\n%s: %.2f million events in %.1f s, %.1f MB: %.2f bytes an event; lost %d" % (
        name, events / 1e6, report["window"]["duration_ns"] / 1e9, size / 1e6, size / events,
        sum(report["lost"].values())))
    results = {"events": events, "bytes": size, "lost": report["lost"], "reports": {}}
    for title, arguments in REPORTS:
        command = [options.giltrace, "report", path] + [word % out if "%s" in word else word for word in arguments]
        rounds = [timed(command) for _ in range(options.rounds)]
        seconds, cpu, memory = sorted(rounds)[len(rounds) // 2]
        print("  %-22s %6.2f s [%.2f - %.2f], %6.2f s of CPU, %5.0f MiB" % (
            title, seconds, min(rounds)[0], max(rounds)[0], cpu, memory), flush=True)
        results["reports"][title] = rounds
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", default="system")
    parser.add_argument("--events", type=int, default=10000000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="repeatable")
    parser.add_argument("--out", help="where the raw figures go (BUILD/bench-recording.json)")
    options = parser.parse_args()
    options.python = find_python(options.python)
    options.giltrace = os.path.join(options.build, "bin/giltrace")
    warn_if_busy()
    # Not in a small file system in memory: the recording is some 60 MB, the timeline a gigabyte.
    with tempfile.TemporaryDirectory(prefix="bench-recording-", dir=options.build) as directory:
        results = {name: bench(options, name, directory) for name in options.workload or WORKLOADS}
    with open(options.out or os.path.join(options.build, "bench-recording.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
