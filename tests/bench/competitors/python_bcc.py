# SPDX-License-Identifier: MIT
"""BCC from Python, as the scripts do that look at the GIL with it: a program in C that is compiled at each start,
probes on the call sites, histograms in the kernel. It needs headers of a kernel; any will do, for nothing of the kernel
is read."""
import glob
import os
import re
import subprocess

from turns import Tracer

from .case import LeftOut

NAME = "python3-bpfcc"
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gil_histograms.py")
PARTS = ("include", "arch/x86/include")


def headers(case):
    """The environment by which BCC finds headers. Those of a package lie in two directories; BCC looks in one."""
    if os.path.exists("/lib/modules/%s/build" % os.uname().release) or os.path.exists("/sys/kernel/kheaders.tar.xz"):
        return {}
    specific = sorted(glob.glob("/usr/src/linux-headers-*-amd64"))
    if not specific:
        raise LeftOut(NAME, "no kernel headers (linux-headers-amd64 has some)")
    merged = os.path.abspath(os.path.join(case.scratch, "kernel-headers"))
    for source in (re.sub("amd64$", "common", specific[-1]), specific[-1]):
        for part in PARTS:
            os.makedirs(os.path.join(merged, part), exist_ok=True)
            subprocess.run(["cp", "-asf", os.path.join(source, part, "."), os.path.join(merged, part)], check=True)
    return {"BCC_KERNEL_SOURCE": merged}


def make(case):
    if subprocess.run(["/usr/bin/python3", "-c", "import bcc"], capture_output=True).returncode:
        raise LeftOut(NAME, "not installed")
    sites = ["%s=%s" % (event, ",".join(case.addresses(event))) for event in ("blocked", "acquired", "released")]
    # With a pid it looks for the file where that process would.
    whom = ["0", case.file] if case.is_many else [str(case.pid), case.inner_file]
    return Tracer(NAME, ["/usr/bin/python3", SCRIPT, *whom, *sites], ("stdout", "attached"),
                  lambda out, _: int((re.search(r"^hold (\d+)", out, re.M) or ["", 0])[1]), environment=headers(case))
