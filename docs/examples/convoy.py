"""The convoy: two threads that compute, and one that only wants to write a byte now and then."""
import os
import threading
import time

END = time.monotonic() + 3


def compute():
    while time.monotonic() < END:
        sum(range(1000))


def write():
    null = os.open(os.devnull, os.O_WRONLY)
    while time.monotonic() < END:
        os.write(null, b"x")  # gives the lock away for a microsecond, and gets it back after milliseconds


threads = [threading.Thread(target=work) for work in (compute, compute, write)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
