# SPDX-License-Identifier: MIT
"""Two threads that call functions as fast as they can, each of them called by one other only, which its name tells; and
two that want the lock often. chains.py SECONDS. Python 2.7 and later."""
import sys
import threading
import time

end = time.time() + float(sys.argv[1])
LEVELS, WIDTH = 4, 3


def define(name, level):
    if level < LEVELS:
        for i in range(WIDTH):
            define("%s_%d" % (name, i), level + 1)
        body = "; ".join("%s_%d()" % (name, i) for i in range(WIDTH))
    else:
        body = "pass"
    exec("def %s(): %s" % (name, body), globals())


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def spin():
    while time.time() < end:
        f()
        fibonacci(10)


def want():
    while time.time() < end:
        time.sleep(0.0002)


define("f", 0)
threads = [threading.Thread(target=work) for work in (spin, spin, want, want)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
