"""Threads whose names would harm a terminal or a JSON reader, at work for ten seconds; says "ready" when they have them."""
import ctypes
import os
import threading
import time

NAMES = [b"\x1b[31mred\x1b[2J", b"a\nb\tc\rd", b'q"\\<&>\'', b"\xff\xfe\x80", b"", "Müller \U0001f40d".encode(),
         b"\x9b2J\x7f\x07", b"%s%n%d{}", b"plain"]
null = os.open("/dev/null", os.O_WRONLY)
named = threading.Semaphore(0)
end = time.time() + 10


def work(name):
    ctypes.CDLL(None).prctl(15, ctypes.c_char_p(name), 0, 0, 0)  # PR_SET_NAME
    named.release()
    while time.time() < end:
        os.write(null, b"x")
        sum(range(2000))


for name in NAMES:
    thread = threading.Thread(target=work, args=(name,))
    thread.daemon = True
    thread.start()
for _ in NAMES:
    named.acquire()
os.write(1, b"ready\n")
time.sleep(10)
