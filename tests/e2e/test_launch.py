# SPDX-License-Identifier: MIT
"""giltrace -- COMMAND: the first GIL process of the command is traced from its first acquisition on, and the status of
the command is giltrace's."""

import json
import os
import shutil
import signal
import subprocess
import time

import pythons
from tracing import GILTRACE, TraceTest, end, fill, read_all, wait_for, workload

HERE = os.path.dirname(os.path.abspath(__file__))
CYCLES = 300
TOLERANCE = 6  # acquisitions: an environment variable or a path of another length changes as much


@pythons.for_each([pythons.NAMES[0], "pyenv 3.8", "pyenv 3.12", "pyenv 3.13"])
class Wrappers(TraceTest):
    """Through each wrapper the same program has the same acquisitions: none before the trace began."""

    def acquisitions(self, *command):
        report = self.trace("--quiet", "--", *command).report
        self.assert_nothing_lost(report)
        gil = self.only_gil(report)
        self.assertEqual(gil["open"]["holds_at_start"], 0, "it was traced from the middle on")
        return gil["acquisitions"]

    def same_as_direct(self, program, *wrapper):
        arguments = [workload("write_loop"), "1", str(CYCLES)]
        self.assertAlmostEqual(self.acquisitions(*wrapper, program, *arguments),
                               self.acquisitions(program, *arguments), delta=TOLERANCE,
                               msg="acquisitions through %s and without" % " ".join(wrapper))

    def executable(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)
        return path

    def check_env(self, program):
        self.same_as_direct(program, "env", "A=1")

    def check_nice(self, program):
        self.same_as_direct(program, "nice", "-n", "1")

    def check_shell(self, program):
        self.same_as_direct(program, "sh", "-c", '"$@"; true', "sh")

    def check_shell_exec(self, program):
        self.same_as_direct(program, "sh", "-c", 'exec "$@"', "sh")

    def check_chroot(self, program):
        self.same_as_direct(program, "chroot", "/")

    def check_sudo(self, program):
        if not shutil.which("sudo"):
            self.skipTest("sudo is not installed")
        self.same_as_direct(program, "sudo", "-E")

    def check_setsid(self, program):
        self.same_as_direct(program, "setsid", "--wait")

    def check_script_that_works_first(self, program):
        """Commands before the Python, in the foreground and in the background, are let be."""
        script = self.executable("start", "#!/bin/sh\nls / >/dev/null\nsleep 0.2 &\ngrep -q root /etc/passwd\n"
                                          "x=$(echo sub | cat)\nexec \"$@\"\n")
        self.same_as_direct(program, script)

    def check_shebang(self, program):
        with open(workload("write_loop"), encoding="utf-8") as file:
            script = self.executable("tool", "#!" + program + "\n" + file.read())
        self.assertAlmostEqual(self.acquisitions(script, "1", str(CYCLES)),
                               self.acquisitions(program, script, "1", str(CYCLES)), delta=TOLERANCE)

    def check_shebang_through_env(self, program):
        name = os.path.basename(program)
        with open(workload("write_loop"), encoding="utf-8") as file:
            script = self.executable("tool", "#!/usr/bin/env " + name + "\n" + file.read())
        environment = dict(os.environ, PATH=os.path.dirname(program) + ":/usr/bin:/bin")
        report = self.trace("--quiet", "--", script, "1", str(CYCLES), env=environment).report
        self.assertGreaterEqual(self.only_gil(report)["acquisitions"], CYCLES)

    def check_first_of_two(self, program):
        """Of two Pythons the first is traced, and the command's end is waited for."""
        script = '"$0" "$@"; "$0" -c "import time; time.sleep(0.3)"; exit 5'
        began = time.monotonic()
        result = self.trace("--quiet", "--", "sh", "-c", script, program, workload("write_loop"), "1", CYCLES, status=5)
        self.assertGreater(time.monotonic() - began, 0.3)
        self.assertGreaterEqual(self.only_gil(result.report)["acquisitions"], CYCLES)
        self.assertEqual(result.report["window"]["ended_by"], "exited")


