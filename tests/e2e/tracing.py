# SPDX-License-Identifier: MIT
"""Runs giltrace and the programs that it traces. Whatever a test starts here is ended by its pid when the test ends."""

import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

GILTRACE = os.environ.get("GILTRACE", "build/bin/giltrace")
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SANITIZED = os.environ.get("GILTRACE_SANITIZED") == "1"
WORKLOADS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "workloads")
PATIENCE = 60  # seconds until what a test waits for counts as hung


def workload(name):
    return os.path.join(WORKLOADS, name + ".py")


class Result:
    """What a finished giltrace left."""

    def __init__(self, status, out, err, json_path):
        self.status, self.out, self.err = status, out, err
        self.json_path = json_path

    @property
    def report(self):
        with open(self.json_path, encoding="utf-8") as file:
            return json.load(file)

    def __str__(self):
        return "status %d\nstdout:\n%s\nstderr:\n%s" % (self.status, self.out[-6000:], self.err[-3000:])


class Tracer:
    """A running giltrace, its output collected in files so that no pipe can block it."""

    def __init__(self, test, arguments, **popen):
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        test.addCleanup(self.out.close)
        test.addCleanup(self.err.close)
        self.json_path = os.path.join(test.directory, "report-%d.json" % time.monotonic_ns())
        self.process = subprocess.Popen([GILTRACE, "--json=" + self.json_path] + arguments, stdin=subprocess.DEVNULL,
                                        stdout=self.out, stderr=self.err, **popen)
        self.pid = self.process.pid
        test.addCleanup(end, self.process)

    def wait_until_tracing(self):
        """Needs --verbose among the arguments."""
        wait_for(lambda: b"tracing begins" in read_all(self.err) or self.process.poll() is not None,
                 "giltrace to begin")
        if self.process.poll() is not None:
            raise AssertionError("giltrace ended before it traced: " + read_all(self.err).decode())

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.finish()

    def finish(self, timeout=PATIENCE):
        status = self.process.wait(timeout)
        return Result(status, read_all(self.out).decode(errors="replace"),
                      read_all(self.err).decode(errors="replace"), self.json_path)


class Target:
    """A Python program that a test started and talks to: it says a line when it is ready, and goes on when told."""

    def __init__(self, test, command, **popen):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **popen)
        self.pid = self.process.pid
        test.addCleanup(self._close)

    def _close(self):
        end(self.process)
        self.process.stdin.close()
        self.process.stdout.close()

    def hear(self):
        """The next line of the program, without its end. The program must flush each."""
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        if not ready:
            raise AssertionError("the traced program said nothing for %d s" % PATIENCE)
        return self.process.stdout.readline().decode().rstrip("\n")

    def tell(self, line="go"):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()


def cpu_delay(pid):
    """How long the process's threads have been ready to run and had no CPU, in ns: the kernel's own account. Where it
    is large, the machine has other load, and the timing of the process says nothing about who measures it."""
    delay = 0
    for tid in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, tid), encoding="ascii") as file:
            delay += int(file.read().split()[1])
    return delay


def probing_all(arguments):
    """Without --probes among the arguments, every hold is probed, so that counts can be exact."""
    given = [str(a) for a in arguments]
    return given if any(a.startswith("--probes") for a in given) else ["--probes=all"] + given


class TraceTest(unittest.TestCase):
    """A test with a directory of its own that everybody may read, and the verbs to trace with."""

    maxDiff = None

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("tracing needs root")
        self.directory = tempfile.mkdtemp(prefix="giltrace-test-")
        os.chmod(self.directory, 0o755)
        self.addCleanup(shutil.rmtree, self.directory, True)

    def start_tracer(self, *arguments, **popen):
        return Tracer(self, probing_all(arguments), **popen)

    def trace(self, *arguments, status=0, **popen):
        """Runs giltrace to its end, which must have this status (None: any)."""
        result = self.start_tracer(*arguments, **popen).finish()
        if status is not None:
            self.assertEqual(result.status, status, result)
        return result

    def start_target(self, *command, **popen):
        return Target(self, [str(c) for c in command], **popen)

    def run_giltrace(self, *arguments, prefix=(), **popen):
        """giltrace without --json, behind the given words of another command: for errors and the text report."""
        done = subprocess.run([*prefix, GILTRACE, *[str(a) for a in arguments]], stdin=subprocess.DEVNULL,
                              stdout=popen.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE, timeout=PATIENCE,
                              check=False, **popen)
        return Result(done.returncode, (done.stdout or b"").decode(errors="replace"),
                      done.stderr.decode(errors="replace"), None)

    def assert_one_line(self, result, status, *words):
        """The promise about errors: the documented status, one line on stderr that names what failed."""
        self.assertEqual(result.status, status, result)
        lines = result.err.splitlines()
        self.assertEqual(len(lines), 1, "not one clear line: %s" % result)
        self.assertRegex(lines[0], "^[^ ]*giltrace: ", result)
        for word in words:
            self.assertIn(word, lines[0], result)

    def assert_nothing_lost(self, report):
        self.assertEqual({k: v for k, v in report["lost"].items() if v}, {}, "something was lost")

    def only_gil(self, report):
        self.assertEqual(len(report["gils"]), 1, "one interpreter lock, but the report has others")
        return report["gils"][0]


def end(process):
    """Ends a process that a test started, whatever it does."""
    if process.poll() is None:
        process.kill()
    process.wait(PATIENCE)


def read_all(file):
    return os.pread(file.fileno(), 1 << 24, 0)


def wait_for(condition, what, timeout=PATIENCE):
    """Polls until the condition holds and returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("waited %g s in vain for %s" % (timeout, what))
        time.sleep(0.005)


def changed_text(pid):
    """The addresses at which the process's mapped code differs from its files: breakpoints that somebody put there."""
    changed = set()
    with open("/proc/%d/maps" % pid, encoding="utf-8", errors="replace") as maps:
        lines = maps.read().splitlines()
    for line in lines:
        fields = line.split(None, 5)
        if len(fields) < 6 or "x" not in fields[1] or not fields[5].startswith("/"):
            continue
        start, stop = (int(part, 16) for part in fields[0].split("-"))
        with open("/proc/%d/mem" % pid, "rb", 0) as memory, open(fields[5], "rb") as file:
            memory.seek(start)
            mapped = memory.read(stop - start)
            file.seek(int(fields[2], 16))
            original = file.read(stop - start)
        if mapped[:len(original)] != original:
            changed |= {start + i for i, (a, b) in enumerate(zip(mapped, original)) if a != b}
    return changed


def peak_memory(pid):
    """VmHWM in bytes."""
    with open("/proc/%d/status" % pid, encoding="utf-8", errors="replace") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def fill(pipe):
    """Fills a pipe to the last byte, so that who writes next waits."""
    os.set_blocking(pipe, False)
    try:
        while True:
            os.write(pipe, b"\n" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(pipe, True)


def blocked_in_write(pid):
    """Whether its main thread sleeps in write()."""
    with open("/proc/%d/syscall" % pid, encoding="ascii") as file:
        return file.read().split()[0] == "1"  # x86-64's number
