# SPDX-License-Identifier: MIT
"""--fail-if on real traces: the documented statuses, what stderr says, and that the reports are there all the same."""

import json
import os
import re

import pythons
from tracing import TraceTest, workload

DOCUMENT = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "fail-if.md")


def examples():
    with open(DOCUMENT, encoding="utf-8") as file:
        return re.findall(r"^\| `([^`]+)` \| .*$", file.read(), re.MULTILINE)


def conditions(*texts):
    return ["--fail-if=" + text for text in texts]


class Running(TraceTest):
    def setUp(self):
        super().setUp()
        self.target = self.start_target(pythons.system(), workload("spin"), 3, 0.002, 120)
        self.target.hear()

    def check(self, *texts, status, options=("-d", 0.4)):
        result = self.trace("--quiet", "-p", self.target.pid, *options, *conditions(*texts), status=status)
        return result, result.err.splitlines()

    def test_holds(self):
        """The value that is told is the report's."""
        result, lines = self.check("wait.max > 1us", status=6)
        self.assertEqual(len(lines), 1, result)
        told = re.fullmatch(r"giltrace: --fail-if='wait.max > 1us' holds: wait\.max = ([0-9.]+) (us|ms|s)", lines[0])
        self.assertTrue(told, lines[0])
        ns = float(told.group(1)) * {"us": 1e3, "ms": 1e6, "s": 1e9}[told.group(2)]
        longest = result.report["gils"][0]["wait"]["max_ns"]
        self.assertAlmostEqual(ns / longest, 1, delta=0.01)

    def test_does_not_hold(self):
        _, lines = self.check("wait.max > 1000s", "lost.events > 0", "threads.count == 0", status=0)
        self.assertEqual(lines, [])

    def test_each_is_asked(self):
        """Each that holds is told, in the order in which they were given."""
        _, lines = self.check("contended > 0", "lost.events > 0", "not contended == 0", "probes.level == 'all'", status=6)
        self.assertEqual([re.search("'(.*)' holds", line).group(1) for line in lines],
                         ["contended > 0", "not contended == 0", "probes.level == 'all'"])

    def test_any_thread(self):
        """The condition says what a reader of the JSON computes from it."""
        result, lines = self.check("threads[any].waited / duration > 1%", status=6)
        report = result.report
        shares = [thread["waited_ns"] / report["window"]["duration_ns"] for thread in report["threads"]]
        index, share = re.search(r"threads\[(\d+)\]\.waited_ns \(.*\) = .*duration = ([0-9.]+) %$", lines[0]).groups()
        self.assertAlmostEqual(float(share) / 100, shares[int(index)], delta=0.0001)

    def test_reports_are_written_first(self):
        name = os.path.join(self.directory, "blame.folded")
        result = self.trace("-p", self.target.pid, "-d", 0.4, "--folded=" + name, "--fail-if=contended > 0", status=6)
        self.assertIn("Who blocked whom", result.out)
        self.assertEqual(result.report["schema"], "giltrace/1")
        self.assertGreater(os.path.getsize(name), 0)

    def test_json_on_stdout(self):
        """stdout has nothing but the JSON."""
        result = self.run_giltrace("-p", self.target.pid, "-d", 0.2, "--json", "--fail-if=contended > 0")
        self.assertEqual(result.status, 6, result)
        self.assertEqual(json.loads(result.out)["schema"], "giltrace/1")

    def test_report_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            result = self.run_giltrace("-p", self.target.pid, "-d", 0.2, "--fail-if=contended > 0", stdout=full)
        self.assertEqual(result.status, 1, result)
        self.assertIn("cannot write", result.err)
        self.assertIn("holds", result.err)

    def test_unknown(self):
        """One line and 1, not a condition that silently does not hold."""
        for text, words in (("probes.longest > 1ms", "unknown"), ("gils[7].contended > 0", "there is no [7]"),
                            ("duration / lost.events > 1s", "division by zero"),
                            ("thread[\"no such\"].waited > 0", "nothing is called \"no such\"")):
            with self.subTest(text=text):
                result, lines = self.check(text, status=1, options=("-d", 0.1))
                self.assertEqual(len(lines), 1, result)
                self.assertIn("cannot be told: ", lines[0])
                self.assertIn(words, lines[0])

    def test_unknown_beside_one_that_holds(self):
        _, lines = self.check("probes.longest > 1ms", "true", status=6)
        self.assertEqual(len(lines), 2)

    def test_examples(self):
        """Each condition of the documentation is one, and those on what every trace has are told."""
        self.assertGreater(len(examples()), 12)
        _, lines = self.check(*examples(), status=6)
        told = [line for line in lines if "cannot be told" in line]
        for line in told:
            self.assertRegex(line, r"thread\[\"io-1\"\]|gils\[1\]", "an example that cannot be told of a usual trace")

    def test_waits(self):
        _, lines = self.check("wait.max > 1us and waited / duration > 1%", status=6,
                              options=("--probes=waits", "-d", 0.4))
        self.assertEqual(len(lines), 1)


class Wrong(TraceTest):
    """Before anything is traced or started."""

    def refused(self, text, *words, options=()):
        proof = os.path.join(self.directory, "proof")
        result = self.run_giltrace(*options, *conditions(text), "--", "touch", proof)
        self.assert_one_line(result, 2, *words)
        self.assertFalse(os.path.exists(proof), "the command was started")

    def test_wrong(self):
        for text, words in (("hold.p9 > 1ms", ("character 6", "p99_ns")), ("", ("character 1",)),
                            ("wait.max > 10", ("character 10", "a time")), ("wait.max > 10m", ("no such unit",)),
                            ("(wait.max > 1ms", ("character 16", ")")), ("wait.max", ("comparison",)),
                            ("nothing > 1", ("no \"nothing\"",)), ("1" * 2000, ("at most 1024",))):
            with self.subTest(text=text):
                self.refused(text, *words)

    def test_level(self):
        """What this level does not know, whatever the order of the options."""
        self.refused("hold.p99 > 1ms", "character 1", "--probes=waits", options=("--probes=waits",))
        result = self.run_giltrace("--fail-if=hold.p99 > 1ms", "--probes=waits", "-p", os.getpid())
        self.assert_one_line(result, 2, "--probes=waits")

    def test_too_many(self):
        result = self.run_giltrace(*conditions(*["true"] * 33), "-p", os.getpid())
        self.assert_one_line(result, 2, "at most 32")

    def test_control_characters(self):
        """An expression with an escape sequence in it, as a script may put it together, does not reach the terminal."""
        result = self.run_giltrace("--fail-if=wait\x1b[31m > 1ms\n", "-p", os.getpid())
        self.assert_one_line(result, 2, "\\x1b[31m")


class Command(TraceTest):
    CODE = "import sys, threading, time; t = threading.Thread(target=time.sleep, args=(0.1,)); t.start(); t.join(); sys.exit(3)"

    def test_status(self):
        """A condition that holds comes before the command's own status; one that does not leaves it."""
        for text, status in (("acquisitions > 0", 6), ("acquisitions == 0", 3), ("probes.longest > 1s", 1)):
            self.trace("--quiet", *conditions(text), "--", pythons.system(), "-c", self.CODE, status=status)

    def test_nobody_waits(self):
        """Of no wait there is no percentile: nothing is wrong with that."""
        result = self.trace("--quiet", *conditions("wait.p99 > 0", "not wait.p99 > 0"), "--", pythons.system(), "-c", "pass",
                            status=0)
        self.assertEqual(result.report["gils"][0]["wait"]["count"], 0)
        self.assertEqual(result.err, "")