class Opened(TraceTest):
    """Programs that open libraries while they run."""

    def build(self, source, *flags):
        if not shutil.which("cc"):
            self.skipTest("no compiler")
        path = os.path.join(self.directory, source)
        subprocess.run(["cc", "-O2", "-o", path, os.path.join(HERE, "programs", source + ".c"), "-pthread", "-ldl",
                        *flags], check=True)
        return path

    def test_libpython(self):
        """A libpython that the program opens itself is traced from the first acquisition on, as if it were linked."""
        program = pythons.any_pyenv("3.10", "3.11", "3.12")
        home = os.path.dirname(os.path.dirname(program))
        library = os.path.join(home, "lib", "lib%s.so.1.0" % os.path.basename(program))
        counts = {}
        for how, flags in [("opened", ["-DDLOPEN"]), ("linked", [library, "-Wl,-rpath," + os.path.dirname(library)])]:
            path = self.build("links_python", *flags)
            report = self.trace("--quiet", "--", path, workload("write_loop"), 1, CYCLES,
                                env=dict(os.environ, PYTHONHOME=home, LIBPYTHONS=library)).report
            self.assert_nothing_lost(report)
            gil = self.only_gil(report)
            self.assertEqual(gil["open"]["holds_at_start"], 0, "it was traced from the middle on")
            counts[how] = gil["acquisitions"]
        self.assertGreaterEqual(counts["opened"], CYCLES)
        self.assertAlmostEqual(counts["opened"], counts["linked"], delta=TOLERANCE)

    def test_in_the_background(self):
        """Who opens libraries all the time is stopped at each until a Python is found, and is none the worse for it."""
        path = self.build("opens_libraries")
        for _ in range(5):
            script = '"$0" 0.6 & job=$!; sleep 0.2; "$1" -c pass; wait $job'
            report = self.trace("--quiet", "--", "sh", "-c", script, path, pythons.system(), status=0).report
            self.assertGreater(self.only_gil(report)["acquisitions"], 0)


class Status(TraceTest):
    def python(self, code, status, *options):
        return self.trace("--quiet", *options, "--", pythons.system(), "-c", code, status=status)

    def test_zero(self):
        self.python("pass", 0)

    def test_seven(self):
        self.python("raise SystemExit(7)", 7)

    def test_killed(self):
        result = self.python("import os; os.kill(os.getpid(), 9)", 128 + 9)
        self.assertEqual(result.report["window"]["ended_by"], "exited")

    def test_terminated(self):
        self.python("import os; os.kill(os.getpid(), 15)", 128 + 15)

    def test_not_found(self):
        self.assert_one_line(self.run_giltrace("--", "no-such-command-anywhere"), 127, "cannot run the command")

    def test_not_executable(self):
        path = os.path.join(self.directory, "text")
        with open(path, "w", encoding="ascii") as file:
            file.write("no program\n")
        self.assert_one_line(self.run_giltrace("--", path), 126, "cannot run the command", "Permission denied")

    def test_a_directory(self):
        self.assert_one_line(self.run_giltrace("--", self.directory), 126, "cannot run the command")

    def test_no_gil(self):
        self.assert_one_line(self.run_giltrace("--", "true"), 3, "no process of it had an interpreter lock")

    def test_no_gil_leaves_no_file(self):
        path = os.path.join(self.directory, "new.json")
        self.assert_one_line(self.run_giltrace("--json=" + path, "--", "sh", "-c", "ls / >/dev/null; exit 3"), 3)
        self.assertEqual(os.listdir(self.directory), [])

    def test_own_input_and_output(self):
        """The command has giltrace's own standard input and output."""
        done = subprocess.run([GILTRACE, "--quiet", "--", pythons.system(), "-c", "print(input()[::-1])"],
                              input=b"olleh\n", capture_output=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"hello\n", b""))

    def test_shorter_than_the_command(self):
        """With -d the report comes when the time is over; then the command is waited for."""
        code = "import time; time.sleep(4); raise SystemExit(4)"
        began = time.monotonic()
        tracer = self.start_tracer("-d", "0.3", "--", pythons.system(), "-c", code)
        wait_for(lambda: b"traced for" in read_all(tracer.out), "the report")
        self.assertLess(time.monotonic() - began, 3.5, "the report waited for the command")
        wait_for(lambda: os.path.exists(tracer.json_path), "the JSON report", 0.5)
        result = tracer.finish()
        self.assertEqual(result.status, 4)
        self.assertGreaterEqual(time.monotonic() - began, 4, "the command was not waited for")
        self.assertEqual(result.report["window"]["ended_by"], "time")


