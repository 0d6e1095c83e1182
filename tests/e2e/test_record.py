# SPDX-License-Identifier: MIT
"""Recordings: their report is the live one, and what was captured survives whatever happens to the recorder."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time

import identities
import pythons
import recording_format
import tracing
from test_truth import TOYGIL
from tracing import GILTRACE, TraceTest, end, probing_all, wait_for, workload

FORMATS = ("json", "flame", "folded", "speedscope", "pprof")
ALL_FORMATS = FORMATS + ("html", "timeline")
NOBODY = 65534

# Each of tests/e2e/workloads, with arguments that make it end soon.
WORKLOADS = {"chains": [1], "children": ["fork", 2, 2000], "culprit": ["sorted", 1], "ending": ["exit"], "frames": ["holding"],
             "hostile_code": [], "hostile_names": [1], "interpreters": ["own", 1], "long_call": [1], "many_stacks": [1],
             "many_threads": ["come-and-go", 24, 50, os.devnull], "names": [], "sleeps": [3, 3000], "spin": [2, 0.005, 1],
             "write_loop": [2, 2000]}


class RecordTest(TraceTest):
    def path(self, name):
        return os.path.join(self.directory, name)

    def read(self, name, mode="rb"):
        with open(self.path(name), mode) as file:
            return file.read()

    def report(self, recording, *options, status=0):
        """The JSON report of a recording."""
        result = self.run_giltrace("report", self.path(recording), "--json", *options)
        self.assertEqual(result.status, status, result)
        return json.loads(result.out)

    def start_recorder(self, *arguments):
        recorder = subprocess.Popen([GILTRACE, "record", "--verbose", *probing_all(arguments)],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(recorder.stderr.close)
        self.addCleanup(end, recorder)
        for line in recorder.stderr:
            if b"tracing begins" in line:
                return recorder
        raise AssertionError("giltrace record did not begin")

    def start_spinning(self, name="pyenv 3.11", seconds=120):
        program = pythons.program(name) if name in pythons.ALL else pythons.system()
        target = self.start_target(program, workload("spin"), 3, 0.005, seconds)
        target.hear()
        return target


class RoundTrip(RecordTest):
    def compare(self, *arguments, kind="blame", formats=FORMATS, status=0):
        """All reports of one run, live and from its recording."""
        options = ["--flame-kind=" + kind]
        live = self.run_giltrace("--record=" + self.path("run.gilt"), *options,
                                 *["--%s=%s" % (f, self.path("live." + f)) for f in formats], *probing_all(arguments))
        self.assertEqual((live.status, live.err), (status, ""), live)
        later = self.run_giltrace("report", *["--%s=%s" % (f, self.path("later." + f)) for f in formats],
                                  self.path("run.gilt"), *options)
        self.assertEqual((later.status, later.err), (0, ""), later)
        self.assertIn("traced for", later.out)
        self.assertEqual(live.out[-len(later.out):], later.out, "before it there is what the command said")
        for form in formats:
            self.assertEqual(self.read("live." + form), self.read("later." + form), form)
        report = json.loads(self.read("live.json"))
        if {report["probes"]["coverage_pct"], report["probes"]["waits_coverage_pct"]} <= {100, None}:  # else it is rounded
            identities.check_sums(self, report)
        size = os.stat(self.path("run.gilt")).st_size
        print("%s: %.1f s, %d bytes, %d of JSON" % (self.id(), report["window"]["duration_ns"] / 1e9, size,
                                                    len(self.read("live.json"))))
        return report

    def test_culprit(self):
        report = self.compare("--", pythons.system(), workload("culprit"), "re", 3)
        self.assertGreater(len(report["hogs"]), 10)
        identities.check_whole_waits(self, report)

    def test_hold(self):
        self.compare("--stacks=both", "--", pythons.system(), workload("culprit"), "json", 2, kind="hold")

    def test_without_stacks(self):
        self.compare("--stacks=none", "-p", self.start_spinning().pid, "-d", 1.7, formats=("json",))

    def test_waits(self):
        self.compare("--probes=waits", "-p", self.start_spinning().pid, "-d", 1.7, kind="wait")

    def test_budget(self):
        """What was seen in windows stands for the rest in the file, too."""
        report = self.compare("--probes=auto", "--budget=0.5", "--", pythons.system(), workload("write_loop"), 2, 8000000)
        self.assertLess(report["probes"]["coverage_pct"], 100)
        self.assertGreater(report["probes"]["windows"], 0)

    def test_ticks(self):
        self.compare("--", pythons.program("pyenv 2.7"), workload("write_loop"), 3, 20000)

    def test_toygil(self):
        for program in ("mixed", "sleep", "hog"):
            with self.subTest(program=program):
                self.compare("--", TOYGIL, "--threads=4", program)

    def test_every_program(self):
        """Every program that toygil has."""
        listed = subprocess.run([TOYGIL, "list"], stdout=subprocess.PIPE, check=True, text=True).stdout
        programs = re.findall(r"^  ([a-z-]+) ", listed.split("designs")[0], re.MULTILINE)
        self.assertGreater(len(programs), 9)
        for program in programs:
            with self.subTest(program=program):
                self.compare("--", TOYGIL, "--threads=3", "--duration=0.7", program, formats=ALL_FORMATS)

    def test_every_design(self):
        for design in ("ticks", "interval", "per-interpreter"):
            with self.subTest(design=design):
                self.compare("--", TOYGIL, "--gil=" + design, "--threads=3", "--duration=0.7", "mixed", formats=ALL_FORMATS)

    def test_every_workload(self):
        there = {name[:-3] for name in os.listdir(tracing.WORKLOADS) if name.endswith(".py")}
        self.assertEqual(there, set(WORKLOADS))
        for name, arguments in sorted(WORKLOADS.items()):
            with self.subTest(workload=name):
                program = pythons.program("pyenv 3.12") if name == "interpreters" else pythons.system()
                self.compare("--", program, workload(name), *arguments, formats=ALL_FORMATS,
                             status=3 if name == "ending" else 0)  # its own

    def test_children(self):
        report = self.compare("--follow", "--", pythons.system(), workload("children"), "fork", 4, 20000)
        self.assertGreaterEqual(len(report["processes"]), 5)

    def test_programs_that_follow_each_other(self):
        report = self.compare("--follow", "--", pythons.system(), workload("children"), "exec", 3, 20000)
        self.assertIn("execed", [p["ended_by"] for p in report["processes"]])

    def test_interpreters(self):
        report = self.compare("--", pythons.program("pyenv 3.12"), workload("interpreters"), "own", 2)
        self.assertEqual(len(report["gils"]), 2)

    def test_threads_that_end(self):
        """Hundreds of threads, each in the file once and for all."""
        report = self.compare("--", pythons.system(), "-c", """
