#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What giltrace top itself takes of a CPU, by interval, on a terminal of 80x24 beside toygil."""

import argparse
import fcntl
import os
import pty
import statistics
import struct
import subprocess
import termios
import threading
import time


def cpu_seconds(pid):
    """By the scheduler's account of each thread, which is exact."""
    total = 0
    for tid in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, tid), encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def swallow(terminal):
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass


def measure(giltrace, pid, interval, seconds):
    """The share of one CPU, in percent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    top = subprocess.Popen([giltrace, "top", "-p", str(pid), "--interval=%g" % interval], stdin=theirs, stdout=theirs,
                           env=dict(os.environ, TERM="xterm-256color"))
    os.close(theirs)
    reader = threading.Thread(target=swallow, args=(ours,), daemon=True)
    reader.start()
    time.sleep(2)
    began, before = time.monotonic(), cpu_seconds(top.pid)
    time.sleep(seconds)
    share = 100 * (cpu_seconds(top.pid) - before) / (time.monotonic() - began)
    os.write(ours, b"q")
    if top.wait(30):
        raise SystemExit("giltrace top ended with status %d" % top.returncode)
    return share


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    programs = os.path.join(options.build, "bin")
    toygil = subprocess.Popen([os.path.join(programs, "toygil"), "--threads=3", "--duration=3600", "mixed"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        for interval in (1, 0.5, 0.1):
            shares = [measure(os.path.join(programs, "giltrace"), toygil.pid, interval, options.seconds)
                      for _ in range(options.rounds)]
            print("every %g s: %.2f %% of one CPU (%.2f to %.2f)" % (interval, statistics.median(shares), min(shares),
                                                                     max(shares)), flush=True)
    finally:
        toygil.kill()
        toygil.wait()


if __name__ == "__main__":
    main()
