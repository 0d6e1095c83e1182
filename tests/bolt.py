#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Usage: FILE. Rewrites an executable or shared object with BOLT, as if it had been trained with one thread: all of
take_gil and drop_gil was hot but the blocks that wait for others. Those go to fragments of their own, far away.

Exits with 77 where there is no BOLT, and with 1 when it failed or split nothing."""

import glob
import os
import re
import shutil
import subprocess
import sys

WAITS = ("pthread_cond_timedwait", "pthread_cond_wait")


def find_bolt():
    names = ["llvm-bolt"] + ["llvm-bolt-%d" % version for version in range(25, 13, -1)]
    found = [shutil.which(name) for name in names] + sorted(glob.glob("/usr/lib/llvm-*/bin/llvm-bolt"))
    return next((path for path in found if path), None)


def functions(path):
    """(name, BOLT's name, address, size) of take_gil, drop_gil and their clones."""
    symbols = subprocess.run(["nm", "-S", path], capture_output=True, text=True, check=True).stdout
    for address, size, kind, name in re.findall(r"^(\w+) (\w+) ([tT]) ((?:take|drop)_gil\S*)$", symbols, re.MULTILINE):
        yield name, name + ("/1" if kind == "t" else ""), int(address, 16), int(size, 16)


def blocks(path, start, size):
    """The function's basic blocks: lists of (address, text)."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "--start-address=%d" % start,
                           "--stop-address=%d" % (start + size), path], capture_output=True, text=True, check=True).stdout
    instructions = [(int(a, 16), t) for a, t in re.findall(r"^ *([0-9a-f]+):\t(.+)$", text, re.MULTILINE)]
    targets = {int(t, 16) for _, code in instructions for t in re.findall(r"^j\w+ +([0-9a-f]+)", code)}
    block = []
    for address, code in instructions:
        if address in targets and block:
            yield block
            block = []
        block.append((address, code))
        if re.match(r"j|ret|hlt", code):
            yield block
            block = []
    if block:
        yield block


def write_profile(path, profile):
    with open(profile, "w", encoding="ascii") as file:
        file.write("no_lbr cycles\n")
        for _, bolt_name, start, size in functions(path):
            for block in blocks(path, start, size):
                if not any(wait in code for _, code in block for wait in WAITS):
                    for address, _ in block:
                        file.write("1 %s %x 100\n" % (bolt_name, address - start))


def main():
    path = sys.argv[1]
    bolt = find_bolt()
    if not bolt:
        print("there is no llvm-bolt here")
        return 77
    profile, made = path + ".fdata", path + ".bolted"
    write_profile(path, profile)
    done = subprocess.run([bolt, path, "-o", made, "-data=" + profile, "-lite=0", "-reorder-blocks=ext-tsp",
                           "-split-functions", "-split-all-cold"], capture_output=True, text=True, check=False)
    os.unlink(profile)
    if done.returncode:
        print((done.stdout + done.stderr)[-2000:])
        return 1
    os.replace(made, path)
    split = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    return 0 if re.search(r"take_gil\S*\.cold", split) else 1


if __name__ == "__main__":
    sys.exit(main())
