"""Usage: own|shared SECONDS. CPU-bound threads, two in the main interpreter and two in another, which has its own GIL or
shares the main one. Says "ready" when all
run."""
import os
import sys
import threading
import time
import warnings

warnings.simplefilter("ignore")
own, seconds = sys.argv[1] == "own", float(sys.argv[2])
end = time.time() + seconds
running, starts = os.pipe()
SPIN = """
import os, sys, threading, time
sys.setswitchinterval(0.03)
def spin():
    os.write(%d, b"x")
    while time.time() < %r:
        for _ in range(2000):
            pass
threads = [threading.Thread(target=spin) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
""" % (starts, end)


def run_in_another(code):
    """Runs the code in a new interpreter; each version has another module for it."""
    if sys.version_info < (3, 13):
        import _xxsubinterpreters as interpreters
        other = interpreters.create(isolated=own)
        interpreters.run_string(other, code)
    else:
        import _interpreters as interpreters
        other = interpreters.create("isolated" if own else "legacy")
        interpreters.exec(other, code)
    interpreters.destroy(other)


def run_by_library(code):
    """The public module, 3.14 and later."""
    from concurrent import interpreters
    other = interpreters.create()
    other.exec(code)
    other.close()


run = run_by_library if own and sys.version_info >= (3, 14) else run_in_another
thread = threading.Thread(target=run, args=(SPIN,))
thread.start()
space = {}
here = threading.Thread(target=exec, args=(SPIN, space))
here.start()
for _ in range(4):
    os.read(running, 1)
os.write(1, b"ready\n")
thread.join()
here.join()
