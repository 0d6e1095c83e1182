# SPDX-License-Identifier: MIT
"""Timelines: what a reader of Perfetto's format finds in them is what the report and the recording say."""

import itertools
import json
import os
import re
import shutil
import subprocess
import unittest
from collections import defaultdict

import fabricated
import pythons
import recording_format
from perfetto_format import Timeline
from test_record import RecordTest
from test_truth import TOYGIL
from tracing import ROOT, workload

# By which trace_processor goes where it is installed; Debian has none.
TRACE_PROCESSOR = os.environ.get("TRACE_PROCESSOR") or shutil.which("trace_processor_shell") or \
    shutil.which("trace_processor")


class TimelineTest(RecordTest):
    def record(self, *arguments):
        """The timeline, the report and the recording of one run."""
        run = self.run_giltrace("--probes=all", "--quiet", "--timeline=" + self.path("t.pftrace"),
                                "--json=" + self.path("t.json"), "--record=" + self.path("t.gilt"), *arguments)
        self.assertEqual((run.status, run.err), (0, ""), run)
        return (Timeline(self.read("t.pftrace")), json.loads(self.read("t.json")),
                recording_format.Recording(self.read("t.gilt")))


class Events(TimelineTest):
    def check_waits(self, timeline, report):
        tracks = timeline.threads()
        for thread in report["threads"]:
            pieces = [p for p in timeline.on(tracks[thread["tid"]]) if p.name == "wait"] \
                if thread["tid"] in tracks else []
            self.assertEqual((len(pieces), sum(p.ns for p in pieces), sum(p.details.get("failed", 0) for p in pieces)),
                             (thread["contended"], thread["waited_ns"], thread["failed"]), thread["name"])

    def check_threads(self, timeline):
        """A thread is at one place at a time, so its slices lie one behind the other."""
        for tid, track in timeline.threads().items():
            pieces = timeline.on(track)
            self.assertTrue(pieces, tid)
            self.assertLessEqual({p.name for p in pieces}, {"hold", "wait"})
            for before, after in itertools.pairwise(pieces):
                self.assertLessEqual(before.end, after.start, tid)

    def check_holders(self, timeline, track):
        """The lock's track has each hold of the threads' tracks, by the name of who had it."""
        names = {number: "%s (%d)" % (t["name"], t["tid"]) for number, t in timeline.tracks.items() if "tid" in t}
        self.assertEqual(sorted((p.start, p.end, p.name) for p in timeline.on(timeline.track(track))),
                         sorted((p.start, p.end, names[p.track]) for p in timeline.slices if p.name == "hold"))

    def check_waiters(self, timeline, recording):
        """The counter at its steps, against the waits that are under way."""
        steps = [(e[3], 1) for e in recording.events if e[0] == recording_format.WAIT]
        steps += [(e[4], -1) for e in recording.events if e[0] == recording_format.WAIT]
        expected, now = {}, 0
        for time, change in sorted(steps):
            now += change
            expected[time] = now
        self.assertEqual(dict(timeline.counters[timeline.track("GIL: waiters")]), expected)

    def check_flows(self, timeline, recording):
        """From the last hold that somebody else ended while a thread waited, to what that thread got by it."""
        tracks, last, expected = timeline.threads(), None, set()
        ends = sorted((e[4], e[0] == recording_format.WAIT, e[3], e) for e in recording.events)
        begins = {(e[2], e[3]) for e in recording.events if e[0] != recording_format.WAIT}
        for end, is_wait, start, event in ends:
            if not is_wait:
                last = event if event[5]["waiters"] else None
            elif last and last[2] != event[2] and last[4] >= start:
                got = end if (event[2], end) in begins else start
                expected.add(((tracks[last[2]], last[3]), (tracks[event[2]], got)))
                last = None
        self.assertEqual({((a.track, a.start), (b.track, b.start)) for a, b in timeline.flows}, expected)
        return len(expected)

    def check_everything(self, *command):
        timeline, report, recording = self.record("--events=all", "--", *command)
        self.check_waits(timeline, report)
        self.check_threads(timeline)
        held = defaultdict(list)
        for piece in timeline.slices:
            if piece.name == "hold":
                held[timeline.tracks[piece.track]["tid"]].append(piece.ns)
        for thread in report["threads"]:
            holds = held.pop(thread["tid"], [])
            self.assertEqual((len(holds), sum(holds)), (thread["hold"]["count"], thread["held_ns"]), thread["name"])
        self.assertEqual(held, {})
        self.check_holders(timeline, "GIL: holder")
        self.check_waiters(timeline, recording)
        self.check_utilisation(timeline, report)
        flows = self.check_flows(timeline, recording)
        self.assertGreater(flows, 0.5 * sum(t["handoffs"] for t in report["threads"]))
        each = len(self.read("t.pftrace")) / len(recording.events)
        print("%s: %d events, %.1f bytes each, %d flows" % (self.id(), len(recording.events), each, flows))
        self.assertLess(each, 150)
        return timeline, report

    def check_utilisation(self, timeline, report):
        """What the steps add up to is the held time, but for the rounding of each step."""
        start, length = report["window"]["start_ns"], report["window"]["duration_ns"]
        step = max(length // 1000, 1000000)
        points = timeline.counters[timeline.track("GIL: held")]
        self.assertLessEqual({value for _, value in points} - set(range(101)), set())
        self.assertEqual([time for time, _ in points], sorted({time for time, _ in points}))
        total = sum((after[0] - before[0]) * before[1] / 100 for before, after in itertools.pairwise(points))
        self.assertTrue(all((time - start) % step == 0 for time, _ in points))
        self.assertAlmostEqual(total, sum(t["held_ns"] for t in report["threads"]), delta=0.006 * length + 2 * step)

    def test_toygil(self):
        self.check_everything(TOYGIL, "--threads=4", "--duration=2", "mixed")

    def test_python(self):
        timeline, report = self.check_everything(pythons.system(), workload("culprit"), "re", 2)
        (process,) = [t for t in timeline.tracks.values() if "exe" in t]
        self.assertEqual((process["pid"], process["exe"]), (report["target"]["pid"], report["target"]["exe"]))

    def test_many_holds(self):
        self.check_everything(pythons.system(), workload("write_loop"), 3, 20000)

    def test_contended(self):
        """Holds that somebody waited for, and no word on how much of the time the lock was held."""
        timeline, report, recording = self.record("--", pythons.system(), workload("culprit"), "re", 2)
        self.check_waits(timeline, report)
        self.check_threads(timeline)
        self.check_holders(timeline, "GIL: holder, if others waited")
        self.check_waiters(timeline, recording)
        self.assertGreater(self.check_flows(timeline, recording), 10)
        self.assertEqual([t["name"] for t in timeline.tracks.values() if t["counter"]], ["GIL: waiters"])
        waits = [p for p in timeline.slices if p.name == "wait"]
        blamed = [p for p in waits if p.details.get("holder_stack", "").startswith("match (")]
        self.assertGreater(sum(p.ns for p in blamed), 0.8 * sum(p.ns for p in waits))
        names = {"%s (%d)" % (t["name"], t["tid"]) for t in report["threads"]}
        self.assertLessEqual({p.details["holder"] for p in blamed}, names)
        self.assertTrue(any(" \u2190 " in p.details.get("waiter_stack", "") for p in waits))

    def test_waits_alone(self):
        """With --probes=waits nothing is known of holds."""
        run = self.run_giltrace("--probes=waits", "--quiet", "--timeline=" + self.path("t.pftrace"),
                                "--json=" + self.path("t.json"), "--", pythons.system(), workload("culprit"), "re", 1)
        self.assertEqual((run.status, run.err), (0, ""), run)
        timeline = Timeline(self.read("t.pftrace"))
        self.check_waits(timeline, json.loads(self.read("t.json")))
        self.assertEqual({p.name for p in timeline.slices}, {"wait"})
        self.assertFalse([t for t in timeline.tracks.values() if "holder" in t["name"]])

    def test_windows(self):
        """What is seen in windows is not taken for all."""
        run = self.run_giltrace("--probes=auto", "--budget=0.5", "--quiet", "--timeline=" + self.path("t.pftrace"),
                                "--json=" + self.path("t.json"), "--", pythons.system(), workload("write_loop"), 2,
                                2000000)
        self.assertEqual((run.status, run.err), (0, ""), run)
        self.assertLess(json.loads(self.read("t.json"))["probes"]["coverage_pct"], 100)
        timeline = Timeline(self.read("t.pftrace"))
        self.check_threads(timeline)
        self.check_holders(timeline, "GIL: holder, if others waited, in windows")

    def test_recording(self):
        """From a recording it is the same, byte for byte, and each time."""
        self.record("--events=all", "--", TOYGIL, "--threads=3", "--duration=1", "mixed")
        for _ in range(2):
            later = self.run_giltrace("report", self.path("t.gilt"), "--quiet", "--timeline=" + self.path("l.pftrace"))
            self.assertEqual((later.status, later.err), (0, ""), later)
            self.assertEqual(self.read("l.pftrace"), self.read("t.pftrace"))

    def test_several_processes(self):
        timeline, report, _ = self.record("--follow", "--", pythons.system(), workload("children"), "fork", 3, 5000)
        pids = {t["pid"] for t in timeline.tracks.values() if "exe" in t}
        self.assertEqual(pids, {p["pid"] for p in report["processes"]})
        self.check_waits(timeline, report)

    def test_interpreters(self):
        timeline, report, _ = self.record("--events=all", "--", pythons.program("pyenv 3.12"),
                                          workload("interpreters"), "own", 2)
        for gil in report["gils"]:
            holds = timeline.on(timeline.track("GIL of interpreter %d: holder" % gil["interpreter"]))
            self.assertEqual(sum(p.ns for p in holds), gil["held_ns"])

    def test_without_events(self):
        target = self.start_spinning()
        result = self.run_giltrace("--events=none", "--timeline=" + self.path("t"), "-p", target.pid)
        self.assert_one_line(result, 2, "--timeline")


class Fabricated(unittest.TestCase):
    def test_empty(self):
        """Without events: nothing happened, and that is a trace, too."""
        for trace in ("empty", "shop", "several"):
            timeline = Timeline(fabricated.report(trace, "timeline"))
            self.assertEqual((timeline.slices, timeline.flows), ([], []), trace)

    def test_hostile(self):
        """Nothing overlaps on a track, and no name is more than text, whatever a recording says."""
        timeline = Timeline(fabricated.report("hostile-events", "timeline"))
        by_track = defaultdict(list)
        for piece in timeline.slices:
            by_track[piece.track].append((piece.start, piece.end))
        for pieces in by_track.values():
            for before, after in itertools.pairwise(pieces):
                self.assertLessEqual(before[1], after[0])
        holders = timeline.on(timeline.track("GIL of interpreter 0: holder"))
        self.assertEqual(sum(p.ns for p in holders), (10 ** 12 + 1 - 5) + 10000 + 5)
        self.assertEqual(len(timeline.slices), 9 + 6 + 1)
        timeline.track("left out: 2 events that overlap others of their thread")
        self.assertIn("99", {p.details.get("holder") for p in timeline.slices})
        for text in list(timeline.texts.values()) + [t["name"] for t in timeline.tracks.values()]:
            self.assertTrue(text.isprintable(), repr(text))
            self.assertLess(len(text), 1 << 17)
        self.assertLess(len(fabricated.report("hostile", "timeline")), 1 << 20)

    def test_many(self):
        """2000 threads: none without its track, and the hand-offs from each to the next."""
        timeline = Timeline(fabricated.report("turns-20000", "timeline"))
        self.assertEqual(len(timeline.threads()), 2000)
        self.assertEqual(len(timeline.flows), 10000)
        for one, other in timeline.flows[:-1]:
            self.assertEqual((one.end, other.name), (other.start, "hold"))
        self.assertEqual(timeline.flows[-1][1].name, "wait", "what it led to is not known")
        self.assertEqual([value for _, value in timeline.counters[timeline.track("GIL: held")]], [100, 0])


@unittest.skipUnless(TRACE_PROCESSOR, "Perfetto's trace_processor is not there (TRACE_PROCESSOR names it)")
class Processor(TimelineTest):
    """By Perfetto's own reader."""

    def ask(self, query):
        with open(self.path("query.sql"), "w", encoding="ascii") as file:
            file.write(query)
        done = subprocess.run([TRACE_PROCESSOR, "-q", self.path("query.sql"), self.path("t.pftrace")],
                              capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line.replace('"', "").split(",") for line in done.stdout.strip().splitlines()[1:]]

    def test_sums(self):
        """Held and waited time of each thread, and the flows; nothing that it could not read."""
        for command in ((TOYGIL, "--threads=4", "--duration=2", "mixed"),
                        (pythons.system(), workload("culprit"), "re", 2)):
            timeline, report, _ = self.record("--events=all", "--", *command)
            for name, count, total in (("hold", lambda t: t["hold"]["count"], "held_ns"),
                                       ("wait", lambda t: t["contended"], "waited_ns")):
                rows = self.ask("select tid, count(), sum(dur) from slice join thread_track "
                                "on slice.track_id = thread_track.id join thread using (utid) "
                                "where slice.name = '%s' group by tid order by tid;" % name)
                self.assertEqual([[int(cell) for cell in row] for row in rows],
                                 sorted([t["tid"], count(t), t[total]] for t in report["threads"] if count(t)), name)
            self.assertEqual(self.ask("select count() from flow;"), [[str(len(timeline.flows))]])
            first = min(piece.start for piece in timeline.slices)
            self.assertEqual(self.ask("select min(ts) from slice;"), [[str(first)]])
            self.assertEqual(self.ask("select name from stats where severity in ('error', 'data_loss') and value > 0;"),
                             [])

    def test_documented_queries(self):
        """Those of docs/timeline.md."""
        with open(os.path.join(ROOT, "docs", "timeline.md"), encoding="utf-8") as file:
            held, longest = re.findall(r"```sql\n(.*?)```", file.read(), re.S)
        _, report, _ = self.record("--events=all", "--", pythons.system(), workload("culprit"), "re", 2)
        rows = self.ask(held)
        self.assertAlmostEqual(sum(float(row[3]) for row in rows), sum(t["held_ns"] for t in report["threads"]) / 1e6,
                               delta=0.001)
        rows = self.ask(longest)
        self.assertEqual(len(rows), 20)
        self.assertRegex(rows[0][2], r"\(\d+\)$", "a thread")
        self.assertIn("match (", rows[0][3])
