# SPDX-License-Identifier: MIT
"""What a competitor is made for: a target and the instructions that giltrace would probe."""
import contextlib
import os
import re
import shutil
import subprocess

from turns import Tracer


class LeftOut(Exception):
    """A competitor is not at hand here."""

    def __init__(self, name, reason):
        super().__init__("%s is left out: %s" % (name, reason))
        self.name, self.reason = name, reason


class Case:
    """`sites`: (address, file offset) by event, as `giltrace doctor` tells them for the file that has the interpreter;
    `undo`: what is to be taken back at the end; `scratch`: a directory for files of some 100 MiB. A target of many
    processes is traced in all of them: then a tracer that can only take one is left out."""

    def __init__(self, build, target):
        self.giltrace, self.scratch = os.path.join(build, "bin/giltrace"), os.path.join(build, "bench")
        self.pid, self.is_many = target.pid, len(target.pids) > 1
        text = subprocess.run([self.giltrace, "doctor", "-p", str(target.pids[-1])], capture_output=True, text=True,
                              check=True).stdout
        self.file = re.search(r"probes go into +(\S+)", text).group(1)
        self.version = re.search(r"runtime +(\w+ [\w.]+)", text).group(1)
        self.sites = {}
        for event, address, offset in re.findall(r"^  (\w+) +(0x\w+) +(0x\w+) ", text, re.M):
            self.sites.setdefault(event, []).append((address, offset))
        # As the target itself would call it: in a chroot that is another path.
        root = os.readlink("/proc/%d/root" % self.pid)
        self.inner_file = "/" + os.path.relpath(self.file, root)
        self.undo = contextlib.ExitStack()

    def offsets(self, *events):
        return [offset for event in events for _, offset in self.sites.get(event, [])]

    def addresses(self, *events):
        return [address for event in events for address, _ in self.sites.get(event, [])]

    def empty_probes(self, *events):
        """What any tracer that probes these must cost at least."""
        return Tracer("empty probes: " + ", ".join(events), [os.path.join(self.scratch, "empty_probes"), str(self.pid),
                                                             self.file, *self.offsets(*events)], ("stdout", "attached"))

    def need(self, name, program, one_process=False):
        """The program's path."""
        path = shutil.which(program)
        if not path:
            raise LeftOut(name, program + " is not installed")
        if one_process and self.is_many:
            raise LeftOut(name, "traces one process")
        return path
