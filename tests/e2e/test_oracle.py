# SPDX-License-Identifier: MIT
"""An independent count: bpftrace on the entries of take_gil, in the same process at the same time."""

import os
import re
import shutil
import subprocess
import tempfile

import pythons
from tracing import TraceTest, end, read_all, wait_for, workload

CYCLES = 8000
PYENV = [name for name in pythons.NAMES if name.startswith("pyenv")]


def library_of(program):
    """The file that holds the interpreter: a shared build's library, or the program itself."""
    program = os.path.realpath(program)
    directory = os.path.join(os.path.dirname(os.path.dirname(program)), "lib")
    name = "lib" + os.path.basename(program)
    found = [os.path.join(directory, f) for f in os.listdir(directory) if re.match(re.escape(name) + r"m?\.so\.1", f)]
    return os.path.realpath(found[0]) if found else program


class Oracle:
    """bpftrace counting the calls of take_gil, and of its clone in 3.8, in one process."""

    def __init__(self, test, pid, library):
        listed = subprocess.run(["bpftrace", "-l", "uprobe:%s:take_gil*" % library], capture_output=True, text=True,
                                check=True).stdout.split()
        symbols = {line.rsplit(":", 1)[1] for line in listed}
        symbols = sorted(s for s in symbols if s == "take_gil" or s.startswith("take_gil.constprop"))
        if not symbols:
            test.skipTest(library + " has no symbol take_gil")
        probes = ",".join('uprobe:%s:"%s"' % (library, symbol) for symbol in symbols)
        # -p alone also counts hits in processes in which another tracer has a probe on the same instruction.
        script = probes + " /pid == %d/ { @taken = count(); } interval:ms:100 { print(@taken); }" % pid
        self.out = tempfile.TemporaryFile()
        test.addCleanup(self.out.close)
        self.process = subprocess.Popen(["bpftrace", "-B", "line", "-p", str(pid), "-e", script], stdout=self.out,
                                        stderr=self.out)
        test.addCleanup(end, self.process)
        # What it prints is read once all probes are attached.
        wait_for(lambda: self.process.poll() is not None or self._printed(), "bpftrace's probes")

    def _printed(self):
        return re.findall(r"@taken: (\d+)", read_all(self.out).decode())

    def stop(self):
        """The count, once two were printed after now. Not at its SIGINT, which bpftrace 0.17 at times overhears."""
        before = len(self._printed())
        wait_for(lambda: len(self._printed()) >= before + 2, "bpftrace's count")
        end(self.process)
        return int(self._printed()[-1])


@pythons.for_each(PYENV)
class SameAsBpftrace(TraceTest):
    def check_acquisitions(self, program):
        """take_gil returns once per acquisition, so its calls and our acquisitions are equal while nobody waits."""
        if not shutil.which("bpftrace"):
            self.skipTest("bpftrace is not installed")
        target = self.start_target(program, workload("write_loop"), 4, CYCLES, "steps")
        self.assertEqual(target.hear(), "ready")
        tracer = self.start_tracer("--quiet", "--verbose", "-p", target.pid)
        tracer.wait_until_tracing()
        oracle = Oracle(self, target.pid, library_of(program))
        target.tell()
        self.assertEqual(target.hear(), "done")
        taken = oracle.stop()
        report = tracer.interrupt().report
        gil = self.only_gil(report)
        self.assert_nothing_lost(report)
        self.assertGreaterEqual(gil["acquisitions"], CYCLES)
        self.assertEqual(gil["acquisitions"], taken, "giltrace and bpftrace saw another number of acquisitions")
