# SPDX-License-Identifier: MIT
"""The target runs on untouched: no probe stays, it is never stopped, and giltrace itself stays small."""

import os
import signal
import subprocess
import time

import pythons
import tracing
from tracing import TraceTest, changed_text, end, peak_memory, wait_for, workload

MEMORY = 20 << 20  # bytes: the promise


def task_states(pid):
    """The states of all threads, and who ptraces the process."""
    states = set()
    for tid in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/status" % (pid, tid), encoding="utf-8", errors="replace") as status:
                fields = dict(line.split(":\t", 1) for line in status.read().splitlines() if ":\t" in line)
        except OSError:
            continue
        states.add(fields["State"][0])
        if fields["TracerPid"].strip() != "0":
            states.add("ptraced")
    return states


def cpu_time(pid):
    with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@pythons.for_each([pythons.NAMES[0], "pyenv 3.8", "pyenv 3.12"])
class Untouched(TraceTest):
    def start(self, program, *options):
        self.target = self.start_target(program, workload("spin"), 3, 0.005, 120)
        self.target.hear()
        self.before = changed_text(self.target.pid)
        self.tracer = self.start_tracer("--quiet", "--verbose", *options, "-p", self.target.pid)
        self.tracer.wait_until_tracing()
        self.sites = changed_text(self.target.pid) - self.before
        self.assertTrue(self.sites, "no probe is there at all")

    def assert_runs_on(self):
        before = cpu_time(self.target.pid)
        wait_for(lambda: cpu_time(self.target.pid) > before + 5, "the target to go on working", 20)
        self.assertIsNone(self.target.process.poll(), "the target ended")

    def assert_clean(self):
        left = self.sites & changed_text(self.target.pid)
        self.assertEqual({hex(address) for address in left}, set(), "probes were left in the target's code")

    def check_after_the_end(self, program):
        self.start(program)
        self.assertEqual(self.tracer.interrupt().status, 0)
        self.assert_clean()
        self.assert_runs_on()

    def check_after_sigkill(self, program):
        """Nothing of giltrace runs any more: it is the kernel that takes the probes away."""
        self.start(program)
        self.tracer.process.kill()
        self.tracer.process.wait()
        wait_for(lambda: not self.sites & changed_text(self.target.pid), "the probes to go", 10)
        self.assert_runs_on()

    def check_never_stopped(self, program):
        target = self.start_target(program, workload("spin"), 3, 0.005, 120)
        target.hear()
        tracer = self.start_tracer("--quiet", "-p", target.pid, "-d", 0.5)
        seen = set()
        while tracer.process.poll() is None:
            seen |= task_states(target.pid)
        self.assertEqual(seen & {"T", "t", "ptraced", "Z"}, set(), "the target was stopped")

    def check_command_survives_sigkill(self, program):
        """A command that giltrace started goes on when giltrace is killed."""
        said = os.path.join(self.directory, "said")
        script = "import os, time; open(%r, 'w').write(str(os.getpid())); time.sleep(60)" % said
        tracer = self.start_tracer("--quiet", "--verbose", "--", program, "-c", script)
        tracer.wait_until_tracing()
        wait_for(lambda: os.path.exists(said) and os.path.getsize(said), "the command to work")
        with open(said, encoding="ascii") as file:
            pid = int(file.read())
        self.addCleanup(kill, pid)
        tracer.process.kill()
        tracer.process.wait()
        time.sleep(0.2)
        self.assertTrue(task_states(pid) <= {"S", "R", "D"}, "the command stopped or ended with giltrace")


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


@pythons.for_each([pythons.NAMES[0], "pyenv 3.12", "pyenv 3.6"])
class Small(TraceTest):
    def check_memory(self, program):
        """Its peak, read when all is done but the writing of the report, which a full pipe holds up."""
        if tracing.SANITIZED:
            self.skipTest("sanitizers need memory of their own")
        target = self.start_target(program, workload("spin"), 64, 0.001, 120)
        target.hear()
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        tracing.fill(writer)
        giltrace = subprocess.Popen([tracing.GILTRACE, "-p", str(target.pid), "-d", "1"], stdout=writer,
                                    stdin=subprocess.DEVNULL)
        self.addCleanup(end, giltrace)
        os.close(writer)
        wait_for(lambda: tracing.blocked_in_write(giltrace.pid), "the report to be written")
        peak = peak_memory(giltrace.pid)
        self.assertGreater(peak, 1 << 20, "that is no real figure")
        self.assertLess(peak, MEMORY, "giltrace needs %.1f MiB" % (peak / (1 << 20)))
