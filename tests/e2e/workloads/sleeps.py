"""Usage: THREADS N. As write_loop with steps; but instead of "done" it says how often its threads went to sleep."""
import os
import resource
import sys
import threading

threads, total = int(sys.argv[1]), int(sys.argv[2])
null = os.open("/dev/null", os.O_WRONLY)


def work():
    for _ in range(total // threads):
        os.write(null, b"x")


started = [threading.Thread(target=work) for _ in range(threads)]
os.write(1, b"ready\n")
os.read(0, 100)
before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
for thread in started:
    thread.start()
for thread in started:
    thread.join()
os.write(1, b"%d\n" % (resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before))
os.read(0, 100)
