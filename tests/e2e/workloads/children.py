"""Usage: METHOD CHILDREN N [steps]. Child i (from 1) makes N x i GIL cycles, each an os.write, and ends.

METHOD: bare (os.fork and nothing around it), prefork (the same, but the children live from before "ready" and work when
told), fork, spawn, forkserver (multiprocessing's), subprocess (this program again), exec (a child that replaces itself
by this program), or work (no children: it makes the cycles itself). With "steps" it says "ready", waits for a line, works, says "done" and waits again."""
import os
import subprocess
import sys
import threading

null = os.open("/dev/null", os.O_WRONLY)


def work(cycles):
    for _ in range(cycles):
        os.write(null, b"x")


def step(line, wanted):
    if wanted:
        os.write(1, line)
        os.read(0, 100)


def fork(cycles, gate=None):
    pid = os.fork()
    if not pid:
        if gate is not None:
            os.read(gate, 1)
        work(cycles)
        os._exit(0)
    return pid


def itself(cycles):
    return [sys.executable, os.path.abspath(__file__), "work", "1", str(cycles)]


def fork_and_exec(cycles):
    pid = os.fork()
    if not pid:
        work(cycles)
        os.execv(sys.executable, itself(cycles))
    return pid


def main():
    method, children, cycles = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    steps = len(sys.argv) > 4
    started = threading.Thread(target=int)  # up to 3.6, there is no lock before the first thread
    started.start()
    started.join()
    shares = [cycles * (i + 1) for i in range(children)]
    if method == "work":
        work(cycles)
        return
    if method == "prefork":
        gate, opener = os.pipe()
        pids = [fork(share, gate) for share in shares]
    step(b"ready\n", steps)
    if method == "prefork":
        os.write(opener, b"x" * children)
    elif method == "bare":
        pids = [fork(share) for share in shares]
    elif method == "exec":
        pids = [fork_and_exec(share) for share in shares]
    elif method == "subprocess":
        for process in [subprocess.Popen(itself(share)) for share in shares]:
            process.wait()
        pids = []
    else:
        import multiprocessing
        context = multiprocessing.get_context(method)
        started = [context.Process(target=work, args=(share,)) for share in shares]
        for process in started:
            process.start()
        for process in started:
            process.join()
        pids = []
    for pid in pids:
        os.waitpid(pid, 0)
    step(b"done\n", steps)


if __name__ == "__main__":
    main()
