"""Usage: HOW [ARG...]. Says "ready", waits for a line, then ends in one of several ways while a thread is busy."""
import os
import signal
import sys
import threading
import time
import warnings

how = sys.argv[1]
warnings.simplefilter("ignore")  # of forking with threads: that is what is tested
null = os.open("/dev/null", os.O_WRONLY)


def busy():
    while True:
        os.write(null, b"x")
        sum(range(500))


def fork_children(count):
    for _ in range(count):
        child = os.fork()
        if child == 0:
            for _ in range(5000):
                os.write(null, b"x")
            os._exit(0)
        os.waitpid(child, 0)


for _ in range(3):
    thread = threading.Thread(target=busy)
    thread.daemon = True
    thread.start()
os.write(1, b"ready\n")
os.read(0, 100)
time.sleep(0.2)
if how == "exit":  # the daemon threads are still at work when the interpreter finalises
    sys.exit(3)
elif how == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
elif how == "exec":
    os.execv(sys.argv[2], sys.argv[2:])
elif how == "exec-from-thread":
    thread = threading.Thread(target=os.execv, args=(sys.argv[2], sys.argv[2:]))
    thread.start()
    thread.join()
elif how == "fork":
    fork_children(int(sys.argv[2]))
    os.write(1, b"forked\n")
    os.read(0, 100)
elif how == "fork-and-stay":
    if os.fork() == 0:
        os.write(1, b"%d\n" % os.getpid())
        os.read(0, 100)
        os._exit(0)
    time.sleep(60)
elif how == "abort":
    os.abort()
