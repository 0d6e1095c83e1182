# SPDX-License-Identifier: MIT
"""Each thing that can go wrong: one clear line, the documented status, no half-written file."""

import os
import shlex
import shutil
import subprocess
import threading

import pythons
import tracing
from tracing import GILTRACE, TraceTest, wait_for, workload

NOBODY = 65534


class WithTarget(TraceTest):
    def setUp(self):
        super().setUp()
        self.target = self.start_target(pythons.system(), workload("spin"), 2, 0.005, 300)
        self.target.hear()

    def unshared(self, setup, *arguments, **run):
        """giltrace behind `setup`, shell commands in a mount namespace of their own."""
        script = "set -e\n%s\nexec %s" % (setup, " ".join(shlex.quote(str(a)) for a in (GILTRACE, *arguments)))
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60, check=False, **run)
        return tracing.Result(done.returncode, done.stdout.decode(), done.stderr.decode(), None)

    def shell(self, command):
        """`giltrace` in it is giltrace; for redirections."""
        return tracing.Result(*self._shell(command), None)

    def _shell(self, command):
        command = command.replace("giltrace", shlex.quote(GILTRACE), 1)
        done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                              check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()


class Process(WithTarget):
    def test_no_such_pid(self):
        ended = subprocess.Popen(["true"])
        ended.wait()
        self.assert_one_line(self.run_giltrace("-p", ended.pid), 3, "there is no process %d" % ended.pid)

    def test_impossible_pid(self):
        self.assert_one_line(self.run_giltrace("-p", 2147483647), 3, "there is no process")

    def test_thread_id(self):
        """A thread's number is no process's; the report of its process must not come in its place."""
        tids = [int(tid) for tid in os.listdir("/proc/%d/task" % self.target.pid)]
        thread = next(tid for tid in tids if tid != self.target.pid)
        self.assert_one_line(self.run_giltrace("-p", thread, "-d", 0.1), 3, str(thread))

    def test_no_gil(self):
        sleeper = subprocess.Popen(["sleep", "60"])
        self.addCleanup(tracing.end, sleeper)
        wait_for(lambda: os.readlink("/proc/%d/exe" % sleeper.pid).endswith("sleep"), "sleep to be executed")
        self.assert_one_line(self.run_giltrace("-p", sleeper.pid), 3, "no Python interpreter", "sleep")

    def test_kernel_thread(self):
        self.assert_one_line(self.run_giltrace("-p", 2), 3)

    def test_zombie(self):
        zombie = subprocess.Popen(["true"])
        self.addCleanup(zombie.wait)
        with open("/proc/%d/stat" % zombie.pid, encoding="ascii") as stat:
            wait_for(lambda: stat.seek(0) == 0 and ") Z " in stat.read(), "a zombie")
        self.assert_one_line(self.run_giltrace("-p", zombie.pid), 3, "there is no process")

    def test_process_that_ends_meanwhile(self):
        """A process that ends at any moment of our start: a report or one line, never a hang or a crash."""
        for delay in range(0, 120, 6):
            victim = subprocess.Popen([pythons.system(), "-c", "while True: pass"])
            killer = threading.Timer(delay / 1000, victim.kill)
            killer.start()
            result = self.run_giltrace("-p", victim.pid, "-d", "5")
            killer.join()
            victim.wait()
            if result.status != 0:
                self.assert_one_line(result, 3)


