# SPDX-License-Identifier: MIT
"""A minor version that giltrace does not know: a copy of 3.15's program that says that it is 3.16."""

import os
import re
import shutil
import struct
import subprocess

import pythons
from test_counts import Counting
from tracing import workload


def file_offset(path, symbol):
    """Where the variable of this name is in the file."""
    symbols = subprocess.run(["readelf", "-W", "--dyn-syms", path], capture_output=True, text=True, check=True).stdout
    address = int(re.search(r"^ *\d+: ([0-9a-f]+) .* %s(@|$)" % symbol, symbols, re.MULTILINE).group(1), 16)
    segments = subprocess.run(["readelf", "-W", "-l", path], capture_output=True, text=True, check=True).stdout
    for offset, start, size in re.findall(r"LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)", segments):
        if int(start, 16) <= address < int(start, 16) + int(size, 16):
            return address - int(start, 16) + int(offset, 16)
    raise AssertionError(symbol + " is in no segment")


class UnknownMinor(Counting):
    def make(self, words=()):
        """The program, with some 64-bit words of its _Py_DebugOffsets changed; returns what starts it."""
        if not shutil.which("readelf"):
            self.skipTest("readelf is not installed")
        original = pythons.file_of("forky 3.15")
        made = original + "-as-3.16"
        shutil.copy(original, made)
        self.addCleanup(os.unlink, made)
        with open(made, "r+b") as file:
            for offset, value in [(file_offset(made, "Py_Version"), 0x031000f0),
                                  (file_offset(made, "_PyRuntime") + 8, 0x031000f0)]:
                file.seek(offset)
                file.write(struct.pack("<Q", value))
            for word, value in words:
                file.seek(file_offset(made, "_PyRuntime") + 8 * word)
                file.write(struct.pack("<Q", value))
        return ["chroot", os.path.join(pythons.CACHE, "forky"), "/usr/bin/" + os.path.basename(made)]

    def test_same_shape_is_traced(self):
        command = self.make()
        report = self.trace("--quiet", "--", *command, workload("write_loop"), 4, 20000).report
        self.assertEqual(report["target"]["version"], "3.16.0")
        self.assert_nothing_lost(report)
        self.assertGreaterEqual(self.only_gil(report)["acquisitions"], 20000)

    def test_other_shape_is_refused(self):
        """Word 18 is where the lock's `locked` is said to be."""
        target = self.start_target(*self.make([(18, 7744)]), workload("write_loop"), 1, 1, "steps")
        self.assertEqual(target.hear(), "ready")
        self.assert_one_line(self.run_giltrace("-p", target.pid), 1, "Python 3.16.0", "layout")
