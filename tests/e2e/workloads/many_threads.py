"""Usage: alive|come-and-go THREADS N FILE. Each thread does N cycles. "alive": all live at the same time, until all are
done; "come-and-go": eight at a time. Writes the tids to FILE."""
import os
import sys
import threading

mode, count, cycles = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
null = os.open("/dev/null", os.O_WRONLY)
tids = []
all_alive = threading.Barrier(count) if mode == "alive" else None


def work():
    tids.append(threading.get_native_id())
    if all_alive:
        all_alive.wait()
    for _ in range(cycles):
        os.write(null, b"x")
    if all_alive:
        all_alive.wait()


batch = count if mode == "alive" else 8
for first in range(0, count, batch):
    started = [threading.Thread(target=work) for _ in range(min(batch, count - first))]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
with open(sys.argv[4], "w") as file:
    file.write(" ".join(map(str, tids)))
