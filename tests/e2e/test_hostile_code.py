# SPDX-License-Identifier: MIT
"""Names of functions and files that would harm a terminal, a browser or a reader of files: harmless in every output."""

import gzip
import json
import os
import shutil
import subprocess
import unicodedata
from xml.etree import ElementTree

import pythons
from perfetto_format import Timeline
from tracing import TraceTest, workload

FORMATS = {"flame": "flame.svg", "folded": "folded", "speedscope": "speedscope.json", "pprof": "pprof.pb.gz",
           "timeline": "timeline.pftrace"}
HARMFUL = ("Cc", "Cf", "Zl", "Zp")  # controls, what changes the direction or hides, line ends of Unicode
TEXT_SIZE = 4096


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, element in value.items():
            yield key
            yield from texts(element)
    elif isinstance(value, list):
        for element in value:
            yield from texts(element)


@pythons.for_each(["pyenv 3.8", pythons.NAMES[0], "pyenv 3.13"])
class HostileCode(TraceTest):
    def assert_harmless(self, text, where):
        bad = sorted({c for c in text if unicodedata.category(c) in HARMFUL and c != "\n"})
        self.assertEqual(bad, [], where)

    def check_all(self, program):
        paths = {name: os.path.join(self.directory, path) for name, path in FORMATS.items()}
        result = self.trace(*["--%s=%s" % pair for pair in paths.items()], "--", program, workload("hostile_code"))
        self.assert_text(result.out)
        self.assert_json(result.report)
        self.assert_flame(paths["flame"])
        with open(paths["folded"], encoding="utf-8", newline="\n") as file:
            for line in file.read().splitlines():
                self.assert_harmless(line, "folded")
                self.assertRegex(line, r"^.+ [0-9]+$")
        with open(paths["speedscope"], encoding="utf-8") as file:
            for text in texts(json.load(file)):
                self.assert_harmless(text, "speedscope")
        self.assert_pprof(paths["pprof"])
        with open(paths["timeline"], "rb") as file:
            stacks = Timeline(file.read()).texts.values()
        for text in stacks:
            self.assert_harmless(text, "timeline")
        self.assertTrue([text for text in stacks if "a\\x0ab\\x0dc\\x09d (" in text])

    def assert_text(self, text):
        self.assert_harmless(text, "text")
        self.assertLessEqual(max(map(len, text.splitlines())), 80)

    def assert_json(self, report):
        names = {frame["name"] for entry in report["blame"] for frame in entry["stack"]}
        for text in texts(report):
            self.assert_harmless(text, "json")
        for wanted in ("\\x1b[31mred\\x1b[2J", "a\\x0ab\\x0dc\\x09d", "q\"'`&<>", "semi;colon 17", "%s%n%d"):
            self.assertIn(wanted, names)
        longest = max(filter(None, names), key=len)  # one has none
        self.assertTrue(longest.startswith("xxx") and longest.endswith("..."), longest[-10:])
        self.assertLess(len(longest), TEXT_SIZE)

    def assert_flame(self, path):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assert_harmless(text.replace("\t", ""), "flame")
        root = ElementTree.fromstring(text)
        svg = "{http://www.w3.org/2000/svg}"
        self.assertEqual(len(list(root.iter(svg + "script"))), 2, "a name became a script")
        self.assertEqual([e for e in root.iter() if any(name.startswith("on") for name in e.attrib)], [])

    def assert_pprof(self, path):
        with gzip.open(path) as file:
            self.assertGreater(len(file.read()), 1000)
        if shutil.which("go"):
            out = subprocess.run(["go", "tool", "pprof", "-raw", path], capture_output=True, text=True, timeout=60,
                                 env=dict(os.environ, HOME=self.directory), check=True).stdout
            self.assert_harmless(out, "pprof")
