# SPDX-License-Identifier: MIT
"""Usage: SECONDS. Two threads that compute, each in functions made for the moment, with long names that no other has:
many stacks, which do not compress. Says "ready" when both run."""
import os
import random
import string
import sys
import threading
import time

sys.setswitchinterval(0.001)
end = time.time() + float(sys.argv[1])
LETTERS = string.ascii_letters + string.digits
FUNCTION = """
def %s():
    total = 0
    for i in range(20000):
        total += i
    return total
"""


def work(seed):
    numbers = random.Random(seed)
    os.write(1, b"ready\n"[6 * (seed != 1):])
    while time.time() < end:
        name = "f_" + "".join(numbers.choice(LETTERS) for _ in range(200))
        names = {}
        exec(FUNCTION % name, names)
        names[name]()


threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
for thread in threads:
    thread.daemon = True
    thread.start()
for thread in threads:
    thread.join()
