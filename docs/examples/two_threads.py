"""Two threads that only compute, for two seconds; for Python 2.7 and 3."""
import threading
import time

END = time.time() + 2


def compute():
    while time.time() < END:
        for _ in range(1000):
            pass


threads = [threading.Thread(target=compute) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