class Privilege(WithTarget):
    def as_nobody(self, *arguments):
        directory = os.path.join(self.directory, "bin")
        os.mkdir(directory, 0o755)
        program = shutil.copy(GILTRACE, directory)
        os.chmod(program, 0o755)
        done = subprocess.run([program, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60, check=False, user=NOBODY, group=NOBODY, extra_groups=(),
                              cwd=directory)
        return tracing.Result(done.returncode, done.stdout.decode(), done.stderr.decode(), None)

    def test_another_users_process(self):
        self.assert_one_line(self.as_nobody("-p", self.target.pid), 4, "sudo")

    def test_own_process(self):
        own = self.start_target(pythons.system(), workload("spin"), 2, 0.005, 60, user=NOBODY, group=NOBODY)
        own.hear()
        self.assert_one_line(self.as_nobody("-p", own.pid), 4, "root")

    def test_command(self):
        """It is not started: a run that cannot be traced is not what was asked for."""
        proof = os.path.join(self.directory, "bin", "proof")
        self.assert_one_line(self.as_nobody("--", "touch", proof), 4)
        self.assertFalse(os.path.exists(proof))

    def test_doctor(self):
        result = self.as_nobody("doctor")
        self.assertEqual(result.status, 4, result)
        self.assertIn("sudo", result.out)


class Machine(WithTarget):
    def test_no_type_information(self):
        result = self.unshared("mount -t tmpfs none /sys/kernel/btf", "-p", self.target.pid, "-d", 0.1)
        self.assert_one_line(result, 1, "BTF")

    def test_locked_down(self):
        """A kernel that is locked down refuses the load with an error that says nothing. Here the load fails for want
        of type information; the message must name the lockdown, which explains more."""
        setup = ("mount -t tmpfs none /sys/kernel/btf; mount -t tmpfs none /sys/kernel/security\n"
                 "echo 'none integrity [confidentiality]' >/sys/kernel/security/lockdown")
        result = self.unshared(setup, "-p", self.target.pid, "-d", 0.1)
        self.assert_one_line(result, 4, "locked down")

    def test_lockdown_that_does_not_hinder(self):
        """What loads is not held up by what a file says."""
        setup = ("mount -t tmpfs none /sys/kernel/security\n"
                 "echo 'none [integrity] confidentiality' >/sys/kernel/security/lockdown")
        self.assertEqual(self.unshared(setup, "-p", self.target.pid, "-d", 0.1).status, 0)

    def test_no_tracefs(self):
        setup = "umount -l /sys/kernel/tracing 2>/dev/null || true; umount -l /sys/kernel/debug 2>/dev/null || true"
        for extra in ("", "export GILTRACE_NO_MULTI=1\n"):
            result = self.unshared(extra + setup, "-p", self.target.pid, "-d", 0.2)
            self.assertEqual(result.status, 0, result)
            self.assertIn("Nothing was lost", result.out)

    def test_no_file_descriptors(self):
        """Any limit: a report or one line."""
        for limit in (4, 8, 12, 16, 20, 24, 32, 40):
            result = self.shell("ulimit -n %d; giltrace -p %d -d 0.1" % (limit, self.target.pid))
            if result.status != 0:
                self.assertLessEqual(len(result.err.splitlines()), 1, result)
                self.assertIn(result.status, (1, 3, 4), result)


class Output(WithTarget):
    def test_stdout_closed(self):
        result = self.shell("giltrace -p %d -d 0.1 >&-" % self.target.pid)
        self.assert_one_line(result, 1, "cannot write the report")

    def test_stdout_closed_but_not_needed(self):
        path = os.path.join(self.directory, "r.json")
        result = self.shell("giltrace --quiet --json=%s -p %d -d 0.1 <&- >&- 2>&-" % (path, self.target.pid))
        self.assertEqual(result.status, 0)
        with open(path, encoding="utf-8") as file:
            self.assertTrue(file.read().startswith("{"))

    def test_stdout_full(self):
        self.assert_one_line(self.shell("giltrace -p %d -d 0.1 >/dev/full" % self.target.pid), 1,
                             "cannot write the report", "No space left")

    def test_json_to_full_stdout(self):
        self.assert_one_line(self.shell("giltrace --json -p %d -d 0.1 >/dev/full" % self.target.pid), 1, "No space")

    def test_json_to_full_device(self):
        self.assert_one_line(self.shell("giltrace -q --json=/dev/full -p %d -d 0.1" % self.target.pid), 1,
                             "/dev/full", "No space left")

    def test_reader_that_went_away(self):
        reader, writer = os.pipe()
        os.close(reader)
        result = self.run_giltrace("-p", self.target.pid, "-d", 0.1, stdout=writer)
        os.close(writer)
        self.assert_one_line(result, 1, "cannot write the report")

    def test_disk_full(self):
        """No half of a report, neither under the name nor beside it; what was there before stays."""
        for before in ("", "echo old >DIR/r.json\n"):
            with self.subTest(before=before):
                place = os.path.join(self.directory, "disk")
                os.makedirs(place, exist_ok=True)
                setup = ("mount -t tmpfs -o size=16k none DIR\n" + before +
                         "dd if=/dev/zero of=DIR/filler bs=4k 2>/dev/null || true").replace("DIR", place)
                script = "%s\nset +e\n%s -q --json=%s/r.json -p %d -d 0.2\necho status $?\nls %s\ncat %s/r.json" % (
                    setup, shlex.quote(GILTRACE), place, self.target.pid, place, place)
                done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True,
                                      timeout=60, check=False)
                lines = done.stdout.split("\n")
                self.assertEqual(lines[0], "status 1", done)
                self.assertIn("No space left", done.stderr)
                self.assertEqual([line for line in done.stderr.splitlines() if line.startswith("cat")] != [],
                                 not before, "the file before the failure: %s" % done)
                expected = ["filler", "r.json", "old"] if before else ["filler"]
                self.assertEqual(lines[1:-1], expected, "files after the failure")

    def test_no_such_directory(self):
        result = self.run_giltrace("--json=" + os.path.join(self.directory, "none", "r.json"), "-p", self.target.pid)
        self.assert_one_line(result, 1, "cannot write", "No such file or directory")

    def test_no_such_directory_does_not_start_the_command(self):
        proof = os.path.join(self.directory, "proof")
        result = self.run_giltrace("--json=" + os.path.join(self.directory, "none", "r.json"), "--", "touch", proof)
        self.assert_one_line(result, 1, "cannot write")
        self.assertFalse(os.path.exists(proof))

    def test_a_directory(self):
        self.assert_one_line(self.run_giltrace("--json=" + self.directory, "-p", self.target.pid), 1, "Is a directory")

    def test_existing_report_is_replaced(self):
        path = os.path.join(self.directory, "r.json")
        for _ in range(2):
            self.assertEqual(self.run_giltrace("-q", "--json=" + path, "-p", self.target.pid, "-d", 0.1).status, 0)
        self.assertEqual(os.listdir(self.directory), ["r.json"])
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o666 & ~current_umask())

    def test_nothing_left_after_an_error(self):
        path = os.path.join(self.directory, "r.json")
        self.assert_one_line(self.run_giltrace("--json=" + path, "-p", 2147483647), 3)
        self.assertEqual(os.listdir(self.directory), [])


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


