# SPDX-License-Identifier: MIT
"""Two threads that compute, with names that would change a terminal's colours and move its cursor: SECONDS."""

import ctypes
import sys
import threading
import time

PR_SET_NAME = 15
end = time.monotonic() + float(sys.argv[1])


def compute(name):
    ctypes.CDLL(None).prctl(PR_SET_NAME, ctypes.c_char_p(name), 0, 0, 0)
    while time.monotonic() < end:
        sum(range(1000))


threads = [threading.Thread(target=compute, args=(name,)) for name in (b"\x1b[31mRED\n\x07", b"\x1b[2J\xff\xfe\r")]
for thread in threads:
    thread.start()
print("ready", flush=True)
for thread in threads:
    thread.join()
