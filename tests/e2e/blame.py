# SPDX-License-Identifier: MIT
"""Reading the blame of a report."""


def python_frames(stack):
    return [(f["name"], f["line"]) for f in stack if f["kind"] == "python"]


def share(report, chosen):
    """Of all time that was waited, the share whose holder's stack `chosen` says yes to."""
    total = sum(b["wait_ns"] for b in report["blame"])
    return sum(b["wait_ns"] for b in report["blame"] if chosen(b["stack"])) / total


def share_of_frame(report, function, line):
    return share(report, lambda stack: any(name.split(".")[-1] == function and at == line
                                           for name, at in python_frames(stack)))


def waits_with_stacks(report):
    """Of the waits, the share whose holder's stack is known."""
    known = sum(b["waits"] for b in report["blame"] if b["stack"])
    return known / max(1, sum(b["waits"] for b in report["blame"]))


def check_quality(test, report):
    """What holds of every report of Python code."""
    stacks = report["stacks"]
    waited = sum(g["waited_ns"] + g["open"]["waited_ns"] for g in report["gils"])
    blamed = sum(b["wait_ns"] for b in report["blame"])
    test.assertLessEqual(abs(waited - blamed), 0.01 * waited, "the blame adds up to the waits")
    test.assertGreaterEqual(waits_with_stacks(report), 0.99, "waits with a holder's stack: %s" % stacks)
    test.assertLess(stacks["torn"], 0.005 * stacks["walks"] + 1, "torn walks")
