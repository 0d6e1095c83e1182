# SPDX-License-Identifier: MIT
"""The profiles for other tools, read by those tools: Go's pprof and speedscope."""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import fabricated
import pythons
from browser import BrowserTest
from test_blame import line_of
from tracing import TraceTest, workload

HERE = os.path.dirname(os.path.abspath(__file__))
SPEEDSCOPE = os.path.join(os.path.dirname(os.path.dirname(HERE)), ".cache", "npm", "node_modules", "speedscope", "dist",
                          "release", "index.html")


def seconds(text):
    """pprof's "1.23s", "45.60ms", "1.5mins", "0"."""
    number, unit = re.fullmatch(r"([0-9.]+)(\w*)", text).groups()
    return float(number) * {"": 1, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "mins": 60, "hrs": 3600}[unit]


class Pprof(TraceTest):
    def setUp(self):
        super().setUp()
        if not shutil.which("go"):
            self.skipTest("go is not installed")

    def pprof(self, path, *options):
        done = subprocess.run(["go", "tool", "pprof", *options, path], capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, HOME=self.directory), check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def written(self, trace, kind):
        path = os.path.join(self.directory, trace + ".pb.gz")
        with open(path, "wb") as file:
            file.write(fabricated.report(trace, "pprof", kind))
        return path

    def test_totals(self):
        """Each kind's total is that of the folded stacks."""
        for kind in fabricated.KINDS:
            for trace in ("shop", "several", "hostile"):
                folded = fabricated.report(trace, "folded", kind).decode().splitlines()
                total = sum(int(line.rsplit(" ", 1)[1]) for line in folded)
                out = self.pprof(self.written(trace, kind), "-top", "-nodecount=5",
                                 "-sample_index=" + ("held" if kind == "hold" else "delay"))
                match = re.search(r"of (\S+) total", out) or re.search(r"accounting for (\S+),", out)
                self.assertAlmostEqual(seconds(match.group(1)), total / 1e9, delta=0.006 * total / 1e9, msg=out)

    def test_raw(self):
        """Samples, functions and lines come out as they went in."""
        out = self.pprof(self.written("shop", "blame"), "-raw")
        self.assertIn("contentions/count", out)
        self.assertIn("delay/nanoseconds", out)
        self.assertRegex(out, r"rank \S*ranking\.py:9")

    def test_live(self):
        path = os.path.join(self.directory, "live.pb.gz")
        self.trace("--quiet", "--pprof=" + path, "--", pythons.system(), workload("culprit"), "re", 1)
        out = self.pprof(path, "-top", "-lines", "-sample_index=delay")
        first = out.splitlines()[[line.split()[:2] == ["flat", "flat%"] for line in out.splitlines()].index(True) + 1]
        self.assertRegex(first, r"match \S*culprit\.py:%d" % line_of("re"))
        self.assertGreater(float(first.split()[1].rstrip("%")), 95)


@unittest.skipUnless(os.path.exists(SPEEDSCOPE), "speedscope is not there (tests/fetch-speedscope.sh)")
class Speedscope(BrowserTest):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="giltrace-speedscope-")
        self.addCleanup(shutil.rmtree, self.directory, True)

    def show(self, trace):
        """Opens a file in speedscope as its own command does."""
        path = os.path.join(self.directory, trace + ".js")
        with open(path, "w", encoding="utf-8") as file:
            file.write('speedscope.loadFileFromBase64("%s.json", "%s")' % (
                trace, base64.b64encode(fabricated.report(trace, "speedscope")).decode()))
        page = self.open("file://%s#localProfilePath=%s" % (SPEEDSCOPE, path))
        page.wait('document.body && /[(]1.3[)]/.test(document.body.innerText)', "speedscope to show three profiles")
        return page

    def test_reads_all(self):
        for trace in ("shop", "several", "hostile"):
            page = self.show(trace)
            text = page.evaluate("document.body.innerText")
            self.assertIn("blame: who had the lock while others waited (1/3)", text)

    def test_weights(self):
        """What each profile's weights add up to is what the folded stacks add up to."""
        for trace in ("shop", "several", "hostile"):
            profiles = json.loads(fabricated.report(trace, "speedscope"))["profiles"]
            sums = sorted(sum(profile["weights"]) for profile in profiles)
            folded = sorted(sum(int(line.rsplit(" ", 1)[1]) for line in
                                fabricated.report(trace, "folded", kind).decode().splitlines())
                            for kind in fabricated.KINDS)
            self.assertEqual(sums, folded)
            self.assertEqual({profile["unit"] for profile in profiles}, {"nanoseconds"})
