# SPDX-License-Identifier: MIT
"""Stacks that the kernel side read, of holders and of waiters, against the program's own account: name, file, line."""

import json
import re
import unicodedata

import blame
import pythons
from test_frames import EVERY, as_told
from tracing import TraceTest, workload

DEPTH = 128
ESCAPED = ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")  # categories, and more
CUT = "[deeper frames cut]"


def plain(text):
    """What a report shows of a text that needs no escaping; None: it needs some."""
    if any(unicodedata.category(c) in ESCAPED or c in "\\\ufffd" for c in text):
        return None
    return text


def readable(stack):
    """The frames as a report has them; those with names that it escapes are left out."""
    return [frame for frame in stack if plain(frame[0]) is not None and plain(frame[1] or "") is not None]


@pythons.for_each(EVERY)
class Frames(TraceTest):
    def trace_frames(self, program, mode, *options):
        result = self.trace("--quiet", *options, "--", program, workload("frames"), mode, status=None)
        if result.status == 77:
            self.skipTest("this Python has no ctypes")
        self.assertEqual(result.status, 0, result.err)
        report = result.report
        self.assert_nothing_lost(report)
        blame.check_quality(self, report)
        three = report["target"]["version"][0] == "3"
        said = [[(as_told(name, three).decode(errors="replace"), as_told(file, three).decode(errors="replace"), line)
                 for name, file, line in stack] for stack in json.loads(result.out.splitlines()[-1])]
        return report, said

    def seen(self, report, whose):
        stacks = []
        for entry in report["blame"]:
            frames = [(f["name"], f["file"] or "", f["line"]) for f in entry[whose] if f["kind"] == "python"]
            notes = [f["name"] for f in entry[whose] if f["kind"] == "note"]
            stacks.append((readable(frames), notes))
        return stacks

    def assert_seen(self, report, whose, said):
        seen = self.seen(report, whose)
        self.assertGreater(len(said), 8)
        for stack in said:
            wanted = (readable(stack[:DEPTH]), [CUT] if len(stack) > DEPTH else [])
            self.assertIn(wanted, seen, "not among what was seen: %s" % (stack[:4],))
        self.assertTrue(any(len(stack) > DEPTH for stack in said), "one is deeper than is read")

    def check_holders(self, program):
        report, said = self.trace_frames(program, "holding")
        self.assert_seen(report, "stack", said)

    def check_waiters(self, program):
        report, said = self.trace_frames(program, "waiting")
        self.assert_seen(report, "waiter_stack", said)


@pythons.for_each(["pyenv 2.7", "pyenv 3.8", pythons.NAMES[0], "pyenv 3.13", "forky 3.15"])
class Chains(TraceTest):
    """Functions whose names say who calls them, called as fast as can be: a stack in which one is called by another than
    that never was, so it was torn and not noticed."""

    def check_torn(self, program):
        report = self.trace("--quiet", "--", program, workload("chains"), 2).report
        self.assert_nothing_lost(report)
        blame.check_quality(self, report)
        checked = 0
        for entry in report["blame"]:
            for stack in (entry["stack"], entry["waiter_stack"]):
                names = [f["name"].split(".")[-1] for f in stack if f["kind"] == "python"]
                for callee, caller in zip(names, names[1:]):
                    if re.fullmatch("f(_[0-9])+", callee):
                        self.assertEqual(caller, callee[:-2], names)
                        checked += 1
                    elif callee == "f":
                        self.assertEqual(caller, "spin", names)
                    elif callee == "fibonacci":
                        self.assertIn(caller, ("fibonacci", "spin"), names)
        self.assertGreater(checked, 100)


class Depth(TraceTest):
    def test_cut_where_asked(self):
        report = self.trace("--quiet", "--depth=3", "--", pythons.system(), workload("culprit"), "re", 0.5).report
        for entry in report["blame"]:
            for stack in (entry["stack"], entry["waiter_stack"]):
                python = [f for f in stack if f["kind"] == "python"]
                self.assertLessEqual(len(python), 3)
                if len(python) == 3 and python[-1]["name"] != "Thread._bootstrap":
                    self.assertEqual(stack[-1]["name"] in (CUT, python[-1]["name"]), True, stack)
        self.assertGreater(report["stacks"]["cut"], 0)

    def test_none(self):
        report = self.trace("--quiet", "--stacks=none", "--", pythons.system(), workload("culprit"), "re", 0.5).report
        self.assertEqual([b["stack"] + b["waiter_stack"] for b in report["blame"] if b["stack"] or b["waiter_stack"]], [])
        self.assertEqual(report["release_points"], [])
        self.assertEqual(report["hogs"], [])
