# SPDX-License-Identifier: MIT
"""giltrace top on a terminal that tmux makes: what is on the screen, what keys do, and how the terminal is left."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess

import pythons
from test_truth import TOYGIL
from tracing import GILTRACE, TraceTest, end, probing_all, wait_for, workload

RATE_SHARE = 0.3  # a rate of some seconds is within this of the rate of the whole run
LINES, COLUMNS = 24, 80
TIMEOUT = 20  # seconds
PROMPT = "all yours>"


class Terminal:
    """bash in a terminal of its own, and giltrace top in it."""

    def __init__(self, test):
        self.socket = os.path.join(test.directory, "tmux")
        settings = os.path.join(test.directory, "bashrc")
        with open(settings, "w", encoding="ascii") as file:
            file.write("PS1='%s '\nunset HISTFILE\n" % PROMPT)
        environment = dict(os.environ, LC_ALL="C.UTF-8")
        environment.pop("TMUX", None)
        subprocess.run(["tmux", "-u", "-S", self.socket, "-f", "/dev/null", "new-session", "-d", "-x", str(COLUMNS), "-y",
                        str(LINES), "bash --noprofile --rcfile " + settings], env=environment, check=True, timeout=60)
        test.addCleanup(self.tmux, "kill-server")
        self.wait(lambda screen: PROMPT in screen, "the shell's prompt")

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-u", "-S", self.socket, *arguments], capture_output=True, check=False,
                              timeout=60).stdout.decode(errors="replace")

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def raw_screen(self):
        """With the escape sequences of colours."""
        return self.tmux("capture-pane", "-p", "-e")

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def wait(self, condition, what):
        """Returns the first screen of which the condition holds."""
        seen = []

        def holds():
            seen[:] = [self.screen()]
            return condition(seen[0])
        try:
            wait_for(holds, what, TIMEOUT)
        except AssertionError as timeout:
            raise AssertionError("%s; the screen was:\n%s" % (timeout, seen[0])) from None
        return seen[0]

    def top(self, *arguments):
        self.type(" ".join(shlex.quote(str(word)) for word in (os.path.abspath(GILTRACE), "top", *probing_all(arguments))))
        self.press("Enter")
        return self.wait(lambda screen: re.search(r"of 0:0[1-9]", screen), "the first figures")

    def stty(self):
        """All settings of the terminal, as another program sees them."""
        tty = self.tmux("display-message", "-p", "#{pane_tty}").strip()
        return subprocess.run(["stty", "-a", "-F", tty], capture_output=True, check=True, timeout=60).stdout

    def pid(self):
        """That of giltrace, a child of the shell."""
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        with open("/proc/%s/task/%s/children" % (shell, shell), encoding="ascii") as file:
            return int(file.read().split()[0])

    def is_alternate(self):
        return self.tmux("display-message", "-p", "#{alternate_on}").strip() == "1"


def rows(screen):
    """The table: a list of the words of each row, by the number that it begins with."""
    return {int(line.split()[0]): line.split() for line in screen.splitlines() if re.match(r" +\d+ \S", line)}


class TopTest(TraceTest):
    def setUp(self):
        super().setUp()
        if not shutil.which("tmux"):
            self.skipTest("tmux is not installed")
        self.terminal = Terminal(self)

    def start_toygil(self, seconds):
        self.truth = os.path.join(self.directory, "truth.json")
        toygil = subprocess.Popen([TOYGIL, "--truth=" + self.truth, "--threads=2", "--duration=%d" % seconds, "mixed"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.addCleanup(end, toygil)
        return toygil

    def assert_given_back(self, before):
        """The terminal is as it was, and shows what it showed."""
        screen = self.terminal.wait(lambda text: text.rstrip().endswith(PROMPT), "the shell's prompt")
        self.assertIn("giltrace top", screen)  # the command, as it was typed
        self.assertFalse(self.terminal.is_alternate())
        self.assertEqual(self.terminal.stty(), before)
        self.terminal.type("status=$((1000 + $?)); clear; echo status $status")
        self.terminal.press("Enter")
        screen = self.terminal.wait(lambda text: re.search(r"^status 1\d+$", text, re.MULTILINE), "the status")
        return int(re.search(r"^status (\d+)$", screen, re.MULTILINE).group(1)) - 1000


class Figures(TopTest):
    def test_rates(self):
        """Each thread with its name, and as many acquisitions a second as toygil counts."""
        toygil = self.start_toygil(9)
        screen = self.terminal.top("-p", toygil.pid)
        self.assertIn("toygil (pid %d)" % toygil.pid, screen)
        self.terminal.press("a")
        screen = self.terminal.wait(lambda text: re.search(r"since reset, 0:0[5-9]", text), "some seconds")
        shown = rows(screen)
        screen = self.terminal.wait(lambda text: "has ended" in text, "the end of toygil")
        self.assertEqual(toygil.wait(60), 0)
        with open(self.truth, encoding="utf-8") as file:
            truth = json.load(file)
        seconds = truth["window"]["duration_ns"] / 1e9
        true = {thread["tid"]: thread for thread in truth["threads"] if thread["acquisitions"] > 5}
        self.assertEqual(set(shown), set(true), screen)
        for tid, thread in true.items():
            self.assertEqual(shown[tid][1], thread["name"])
        grants, of_truth = sum(float(row[4]) for row in shown.values()), sum(t["acquisitions"] for t in true.values()) / seconds
        self.assertAlmostEqual(grants, of_truth, delta=RATE_SHARE * of_truth, msg=screen)
        held = sum(float(row[2].lstrip("<")) for row in shown.values())
        self.assertTrue(80 < held <= 102, screen)
        blamed = re.search(r"Blame: (\S+) \((\d+)\) ([\d.]+) % of waiting: (\S+) \(mixed:\d+\)", screen)
        self.assertEqual(blamed.group(1), true[int(blamed.group(2))]["name"])
        self.assertIn(blamed.group(4), ("worker", "server"))
        self.assertIn("Lost: nothing", screen)

    def test_end(self):
        """It stays, and its last figures are those of all."""
        toygil = self.start_toygil(4)
        self.terminal.top("-p", toygil.pid)
        screen = self.terminal.wait(lambda text: "The process has ended" in text, "the end of toygil")
        self.assertIn("worker-2", screen)
        self.terminal.press("t")
        self.terminal.wait(lambda text: "toygil (ended)" in text, "the table of locks")
        self.terminal.press("q")
        self.terminal.wait(lambda text: text.rstrip().endswith(PROMPT), "the shell's prompt")

    def test_hostile_names(self):
        """What a thread calls itself cannot move the cursor or change a colour."""
        target = self.start_target(pythons.system(), workload("hostile_names"), 120)
        target.hear()
        screen = self.terminal.top("-p", target.pid)
        self.assertIn("\\x1b[31mRED\\x0a\\x07", screen)
        self.assertIn("\\x1b[2J\\xff\\xfe\\x0d", screen)
        self.assertNotIn("\x1b[31mRED", self.terminal.raw_screen())

    def test_several(self):
        """The locks of two processes."""
        pids = [self.start_toygil(120).pid, self.start_toygil(120).pid]
        self.terminal.top("-p", pids[0], "-p", pids[1], "--interval=0.2", "--probes=waits")
        self.terminal.press("t")
        screen = self.terminal.wait(lambda text: "lock of" in text and set(rows(text)) == set(pids), "the table of locks")
        self.assertIn("2 locks", screen)


class Keys(TopTest):
    def setUp(self):
        super().setUp()
        self.stty = self.terminal.stty()
        self.toygil = self.start_toygil(200)
        self.terminal.top("-p", self.toygil.pid, "--interval=0.2")

    def order(self):
        return [line.split()[1] for line in self.terminal.screen().splitlines() if re.match(r" +\d+ \S", line)]

    def test_keys(self):
        terminal = self.terminal
        terminal.press("t")
        terminal.wait(lambda text: "lock of" in text and list(rows(text)) == [self.toygil.pid], "the table of locks")
        terminal.press("t")
        terminal.wait(lambda text: "lock of" not in text and "worker-2" in text, "the table of threads")
        terminal.press("p")
        before = terminal.wait(lambda text: "PAUSED" in text, "the pause")
        terminal.press("?")
        terminal.wait(lambda text: "acquisitions a second" in text, "the help")
        terminal.press("?")
        self.assertEqual(terminal.wait(lambda text: "worker-2" in text, "the table"), before)
        terminal.press("S")  # from the first column round to the last: the number
        wait_for(lambda: list(rows(terminal.screen())) == sorted(rows(before)), "the threads in the order of their numbers")
        terminal.press("S")
        wait_for(lambda: self.order() == sorted(self.order()), "the threads in the order of their names")
        terminal.press("p")
        terminal.wait(lambda text: "PAUSED" not in text, "the end of the pause")
        terminal.press("/")
        terminal.type("WORK")
        terminal.wait(lambda text: "server" not in text and "worker-2" in text, "the filter")
        terminal.press("Enter")
        terminal.wait(lambda text: "[/WORK]" in text, "the end of typing")
        terminal.press("/")
        terminal.type("q")  # a letter of the filter, no order to quit
        terminal.wait(lambda text: not rows(text) and "with: WORKq" in text, "a filter that nothing passes")
        terminal.press("Escape")
        terminal.wait(lambda text: "server" in text, "all rows")
        terminal.wait(lambda text: re.search(r"of 0:0[4-9]", text), "some seconds")
        terminal.press("r")
        terminal.wait(lambda text: re.search(r"of 0:0[0-2]", text), "the reset")

    def test_quit(self):
        self.terminal.press("q")
        self.assertEqual(self.assert_given_back(self.stty), 0)
        self.assertIsNone(self.toygil.poll())

    def test_interrupt(self):
        self.terminal.press("C-c")
        self.assertEqual(self.assert_given_back(self.stty), 0)

    def test_signals(self):
        """Whatever ends it: the terminal is given back."""
        for number, status in ((signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGSEGV, 128 + signal.SIGSEGV)):
            with self.subTest(signal=number):
                os.kill(self.terminal.pid(), number)
                self.assertEqual(self.assert_given_back(self.stty), status)
                self.terminal.top("-p", self.toygil.pid, "--interval=0.2")

    def test_stop(self):
        """Ctrl-Z gives the terminal back meanwhile."""
        self.terminal.press("C-z")
        self.terminal.wait(lambda text: text.rstrip().endswith(PROMPT), "the shell's prompt")
        self.assertFalse(self.terminal.is_alternate())
        self.terminal.type("fg")
        self.terminal.press("Enter")
        self.terminal.wait(lambda text: "worker-2" in text and "grants/s" in text, "the screen again")

    def test_resize(self):
        """Of a narrow and low screen the most important is shown; of a wide one bars too."""
        for columns, lines, there, gone in ((40, 10, "wait %", "p99 wait  "), (160, 50, "= held  - waiting", "~"),
                                            (1, 1, "", "thread"), (20, 5, "gil", "thread"), (80, 24, "p99 wait", "= held")):
            self.terminal.tmux("resize-window", "-x", str(columns), "-y", str(lines))
            screen = self.terminal.wait(lambda text, there=there, gone=gone: there in text and gone not in text,
                                        "a screen of %dx%d" % (columns, lines))
            self.assertLessEqual(max(map(len, screen.splitlines() or [""])), columns)
            self.assertLessEqual(len(screen.splitlines()), lines)
        self.assertIn("worker-2", screen)


class Refused(TraceTest):
    def test_no_terminal(self):
        self.assert_one_line(self.run_giltrace("top", "-p", os.getpid()), 2, "needs a terminal")

    def test_options(self):
        for arguments, word in ((["-p", 1, "--interval=0.05"], "--interval"), (["-p", 1, "--interval=1.5"], "--interval"),
                                (["--", "true"], "top"), (["-p", 1, "-d", 3], "-d"), (["-p", 1, "--json"], "report"),
                                ([], "which process"), (["-p", 1, "-o", "x"], "-o")):
            self.assert_one_line(self.run_giltrace("top", *arguments), 2, word)
        self.assert_one_line(self.run_giltrace("-p", 1, "--interval=1"), 2, "giltrace top")
