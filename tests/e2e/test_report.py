# SPDX-License-Identifier: MIT
"""The two reports of a live trace: the schema of the JSON, and a text that fits any terminal and harms none."""

import json
import os
import unicodedata

import identities
import pythons
from tracing import TraceTest, probing_all, workload

NUMBER, TEXT, REAL, BOOLEAN = (int,), (str,), (float, int), (bool,)
NONE = type(None)
HISTOGRAM = {"count": NUMBER, "sum_ns": NUMBER, "min_ns": (int, NONE), "max_ns": (int, NONE), "p50_ns": (int, NONE),
             "p90_ns": (int, NONE), "p99_ns": (int, NONE), "p999_ns": (int, NONE), "error_pct": REAL,
             "buckets": (list,)}
# Keys to the types of their values: as docs/design.md has the schema. A key that is missing here may be added there.
COUNTS = {name: NUMBER for name in identities.COUNTS}
COUNTS.update({name: (int, NONE) for name in ("acquisitions", "releases_forced", "releases_voluntary", "held_ns")})
DOCUMENT = {"schema": TEXT, "target": (dict,), "window": (dict,), "probes": (dict,), "lost": (dict,),
            "gils": (list,), "threads": (list,), "blame": (list,)}
TARGET = {"pid": NUMBER, "exe": TEXT, "runtime": TEXT, "version": TEXT, "design": TEXT}
WINDOW = {"start_ns": NUMBER, "duration_ns": NUMBER, "ended_by": TEXT, "children": NUMBER}
PROBES = {"level": TEXT, "hits": NUMBER, "cost_ns_per_hit": REAL, "overhead_pct": REAL, "coverage_pct": REAL}
LOST = {name: NUMBER for name in ("events", "stacks", "threads", "probes")}
GIL = dict(COUNTS, gil=TEXT, interpreter=(int, NONE), wait=(dict,), hold=(dict, NONE), handoff=(dict, NONE),
           attempts=(list,), open=(dict,))
THREAD = dict(COUNTS, tid=NUMBER, name=(str, NONE), gil=TEXT, ended=BOOLEAN, held_on_cpu_ns=(int, NONE),
              held_runnable_ns=(int, NONE), held_blocked_ns=(int, NONE), wait=(dict,), hold=(dict, NONE), open=(dict,))
BLAME = {"waiter": NUMBER, "holder": (int, NONE), "waits": NUMBER, "wait_ns": NUMBER, "stack": (list,)}


class Schema(TraceTest):
    def assert_shape(self, value, shape, where):
        for key, types in shape.items():
            self.assertIn(key, value, where)
            self.assertIsInstance(value[key], types, "%s.%s" % (where, key))
            if bool not in types:
                self.assertNotIsInstance(value[key], bool, "%s.%s" % (where, key))
            if isinstance(value[key], (int, float)):
                self.assertGreaterEqual(value[key], 0, "%s.%s is negative" % (where, key))

    def assert_histogram(self, histogram, where):
        self.assert_shape(histogram, HISTOGRAM, where)
        last = 0
        for low, high, count in histogram["buckets"]:
            self.assertGreaterEqual(low, last, where + ": buckets overlap or are out of order")
            self.assertGreater(count, 0)
            last = high if high is not None else low
        unknown = [name for name in ("min_ns", "max_ns", "p50_ns", "p999_ns") if histogram[name] is None]
        self.assertEqual(bool(unknown), histogram["count"] == 0, where + ": of nothing there is no percentile")

    def assert_document(self, report):
        self.assert_shape(report, DOCUMENT, "")
        self.assertEqual(report["schema"], "giltrace/1")
        for name, shape in (("target", TARGET), ("window", WINDOW), ("probes", PROBES), ("lost", LOST)):
            self.assert_shape(report[name], shape, name)
        for name, shape in (("gils", GIL), ("threads", THREAD), ("blame", BLAME)):
            for element in report[name]:
                self.assert_shape(element, shape, name)
                self.assertRegex(element["gil"], "^0x[0-9a-f]+$")
                for histogram in ("wait", "hold", "handoff"):
                    if element.get(histogram):
                        self.assert_histogram(element[histogram], name + "." + histogram)
        self.assertEqual(len({(t["tid"], t["gil"]) for t in report["threads"]}), len(report["threads"]))
        pairs = {json.dumps([b["waiter"], b["holder"], b["gil"], b["stack"], b["waiter_stack"]])
                 for b in report["blame"]}
        self.assertEqual(len(pairs), len(report["blame"]), "a pair is there twice")

    def check_level(self, level):
        target = self.start_target(pythons.system(), workload("spin"), 3, 0.002, 60)
        target.hear()
        report = self.trace("--quiet", "--probes=" + level, "-p", target.pid, "-d", 0.5).report
        self.assert_document(report)
        self.assertEqual(report["target"]["pid"], target.pid)
        self.assertEqual(report["target"]["runtime"], "cpython")
        self.assertEqual(report["target"]["design"], "interval")
        self.assertEqual(report["target"]["exe"], os.path.realpath(pythons.system()))
        return report

    def test_all(self):
        report = self.check_level("all")
        self.assertEqual(report["probes"]["coverage_pct"], 100)
        for thread in report["threads"]:
            parts = sum(thread["held_%s_ns" % part] for part in ("on_cpu", "runnable", "blocked"))
            self.assertEqual(parts, thread["held_ns"], "the parts of the held time")

    def test_waits(self):
        self.check_level("waits")

    def test_nothing_happened(self):
        target = self.start_target(pythons.system(), workload("write_loop"), 1, 1, "steps")
        target.hear()
        self.assert_document(self.trace("--quiet", "-p", target.pid, "-d", 0.1).report)

    def test_versions(self):
        """The version in the report is the one that the interpreter itself tells."""
        for name, program in pythons.ALL.items():
            with self.subTest(name=name):
                code = "import platform; print(platform.python_version())"
                result = self.trace("--quiet", "--", program, "-c", code)
                self.assertEqual(result.report["target"]["version"], result.out.strip())

    def test_on_stdout(self):
        """--json alone takes stdout from the text; so that a pipe gets JSON and nothing else."""
        target = self.start_target(pythons.system(), workload("spin"), 2, 0.005, 60)
        target.hear()
        for option in ("--json", "--json=-", "--json=/dev/stdout"):
            result = self.run_giltrace(option, "-p", target.pid, "-d", 0.1)
            self.assertEqual((result.status, result.err), (0, ""))
            self.assert_document(json.loads(result.out))


