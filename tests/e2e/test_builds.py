# SPDX-License-Identifier: MIT
"""Kinds of builds: exact counts on each. Real interpreters that are changed after they were linked, and, for kinds that
only a compiler makes, a small program in the shape of one. (The real ones of tests/build-pythons.sh are among those of
test_counts.)"""

import os
import shutil
import subprocess
import sys

import identities
import pythons
from test_counts import Counting
from tracing import TraceTest, workload

HERE = os.path.dirname(os.path.abspath(__file__))
BOLT = os.path.join(os.path.dirname(HERE), "bolt.py")
CYCLES = 3000

# -fno-plt is how conda-forge builds; musl is Alpine's C library.
COMPILERS = {
    "gcc": ("gcc", "-O2"), "gcc no PIE": ("gcc", "-O2 -no-pie -fno-pie"), "gcc no PLT": ("gcc", "-O2 -fno-plt"),
    "gcc stripped": ("gcc", "-O2 -s"), "clang": ("clang", "-O2"), "clang no PLT": ("clang", "-O2 -fno-plt"),
    "musl": ("musl-gcc", "-O2"), "musl no PLT": ("musl-gcc", "-O2 -fno-plt"),
    "gcc BOLT": ("gcc", "-O2"), "gcc BOLT with relocations": ("gcc", "-O2 -Wl,--emit-relocs"),
}


class Builds(TraceTest):
    def run_or_skip(self, *command):
        """A step of making a build; where it cannot be done, the test is skipped."""
        if not shutil.which(command[0]):
            self.skipTest(command[0] + " is not installed")
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        self.assertEqual(done.returncode, 0, "%s:\n%s" % (" ".join(command), done.stdout))


class Shapes(Builds):
    """The program takes and releases its lock so many times, by each thread."""

    def check(self, name):
        compiler, flags = COMPILERS[name]
        path = os.path.join(self.directory, "python3.14t")
        self.run_or_skip(compiler, *flags.split(), "-rdynamic", "-pthread", "-o", path,
                         os.path.join(HERE, "programs", "free_threaded.c"))
        if "BOLT" in name:
            self.run_or_skip(sys.executable, BOLT, path)
        environment = dict(os.environ, PYTHON_GIL="1")
        for threads in (1, 4):
            report = self.trace("--quiet", "--", path, threads, CYCLES, env=environment).report
            gil = self.only_gil(report)
            self.assert_nothing_lost(report)
            self.assertEqual(gil["acquisitions"], threads * CYCLES)
            self.assertEqual(identities.releases(gil), threads * CYCLES)
            identities.check_sums(self, report)
            identities.check_whole_waits(self, report)


for kind in COMPILERS:
    def test(self, name=kind):
        self.check(name)
    setattr(Shapes, "test_" + kind.replace(" ", "_"), test)


class Changed(Builds, Counting):
    """Real libraries after their link."""

    def embed(self, change):
        """A program with a changed copy of a libpython; and its PYTHONHOME."""
        program = pythons.any_pyenv("3.12", "3.11", "3.10")
        home = os.path.dirname(os.path.dirname(program))
        name = "lib%s.so.1.0" % os.path.basename(program)
        path, embedding = os.path.join(self.directory, name), os.path.join(self.directory, "embedding")
        shutil.copy(os.path.join(home, "lib", name), path)
        change(path)
        self.run_or_skip("cc", "-O2", "-o", embedding, os.path.join(HERE, "programs", "links_python.c"), path,
                         "-Wl,-rpath," + self.directory)
        return embedding, dict(os.environ, PYTHONHOME=home)

    def count_with(self, change):
        program, environment = self.embed(change)
        for threads in (1, 4):
            self.count(program, threads, env=environment)

    def test_bolt(self):
        """The wait for the lock in a fragment, the acquisition in another: as a profile of one thread has it."""
        self.count_with(lambda path: self.run_or_skip(sys.executable, BOLT, path))

    def test_mini_debug_info(self):
        """Stripped, with the symbols compressed in .gnu_debugdata: as Fedora has it."""
        def change(path):
            self.run_or_skip("strip", "-g", path)
            self.run_or_skip("objcopy", "--only-keep-debug", path, path + ".debug")
            self.run_or_skip("xz", "-f", path + ".debug")
            self.run_or_skip("strip", path)
            self.run_or_skip("objcopy", "--add-section", ".gnu_debugdata=" + path + ".debug.xz", path)
        self.count_with(change)

    def test_no_symbols_no_section_names(self):
        """Stripped of all that is not loaded."""
        self.count_with(lambda path: self.run_or_skip("strip", "--strip-all", "-R", ".comment", path))
