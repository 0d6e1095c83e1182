# SPDX-License-Identifier: MIT
"""perf with uprobes on the call sites. `record` writes each hit to a file, from which waits and holds could be told
later; `stat` only counts them."""
import os
import re
import subprocess

from turns import NotStarted, Tracer

from .case import LeftOut

GROUP = "giltrace_bench_%d" % os.getpid()
EVENTS = ("blocked", "acquired", "released")


def add_events(name, case):
    """They are the machine's; here only while the benchmark has them."""
    case.need(name, "perf")
    if os.path.exists("/sys/kernel/tracing/events/" + GROUP):
        return
    case.undo.callback(delete_events)
    for event in EVENTS:
        for number, offset in enumerate(case.offsets(event)):
            done = subprocess.run(["perf", "probe", "-x", case.file, "--add",
                                   "%s:%s%d=%s" % (GROUP, event, number, offset)], capture_output=True, text=True)
            if done.returncode:
                raise LeftOut(name, "perf probe: " + (done.stderr.strip() or "status %d" % done.returncode).split("\n")[-1])


def delete_events():
    subprocess.run(["perf", "probe", "-q", "-d", GROUP + ":*"], capture_output=True)


class Perf(Tracer):
    """It says by a pipe that all is counted."""

    def __init__(self, name, case, command, seen, out=None):
        add_events(name, case)
        whom = ["-a"] if case.is_many else ["-p", str(case.pid)]
        self.out, self.pipes = out, ()
        self.command = ["perf", command, "-e", GROUP + ":*", *whom, "-D", "-1", *(["-o", out] if out else [])]
        super().__init__(name, None, None, seen)

    def start(self):
        told, tell = os.pipe()
        heard, hear = os.pipe()
        self.pipes = told, tell, heard, hear
        self.arguments = self.command + ["--control", "fd:%d,%d" % (told, hear)]
        self.keywords, self.ready = {"pass_fds": (told, hear)}, (heard, "ack")
        os.write(tell, b"enable\n")
        try:
            super().start()
        except NotStarted:
            self.close()
            raise

    def stop(self):
        said = super().stop()
        self.close()
        return said

    def close(self):
        for end in self.pipes:
            os.close(end)
        if self.out and os.path.exists(self.out):
            os.unlink(self.out)


def samples_seen(_out, errors):
    return int((re.search(r"\((\d+) samples\)", errors) or ["", 0])[1])


def releases_counted(_out, errors):
    return sum(int(number.replace(",", "")) for number in re.findall(r"^ +([\d,]+) +\S+:released", errors, re.M))


def make_record(case):
    return Perf("perf record", case, "record", samples_seen, os.path.join(case.scratch, "perf.data"))


def make_stat(case):
    return Perf("perf stat", case, "stat", releases_counted)
