"""Usage: THREADS INTERVAL SECONDS. CPU-bound threads under a switch interval. One of them says "ready" when all run and
the main thread waits for them to end, without the lock: from then on they are alone with each other."""
import os
import sys
import threading
import time

threads, interval, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
if hasattr(sys, "setswitchinterval"):  # 2.7 has none
    sys.setswitchinterval(interval)
end = time.time() + seconds
joining = []


def spin(speaker):
    said = not speaker
    while not joining:  # else the main thread can hardly start the rest
        time.sleep(0.005)
    while time.time() < end:
        for _ in range(2000):
            pass
        if not said and joining and time.time() > joining[0] + 0.1:
            said = True
            os.write(1, b"ready\n")


started = [threading.Thread(target=spin, args=(i == threads - 1,)) for i in range(threads)]
for thread in started:
    thread.daemon = True
    thread.start()
joining.append(time.time())
for thread in started:
    thread.join()
