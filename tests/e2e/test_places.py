# SPDX-License-Identifier: MIT
"""Where a Python may run: other roots, namespaces and users, files that are gone, and inside other programs."""

import os
import shutil
import subprocess

import identities
import pythons
from tracing import TraceTest, wait_for, workload

HERE = os.path.dirname(os.path.abspath(__file__))
CYCLES = 5000
START_UP = 2000


class Place(TraceTest):
    def trace_work(self, target, pid=None):
        """Traces the whole of write_loop's work; its counts must be exact. Returns the report."""
        self.assertEqual(target.hear(), "ready")
        tracer = self.start_tracer("--quiet", "--verbose", "-p", pid or target.pid)
        tracer.wait_until_tracing()
        target.tell()
        self.assertEqual(target.hear(), "done")
        report = tracer.interrupt().report
        self.assert_nothing_lost(report)
        gil = self.only_gil(report)
        self.assertGreaterEqual(gil["acquisitions"], CYCLES)
        self.assertLessEqual(gil["acquisitions"], CYCLES + START_UP)
        identities.check_sums(self, report)
        return report

    def work(self, *command, **popen):
        return self.start_target(*command, workload("write_loop"), 4, CYCLES, "steps", **popen)

    def child_of(self, pid):
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
            return [int(child) for child in file.read().split()]

    def copy_of_system(self):
        """The system's python at another path, with its library directory found by PYTHONHOME."""
        path = os.path.join(self.directory, "python-copy")
        shutil.copy(pythons.system(), path)
        return path, dict(os.environ, PYTHONHOME="/usr")


class Namespaces(Place):
    def test_chroot(self):
        report = self.trace_work(self.work(pythons.program("forky 3.14")))
        self.assertEqual(report["target"]["pid"], report["target"]["pid_in_namespace"])

    def test_mount_namespace(self):
        """The program's path names nothing out here."""
        path, environment = self.copy_of_system()
        hidden = os.path.join(self.directory, "hidden")
        os.mkdir(hidden)
        script = "mount -t tmpfs none %s && cp %s %s/python && exec %s/python \"$@\"" % (hidden, path, hidden, hidden)
        target = self.work("unshare", "-m", "sh", "-c", script, "sh", env=environment)
        self.trace_work(target)
        self.assertFalse(os.path.exists(hidden + "/python"))

    def test_another_root(self):
        """A root of its own in a mount namespace of its own: neither its paths nor its mounts exist out here."""
        root = os.path.join(pythons.CACHE, "forky")
        pythons.program("forky 3.14")
        script = 'mount --bind "$0" "$0" && mount -t tmpfs none "$0/var" && cp "$0/usr/bin/python3.14" "$0/var/python" ' \
                 '&& exec chroot "$0" /var/python "$@"'
        target = self.work("unshare", "-m", "sh", "-c", script, root, env=dict(os.environ, PYTHONHOME="/usr"))
        report = self.trace_work(target)
        self.assertRegex(report["target"]["version"], r"^3\.14\.")
        self.assertFalse(os.path.exists(root + "/var/python"))

    def test_pid_namespace(self):
        target = self.work("unshare", "-pf", "--mount-proc", pythons.system())
        wait_for(lambda: self.child_of(target.pid), "the child in the namespace")
        child = self.child_of(target.pid)[0]
        report = self.trace_work(target, child)
        self.assertEqual((report["target"]["pid"], report["target"]["pid_in_namespace"]), (child, 1))
        text = self.run_giltrace("-p", child, "-d", 0.1).out
        self.assertIn("(pid %d, in its namespace 1)" % child, text)

    def test_holder_in_pid_namespace(self):
        """CPython keeps the holder's number in its namespace, directly or (to 3.10) in the C library's thread."""
        for program in pythons.system(), pythons.any_pyenv("3.8", "3.9", "3.10"), pythons.any_pyenv("3.13", "3.12"):
            with self.subTest(program=program):
                target = self.work("unshare", "-pf", "--kill-child", "--mount-proc", program)
                self.assertEqual(target.hear(), "ready")
                child = self.child_of(target.pid)[0]
                shown = self.run_giltrace("doctor", "-p", child).out
                self.assertRegex(shown, r"at this moment .*, free, last held by thread %d \(1 in its namespace\)" % child)

    def test_waits_in_pid_namespace(self):
        """Who did not come to sleep is known by the mutex, which has the thread's number in its namespace."""
        target = self.start_target("unshare", "-pf", "--kill-child", "--mount-proc", pythons.system(),
                                   workload("write_loop"), 2, 1000000000)
        wait_for(lambda: self.child_of(target.pid), "the child in the namespace")
        child = self.child_of(target.pid)[0]
        wait_for(lambda: len(os.listdir("/proc/%d/task" % child)) == 3, "its threads")
        report = self.trace("--quiet", "--probes=waits", "-p", child, "-d", 1).report
        unslept = sum(count for low, _, count in report["gils"][0]["wait"]["buckets"] if not low)
        self.assertGreater(unslept, 0.01 * report["gils"][0]["contended"], "of two writers, many a wait is no sleep")

    def test_another_user(self):
        self.trace_work(self.work(pythons.system(), preexec_fn=lambda: os.setuid(65534)))