def width(line):
    """Columns on a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in line)


class Text(TraceTest):
    def assert_fits(self, text):
        for line in text.splitlines():
            self.assertLessEqual(width(line), 80, "too wide: " + line)

    def report(self, target, *options):
        result = self.run_giltrace(*probing_all(["-p", target.pid, "-d", 0.6, *options]))
        self.assertEqual((result.status, result.err), (0, ""), result)
        return result.out

    def test_fits_and_answers(self):
        target = self.start_target(pythons.system(), workload("spin"), 3, 0.002, 60)
        target.hear()
        text = self.report(target)
        self.assert_fits(text)
        self.assertIn("BOUND BY THE GIL", text.splitlines()[2], "the verdict comes first")
        self.assertNotIn("NOT BOUND", text)
        for part in ("CPython 3.", "traced for", "acquisitions", "forced", "Wait:", "Hold:", "Hand-off:", "Who waited",
                     "Cut by an end", "Nothing was lost", "probe hits"):
            self.assertIn(part, text)

    def test_waits_only(self):
        target = self.start_target(pythons.system(), workload("spin"), 3, 0.002, 60)
        target.hear()
        text = self.report(target, "--probes=waits")
        self.assert_fits(text)
        self.assertIn("waits only", text)
        for unknown in ("Hold:", "Hand-off:", "voluntary", "held 0"):
            self.assertNotIn(unknown, text, "what was not probed must not be told")

    def test_many_threads_fit(self):
        target = self.start_target(pythons.any_pyenv(), workload("spin"), 70, 0.0005, 60)
        target.hear()
        text = self.report(target)
        self.assert_fits(text)
        self.assertIn("more threads", text)

    def test_not_bound(self):
        result = self.run_giltrace("--probes=all", "--", pythons.system(), workload("write_loop"), 1, 60000)
        self.assertEqual(result.status, 0)
        self.assert_fits(result.out)
        self.assertIn("NOT BOUND BY THE GIL", result.out)

    def test_quiet(self):
        target = self.start_target(pythons.system(), workload("spin"), 2, 0.005, 60)
        target.hear()
        self.assertEqual(self.report(target, "--quiet"), "")

    def test_hostile_thread_names(self):
        target = self.start_target(pythons.system(), workload("names"))
        target.hear()
        result = self.trace("-p", target.pid, "-d", 1)
        for c in result.out:
            self.assertTrue(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp"),
                            "a control character %r of a thread's name reached the terminal" % c)
        with open(result.json_path, "rb") as file:
            raw = file.read()
        raw.decode("utf-8")
        for thread in result.report["threads"]:
            for c in thread["name"] or "":
                self.assertFalse(unicodedata.category(c) == "Cc", "%r in a name in the JSON" % c)
        names = [t["name"] for t in result.report["threads"]]
        for name in ("plain", "a\\x0ab\\x09c\\x0dd", "\\x1b[31mred\\x1b[2J", "\\xff\\xfe\\x80", 'q"\\<&>\'',
                     "Müller \U0001f40d", "%s%n%d{}", None):
            self.assertIn(name, names)
