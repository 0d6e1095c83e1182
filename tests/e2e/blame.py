# SPDX-License-Identifier: MIT
"""Reading the blame of a report."""


def python_frames(stack):
    return [(f["name"], f["line"]) for f in stack if f["kind"] == "python"]


def share(report, chosen):
    """Of all time that was waited, the share whose holder's stack `chosen` says yes to. What the thread that made others
    wait the longest with such stacks waited itself is left out: it is no victim."""
    made_wait = {}
    for entry in report["blame"]:
        made_wait[entry["holder"]] = made_wait.get(entry["holder"], 0) + (entry["wait_ns"] if chosen(entry["stack"]) else 0)
    worst = max(made_wait, key=made_wait.get)
    victims = [b for b in report["blame"] if b["waiter"] != worst]
    return sum(b["wait_ns"] for b in victims if chosen(b["stack"])) / sum(b["wait_ns"] for b in victims)


def heads(report):
    """The worst of the blame, for a test that fails."""
    return "\n".join("%.1f ms, %d waits: %d waits for %s in %s" % (
        b["wait_ns"] / 1e6, b["waits"], b["waiter"], b["holder"],
        " < ".join("%s:%s" % (f["name"], f["line"]) for f in b["stack"][:4])) for b in report["blame"][:8])


def share_of_frame(report, function, line):
    return share(report, lambda stack: any(name.split(".")[-1] == function and at == line
                                           for name, at in python_frames(stack)))


def check_quality(test, report):
    """What holds of every report of Python code."""
    stacks = report["stacks"]
    waited = sum(g["waited_ns"] + g["open"]["waited_ns"] for g in report["gils"])
    blamed = sum(b["wait_ns"] for b in report["blame"])
    test.assertLessEqual(abs(waited - blamed), 0.01 * waited, "the blame adds up to the waits")
    waits = sum(b["waits"] for b in report["blame"])
    known = sum(b["waits"] for b in report["blame"] if b["stack"])
    test.assertGreaterEqual(known, 0.99 * waits - 1, "waits with a holder's stack: %s" % stacks)
    traced = {p["pid"] for p in report["processes"]}
    test.assertLessEqual({p["pid"] for p in report["release_points"]}, traced, "only of what is traced")
    test.assertLessEqual(stacks["torn"], 0.005 * stacks["walks"], "torn walks")
