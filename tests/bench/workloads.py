#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs whose speed is measured: each counts its own work. Says its pid, and those of its children, then for each
line that it reads how much was done. workloads.py NAME"""
import hashlib
import mmap
import os
import random
import socket
import struct
import sys
import threading
import time

TITLES = {
    "write-1": "os.write loop, 1 thread: the worst case",
    "write-2": "os.write loop, 2 threads",
    "write-8": "os.write loop, 8 threads",
    "cpu-2": "2 CPU-bound threads",
    "convoy": "a CPU-bound thread and one that wants the lock back at once, again and again",
    "http": "a threaded server on loopback, 4 clients that wait 2 ms between requests",
    "release": "2 threads that hash 64 KiB at a time without the lock, as NumPy would",
    "idle-64": "64 mostly idle threads",
    "idle-1000": "1000 mostly idle threads",
    "herd-1000": "1000 threads that wake up 20 times a second each: as much as the lock can take",
    "processes-50": "50 light processes of 2 threads each",
}
# Only when asked for: no tracer withstands it, and with each it takes minutes.
HOPELESS = "herd-1000"
USUAL = [name for name in TITLES if name != HOPELESS]
HELP = "repeatable; else all but " + HOPELESS
# What other benchmarks ask for: a thread that writes, all others take the lock once in 10 s; nothing that takes it.
PARTS = ("crowd-2", "crowd-1000", "rest")
done = {}


def counting(step):
    """A thread that repeats the step and counts."""
    def run():
        mine = threading.get_ident()
        done[mine] = 0
        while True:
            done[mine] += step()
    return run


def write():
    for _ in range(100):
        os.write(null, b"x")
    return 100


def compute():
    sum(range(1000))
    return 1


def hash_much():
    hashlib.sha256(block).digest()
    return 1


def nap():
    time.sleep(0)
    return 1


def idle(period=0.05):
    time.sleep(random.uniform(0, 2 * period))  # not all at once
    return 1


def idle_long():
    return idle(1)


def rarely():
    time.sleep(10)
    return 0


def be_light():
    sum(range(2000))
    time.sleep(0.01)
    return 1


def serve():
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection):
        while connection.recv(1000):
            sum(range(2000))
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def accept():
        while True:
            threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()


def ask(address):
    connection = socket.create_connection(address)

    def step():
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        connection.recv(1000)
        time.sleep(0.002)
        return 1
    return step


def start(name):
    kind, _, count = name.partition("-")
    if kind == "write":
        steps = [write] * int(count)
    elif kind == "cpu":
        steps = [compute] * int(count)
    elif kind == "convoy":
        steps = [compute, nap]
    elif kind == "http":
        address = serve()
        steps = [ask(address) for _ in range(4)]
    elif kind == "release":
        steps = [hash_much] * 2
    elif kind == "crowd":
        steps = [write] + [rarely] * (int(count) - 1)
    elif kind == "rest":
        steps = []
    else:
        steps = [idle_long if name == "idle-1000" else idle] * int(count)
    if len(steps) > 8:
        threading.stack_size(65536)
    start_all(steps)


def start_all(steps):
    for step in steps:
        threading.Thread(target=counting(step), daemon=True).start()


def done_here():
    return sum(list(done.values()))


def be_child(counts, number):
    """Two threads; tells 20 times a second what they did, and ends with its parent."""
    parent = os.getppid()
    start_all([be_light] * 2)
    while os.getppid() == parent:
        time.sleep(0.05)
        struct.pack_into("q", counts, 8 * number, done_here())
    os._exit(0)


def fork_all(count):
    """The children's pids, and what tells how much they have done together."""
    counts, pids = mmap.mmap(-1, 8 * count), []
    for number in range(count):
        pids.append(os.fork())
        if not pids[-1]:
            be_child(counts, number)
    return pids, lambda: sum(struct.unpack("%dq" % count, counts[:]))


def main(name):
    pids, done_so_far = [], done_here
    if name.startswith("processes-"):
        pids, done_so_far = fork_all(int(name.split("-")[1]))
    else:
        start(name)
    print(os.getpid(), *pids, flush=True)
    for _ in sys.stdin:
        print(done_so_far(), flush=True)


if __name__ == "__main__":
    null = os.open("/dev/null", os.O_WRONLY)
    block = bytes(65536)
    main(sys.argv[1])
