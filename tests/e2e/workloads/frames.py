# -*- coding: utf-8 -*-
# SPDX-License-Identifier: MIT
"""Threads that stand in all kinds of Python code. Once all do, it says as JSON what sys._current_frames() says of each,
and then stands still with the lock held.

With the argument "holding" one thread comes to the same places one after another and sleeps at each with the lock held,
while another waits for it; with "waiting" it comes back to the lock there, which the other holds. Says the stacks that it
had. Python 2.7 and later."""

from __future__ import print_function

try:
    import ctypes
except ImportError:
    ctypes = None
import json
import sys
import threading
import time

if not ctypes:
    sys.exit(77)
THREE = sys.version_info >= (3,)
door = threading.Lock()
door.acquire()
arrived = []
MODE = sys.argv[1] if len(sys.argv) > 1 else ""
told = []
turns = []  # one for each time that the other thread had the lock
kept = []  # code that was made here: it can be named for as long as it lives, and no longer
sleep_holding = ctypes.PyDLL(None).usleep


def stack_of(frame):
    found = []
    while frame:
        code = frame.f_code
        found.append([getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return found


def until_waited_for(frame):
    """Tells where the frame is, then goes on until the other thread came for the lock there, also on a busy machine."""
    told.append(stack_of(frame))
    before = len(turns)
    for i in range(20):
        if i > 1 and len(turns) - before >= 3:  # the first may have waited since an earlier place
            return
        yield i


def stop():
    if MODE == "holding":
        for _ in until_waited_for(sys._getframe()): sleep_holding(20000); time.sleep(0.002)
        return
    if MODE == "waiting":
        told.append(stack_of(sys._getframe())); time.sleep(0.002); time.sleep(0.003); time.sleep(0.001); time.sleep(0.002)
        return
    arrived.append(1)
    (door
     .acquire())


def nested():
    def inner():
        def innermost():
            return (lambda: [
                1,
                stop()])()
        return innermost()
    return inner()


def recursion(depth=400):
    if depth:
        return recursion(
            depth - 1)
    stop()


def generator():
    def numbers():
        yield 1
        for _ in range(2):
            yield (2,
                   stop())
    for number in numbers():
        list(n for n in [number])


def comprehensions():
    return [
        [1, {
            key: set(
                stop() for _ in "a")
            for key in (1,
                        2)}]
        for _ in
        range(3)]


def called_by_c():
    class Key(object):
        def __lt__(self, other):
            try:
                raise ValueError
            except ValueError:
                stop()
            finally:
                self.other = other
    return sorted(map(lambda n: (
        Key()), range(2)))


class Klass(object):
    @property
    def value(self):
        with self:
            return 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        class Body(object):
            stop()

    @staticmethod
    def read():
        return Klass().value


def long_function():
    lines = ["def far(x):"]
    for i in range(3000):
        lines += ["    x = [x, {%d: 'a%d'},\n         x][0]" % (i, i)] + [""] * (i % 200)
    lines += ["    return stop()"]
    exec_source("\n".join(lines) + "\nfar(1)\n", "far away.py")


def exec_source(source, filename):
    kept.append(compile(source, filename, "exec"))
    exec(kept[-1], {"stop": stop, "sys": sys})


def odd_files():
    names = [u"<exec \u00e9>", u"\u4e2d\u6587.py", u"\U0001f40d.py", "x" * 10000, "\x1b[31m\n\"</script>.py", ""]
    names = [name if THREE else name.encode("utf-8") for name in names]
    names += [u"\udcff\udc80.py", u"\ud800"] if THREE else [b"\xff\x80"]
    source = "\n" * 300 + "def f(names):\n  if not names: return stop()\n" + "\n" * 200
    source += "  names[0](names[1:])\n"

    def next_one(rest):
        scope = {"stop": stop}
        kept.append(compile(source, rest[0] if rest else "last", "exec"))
        exec(kept[-1], scope)
        return scope["f"]([next_one, rest[1:]][:1] + rest[1:] if rest else [])
    next_one(names)


def not_ascii():
    exec_source(u"def caf\u00e9():\n    return \u4e2d\u6587(1)\n\ndef \u4e2d\u6587(x):\n    return \U00010400()\n\n"
                u"def \U00010400():\n    class \u00c4:\n        def \u00f6(self): stop()\n    \u00c4().\u00f6()\n"
                u"caf\u00e9()\n", "names.py")


def coroutines():
    exec_source("""
class Awaitable:
    def __await__(self):
        yield from (stop() for _ in range(1))

async def inner():
    await Awaitable()

async def outer():
    async def between():
        return [await
                inner()]
    return await (
        between())

outer().send(None)
""", "coroutines.py")


def delegation():
    exec_source("""
def leaf():
    stop()
    yield 1

def middle():
    x = yield from leaf()

def outer():
    yield from (y for y in middle())

next(outer())
""", "delegation.py")


def replaced():
    def plain():
        stop()
    names = {"co_name": "a\0b", "co_filename": "c\0d\r\x7f\x9b"}
    if sys.version_info >= (3, 11):
        names["co_qualname"] = "q\0" + "n" * 5000
    plain.__code__ = plain.__code__.replace(**names)
    kept.append(plain.__code__)
    plain()


def generic():
    exec_source("""
class A[T]:
    def f[S](self, x: S = 1) -> S:
        type X = [stop() for _ in [
            1]]
        return X.__value__
    x = property(f)
a = A()
a.x
""", "generic.py")


def unwinding():
    def thrower():
        try:
            yield 1
        finally:
            stop()
    active = thrower()
    next(active)
    active.close()


BEHAVIOURS = [nested, recursion, generator, comprehensions, called_by_c, Klass.read, long_function, odd_files, unwinding]
BEHAVIOURS += [not_ascii, coroutines, delegation] if THREE else []
BEHAVIOURS += [replaced] if sys.version_info >= (3, 8) else []
BEHAVIOURS += [generic] if sys.version_info >= (3, 12) else []


def stacks():
    for thread, frame in sys._current_frames().items():
        found = stack_of(frame)
        if thread != threading.current_thread().ident:
            yield thread, found


def tell():
    while len(arrived) < len(BEHAVIOURS):
        time.sleep(0.01)
    time.sleep(0.3)  # until all are in acquire()
    said = dict(stacks())
    if not THREE:
        said = dict((t, [[n.decode("latin-1"), f.decode("latin-1"), l] for n, f, l in s]) for t, s in said.items())
    say(said)
    ctypes.PyDLL(None).pause()


def say(value):
    print(json.dumps(value))
    sys.stdout.flush()


def other():
    while not told or told[-1] != "end":
        if MODE == "holding":
            time.sleep(0.001)
            turns.append(1)
        else:
            sleep_holding(4000)
            if not THREE:
                time.sleep(0.0005)  # the old lock goes to whoever asks first, and that is mostly the one that let it go


def take_turns():
    thread = threading.Thread(target=other)
    thread.start()
    for behaviour in BEHAVIOURS:
        one = threading.Thread(target=behaviour)
        one.start()
        one.join()
    stacks = told[:]
    told.append("end")
    thread.join()
    if not THREE:
        stacks = [[[n.decode("latin-1"), f.decode("latin-1"), l] for n, f, l in s] for s in stacks]
    say(stacks)


sys.setrecursionlimit(5000)
if MODE:
    take_turns()
    sys.exit(0)
for behaviour in BEHAVIOURS:
    thread = threading.Thread(target=behaviour)
    thread.daemon = True
    thread.start()
teller = threading.Thread(target=tell)
teller.daemon = True
teller.start()
door.acquire()
