# SPDX-License-Identifier: MIT
"""A thread that keeps the lock for long in one line of culprit(), and two that want it back each millisecond.

culprit.py re|sorted|json|pydll|sleep SECONDS. Exits with 77 when this Python has not what it takes. Python 2.7 and later.
"""
import sys
import threading
import time

try:
    import ctypes
except ImportError:
    ctypes = None
import json
import re

kind = sys.argv[1]
LONG_TEXT = "[" + ",".join('{"a": [%d, "b"], "c": null}' % i for i in range(60000)) + "]"
PATTERN = re.compile("(a*)*b")  # twice the time with each "a"


def slow_key(x):
    return -sum(range(x, x + 1000))


def match():
    return PATTERN.match("a" * 18)  # the culprit's line: re


def sort():
    return sorted(range(3000), key=slow_key)  # the culprit's line: sorted


def load():
    return len(json.loads(LONG_TEXT))  # the culprit's line: json


def digest():
    return library.qsort(numbers, len(numbers), 4, compare)  # the culprit's line: pydll


def sleep():
    return library.usleep(150000)  # the culprit's line: sleep


if kind in ("pydll", "sleep"):
    if not ctypes:
        sys.exit(77)
    library = ctypes.PyDLL(None)
    numbers = (ctypes.c_int * 400000)(*[(i * 7919) % 400009 for i in range(400000)])
    compare = ctypes.cast(library.strcmp, ctypes.c_void_p)  # of the bytes of each: an order like any other

culprit = {"re": match, "sorted": sort, "json": load, "pydll": digest, "sleep": sleep}[kind]
end = time.time() + float(sys.argv[2])


def keep():
    while time.time() < end:
        culprit()


def want():
    while time.time() < end:
        time.sleep(0.001)


threads = [threading.Thread(target=f) for f in (keep, want, want)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
