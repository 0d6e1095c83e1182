# SPDX-License-Identifier: MIT
"""Frames against the interpreters' own account: each stack of a standing process, walked from outside with the layout
that its plan has and named by the adapter, equals sys._current_frames(), name, file and line."""

import json
import os
import subprocess
import time

import pythons
from tracing import GILTRACE, PATIENCE, TraceTest, workload

WALKER = os.path.join(os.path.dirname(os.path.dirname(GILTRACE)), "e2e", "walk_frames")
TEXT_SIZE = 4096
EVERY = ["pyenv 2.7"] + pythons.EVERY


def as_told(text, three):
    """What giltrace makes of a name: UTF-8, what that cannot say escaped, cut at a whole character."""
    data = text.encode("utf-8", "backslashreplace") if three else text.encode("latin-1")
    data = data.replace(b"\0", b"\\x00")
    if len(data) < TEXT_SIZE:
        return data
    return data[:TEXT_SIZE - 4].decode("utf-8", "ignore").encode() + b"..."


@pythons.for_each(EVERY)
class Frames(TraceTest):
    def expected(self, said):
        three = not self.two
        return {int(thread): [(as_told(name, three), as_told(file, three), line or 0) for name, file, line in frames]
                for thread, frames in json.loads(said).items()}

    def walked(self, pid):
        done = subprocess.run([WALKER, str(pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        threads = {}
        for line in done.stdout.decode().splitlines():
            words = line.split(" ")
            if words[0] == "thread":
                frames = threads[int(words[1])] = []
            else:
                frames.append((bytes.fromhex(words[2]), bytes.fromhex(words[3]), int(words[1])))
        return threads

    def check_names_and_lines(self, python):
        self.two = "2.7" in python
        target = self.start_target(python, workload("frames"))
        expected = self.expected(target.hear())
        time.sleep(0.1)
        found = self.walked(target.pid)
        self.assertGreaterEqual(len(expected), 10)
        for thread, frames in expected.items():
            self.assertEqual(found.get(thread), frames)
        self.assertEqual(len(found), len(expected) + 1)  # and the one that told
