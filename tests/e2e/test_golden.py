# SPDX-License-Identifier: MIT
"""Each report of recordings that are kept, byte for byte: what changes a report shows in its golden.

`make goldens` writes them anew, from the same recordings; look at the difference before it is committed. What a page
or a picture carries of scripts and styles is left out, and what is compressed is compared as it was before."""

import gzip
import os
import re
import subprocess
import sys
import unittest

GOLDEN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden")
FORMATS = ("text", "json", "flame", "flame-wait", "folded", "speedscope", "pprof", "timeline", "html")
# Without stacks or holds there is nothing that these could show.
ABSENT = {"waits": ("flame", "flame-wait", "folded", "speedscope", "pprof")}
CODE = re.compile(rb"(<script(?! type=\"application/json\")[^>]*>|<style[^>]*>).*?(</script>|</style>)", re.DOTALL)
POLICY = re.compile(rb"<meta http-equiv=[^>]*>")


def recordings():
    return sorted(name[:-len(".gilt")] for name in os.listdir(GOLDEN) if name.endswith(".gilt"))


def formats_of(name):
    return [form for form in FORMATS if form not in ABSENT.get(name, ())]


def report(giltrace, name, form):
    option = {"text": [], "flame-wait": ["--flame=-", "--flame-kind=wait"]}.get(form, ["--%s=-" % form])
    done = subprocess.run([giltrace, "report", os.path.join(GOLDEN, name + ".gilt"), *option], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b""), (name, form, done.stderr)
    text = gzip.decompress(done.stdout) if form == "pprof" else done.stdout
    return POLICY.sub(b"", CODE.sub(rb"\1\2", text))


def path_of(name, form):
    return os.path.join(GOLDEN, "%s.%s" % (name, form))


PAIRS = os.path.join(GOLDEN, "diff")
DIFFERENCES = ("text", "json", "flame", "flame-hold")


def pairs():
    """Recordings before and after something."""
    return sorted(name[:-len("-before.gilt")] for name in os.listdir(PAIRS) if name.endswith("-before.gilt"))


def difference(giltrace, name, form):
    option = {"text": [], "flame-hold": ["--flame=-", "--flame-kind=hold"]}.get(form, ["--%s=-" % form])
    done = subprocess.run([giltrace, "diff", *[os.path.join(PAIRS, "%s-%s.gilt" % (name, when)) for when in ("before", "after")],
                           *option], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b""), (name, form, done.stderr)
    return CODE.sub(rb"\1\2", done.stdout)


def golden_files(giltrace):
    """What is expected, and how it is made anew."""
    for name in recordings():
        for form in formats_of(name):
            yield path_of(name, form), lambda name=name, form=form: report(giltrace, name, form)
    for name in pairs():
        for form in DIFFERENCES:
            yield os.path.join(PAIRS, "%s.%s" % (name, form)), lambda name=name, form=form: difference(giltrace, name, form)


class Golden(unittest.TestCase):
    def test_reports(self):
        from tracing import GILTRACE
        self.assertGreater(len(recordings()), 2)
        self.assertGreater(len(pairs()), 1)
        for path, make in golden_files(GILTRACE):
            with self.subTest(golden=os.path.relpath(path, GOLDEN)):
                with open(path, "rb") as file:
                    expected = file.read()
                found = make()
                self.assertTrue(found == expected, self.first_difference(expected, found))

    @staticmethod
    def first_difference(expected, found):
        at = next((i for i, (a, b) in enumerate(zip(expected, found)) if a != b), min(len(expected), len(found)))
        return "at byte %d: %r instead of %r" % (at, found[at - 40:at + 40], expected[at - 40:at + 40])


if __name__ == "__main__":
    for golden, anew in golden_files(sys.argv[1]):
        with open(golden, "wb") as out:
            out.write(anew())
