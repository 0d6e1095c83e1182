# SPDX-License-Identifier: MIT
"""The page (--html) as a file: the events that the timeline is made of are those of the recording, to the nanosecond."""

import base64
import json
import os
import re
import struct
import zlib

import fabricated
import pythons
import recording_format
from test_truth import TOYGIL
from tracing import TraceTest, workload

COLUMNS = ("what", "lane", "end", "duration", "stack", "count", "holder", "waiter_stack")


class Page:
    """What the scripts read."""

    def __init__(self, text):
        self.text = text
        self.data = json.loads(re.search(r'<script type="application/json" id="data">([^<]*)</script>', text)[1])
        self.events = []
        for start, end, count, packed in re.findall(
                r'<script type="application/octet-stream" class="events" data-start="(\d+)" data-end="(\d+)" '
                r'data-count="(\d+)">([^<]*)</script>', text):
            block = list(self.read_block(zlib.decompress(base64.b64decode(packed))))
            assert len(block) == int(count)
            assert min(e[2] for e in block) == int(start) and max(e[3] for e in block) == int(end)
            self.events += block
        found = re.search(r'id="overview" data-lanes="(\d+)" data-bins="(\d+)" data-bin-ns="(\d+)">([^<]*)<', text)
        if found:
            self.lanes, self.bins, self.bin_ns = (int(number) for number in found.groups()[:3])
            self.overview = zlib.decompress(base64.b64decode(found[4]))

    @staticmethod
    def read_block(block):
        """Each as (is a hold, lane, start, end, stack, count, holder's lane or None)."""
        sizes, at, columns = struct.unpack("<8I", block[:32]), 32, {}
        for name, size in zip(COLUMNS, sizes):
            columns[name] = list(recording_format.varints(block[at:at + size]))
            at += size
        assert at == len(block)
        end, holders = 0, iter(columns["holder"])
        for i, what in enumerate(columns["what"]):
            end += recording_format.signed(columns["end"][i])
            holder = None if what & 1 else next(holders) - 1
            yield (bool(what & 1), columns["lane"][i], end - columns["duration"][i], end, columns["stack"][i],
                   columns["count"][i], None if holder is None or holder < 0 else holder)


class Html(TraceTest):
    def page_of(self, path):
        with open(path, encoding="utf-8") as file:
            return Page(file.read())

    def trace(self, *arguments):
        recording, live, later = (os.path.join(self.directory, name) for name in ("run.gilt", "live.html", "later.html"))
        self.assertEqual(self.run_giltrace("--probes=all", "--quiet", "--html=" + live, "--record=" + recording,
                                           *arguments).status, 0)
        self.assertEqual(self.run_giltrace("report", recording, "--quiet", "--html=" + later).status, 0)
        with open(recording, "rb") as file:
            return self.page_of(live), self.page_of(later), recording_format.Recording(file.read())

    def check(self, page, recording):
        threads, begin = page.data["threads"], page.data["window"]["start_ns"]
        read = sorted((is_hold, threads[lane]["tid"], start + begin, end + begin,
                       None if holder is None else threads[holder]["tid"])
                      for is_hold, lane, start, end, _, _, holder in page.events)
        reported = {(thread["process"], thread["tid"]) for thread in threads}  # others have no place in a report
        told = sorted((kind != recording_format.WAIT, tid, start, end, details.get("holder"))
                      for kind, process, tid, start, end, details in recording.events if (process, tid) in reported)
        self.assertEqual(len(read), len(told))
        self.assertEqual([event[:4] for event in read], [event[:4] for event in told])
        lanes = {thread["tid"] for thread in threads}
        holders = {event[4] if event[4] in lanes else None for event in told}  # others have no place, nor the unknown
        self.assertEqual({event[4] for event in read}, holders, "who had the lock")

    def test_events_are_the_recordings(self):
        for program, command in ((pythons.system(), (workload("culprit"), "re", 2)), (TOYGIL, ("mixed",))):
            with self.subTest(program=program):
                live, later, recording = self.trace("--events=all", "--", program, *command)
                self.assertGreater(len(recording.events), 20)
                self.check(later, recording)
                self.assertEqual(live.text, later.text, "live and of the recording")
                self.check_overview(later)

    def check_overview(self, page):
        """Each lane's shares add up to the time of its events, but for the rounding of each part."""
        for lane in range(page.lanes):
            for kind in (0, 1):
                shares = page.overview[(2 * lane + kind) * page.bins:][:page.bins]
                exact = sum(e[3] - e[2] for e in page.events if e[1] == lane and e[0] == (kind == 0))
                self.assertAlmostEqual(sum(shares) / 255 * page.bin_ns, exact, delta=1.1 * page.bin_ns + exact / 1000)

    def test_without_events(self):
        live, _, _ = self.trace("--events=none", "--", TOYGIL, "mixed")
        self.assertEqual((live.events, live.data["events"]), ([], "none"))

    def test_without_stacks_and_holds(self):
        live, later, recording = self.trace("--stacks=none", "--probes=waits", "--", TOYGIL, "mixed")
        self.check(later, recording)
        self.assertIsNone(live.data["gils"][0]["hold"])


class Names(TraceTest):
    def test_hostile_names(self):
        """Not one tag is made of them: the page has as many as one of harmless names has, and its data is JSON."""
        text = fabricated.report("hostile", "html").decode()
        self.assertEqual(len(re.findall("<script", text)), 9)
        self.assertNotRegex(text, r"<(svg|img)\b")
        self.assertNotIn(b"\x1b", text.encode())
        names = [thread["name"] for thread in Page(text).data["threads"]]
        self.assertIn("</script><script>alert(1)</script>", names, "as text it is all there")
