# SPDX-License-Identifier: MIT
"""Two recordings compared: figures against their own reports, intervals against another computation of them."""

import json
import math
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import pythons
import recording_format
from browser import BrowserTest
from test_golden import PAIRS, pairs
from test_report import width
from test_truth import TOYGIL
from tracing import GILTRACE, TraceTest, probing_all, workload

STUDENT = {5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228}
SVG = "{http://www.w3.org/2000/svg}"


def kept(name):
    return os.path.join(PAIRS, name + ".gilt")


class DiffTest(TraceTest):
    def path(self, name):
        return os.path.join(self.directory, name)

    def diff(self, before, after, *options):
        result = self.run_giltrace("diff", before, after, "--json", *options)
        self.assertEqual((result.status, result.err), (0, ""), result)
        return json.loads(result.out)

    def report(self, recording):
        result = self.run_giltrace("report", recording, "--json")
        self.assertEqual((result.status, result.err), (0, ""), result)
        return json.loads(result.out)

    def figures(self, difference):
        """Each with what it is of."""
        yield from difference["overall"].items()
        for thread in difference["threads"]:
            yield "waited: %s" % thread["name"], thread["waited"]
            yield "held: %s" % thread["name"], thread["held"]
        for place in difference["blame"]:
            yield "blame: %s" % place["function"], place["waited"]