class Interrupts(TraceTest):
    def test_first_ends_the_trace(self):
        target = self.start_target(pythons.system(), workload("spin"), 2, 0.005, 60)
        target.hear()
        for number in (signal.SIGINT, signal.SIGTERM):
            tracer = self.start_tracer("--verbose", "-p", target.pid)
            tracer.wait_until_tracing()
            tracer.process.send_signal(number)
            result = tracer.finish()
            self.assertEqual(result.status, 0, result)
            self.assertIn("traced for", result.out)
            self.assertEqual(result.report["window"]["ended_by"], "time")
        self.assertIsNone(target.process.poll(), "the target ended with its tracer")

    def test_second_aborts(self):
        """While the first one's report cannot be written: the second ends giltrace as it ends any program."""
        target = self.start_target(pythons.system(), workload("spin"), 2, 0.005, 60)
        target.hear()
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        fill(writer)
        path = os.path.join(self.directory, "report.json")
        giltrace = subprocess.Popen([GILTRACE, "--verbose", "--json=" + path, "-p", str(target.pid)],
                                    stdout=writer, stderr=subprocess.PIPE)
        self.addCleanup(giltrace.stderr.close)
        self.addCleanup(end, giltrace)
        while b"tracing begins" not in giltrace.stderr.readline():
            self.assertIsNone(giltrace.poll())
        giltrace.send_signal(signal.SIGINT)
        time.sleep(0.5)
        self.assertIsNone(giltrace.poll(), "nothing held it up")
        giltrace.send_signal(signal.SIGINT)
        self.assertEqual(giltrace.wait(10), -signal.SIGINT)
        with open(path, encoding="utf-8") as file:
            json.load(file)  # it was whole before the text was begun

    def test_command_that_ignores_it(self):
        """Ctrl-C goes to the command too. When that lives on, giltrace reports and waits; a second one aborts."""
        code = ("import signal, time; signal.signal(2, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)")
        tracer = self.start_tracer("--verbose", "--", pythons.system(), "-c", code, start_new_session=True)
        tracer.wait_until_tracing()
        wait_for(lambda: b"ready" in read_all(tracer.out), "the command")
        os.killpg(tracer.pid, signal.SIGINT)
        wait_for(lambda: b"traced for" in read_all(tracer.out), "the report")
        self.assertIsNone(tracer.process.poll(), "the command lives, but giltrace did not wait")
        os.killpg(tracer.pid, signal.SIGINT)
        self.assertEqual(tracer.process.wait(10), -signal.SIGINT)
        os.killpg(tracer.pid, signal.SIGKILL)  # the command, which is alone in its group by now

    def test_command_that_ends_of_it(self):
        code = "import time; print('ready', flush=True); time.sleep(60)"
        tracer = self.start_tracer("--verbose", "--", pythons.system(), "-c", code, start_new_session=True)
        tracer.wait_until_tracing()
        wait_for(lambda: b"ready" in read_all(tracer.out), "the command")
        os.killpg(tracer.pid, signal.SIGINT)
        result = tracer.finish()
        self.assertEqual(result.status, 128 + signal.SIGINT, result)
        self.assertIn("traced for", result.out)

    def test_command_that_never_is_python(self):
        """Ctrl-C before there is anything to trace."""
        giltrace = subprocess.Popen([GILTRACE, "--", "sleep", "60"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                    start_new_session=True)
        self.addCleanup(giltrace.stderr.close)
        self.addCleanup(end, giltrace)
        wait_for(lambda: children(giltrace.pid), "the command to start")
        time.sleep(0.3)
        os.killpg(giltrace.pid, signal.SIGINT)
        self.assertEqual(giltrace.wait(10), 3)
        self.assertEqual(len(giltrace.stderr.read().splitlines()), 1)

    def test_command_that_never_is_python_and_ignores_it(self):
        """The first Ctrl-C is the command's affair; the second ends giltrace, and lets the command be."""
        giltrace = subprocess.Popen([GILTRACE, "--", "sh", "-c", "trap '' INT; echo ready; sleep 60"],
                                    stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
        self.addCleanup(giltrace.stdout.close)
        self.addCleanup(end, giltrace)
        self.assertEqual(giltrace.stdout.readline(), b"ready\n")
        os.killpg(giltrace.pid, signal.SIGINT)
        time.sleep(0.3)
        self.assertIsNone(giltrace.poll(), "one Ctrl-C that the command ignored ended giltrace")
        os.killpg(giltrace.pid, signal.SIGINT)
        self.assertEqual(giltrace.wait(10), -signal.SIGINT)
        time.sleep(0.1)
        os.killpg(giltrace.pid, signal.SIGKILL)  # raises when the command ended with giltrace


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
        return file.read().split()
