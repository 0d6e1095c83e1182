# SPDX-License-Identifier: MIT
"""The interpreters that the tests know, by name, and a /proc for those in a chroot: a profiler in there needs it."""
import os
import subprocess
import sys

sys.path.insert(1, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import pythons  # noqa: E402  pylint: disable=wrong-import-position

MARK = "GILTRACE_BENCH_NAMESPACE"


def find_python(name):
    """The program by one of the tests' names or by its path; None where it is not."""
    if name == "system":
        return pythons.system()
    return pythons.ALL.get(name) or (name if os.access(name, os.X_OK) else None)


def enter_namespace():
    """Starts this program anew in a mount namespace of its own, so that what is mounted goes with it."""
    roots = {os.path.join(pythons.CACHE, release) for name, release in pythons.RELEASES.items()
             if name in pythons.CACHED}
    if not roots:
        return
    if MARK not in os.environ:
        os.environ[MARK] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    for root in sorted(roots):
        subprocess.run(["mount", "-t", "proc", "proc", os.path.join(root, "proc")])
