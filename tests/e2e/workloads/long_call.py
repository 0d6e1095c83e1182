"""Usage: SECONDS. A thread in calls that keep the GIL for long, and the main thread, which wants it. Says "ready" before
there is another thread, and waits for a line."""
import os
import sys
import threading
import time

until = time.time() + float(sys.argv[1])


def calls():
    while time.time() < until:
        max(range(10000000))


os.write(1, b"ready\n")
os.read(0, 100)
thread = threading.Thread(target=calls)
thread.start()
while time.time() < until:
    pass
thread.join()