class Figures(DiffTest):
    def check_side(self, figures, report, side):
        """The figures of one of the two are those of its report."""
        gil, duration = self.only_gil(report), report["window"]["duration_ns"]
        waited = gil["waited_ns"] + gil["open"]["waited_ns"]
        held = gil["held_ns"] + gil["open"]["held_ns"]
        expected = {"utilisation": 100 * gil["utilisation"], "waiters": waited / duration,
                    "waiting": 100 * waited / (waited + held)}
        expected.update({name: gil[name] / duration * 1e9 for name in ("acquisitions", "contended", "failed")})
        expected.update({"%s.%s" % (what, p): gil[what][p + "_ns"] for what in ("wait", "hold", "handoff")
                         for p in ("p50", "p99")})
        self.assertEqual(set(expected), set(figures))
        for name, value in expected.items():
            self.assertTrue(math.isclose(figures[name][side], value, rel_tol=1e-6), (name, figures[name], value))

    def check_lists(self, difference, report, side):
        duration, threads, places = report["window"]["duration_ns"], {}, {}
        for thread in report["threads"]:
            sums = threads.setdefault(thread["name"], [0, 0, 0])
            sums[0] += 1
            sums[1] += thread["waited_ns"] + thread["open"]["waited_ns"]
            sums[2] += thread["held_ns"] + thread["open"]["held_ns"]
        for blame in report["blame"]:
            python = [frame for frame in blame["stack"] if frame["kind"] == "python"]
            frame = (python + blame["stack"] + [{"name": None, "file": None}])[0]
            sums = places.setdefault((frame["name"], frame["file"]), [0, 0])
            sums[0] += blame["waits"]
            sums[1] += blame["wait_ns"]
        for thread in difference["threads"]:
            count, waited, held = threads.pop(thread["name"], (0, 0, 0))
            self.assertEqual(thread["threads_" + side], count)
            self.assertAlmostEqual(thread["waited"][side], 100 * waited / duration, places=5)
            self.assertAlmostEqual(thread["held"][side], 100 * held / duration, places=5)
        for place in difference["blame"]:
            waits, waited = places.pop((place["function"], place["file"]), (0, 0))
            self.assertEqual(place["waits_" + side], waits)
            self.assertAlmostEqual(place["waited"][side], 100 * waited / duration, places=5)
        self.assertEqual((threads, places), ({}, {}), "not compared")

    def test_figures_are_those_of_the_reports(self):
        for name in pairs():
            before, after = kept(name + "-before"), kept(name + "-after")
            difference = self.diff(before, after)
            for side, path in (("before", before), ("after", after)):
                with self.subTest(pair=name, side=side):
                    report = self.report(path)
                    self.assertEqual(difference[side]["duration_ns"], report["window"]["duration_ns"])
                    self.check_side(difference["overall"], report, side)
                    self.check_lists(difference, report, side)

    @staticmethod
    def rates(path, counter):
        """What a counter came to in each chunk, a second; and how long each was. By another reader."""
        with open(path, "rb") as file:
            data = file.read()
        counts, lengths = [], []
        for kind, _, payload, _ in recording_format.chunks(data):
            if kind != recording_format.STAT:
                continue
            count = length = 0
            for field, value in recording_format.fields(payload):
                if field == 2:
                    window = dict(recording_format.fields(value))
                    length = window.get(3, 0) - window.get(2, 0)
                elif field == 7:
                    count += sum(recording_format.signed(part) for number, part in recording_format.fields(value)
                                 if number == counter)
            counts.append(count)
            lengths.append(length / 1e9)
        if lengths[-1] < sum(lengths[:-1]) / (len(lengths) - 1) / 2:
            counts[-2:], lengths[-2:] = [sum(counts[-2:])], [sum(lengths[-2:])]
        return counts, lengths

    def error(self, counts, lengths):
        rate, n = sum(counts) / sum(lengths), len(counts)
        squares = sum((x - rate * t) ** 2 for x, t in zip(counts, lengths)) / (n - 1)
        return rate, math.sqrt(n * squares) / sum(lengths), n

    def test_intervals_are_as_documented(self):
        """docs/diff.md, in other words: the error of a ratio, and Welch's comparison."""
        for name in pairs():
            before, after = kept(name + "-before"), kept(name + "-after")
            figures = self.diff(before, after)["overall"]
            for key, counter in (("acquisitions", 20), ("contended", 21), ("failed", 22)):
                with self.subTest(pair=name, figure=key):
                    a, a_error, n = self.error(*self.rates(before, counter))
                    b, b_error, m = self.error(*self.rates(after, counter))
                    a2, b2 = a_error ** 2, b_error ** 2
                    freedom = (a2 + b2) ** 2 / (a2 ** 2 / (n - 1) + b2 ** 2 / (m - 1))
                    half = STUDENT[int(freedom)] * math.sqrt(a2 + b2)
                    self.assertTrue(math.isclose(figures[key]["difference_low"], b - a - half, rel_tol=1e-6))
                    self.assertTrue(math.isclose(figures[key]["difference_high"], b - a + half, rel_tol=1e-6))
                    expected = "noise" if abs(b - a) <= half else "more" if b > a else "less"
                    self.assertEqual(figures[key]["verdict"], expected)

    def test_verdicts_fit_their_intervals(self):
        for name in pairs():
            for what, figure in self.figures(self.diff(kept(name + "-before"), kept(name + "-after"))):
                low, high = figure["difference_low"], figure["difference_high"]
                with self.subTest(pair=name, figure=what):
                    if figure["verdict"] == "more":
                        self.assertGreater(low, 0)
                    elif figure["verdict"] == "less":
                        self.assertLess(high, 0)
                    elif figure["verdict"] == "noise":
                        self.assertTrue(low <= 0 <= high)

    def test_with_itself(self):
        for name in ("python-before", "toygil-after"):
            for what, figure in self.figures(self.diff(kept(name), kept(name))):
                self.assertEqual(figure["before"], figure["after"], what)
                self.assertIn(figure["verdict"], ("noise", None), what)

    def test_other_way_round(self):
        turned = {"more": "less", "less": "more"}
        there = dict(self.figures(self.diff(kept("python-before"), kept("python-after"))))
        back = dict(self.figures(self.diff(kept("python-after"), kept("python-before"))))
        self.assertEqual({what: turned.get(figure["verdict"], figure["verdict"]) for what, figure in there.items()},
                         {what: figure["verdict"] for what, figure in back.items()})

    def record(self, name, *arguments):
        result = self.run_giltrace("record", "-q", "-o", self.path(name), *probing_all(arguments))
        self.assertEqual((result.status, result.err), (0, ""), result)
        return self.path(name)

    def test_live(self):
        """A thread more that wants the lock all the time is seen; and recordings with events are read as well."""
        before = self.record("a.gilt", "--", TOYGIL, "--threads=2", "--duration=3", "mixed")
        after = self.record("b.gilt", "--events=all", "--", TOYGIL, "--threads=4", "--duration=3", "mixed")
        difference = self.diff(before, after)
        self.assertTrue(difference["judged"])
        self.assertEqual(difference["overall"]["waiters"]["verdict"], "more")
        self.assertEqual(difference["overall"]["waiting"]["verdict"], "more")
        for side, path in (("before", before), ("after", after)):
            report = self.report(path)
            self.check_side(difference["overall"], report, side)
            self.check_lists(difference, report, side)

    def test_windows(self):
        """Of what windows saw, each side's figures are those of its report; and its own error widens the interval."""
        workload_of = ["--", pythons.system(), workload("write_loop"), 2, 8000000]
        auto = self.record("auto.gilt", "--probes=auto", "--budget=0.5", *workload_of)
        report = self.report(auto)
        self.assertGreater(report["probes"]["windows"], 0)
        figures = self.diff(auto, auto)["overall"]
        gil, duration = self.only_gil(report), report["window"]["duration_ns"]
        rate = gil["acquisitions"] / duration * 1e9
        self.assertTrue(math.isclose(figures["acquisitions"]["before"], rate, rel_tol=1e-6))
        if figures["acquisitions"]["verdict"]:
            least = rate * report["probes"]["acquisitions_error_pct"] / 100
            self.assertGreater(figures["acquisitions"]["difference_high"], least)

    def test_too_short(self):
        target = self.start_target(pythons.system(), workload("spin"), 3, 0.005, 60)
        target.hear()
        short = self.record("short.gilt", "-p", target.pid, "-d", 0.7)
        difference = self.diff(short, kept("python-before"))
        self.assertFalse(difference["judged"])
        self.assertEqual({figure["verdict"] for _, figure in self.figures(difference)}, {None})
        text = self.run_giltrace("diff", kept("python-before"), short).out
        self.assertIn("Noise cannot be judged: the second recording", text)
        self.assertNotRegex(text, r"(?m)  (more|less|within noise)$")


