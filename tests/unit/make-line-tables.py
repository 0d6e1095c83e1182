# SPDX-License-Identifier: MIT
"""Prints the line tables that this interpreter makes of a sample, and what it says itself of each instruction's line.

tests/unit/line-tables.txt is the output of each version, one after the other:

    code VERSION FIRST_LINE BYTES_OF_CODE TABLE
    lines BEGIN:LINE ...         from that byte of code on; 0: no line
"""

from __future__ import print_function

import binascii
import ctypes
import sys

SAMPLE = '''
import os, sys
def plain(a, b=2,
          *rest):
    total = 0
    for i in range(a):
        with open(os.devnull) as f:
            try:
                total += (i +
                          b *
                          len(rest))
            except (ValueError,
                    TypeError):
                continue
            finally:
                total -= 1
    return [x for x in (
        total, a,
        b)]
def far():
    first = 1
''' + "\n" * 300 + '''    second = sorted([3, 2, 1], key=lambda k:
        -k)
    return (first,
''' + "\n" * 140 + '''        second,
        first)
def generator(n):
    while n:
        got = yield (n,
''' + "\n" * 100 + '''                     n + 1)
        n -= 1
        if got: return
''' + "def long(x):\n" + "".join("    x = x + {%d: x, 'a': [x, x, x]}[%d]['b'](x,\n        %d)\n" % (i, i, i)
                                   for i in range(40)) + '''    return x
class Klass(object):
    attribute = {'a': 1,
                 'b': 2}
    def method(self): return self.attribute; print(
        "never")
''' + "very_long = [" + ", ".join("plain" for _ in range(300)) + "]\n"


def line_of(code, address):
    function = ctypes.pythonapi.PyCode_Addr2Line
    function.argtypes = [ctypes.py_object, ctypes.c_int]
    function.restype = ctypes.c_int
    return max(function(code, address), 0)


def show(code):
    table = code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab
    lines, last = [], None
    for address in range(0, len(code.co_code), 1 if sys.version_info < (3,) else 2):
        line = line_of(code, address)
        if line != last:
            lines.append("%d:%d" % (address, line))
        last = line
    print("code %x %d %d %s" % (sys.hexversion >> 16, code.co_firstlineno, len(code.co_code),
                                binascii.hexlify(bytes(table)).decode() or "-"))
    print("lines " + " ".join(lines))
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            show(constant)


show(compile(SAMPLE, "sample", "exec"))
