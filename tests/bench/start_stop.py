# SPDX-License-Identifier: MIT
"""How fast giltrace starts and goes, and its memory."""
import json
import signal
import subprocess
import time

import turns


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def measure(giltrace, whom, rounds):
    """From exec to the window's begin and from the window's end to giltrace's end, ms; resident memory, MiB."""
    starts, ends, memory = [], [], []
    for _ in range(rounds):
        begun = now_ns()
        tracer = subprocess.Popen([giltrace, *whom, "--json"], stdout=subprocess.PIPE, text=True,
                                  preexec_fn=turns.heed_interrupts)
        time.sleep(0.5)
        memory.append(turns.memory_mib(tracer.pid))
        tracer.send_signal(signal.SIGINT)
        text = tracer.communicate()[0]
        ended = now_ns()
        window = json.loads(text)["window"]
        starts.append((window["start_ns"] - begun) / 1e6)
        ends.append((ended - window["start_ns"] - window["duration_ns"]) / 1e6)
    return {"start_ms": starts, "end_ms": ends, "memory_mib": memory}