class Usage(TraceTest):
    def test_bad_options(self):
        for arguments in ([], ["-p"], ["-p", "x"], ["-p", "0"], ["-p", "-1"], ["-p", "1x"], ["-p", "99999999999"],
                          ["--all", "-p", "1"], ["--all", "--follow"], ["--all", "--", "true"], ["--follow"],
                          ["doctor", "--all"], ["doctor", "-p", "1", "-p", "2"], ["-d", "0", "-p", "1"], ["-d", "nan", "-p", "1"], ["-d", "-1"],
                          ["-d", "1e99", "-p", "1"], ["--probes=some", "-p", "1"], ["--budget=0", "-p", "1"],
                          ["--budget=2", "--probes=all", "-p", "1"], ["--budget=2", "--probes=waits", "-p", "1"], ["--json=", "-p", "1"],
                          ["--max-threads=0", "-p", "1"], ["--max-loss=101", "-p", "1"], ["--max-loss=", "-p", "1"],
                          ["--no-such-option"], ["-x"], ["--"], ["-p", "1", "--", "true"], ["word"],
                          ["-p", "1", "word"], ["doctor", "--", "true"], ["doctor", "-p"], ["doctor", "word"]):
            with self.subTest(arguments=arguments):
                self.assert_one_line(self.run_giltrace(*arguments), 2)

    def test_help_and_version(self):
        for option in ("--help", "--version"):
            result = self.run_giltrace(option)
            self.assertEqual((result.status, result.err), (0, ""))
            self.assertLessEqual(max(map(len, result.out.splitlines())), 100)
            with open("/dev/full", "w", encoding="ascii") as full:
                self.assertEqual(self.run_giltrace(option, stdout=full).status, 1)
        self.assertRegex(self.run_giltrace("--version").out, r"^giltrace \d+\.\d+\.\d+\n$")


class Doctor(WithTarget):
    def test_process(self):
        result = self.run_giltrace("doctor", "-p", self.target.pid)
        self.assertEqual((result.status, result.err), (0, ""), result)
        for word in ("acquired", "released", "blocked", "waited", "cpython", "cost of a probe"):
            self.assertIn(word, result.out)

    def test_no_process(self):
        result = self.run_giltrace("doctor", "-p", 2147483647)
        self.assert_one_line(result, 3, "there is no process")

    def test_full_output(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            self.assert_one_line(self.run_giltrace("doctor", stdout=full), 1, "cannot write")
