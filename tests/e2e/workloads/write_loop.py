"""Usage: THREADS N [steps]. N GIL cycles in all, each an os.write, from THREADS started threads.

With "steps" it says "ready", waits for a line, works, says "done" and waits for a line again: so that a tracer sees the
whole of the work and nothing else."""
import os
import sys
import threading

threads, total = int(sys.argv[1]), int(sys.argv[2])
steps = len(sys.argv) > 3
null = os.open("/dev/null", os.O_WRONLY)


def work():
    for _ in range(total // threads):
        os.write(null, b"x")


def step(line):
    if steps:
        os.write(1, line)
        os.read(0, 100)


step(b"ready\n")
started = [threading.Thread(target=work) for _ in range(threads)]
for thread in started:
    thread.start()
for thread in started:
    thread.join()
step(b"done\n")
