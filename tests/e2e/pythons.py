# SPDX-License-Identifier: MIT
"""The interpreters that the tests trace: pyenv's, the system's, those of other Debian releases that
tests/fetch-pythons.sh unpacked, each run in a chroot, and the kinds that tests/build-pythons.sh built; and what is
missing by name."""

import os
import shutil
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
    for minor in ["2.7"] + MINORS:
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


HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.path.dirname(os.path.dirname(HERE)), ".cache")
RELEASES = {"trixie 3.13": "trixie", "forky 3.14": "forky", "forky 3.15": "forky"}


def _write_script(name, command):
    path = os.path.join(CACHE, name)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n%s\n" % command)
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)
    return path


def _write_starter(root, program):
    """A program that runs one of a chroot's with its own arguments, and the workloads where they are outside, too."""
    shutil.copytree(os.path.join(HERE, "workloads"), root + os.path.join(HERE, "workloads"), dirs_exist_ok=True)
    return _write_script("in-chroot-" + program, "exec chroot '%s' '/usr/bin/%s' \"$@\"" % (root, program))


def _find_cached():
    found = {}
    for name, release in RELEASES.items():
        root, program = os.path.join(CACHE, release), "python" + name.split()[1]
        if os.path.exists(os.path.join(root, ".complete")) and os.access(root + "/usr/bin/" + program, os.X_OK):
            found[name] = _write_starter(root, program)
    return found


# What tests/build-pythons.sh makes, of 3.13. The free-threaded one runs with its GIL.
BUILT = {"built 3.13t": "free-threaded/bin/python3.13t", "built no-plt": "no-plt/bin/python3.13",
         "built bolt": "bolt/bin/python3.13", "built musl": "musl/bin/python3.13"}


def _find_built():
    found = {}
    for name, path in BUILT.items():
        program = os.path.join(CACHE, "built", path)
        if not os.path.exists(os.path.join(CACHE, "built", path.split("/")[0] + ".complete")):
            continue
        found[name] = program
        if name == "built 3.13t":
            found[name] = _write_script("with-gil-python3.13t", "PYTHON_GIL=1 exec '%s' \"$@\"" % program)
    return found


SYSTEM = _find_system()
PYENV = _find_pyenv()
CACHED = _find_cached()
ALL = {**SYSTEM, **PYENV, **CACHED, **_find_built()}
NAMES = list(SYSTEM or ["system python3"]) + ["pyenv " + minor for minor in MINORS]
EVERY = NAMES + list(RELEASES) + list(BUILT)


def program(name):
    """The path of one of NAMES; skips the test that runs when it is not there."""
    if name not in ALL:
        raise unittest.SkipTest(name + " is not installed")
    return ALL[name]


def file_of(name):
    """The program itself, where program() gives what starts it in its chroot."""
    path = program(name)
    return os.path.join(CACHE, RELEASES[name], "usr/bin/python" + name.split()[1]) if name in RELEASES else path


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