class Files(Place):
    def test_deleted(self):
        path, environment = self.copy_of_system()
        target = self.work(path, env=environment)
        wait_for(lambda: os.readlink("/proc/%d/exe" % target.pid) == path, "the program to start")
        os.unlink(path)
        self.trace_work(target)

    def test_replaced(self):
        """Another build at its path: the probes must go into the file that runs."""
        path, environment = self.copy_of_system()
        target = self.work(path, env=environment)
        wait_for(lambda: os.readlink("/proc/%d/exe" % target.pid) == path, "the program to start")
        shutil.copy(pythons.file_of("trixie 3.13"), path + ".new")
        os.rename(path + ".new", path)
        report = self.trace_work(target)
        self.assertRegex(report["target"]["version"], r"^3\.11\.")


class Embedded(Place):
    def library(self, minor):
        program = pythons.program("pyenv " + minor)
        directory = os.path.join(os.path.dirname(os.path.dirname(program)), "lib")
        return os.path.join(directory, "libpython%s.so.1.0" % minor), os.path.dirname(directory)

    def build(self, *flags):
        if not shutil.which("cc"):
            self.skipTest("no compiler")
        path = os.path.join(self.directory, "embedding")
        subprocess.run(["cc", "-O2", "-o", path, os.path.join(HERE, "programs", "links_python.c"), *flags], check=True)
        return path

    def test_linked(self):
        library, home = self.library("3.12")
        path = self.build(library, "-Wl,-rpath," + os.path.dirname(library))
        report = self.trace_work(self.work(path, env=dict(os.environ, PYTHONHOME=home)))
        self.assertTrue(report["target"]["version"].startswith("3.12."), report["target"])

    def test_opened(self):
        library, home = self.library("3.10")
        path = self.build("-DDLOPEN", "-ldl")
        self.trace_work(self.work(path, env=dict(os.environ, PYTHONHOME=home, LIBPYTHONS=library)))

    def test_several(self):
        """The one that runs is traced, wherever the others are mapped."""
        path = self.build("-DDLOPEN", "-ldl")
        for order in (["3.9", "3.11", "3.12"], ["3.12", "3.11", "3.9"]):
            home = self.library(order[-1])[1]
            libraries = ":".join(self.library(minor)[0] for minor in order)
            report = self.trace_work(self.work(path, env=dict(os.environ, PYTHONHOME=home, LIBPYTHONS=libraries)))
            self.assertTrue(report["target"]["version"].startswith(order[-1] + "."), report["target"])
