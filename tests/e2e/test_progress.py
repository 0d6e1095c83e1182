# SPDX-License-Identifier: MIT
"""The line that tells how a trace goes: on a terminal, and nowhere else."""

import os
import pty
import re
import subprocess
import tempfile
import threading

import pythons
from tracing import GILTRACE, PATIENCE, TraceTest, end, read_all, workload

ERASE = "\r\x1b[K"
LINE = re.compile(r"^(\d+) s(?: of (\S+) s)?: (?:(\S+) acquired, )?(\S+) waits, (?:\S+ % waiting|\S+ waiting), (\d+) lost, \S+ % CPU$")


class Progress(TraceTest):
    def setUp(self):
        super().setUp()
        self.target = self.start_target(pythons.system(), workload("spin"), 3, 0.005, 120)
        self.target.hear()

    def run_on_terminal(self, *arguments, terminal="xterm"):
        """What it wrote to stderr, a terminal of 80 columns, and to stdout, none."""
        ours, theirs = pty.openpty()
        subprocess.run(["stty", "-F", os.ttyname(theirs), "cols", "80", "-opost"], check=True, timeout=PATIENCE)
        written = []
        reader = threading.Thread(target=self.read_until_closed, args=(ours, written))
        reader.start()
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen([GILTRACE, *[str(a) for a in arguments]], stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=theirs, env=dict(os.environ, TERM=terminal))
            os.close(theirs)
            self.addCleanup(end, process)
            self.assertEqual(process.wait(PATIENCE), 0)
            reader.join(PATIENCE)
            os.close(ours)
            return b"".join(written).decode(), read_all(out).decode()

    @staticmethod
    def read_until_closed(terminal, written):
        try:
            while True:
                written.append(os.read(terminal, 4096))
        except OSError:  # the other end was closed
            pass

    def check(self, err, seconds, has_holds=True):
        """Lines that count up, each in the place of the one before, and the last is gone."""
        self.assertTrue(err.endswith(ERASE), repr(err))
        lines = [line for line in err.split(ERASE) if line]
        self.assertGreaterEqual(len(lines), 2, repr(err))
        found = [LINE.match(line) for line in lines]
        self.assertTrue(all(found), lines)
        self.assertEqual({match.group(2) for match in found}, {seconds})
        self.assertEqual([bool(match.group(3)) for match in found], [has_holds] * len(found))
        times, waits = [int(match.group(1)) for match in found], [float(match.group(4)) for match in found]
        self.assertEqual(times, sorted(times))
        self.assertEqual(waits, sorted(waits))
        self.assertGreater(waits[-1], waits[0])
        self.assertEqual({match.group(5) for match in found}, {"0"})
        self.assertLess(max(map(len, lines)), 80)

    def test_trace(self):
        err, out = self.run_on_terminal("-p", self.target.pid, "-d", 2.5)
        self.check(err, "2.5")
        self.assertIn("BOUND BY THE GIL", out)
        self.assertNotIn(ERASE, out)

    def test_waits(self):
        err, _ = self.run_on_terminal("-p", self.target.pid, "-d", 2.5, "--probes=waits")
        self.check(err, "2.5", has_holds=False)

    def test_record(self):
        path = os.path.join(self.directory, "run.gilt")
        err, out = self.run_on_terminal("record", "-p", self.target.pid, "-d", 2.5, "-o", path)
        self.check(err, "2.5")
        self.assertIn("run.gilt: ", out)

    def test_not_wanted(self):
        """Not with --quiet, not for a command, whose terminal it is, and not on a terminal that can do nothing."""
        self.assertEqual(self.run_on_terminal("-p", self.target.pid, "-d", 1.5, "--quiet")[0], "")
        self.assertEqual(self.run_on_terminal("-p", self.target.pid, "-d", 1.5, terminal="dumb")[0], "")
        command = [pythons.system(), workload("spin"), 2, 0.005, 1.5]
        self.assertEqual(self.run_on_terminal("--", *command)[0], "")
        self.assertEqual(self.run_giltrace("-p", self.target.pid, "-d", 1.5).err, "")
