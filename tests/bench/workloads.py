#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs whose speed is measured: each counts its own work. Says its pid, then for each line that it reads how much was
done. workloads.py NAME"""
import hashlib
import os
import socket
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
}
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


def idle():
    time.sleep(0.05)
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
    else:
        steps = [idle] * int(count)
    if kind == "idle":
        threading.stack_size(65536)
    for step in steps:
        threading.Thread(target=counting(step), daemon=True).start()


if __name__ == "__main__":
    null = os.open("/dev/null", os.O_WRONLY)
    block = bytes(65536)
    start(sys.argv[1])
    print(os.getpid(), flush=True)
    for _ in sys.stdin:
        print(sum(list(done.values())), flush=True)
