# SPDX-License-Identifier: MIT
"""Frames against the interpreters' own account: each stack of a standing process, walked from outside with the layout
that its plan has and named by the adapter, equals sys._current_frames(), name, file and line."""

import json
import os
import signal
import struct
import subprocess
import time

import pythons
from tracing import GILTRACE, PATIENCE, TraceTest, end, wait_for, workload

WALKER = os.path.join(os.path.dirname(os.path.dirname(GILTRACE)), "e2e", "walk_frames")
TEXT_SIZE = 4096
EVERY = ["pyenv 2.7"] + pythons.EVERY


def stat_of(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


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
        said = target.hear()
        if not said and target.process.wait(PATIENCE) == 77:
            self.skipTest("this Python has no ctypes")
        expected = self.expected(said)
        time.sleep(0.1)
        found = self.walked(target.pid)
        self.assertGreaterEqual(len(expected), 10)
        for thread, frames in expected.items():
            self.assertEqual(found.get(thread), frames)
        self.assertEqual(len(found), len(expected) + 1)  # and the one that told


class FramesOfToygil(TraceTest):
    """Stacks of a stopped toygil fit its program: each function is on the line of an instruction that calls the next."""

    SOURCE = """\
milliseconds 60000

function main
	constant @down
	constant 12
	spawn 1
	pop
	constant @wait
	spawn 0
	join
	return
end

function down depth
	load depth
	constant 1
	less
	jump-if over
	constant @back-and-forth
	load depth
	call 1
	return
over:
	constant @keep
	call 0
	return
end

function back-and-forth depth

	constant @down
	load depth
	constant 1

	subtract
	call 1
	return
end

function keep
round:
	constant 7000
	native hog
	pop
	jump round
end

function wait
	constant 0
	store i
count:
	load i
	constant 1
	add
	store i
	jump count
end
"""

    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.directory, "down.toy")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(self.SOURCE)

    def stack(self, pid, lock):
        done = subprocess.run([WALKER, str(pid), lock], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        frames = [line.split(" ") for line in done.stdout.decode().splitlines() if line.startswith("frame")]
        self.assertEqual({bytes.fromhex(file).decode() for _, _, _, file in frames}, {self.path})
        return [(bytes.fromhex(name).decode(), int(line)) for _, line, name, _ in frames]

    def line_of(self, text):
        return self.SOURCE.splitlines().index(text) + 1

    def test_stopped(self):
        target = subprocess.Popen([os.path.join(os.path.dirname(GILTRACE), "toygil"), self.path],
                                  stdout=subprocess.DEVNULL)
        self.addCleanup(end, target)
        lines = self.SOURCE.splitlines()
        lock = self.only_gil(self.trace("-d", "0.3", "--quiet", "-p", target.pid).report)["gil"]
        calls = [n + 1 for n, line in enumerate(lines) if line == "\tcall 1"]
        deep = [("down", self.line_of("\tcall 0"))]
        for _ in range(12):
            deep += [("back-and-forth", calls[1]), ("down", calls[0])]
        seen = set()
        for _ in range(60):
            os.kill(target.pid, signal.SIGSTOP)
            wait_for(lambda: stat_of(target.pid) == "T", "toygil to stop")
            stack = self.stack(target.pid, lock)
            os.kill(target.pid, signal.SIGCONT)
            seen.add(stack[0][0])
            if stack[0][0] == "keep":
                self.assertEqual(stack[1:], deep)
                begin = self.line_of("function keep")
            else:
                self.assertEqual(len(stack), 1)
                self.assertEqual(stack[0][0], "wait")
                begin = self.line_of("function wait")
            self.assertIn(stack[0][1], range(begin + 1, begin + 10))
            self.assertTrue(lines[stack[0][1] - 1].startswith("\t"), "the line of an instruction")
            time.sleep(0.013)
        self.assertEqual(seen, {"keep", "wait"})


class CraftedToygil(TraceTest):
    """A toygil whose layout of frames says anything: it is refused, or what is read by it makes no sense; no harm."""

    FIELDS = ["code_type", "", "code_has_type", "threads", "next_thread", "top", "top_within", "previous", "code",
              "instruction", "owner", "foreign_owner", "form", "instructions", "name", "file", "first_line"]

    def setUp(self):
        super().setUp()
        with open(os.path.join(os.path.dirname(GILTRACE), "toygil"), "rb") as file:
            self.bytes = file.read()
        # No type, and none of what leads to other threads; then `top`.
        self.at = self.bytes.index(struct.pack("<QIII", 0, *[0xffffffff] * 3))

    def doctor(self, *changes):
        """What giltrace says of a toygil with these fields changed, which are told by their names."""
        path = os.path.join(self.directory, "toygil")
        crafted = bytearray(self.bytes)
        for name, value in changes:
            at = self.at + 4 * self.FIELDS.index(name)
            crafted[at:at + 4] = struct.pack("<I", value)
        with open(path, "wb") as file:
            file.write(crafted)
        os.chmod(path, 0o755)
        target = subprocess.Popen([path, "--duration=30", "count-up"], stdout=subprocess.DEVNULL)
        self.addCleanup(end, target)
        wait_for(lambda: os.readlink("/proc/%d/exe" % target.pid) == path, "toygil to begin")
        result = self.run_giltrace("doctor", "-p", target.pid)
        end(target)
        os.unlink(path)
        self.assertEqual(result.status, 0, result)
        return result.out

    def test_layouts(self):
        refusal = "How this toygil keeps its frames is not known"
        self.assertNotIn(refusal, self.doctor())
        for change in [("top", 0), ("top", 12), ("top", 0xfffffff8), ("previous", 121), ("code", 128),
                       ("instruction", 124), ("name", 256), ("file", 0xffffffff), ("first_line", 254),
                       ("instructions", 252), ("form", 0), ("form", 77), ("owner", 3), ("threads", 8),
                       ("top_within", 0), ("code_type", 5)]:
            self.assertIn(refusal, self.doctor(change), change)