import threading, time
for i in range(40):
    threads = [threading.Thread(target=lambda: [time.sleep(0.001) for _ in range(20)]) for _ in range(10)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
""")
        self.assertEqual(len([t for t in report["threads"] if t["ended"]]), 401)

    def test_documented_format(self):
        """What docs/recording.md says is enough to read one: sums of the same figures."""
        report = self.compare("--", pythons.system(), workload("culprit"), "sorted", 2)
        recording = recording_format.Recording(self.read("run.gilt"))
        self.assertEqual(recording.numbers, list(range(len(recording.numbers))))
        self.assertGreater(len(recording.numbers), 3)
        self.assertEqual(recording.window[3], report["window"]["duration_ns"])
        self.assertEqual(recording.window[7], 2, "it ended by its target's end")
        self.assertEqual(recording.window[20], report["probes"]["hits"])
        read = sorted((t["key"][2], t.get(20, 0), t.get(21, 0), t.get(28, 0), t.get(29, 0), t["name"],
                       [(recording_format.lower_bound(i), n) for i, n in sorted(t["wait"].items()) if n])
                      for t in recording.ended)
        told = sorted((t["tid"], t["acquisitions"], t["contended"], t["held_ns"], t["waited_ns"], t["name"],
                       [(low, n) for low, _, n in t["wait"]["buckets"]]) for t in report["threads"])
        self.assertEqual(read, told)
        read = sorted((key[2], key[3], b[20], b[21], b[22]) for key, b in recording.blame.items())
        self.assertEqual(sum(b[3] for b in read), sum(b["wait_ns"] for b in report["blame"]))
        self.assertEqual(sum(b[2] for b in read), sum(b["waits"] for b in report["blame"]))
        named = {tuple(f["name"] for f in b["stack"]) for b in report["blame"]}
        self.assertEqual({key[4] for key in recording.blame}, named)

    def check_events(self, report, recording):
        """Waits are those of the report, to the nanosecond, and no thread is at two places."""
        self.assertGreaterEqual(min(e[3] for e in recording.events), report["window"]["start_ns"],
                                "giltrace's own holds, when it measured the price of a hit")
        for thread in report["threads"]:
            mine = [e for e in recording.events if e[1:3] == (thread["process"], thread["tid"])]
            waits = [e for e in mine if e[0] == recording_format.WAIT]
            self.assertEqual((len(waits), sum(e[4] - e[3] for e in waits), sum(e[5]["failed"] for e in waits)),
                             (thread["contended"], thread["waited_ns"], thread["failed"]), thread["name"])
            for before, after in zip(mine, mine[1:]):
                self.assertLessEqual(before[4], after[3], "an event begins before the one before has ended")
        holds = sorted((e[3], e[4]) for e in recording.events if e[0] != recording_format.WAIT)
        for before, after in zip(holds, holds[1:]):
            self.assertLessEqual(before[1], after[0], "two threads have the lock")

    def test_events(self):
        report = self.compare("--", pythons.system(), workload("culprit"), "re", 2)
        recording = recording_format.Recording(self.read("run.gilt"))
        self.check_events(report, recording)
        waits = [e for e in recording.events if e[0] == recording_format.WAIT]
        self.assertGreater(len(waits), 10)
        blamed = [e for e in waits if "match" in e[5]["stack"]]
        self.assertGreater(sum(e[4] - e[3] for e in blamed), 0.8 * sum(e[4] - e[3] for e in waits))
        print("%s: %d events in %d bytes" % (self.id(), len(recording.events), recording.event_bytes))
        self.compare("--events=none", "--", pythons.system(), workload("culprit"), "re", 2)
        self.assertEqual(recording_format.Recording(self.read("run.gilt")).events, [])

    def test_all_events(self):
        """Each hold of each thread, to the nanosecond."""
        for program, command in ((pythons.system(), (workload("write_loop"), 3, 30000)), (TOYGIL, ("mixed",))):
            with self.subTest(program=program):
                report = self.compare("--events=all", "--", program, *command)
                recording = recording_format.Recording(self.read("run.gilt"))
                self.check_events(report, recording)
                for thread in report["threads"]:
                    holds = [e[4] - e[3] for e in recording.events if e[1:3] == (thread["process"], thread["tid"]) and
                             e[0] != recording_format.WAIT]
                    self.assertEqual((len(holds), sum(holds)), (thread["hold"]["count"], thread["held_ns"]))
                each = recording.event_bytes / len(recording.events)
                print("%s: %d events, %.2f bytes each" % (self.id(), len(recording.events), each))
                # Each chunk has a head, and names its threads anew.
                self.assertLess(recording.event_bytes, 8 * len(recording.events) + 1000)

    def test_several_reports_of_one_recording(self):
        self.compare("-p", self.start_spinning().pid, "-d", 1.2)
        for kind in ("wait", "hold"):
            result = self.run_giltrace("report", self.path("run.gilt"), "--folded=-", "--flame-kind=" + kind)
            self.assertEqual(result.status, 0, result)
            self.assertIn("spin", result.out)

    def test_not_root(self):
        self.compare("-p", self.start_spinning().pid, "-d", 0.7)
        program = shutil.copy(GILTRACE, self.path("giltrace"))
        os.chmod(program, 0o755)
        done = subprocess.run([program, "report", self.path("run.gilt")], capture_output=True, user=NOBODY,
                              group=NOBODY, extra_groups=(), cwd=self.directory, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b"BOUND BY THE GIL", done.stdout)


class Record(RecordTest):
    def test_command(self):
        """Its status is the command's."""
        result = self.run_giltrace("record", "-o", self.path("r.gilt"), "--", pythons.system(), "-c", "exit(7)")
        self.assertEqual((result.status, result.err), (7, ""), result)
        self.assertRegex(result.out, r"r\.gilt: .*, \d+ bytes\n")
        self.assertEqual(self.report("r.gilt")["window"]["ended_by"], "exited")

    def test_signals(self):
        """Nothing that was captured is lost: not what came after the last chunk either."""
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                target = self.start_spinning(seconds=60)
                recorder = self.start_recorder("-o", self.path("r.gilt"), "-p", target.pid)
                time.sleep(1.3)
                recorder.send_signal(number)
                self.assertEqual(recorder.wait(60), 0)
                self.assertEqual(recorder.stderr.read(), b"")
                report = self.report("r.gilt")
                self.assertEqual(report["window"]["ended_by"], "time")
                self.assertGreater(report["window"]["duration_ns"], 1.3e9)
                self.assert_nothing_lost(report)
                identities.check_sums(self, report)
                end(target.process)

    def test_kill(self):
        """kill -9 after 5 s: the first 4 s at least."""
        target = self.start_spinning()
        recorder = self.start_recorder("-o", self.path("r.gilt"), "-p", target.pid)
        time.sleep(5)
        recorder.kill()
        recorder.wait(60)
        result = self.run_giltrace("report", self.path("r.gilt"), "--json=" + self.path("r.json"))
        self.assert_one_line(result, 0, "r.gilt", "breaks off")
        self.assertIn("breaks off", result.out)
        report = json.loads(self.read("r.json"))
        duration = report["window"]["duration_ns"]
        print("%s: the first %.2f s" % (self.id(), duration / 1e9))
        self.assertGreater(duration, 4e9)
        self.assertIsNone(report["window"]["ended_by"])
        gil = self.only_gil(report)
        self.assertGreater(gil["utilisation"], 0.9)
        spinners = [t for t in report["threads"] if t["contended"] > 10]
        self.assertEqual(len(spinners), 3)
        for thread in spinners:
            self.assertAlmostEqual(thread["waited_ns"] + thread["open"]["waited_ns"] + thread["held_ns"] +
                                   thread["open"]["held_ns"], duration, delta=0.25 * duration)
        blamed = sum(b["wait_ns"] for b in report["blame"] if any(f["name"] == "spin" for f in b["stack"]))
        self.assertGreater(blamed, 0.9 * gil["waited_ns"])
        self.assertIsNone(target.process.poll())

    def test_read_while_it_grows(self):
        target = self.start_spinning()
        self.start_recorder("-o", self.path("r.gilt"), "-p", target.pid)
        wait_for(lambda: os.path.exists(self.path("r.gilt")), "the first chunk")
        first = self.report("r.gilt")["window"]["duration_ns"]
        wait_for(lambda: self.report("r.gilt")["window"]["duration_ns"] > first, "the second chunk")

    def test_greatest_size(self):
        size, largest = 256 * 1024, 0
        target = self.start_target(pythons.system(), workload("many_stacks"), 100)
        target.hear()
        recorder = self.start_recorder("-o", self.path("r.gilt"), "--max-size=256K", "-p", target.pid)
        until = time.monotonic() + 9
        while time.monotonic() < until:
            if os.path.exists(self.path("r.gilt")):
                largest = max(largest, os.stat(self.path("r.gilt")).st_size)
            time.sleep(0.002)
        recorder.send_signal(signal.SIGINT)
        self.assertEqual((recorder.wait(60), recorder.stderr.read()), (0, b""))
        self.assertLessEqual(max(largest, os.stat(self.path("r.gilt")).st_size), size)
        self.assertEqual([name for name in os.listdir(self.directory) if name.startswith("r.gilt")], ["r.gilt"])
        report = self.report("r.gilt")
        window = report["window"]
        print("%s: the last %.1f s in %d bytes" % (self.id(), window["duration_ns"] / 1e9, largest))
        self.assertEqual(window["ended_by"], "time")
        self.assertGreater(window["duration_ns"], 0.5e9)
        self.assertLess(window["duration_ns"], 8e9, "nothing was left out: the test needs more stacks")
        self.assertGreater(self.only_gil(report)["utilisation"], 0.8)
        self.assertTrue(all(b["stack"] for b in report["blame"][:5]), "stacks have their names still")
        recording = recording_format.Recording(self.read("r.gilt"))
        self.assertGreater(recording.numbers[0], 0)
        self.assertGreater(len(recording.events), 50)
        self.assertTrue(all(e[5]["stack"] for e in recording.events[-20:] if e[0] == recording_format.WAIT))

    def test_pipe(self):
        """Out of one giltrace into another."""
        command = "%s record --probes=all -o - -p %d -d 1.2 | %s report -" % (shlex.quote(GILTRACE), self.start_spinning().pid,
                                                                shlex.quote(GILTRACE))
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertIn("traced for 1.2", done.stdout)


class Disk(RecordTest):
    def test_existing_file(self):
        """It stays until the trace has begun, and is replaced then."""
        with open(self.path("r.gilt"), "w", encoding="ascii") as file:
            file.write("old")
        self.assert_one_line(self.run_giltrace("record", "-o", self.path("r.gilt"), "-p", 2147483647), 3)
        self.assertEqual(self.read("r.gilt"), b"old")
        target = self.start_spinning()
        self.assertEqual(self.run_giltrace("record", "-q", "-o", self.path("r.gilt"), "-p", target.pid, "-d", 0.3).status,
                         0)
        self.report("r.gilt")
        self.assertEqual(os.listdir(self.directory), ["r.gilt"])

    def test_no_such_directory(self):
        proof = self.path("proof")
        result = self.run_giltrace("record", "-o", self.path("none/r.gilt"), "--", "touch", proof)
        self.assert_one_line(result, 1, "cannot write", "none/r.gilt", "No such file or directory")
        self.assertFalse(os.path.exists(proof))

    def test_read_only_directory(self):
        target = self.start_spinning()
        place = self.path("place")
        os.mkdir(place)
        script = "mount -t tmpfs -o ro none %s && exec %s record -o %s/r.gilt -p %d" % (place, GILTRACE, place,
                                                                                       target.pid)
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, timeout=60, check=False)
        self.assert_one_line(tracing.Result(done.returncode, done.stdout.decode(), done.stderr.decode(), None), 1,
                             "cannot write", "Read-only file system")

    def test_full_disk(self):
        """What was written stays, one line says how much that is, and the target goes on. The recording grows by
        100 kB a part and would have 800 kB at the end: there is room for three."""
        target = self.start_target(pythons.system(), workload("many_stacks"), 100)
        target.hear()
        place = self.path("disk")
        os.mkdir(place)
        script = ("mount -t tmpfs -o size=320k none %s\n%s record --probes=all -d 4 -o %s/r.gilt -p %d\necho status $?\n"
                  "%s report %s/r.gilt --json\nls %s >&2" % (place, GILTRACE, place, target.pid, GILTRACE, place, place))
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60,
                              check=False)
        status, document = done.stdout.split("\n", 1)
        lines = done.stderr.splitlines()
        self.assertEqual(status, "status 1", done)
        self.assertEqual(len(lines), 3, done.stderr)
        self.assertRegex(lines[0], r"cannot write .*r\.gilt: No space left on device; it has the first [0-9.]+ m?s")
        self.assertIn("breaks off", lines[1])
        self.assertEqual(lines[2], "r.gilt")
        duration = json.loads(document)["window"]["duration_ns"] / 1e9
        self.assertGreater(duration, 0.4)
        self.assertLess(duration, 4)
        self.assertIsNone(target.process.poll())

    def test_disk_that_has_room_again(self):
        """What could not be written comes later: nothing is lost."""
        target = self.start_target(pythons.system(), workload("many_stacks"), 100)
        target.hear()
        place = self.path("disk")
        os.mkdir(place)
        script = ("mount -t tmpfs -o size=4m none %s\ndd if=/dev/zero of=%s/filler bs=4k count=1022 2>/dev/null\n"
                  "(sleep 2.5; rm %s/filler) &\n%s record --probes=all -q -d 4 -o %s/r.gilt -p %d\necho status $?\n"
                  "%s report %s/r.gilt --json" % (place, place, place, GILTRACE, place, target.pid, GILTRACE, place))
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60,
                              check=False)
        status, document = done.stdout.split("\n", 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("No space left", done.stderr)
        self.assertEqual(status, "status 0", done)
        report = json.loads(document)
        self.assertEqual(report["window"]["ended_by"], "time")
        self.assertGreater(report["window"]["duration_ns"], 3.9e9)
        identities.check_sums(self, report)

    def test_full_disk_and_live_report(self):
        """The report is there all the same."""
        result = self.run_giltrace("--record=/dev/full", "-p", self.start_spinning().pid, "-d", 1.2)
        self.assert_one_line(result, 1, "cannot write /dev/full", "No space left")
        self.assertIn("traced for 1.2", result.out)

    def test_nothing_is_left_of_what_has_no_lock(self):
        sleeper = subprocess.Popen(["sleep", "60"])
        self.addCleanup(end, sleeper)
        wait_for(lambda: os.readlink("/proc/%d/exe" % sleeper.pid).endswith("sleep"), "sleep to be executed")
        self.assert_one_line(self.run_giltrace("record", "-o", self.path("r.gilt"), "-p", sleeper.pid), 3)
        self.assertEqual(os.listdir(self.directory), [])


class NoRecording(RecordTest):
    def refused(self, name, *words):
        self.assert_one_line(self.run_giltrace("report", self.path(name)), 1, name, *words)

    def test_what_is_none(self):
        for name, content in (("empty", b""), ("text", b"Not a recording\n" * 40), ("zeros", bytes(5000)),
                              ("elf", self.elf())):
            with open(self.path(name), "wb") as file:
                file.write(content)
            self.refused(name, "is no recording")
        self.refused("missing", "No such file")
        os.mkdir(self.path("directory"))
        self.refused("directory", "Is a directory")

    @staticmethod
    def elf():
        with open(GILTRACE, "rb") as file:
            return file.read(10000)

    def test_cut_and_damaged(self):
        """Each is a report with a line that says so, or one line."""
        target = self.start_spinning()
        self.assertEqual(self.run_giltrace("record", "-q", "-o", self.path("r.gilt"), "-p", target.pid, "-d", 2).status,
                         0)
        whole = self.read("r.gilt")
        for cut in list(range(0, len(whole), 97)) + [len(whole) - 1]:
            with open(self.path("cut.gilt"), "wb") as file:
                file.write(whole[:cut])
            result = self.run_giltrace("report", self.path("cut.gilt"))
            self.assert_one_line(result, result.status, "cut.gilt")
            self.assertIn(result.status, (0, 1))
            self.assertEqual(bool(result.out), result.status == 0)
        for at in range(0, len(whole), 101):
            with open(self.path("damaged.gilt"), "wb") as file:
                file.write(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1:])
            result = self.run_giltrace("report", self.path("damaged.gilt"))
            self.assert_one_line(result, result.status, "damaged.gilt")
            self.assertIn(result.status, (0, 1))

    def test_what_is_not_in_it(self):
        target = self.start_spinning()
        self.assertEqual(self.run_giltrace("record", "-q", "-o", self.path("r.gilt"), "--stacks=none", "-p", target.pid,
                                           "-d", 0.3).status, 0)
        self.assert_one_line(self.run_giltrace("report", self.path("r.gilt"), "--folded=-"), 2, "--stacks=none")

    def test_usage(self):
        for arguments in (["record", "-p", "1"], ["record", "-o", "x"], ["record", "-o", "", "-p", "1"],
                          ["record", "-o", "x", "-p", "1", "--json"], ["record", "-o", "x", "-o", "y", "-p", "1"],
                          ["record", "-o", "x", "--max-size=1", "-p", "1"],
                          ["record", "-o", "x", "--max-size=1T", "-p", "1"], ["report"], ["report", "x", "y"],
                          ["report", "x", "-p", "1"], ["report", "x", "--json", "--folded=-"], ["-o", "x", "-p", "1"],
                          ["--record=", "-p", "1"], ["--record=x", "--json=x", "-p", "1"], ["--record=-", "-p", "1"],
                          ["--max-size=1M", "-p", "1"], ["--events=some", "-p", "1"],
                          ["record", "-o", "x", "--events=all", "--probes=waits", "-p", "1"], ["report", "x", "--record=y"], ["report", "-o", "x"]):
            with self.subTest(arguments=arguments):
                self.assert_one_line(self.run_giltrace(*arguments), 2)
        self.assert_one_line(self.run_giltrace("record", "-o", "-", "--max-size=1M", "-p", "1"), 1, "--max-size")
