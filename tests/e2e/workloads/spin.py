"""Usage: THREADS INTERVAL SECONDS. CPU-bound threads under a switch interval; says "ready" when all of them run."""
import os
import sys
import threading
import time

threads, interval, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
if hasattr(sys, "setswitchinterval"):  # 2.7 has none
    sys.setswitchinterval(interval)
running = threading.Semaphore(0)
end = time.time() + seconds


def spin():
    running.release()
    while time.time() < end:
        for _ in range(2000):
            pass


started = [threading.Thread(target=spin) for _ in range(threads)]
for thread in started:
    thread.daemon = True
    thread.start()
for _ in range(threads):
    running.acquire()
os.write(1, b"ready\n")
for thread in started:
    thread.join()