class Text(DiffTest):
    def text(self, *arguments):
        result = self.run_giltrace("diff", *arguments)
        self.assertEqual((result.status, result.err), (0, ""), result)
        for line in result.out.splitlines():
            self.assertLessEqual(width(line), 80, "too wide: " + line)
        return result.out

    def test_text_is_the_json_for_people(self):
        text = self.text(kept("python-before"), kept("python-after"))
        figures = self.diff(kept("python-before"), kept("python-after"))["overall"]
        words = {"more": "more", "less": "less", "noise": "within noise", None: "-"}
        for key, title in (("waiters", "threads waiting, on average"), ("contended", "waits/s"), ("wait.p50", "wait, p50")):
            line = re.search("^  %s .*$" % re.escape(title), text, re.MULTILINE).group(0)
            self.assertTrue(line.endswith("  " + words[figures[key]["verdict"]]), line)
        self.assertRegex(text, r"(?m)^  parse \(srv/app.py\) .* gone  less$")

    def test_new_and_gone_are_told(self):
        text = self.text(kept("toygil-after"), kept("toygil-before"))
        self.assertRegex(text, r"(?m)^  server-1 .* new  more$")

    def test_quiet_and_stdout(self):
        self.assertEqual(self.text(kept("python-before"), kept("python-after"), "-q"), "")
        json.loads(self.text(kept("toygil-before"), kept("toygil-after"), "--json"))
        self.assertTrue(self.text("--json=" + self.path("d.json"), kept("toygil-before"), kept("toygil-after")))
        with open(self.path("d.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["schema"], "giltrace-diff/1")

    def test_stdin(self):
        for order in (["-", kept("python-after")], [kept("python-before"), "-"]):
            at = order.index("-")
            with open((kept("python-before"), kept("python-after"))[at], "rb") as file:
                done = subprocess.run([GILTRACE, "diff", *order], stdin=file, stdout=subprocess.PIPE, check=True)
            self.assertEqual(done.stdout.decode(), self.text(kept("python-before"), kept("python-after")))

    def test_traced_differently(self):
        """What one of the two does not know is not told as nothing."""
        waits = os.path.join(PAIRS, "..", "waits.gilt")
        text = self.text(waits, kept("toygil-before"))
        self.assertIn("Traced differently: --probes=waits before, all after", text)
        difference = self.diff(waits, kept("toygil-before"))
        self.assertIsNone(difference["overall"]["acquisitions"]["before"])
        self.assertIsNotNone(difference["overall"]["acquisitions"]["after"])
        self.assertIsNone(difference["overall"]["acquisitions"]["change_pct"])

    def test_hostile_names(self):
        """Names of threads, as they may be."""
        result = self.run_giltrace("record", "-q", "-o", self.path("h.gilt"), "--", pythons.system(),
                                   workload("hostile_names"), 1.2)
        self.assertEqual(result.status, 0, result)
        text = self.text(kept("python-before"), self.path("h.gilt"))
        self.assertIn("\\x1b", text)
        self.assertEqual([c for c in text if ord(c) < 32 and c != "\n"], [])
        svg = self.run_giltrace("diff", kept("python-before"), self.path("h.gilt"), "--flame=-").out
        xml.etree.ElementTree.fromstring(svg)


class Refused(DiffTest):
    def test_usage(self):
        a, b = kept("python-before"), kept("python-after")
        for arguments in ([], [a], [a, b, a], ["-", "-"], [a, ""], [a, b, "-p", 1], [a, b, "--all"], [a, b, "-d", 1],
                          [a, b, "--folded=x"], [a, b, "--html=x"], [a, b, "--timeline=x"], [a, b, "--fail-if=wait.p99 > 1"],
                          [a, b, "--max-loss=1"], [a, b, "-o", "x"], [a, b, "--record=x"], [a, b, "--json", "--flame=-"],
                          [a, b, "--flame-kind=none"], [a, b, "--interval=1"], [a, b, "--", "true"]):
            with self.subTest(arguments=arguments):
                self.assert_one_line(self.run_giltrace("diff", *arguments), 2)

    def test_bad_files(self):
        good, none = kept("python-before"), self.path("none.gilt")
        with open(none, "wb") as file:
            file.write(b"Not a recording\n" * 40)
        for order in ((good, none), (none, good)):
            self.assert_one_line(self.run_giltrace("diff", *order), 1, none, "is no recording")
        self.assert_one_line(self.run_giltrace("diff", good, self.path("missing")), 1, "missing", "No such file")
        self.assert_one_line(self.run_giltrace("diff", good, good, "--json=/nowhere/x"), 1, "/nowhere/x")

    def test_breaks_off(self):
        with open(kept("python-before"), "rb") as file:
            whole = file.read()
        with open(self.path("cut.gilt"), "wb") as file:
            file.write(whole[:-100])
        result = self.run_giltrace("diff", self.path("cut.gilt"), kept("python-after"))
        self.assert_one_line(result, 0, "cut.gilt", "breaks off")
        self.assertIn("All threads", result.out)

    def test_flame_of_what_is_not_there(self):
        waits = os.path.join(PAIRS, "..", "waits.gilt")
        self.assert_one_line(self.run_giltrace("diff", waits, kept("toygil-before"), "--flame=x"), 2, "--stacks=none")


class Flame(DiffTest):
    def boxes(self, pair, kind):
        """Label to class, before and after, of each box."""
        svg = self.run_giltrace("diff", kept(pair + "-before"), kept(pair + "-after"), "--flame=-", "--flame-kind=" + kind).out
        boxes = {}
        for polygon in xml.etree.ElementTree.fromstring(svg).iter(SVG + "polygon"):
            label, figures, _ = polygon.find(SVG + "title").text.split("\n")
            before, after = re.match(r"before (.*?), after (.*?) of (?:waiting|holding) a second", figures).groups()
            boxes[label] = (polygon.get("class"), before, after)
        return boxes

    def test_nothing_vanishes(self):
        boxes = self.boxes("python", "blame")
        for gone in ("parse (app.py)", "JSONDecoder.raw_decode (decoder.py:353)"):
            kind, before, after = boxes[gone]
            self.assertEqual((kind[0], after), ("g", "0"))
            self.assertNotEqual(before, "0")
        self.assertEqual(boxes["total (app.py)"][0][0], "e", "about the same")

    def test_new_frames(self):
        boxes = self.boxes("toygil", "hold")
        self.assertTrue([b for b in boxes.values() if b[0][0] == "a" and b[1] == "0"], boxes)

    def test_sums_are_those_of_the_recordings(self):
        svg = self.run_giltrace("diff", kept("python-before"), kept("python-after"), "--flame=-").out
        table = xml.etree.ElementTree.fromstring(svg).find(".//" + SVG + "metadata").text.strip("\n").split("\n")
        root = table[0].split("\t")
        for at, name in ((3, "python-before"), (4, "python-after")):
            report = self.report(kept(name))
            waited = sum(blame["wait_ns"] for blame in report["blame"])
            self.assertAlmostEqual(int(root[at]), waited / report["window"]["duration_ns"] * 1e9, delta=len(report["blame"]) + 1)
        self.assertGreaterEqual(int(root[2]), max(int(root[3]), int(root[4])))


class FlameInBrowser(BrowserTest):
    def test_tooltip_and_zoom(self):
        directory = tempfile.mkdtemp(prefix="giltrace-diff-")
        self.addCleanup(shutil.rmtree, directory, True)
        path = os.path.join(directory, "d.svg")
        subprocess.run([GILTRACE, "diff", "-q", kept("python-before"), kept("python-after"), "--flame=" + path], check=True)
        page = self.open("file://" + path)
        page.wait('document.documentElement.getAttribute("data-ready") === "1"', "the script")
        found = """(() => {
            const frame = Array.from(document.querySelectorAll("#frames polygon")).find(f => /^total /.test(f.textContent));
            if (!frame)
                return null;
            const box = frame.getBoundingClientRect();
            return [box.left + box.width / 2, box.top + box.height / 2, frame.textContent.split("\\n")[1]];
        })()"""
        x, y, title = page.evaluate(found)
        page.hover(x, y)
        page.wait('document.querySelector("#tip .tip b") !== null', "the tip")
        self.assertIn(title, page.evaluate('document.querySelector("#tip .tip").textContent'), "both values, as in the file")
        page.click(x, y)
        self.assertIn("zoom=", page.evaluate("location.hash"))
        page.wait("(frame => frame && Math.abs(frame[0] - innerWidth / 2) < 1)(%s)" % found, "the frame in the middle")
        self.assertEqual(page.evaluate(found)[2], title, "what a zoom makes is told the same way")
        self.assertEqual(page.problems(), [])


if __name__ == "__main__":
    unittest.main()
