# SPDX-License-Identifier: MIT
"""The interpreters of this machine that the tests trace: pyenv's and the system's, and what is missing by name."""

import os
import subprocess
import unittest

MINORS = ["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]


def _pyenv_root():
    root = os.environ.get("PYENV_ROOT")
    if not root:
        try:
            root = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            root = os.path.expanduser("~/.pyenv")
    return root


def _patch_number(version):
    patch = version.split(".")[2]
    return int(patch) if patch.isdigit() else -1


def _find_pyenv():
    """The newest patch release of each minor version that pyenv has."""
    versions = os.path.join(_pyenv_root(), "versions")
    installed = os.listdir(versions) if os.path.isdir(versions) else []
    found = {}
    for minor in MINORS:
        releases = [v for v in installed if v.startswith(minor + ".") and v.count(".") == 2 and _patch_number(v) >= 0]
        for release in sorted(releases, key=_patch_number):
            program = os.path.join(versions, release, "bin", "python" + minor)
            if os.access(program, os.X_OK):
                found["pyenv " + minor] = program
    return found


def _find_system():
    for program in ("/usr/bin/python3.11", "/usr/bin/python3"):
        if os.access(program, os.X_OK):
            return {"system " + os.path.basename(os.path.realpath(program)): os.path.realpath(program)}
    return {}


SYSTEM = _find_system()
PYENV = _find_pyenv()
ALL = {**SYSTEM, **PYENV}
NAMES = list(SYSTEM or ["system python3"]) + ["pyenv " + minor for minor in MINORS]


def program(name):
    """The path of one of NAMES; skips the test that runs when it is not there."""
    if name not in ALL:
        raise unittest.SkipTest(name + " is not installed")
    return ALL[name]


def system():
    return program(NAMES[0])


def any_pyenv(*minors):
    """The first of these that is there: for what does not depend on the version, but on a shared library."""
    for minor in minors or reversed(MINORS):
        if "pyenv " + minor in PYENV:
            return PYENV["pyenv " + minor]
    raise unittest.SkipTest("no pyenv version " + " or ".join(minors or ["3.6 to 3.13"]))


def for_each(names):
    """A class decorator: makes of each method `check_x(self, name)` one test per interpreter, so each is counted."""

    def decorate(cls):
        for method in [m for m in dir(cls) if m.startswith("check_")]:
            for name in names:
                def test(self, _method=method, _name=name):
                    getattr(self, _method)(program(_name))
                title = name.replace(" ", "_").replace(".", "_")
                test.__doc__ = getattr(cls, method).__doc__
                setattr(cls, "test_" + method[len("check_"):] + "_on_" + title, test)
        return cls

    return decorate
