# SPDX-License-Identifier: MIT
"""A target that counts its own work, a tracer that can be on or off, and turns with and without it: what the benchmarks
share. A turn with the tracer is held against the turns right before and after it, so that what else the machine does
meets both alike."""
import json
import os
import re
import select
import signal
import statistics
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE_S = 60  # for a tracer to start, and to end
BATCH_S = 0.03
CPU_CLOCK = 2  # CPUCLOCK_SCHED of <linux/posix-timers.h>: a clock of what a process has run, its ended threads included


class NotStarted(Exception):
    """A tracer did not start; the text says why."""


def cpu_ns(pid):
    """What a process has run so far."""
    return time.clock_gettime_ns(~pid << 3 | CPU_CLOCK)


def memory_mib(pid):
    """Resident memory, at most so far."""
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) / 1024


def spread(values, digits=2, width=0):
    return "%*.*f [%.*f - %.*f]" % (width, digits, statistics.median(values), digits, min(values), digits, max(values))


def warn_if_busy():
    load = os.getloadavg()[0]
    if load > 0.5:
        print("The machine is busy (load %.1f before the first turn): expect noise." % load)


class Target:
    """A process that runs one of workloads.py. The program is given as text: a target may run in a chroot."""

    def __init__(self, python, workload):
        with open(os.path.join(HERE, "workloads.py"), encoding="utf-8") as file:
            self.process = subprocess.Popen([python, "-c", file.read(), workload], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True)
        self.pids = [int(word) for word in self.process.stdout.readline().split()]
        self.pid = self.pids[0]

    def done(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def turn(self, seconds):
        """Units of work a second, and CPU ns a unit."""
        begun, before, cpu = time.monotonic(), self.done(), sum(map(cpu_ns, self.pids))
        time.sleep(seconds)
        units = max(self.done() - before, 1)
        return units / (time.monotonic() - begun), (sum(map(cpu_ns, self.pids)) - cpu) / units

    def work(self, seconds):
        return self.turn(seconds)[0]

    def cycle_ns(self, batches):
        """The time of a unit, of a workload that does one thing: the median of so many short turns."""
        return statistics.median(1e9 / self.work(BATCH_S) for _ in range(batches))

    def end(self):
        self.process.kill()
        self.process.wait()


def heed_interrupts():
    """Which a shell has its background jobs ignore, and those that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Tracer:
    """A tracer process. `ready`: the stream, or a file descriptor, and the text by which it says that its probes are
    in; or after how many seconds they are if it says nothing. `seen` takes from what it printed how many events it saw;
    `where` its probes are, if not on the call sites."""
    keywords = {}

    def __init__(self, name, arguments, ready, seen=None, where=None, environment=None):
        self.name, self.arguments, self.ready, self.seen, self.where = name, arguments, ready, seen, where
        self.environment = environment and {**os.environ, **environment}

    def start(self):
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=self.environment,
                                        preexec_fn=heed_interrupts, **self.keywords)
        self.said = ""
        if not self.is_ready():
            self.process.kill()
            lines = (self.said + "".join(reversed(self.process.communicate()))).strip().split("\n")
            raise NotStarted(lines[-1][:120] or "it ended, or said nothing")

    def is_ready(self):
        if isinstance(self.ready, float):
            time.sleep(self.ready)
            return self.process.poll() is None
        stream, word = self.ready
        descriptor = stream if isinstance(stream, int) else getattr(self.process, stream).fileno()
        until = time.monotonic() + PATIENCE_S
        # Not by lines: what is left in a buffer would be no reason to wake up.
        while word not in self.said and time.monotonic() < until:
            if select.select([descriptor], [], [], 0.1)[0]:
                part = os.read(descriptor, 4096).decode(errors="replace")
                self.said += part
                if not part:
                    break
            elif self.process.poll() is not None:
                break
        return word in self.said

    def cpu_ns(self):
        return cpu_ns(self.process.pid)

    def memory_mib(self):
        return memory_mib(self.process.pid)

    def stop(self):
        """What it printed, on both streams."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.communicate()


class NoTracer:
    """What a turn gives when nothing differs: the noise."""
    name, seen, where = "no tracer", None, None

    def start(self):
        pass

    def stop(self):
        pass

    def cpu_ns(self):
        return 0

    def memory_mib(self):
        return 0


class Giltrace(Tracer):
    """`whom`: -p PID or --all."""

    def __init__(self, giltrace, whom, *options):
        super().__init__("giltrace " + " ".join(options), [giltrace, *whom, "-v", "--json", *options],
                         ("stderr", "tracing begins"))

    def stop(self):
        """Its report."""
        return json.loads(super().stop()[0])


class Traced:
    """One turn with a tracer: the target's rate and CPU a unit, the tracer's CPU in % and MiB, how long it took to
    begin and to go, and what it said."""

    def __init__(self, target, tracer, seconds):
        begun = time.monotonic()
        tracer.start()
        started, cpu = time.monotonic(), tracer.cpu_ns()
        self.rate, self.unit_cpu_ns = target.turn(seconds)
        ended = time.monotonic()
        self.cpu_pct = (tracer.cpu_ns() - cpu) / (ended - started) / 1e7
        self.memory_mib = tracer.memory_mib()
        stopped = time.monotonic()
        self.report = tracer.stop()
        self.start_s, self.stop_s = started - begun, time.monotonic() - stopped
