# -*- coding: utf-8 -*-
# SPDX-License-Identifier: MIT
"""Functions and files whose names would harm whoever shows them as they are; each keeps the lock for 20 ms while another
thread wants it. Python 3.8 and later."""
import ctypes
import threading
import time

NAMES = ["\x1b[31mred\x1b[2J", "a\nb\rc\td", "q\"'`&<>", "</script><script>alert(1)</script>", "]]><svg onload=alert(1)>",
         "\x9b2J\x7f\x07", "x" * 10000, "‮evil​", "semi;colon 17", "%s%n%d", "\udcff\ud800", "", " ", "=cmd|' /C calc'!A0"]
usleep = ctypes.PyDLL(None).usleep
done = False


def hold():
    usleep(20000)


def want():
    while not done:
        time.sleep(0.001)


def named(name):
    def function():
        hold()
    values = {"co_name": name, "co_filename": name + ".py"}
    if hasattr(function.__code__, "co_qualname"):
        values["co_qualname"] = name
    function.__code__ = function.__code__.replace(**values)
    return function


thread = threading.Thread(target=want)
thread.start()
for name in NAMES:
    named(name)()
    time.sleep(0.002)
done = True
thread.join()
