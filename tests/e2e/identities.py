# SPDX-License-Identifier: MIT
"""What must be equal within one report, whatever was traced. A difference means that an event was counted twice or not
at all, or that a thread's figures went astray."""

COUNTS = ["acquisitions", "contended", "failed", "timeouts", "stolen", "handoffs", "releases_forced",
          "releases_voluntary", "held_ns", "waited_ns"]
OPEN = ["holds_at_start", "holds_at_end", "held_ns", "waits_at_start", "waits_at_end", "waited_ns"]


def releases(figures):
    return figures["releases_forced"] + figures["releases_voluntary"]


def check_sums(test, report):
    """Each lock's figures are the sums over its threads, and the histograms agree with the counts."""
    for gil in report["gils"]:
        threads = [t for t in report["threads"] if (t["gil"], t["process"]) == (gil["gil"], gil["process"])]
        for count in COUNTS:
            if gil[count] is not None:
                test.assertEqual(sum(t[count] for t in threads), gil[count], "the threads' %s" % count)
        for interval in OPEN:
            if gil["open"][interval] is not None:
                test.assertEqual(sum(t["open"][interval] for t in threads), gil["open"][interval], interval)
        for figures in [gil] + threads:
            check_histograms(test, figures)
        test.assertEqual(sum(count for _, count in gil["attempts"]), gil["contended"],
                         "each contended acquisition has its number of failed attempts")
        test.assertEqual(gil["handoffs"], gil["contended"], "each wait that ended was a hand-off")
        test.assertLessEqual(gil["timeouts"] + gil["stolen"], gil["failed"])


def check_histograms(test, figures):
    test.assertEqual(figures["wait"]["count"], figures["contended"], "a wait for each contended acquisition")
    test.assertEqual(figures["wait"]["sum_ns"], figures["waited_ns"])
    for histogram in (figures["wait"], figures["hold"], figures.get("handoff")):
        if histogram:
            test.assertEqual(sum(count for _, _, count in histogram["buckets"]), histogram["count"])
            if histogram["count"]:
                test.assertLessEqual(histogram["min_ns"], histogram["p50_ns"] * 1.04)
                test.assertLessEqual(histogram["p50_ns"], histogram["p90_ns"])
                test.assertLessEqual(histogram["p90_ns"], histogram["p99_ns"])
                test.assertLessEqual(histogram["p99_ns"], histogram["p999_ns"])
                test.assertLessEqual(histogram["min_ns"] * histogram["count"], histogram["sum_ns"])
                test.assertGreaterEqual(histogram["max_ns"] * histogram["count"], histogram["sum_ns"])


def check_whole_waits(test, report):
    """Where no wait was cut by an end of the trace: the blame has every wait and every nanosecond, and the number of
    probe hits follows from the counts."""
    for gil in report["gils"]:
        test.assertEqual((gil["open"]["waits_at_start"], gil["open"]["waits_at_end"]), (0, 0))
        blame = [b for b in report["blame"] if (b["gil"], b["process"]) == (gil["gil"], gil["process"])]
        test.assertEqual(sum(b["waits"] for b in blame), gil["contended"], "the blame's waits")
        test.assertEqual(sum(b["wait_ns"] for b in blame), gil["waited_ns"], "the blame's time")
        test.assertEqual(gil["timeouts"] + gil["stolen"], gil["failed"], "each failure has its cause")
    sleeps = sum(gil["contended"] + gil["failed"] for gil in report["gils"])
    hits = report["probes"]["hits"]
    if report["probes"]["level"] == "all":
        cycles = sum(gil["acquisitions"] + releases(gil) for gil in report["gils"])
        test.assertEqual(hits, cycles + 2 * sleeps, "two traps a cycle and two a sleep: no hit more and none less")
    else:
        test.assertLessEqual(hits, 2 * sleeps, "two traps a sleep at most")
        test.assertGreaterEqual(hits, sleeps, "and one, when the scheduler tells of the other")
