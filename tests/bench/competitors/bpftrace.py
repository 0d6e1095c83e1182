# SPDX-License-Identifier: MIT
"""bpftrace on the call sites: waits, failed attempts and holds. What is no function's entry it takes only with
--unsafe, and then, as it stands in Debian 12, only where no symbol covers the number, which it uses as an offset in the
file as it is. Where one does, it has to do with the functions' entries and take_gil's return, if it can find them."""
import re
import signal
import subprocess

from turns import Tracer

from .case import LeftOut

NAME = "bpftrace"
# Not in BEGIN, which is before it attaches the others.
READY = """
interval:ms:50 /!@ready/ { @ready = 1; printf("attached\\n"); }
"""
ON_SITES = """
%(blocked)s { if (@since[tid]) { @failed = count(); } else { @since[tid] = nsecs; } }
%(acquired)s { if (@since[tid]) { @wait = hist(nsecs - @since[tid]); delete(@since[tid]); } @taken[tid] = nsecs; }
%(released)s { if (@taken[tid]) { @hold = hist(nsecs - @taken[tid]); delete(@taken[tid]); } }
END { clear(@since); clear(@taken); clear(@ready); }
""" + READY
ON_FUNCTIONS = """
uprobe:%(libc)s:pthread_cond_timedwait { @failed[tid] = count(); }
uprobe:%(file)s:take_gil { @since[tid] = nsecs; }
uretprobe:%(file)s:take_gil { if (@since[tid]) { @wait = hist(nsecs - @since[tid]); } @taken[tid] = nsecs; }
uprobe:%(file)s:drop_gil { if (@taken[tid]) { @hold = hist(nsecs - @taken[tid]); delete(@taken[tid]); } }
END { clear(@since); clear(@taken); clear(@failed); clear(@ready); }
""" + READY


def symbols_of(file):
    """(value, size, name) of all its functions."""
    text = "".join(subprocess.run(["nm", "-S", *kind, file], capture_output=True, text=True).stdout
                   for kind in ([], ["-D"]))
    return [(int(value, 16), int(size, 16), name)
            for value, size, name in re.findall(r"^(\w+) (\w+) [TtWwi] ([^\s@]+)", text, re.M)]


def script_for(case):
    """And on what."""
    symbols, events = symbols_of(case.file), ("blocked", "acquired", "released")
    numbers = [int(offset, 16) for offset in case.offsets(*events)]
    if not any(value <= number < value + size for number in numbers for value, size, _ in symbols):
        return "the same call sites", ON_SITES % {
            event: ",".join("uprobe:%s:%s" % (case.file, offset) for offset in case.offsets(event)) for event in events}
    with open("/proc/%d/maps" % case.pid, encoding="utf-8") as maps:
        libc = re.search(r"(/\S*/libc\.so\.6)$", maps.read(), re.M)
    if not libc or not {"take_gil", "drop_gil"} <= {name for _, _, name in symbols}:
        raise LeftOut(NAME, "%s has symbols, but none of take_gil and drop_gil" % case.file)
    return "take_gil and drop_gil", ON_FUNCTIONS % {"libc": libc.group(1), "file": case.file}


def holds_seen(out, _errors):
    """The sum over the histogram's rows."""
    rows = re.search(r"^@hold: *\n((?:[\[(].*\n)+)", out, re.M)
    return sum(map(int, re.findall(r"[)\]] +(\d+) \|", rows.group(1)))) if rows else 0


class Bpftrace(Tracer):
    def stop(self):
        """0.17 at times overhears a signal."""
        for _ in range(5):
            self.process.send_signal(signal.SIGINT)
            try:
                return self.process.communicate(timeout=4)
            except subprocess.TimeoutExpired:
                pass
        self.process.kill()
        return self.process.communicate()


def make(case):
    program = case.need(NAME, "bpftrace")
    whom = [] if case.is_many else ["-p", str(case.pid)]
    where, script = script_for(case)
    return Bpftrace(NAME, [program, "--unsafe", "-B", "line", *whom, "-e", script], ("stdout", "attached"), holds_seen,
                    where)
