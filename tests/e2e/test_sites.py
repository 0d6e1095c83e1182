# SPDX-License-Identifier: MIT
"""Whatever build an interpreter is of: the sites that giltrace finds are the calls that objdump shows."""

import os
import re
import shutil
import subprocess

import pythons
from tracing import TraceTest, workload

CALL = re.compile(r"^ *([0-9a-f]+):\s+call +\S+ <pthread_cond_(timedwait|signal|wait)@plt>$")


def calls_in(path):
    """The addresses of the calls, by function."""
    disassembly = subprocess.Popen(["objdump", "-d", "--no-show-raw-insn", path], stdout=subprocess.PIPE, text=True)
    found = {"timedwait": set(), "signal": set(), "wait": set()}
    for line in disassembly.stdout:
        match = CALL.match(line)
        if match:
            found[match.group(2)].add(int(match.group(1), 16))
    disassembly.stdout.close()
    disassembly.wait()
    return found


@pythons.for_each(pythons.NAMES[:1] + list(pythons.RELEASES))
class SameAsObjdump(TraceTest):
    def check_sites(self, program):
        if not shutil.which("objdump"):
            self.skipTest("objdump is not installed")
        target = self.start_target(program, workload("write_loop"), 1, 1, "steps")
        self.assertEqual(target.hear(), "ready")
        shown = self.run_giltrace("doctor", "-p", target.pid)
        self.assertEqual(shown.status, 0, shown)
        sites = {}
        for event, address in re.findall(r"^  (\w+) +0x([0-9a-f]+) +0x", shown.out, re.MULTILINE):
            sites.setdefault(event, set()).add(int(address, 16))
        calls = calls_in(os.readlink("/proc/%d/exe" % target.pid))
        self.assertEqual(sites["blocked"], calls["timedwait"])
        self.assertEqual(sites["switched"], calls["wait"])
        self.assertEqual(sites["acquired"] | sites["released"], calls["signal"])
        self.assertEqual(len(sites["waited"]), len(calls["timedwait"]))
        self.assertRegex(shown.out, r"at this moment +interval 5 ms, .*by thread %d, switch number" % target.pid)
