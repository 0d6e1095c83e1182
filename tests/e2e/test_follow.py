# SPDX-License-Identifier: MIT
"""Several processes in one trace: those that -p names, the children of --follow, and every one with --all."""

import glob
import json
import os
import subprocess

import identities
import pythons
from test_truth import COUNTS, TOYGIL
from tracing import TraceTest, end, wait_for, workload

CYCLES = 3000
START_UP = 4000  # an interpreter's own acquisitions from its start to its end, at most


class Following(TraceTest):
    def assert_sound(self, report):
        """What holds of every report of several processes."""
        self.assert_nothing_lost(report)
        identities.check_sums(self, report)
        numbers = [p["number"] for p in report["processes"]]
        self.assertEqual(numbers, sorted(set(numbers)), "each process is another")
        for process in report["processes"]:
            gils = [g for g in report["gils"] if g["process"] == process["number"]]
            self.assertEqual(len(gils), process["gils"])
            for count in identities.COUNTS:
                if process[count] is not None:
                    self.assertEqual(sum(g[count] for g in gils), process[count], "the process's " + count)
        for count in identities.COUNTS:
            if report["total"][count] is not None:
                self.assertEqual(sum(p[count] for p in report["processes"]), report["total"][count], count)
        self.assertEqual(report["total"]["processes"], len(report["processes"]))

    def assert_alternates(self, process):
        """From its first acquisition on: it has none open from before, and each but the last was released."""
        self.assertTrue(process["from_start"], process)
        self.assertEqual(process["open"]["holds_at_start"], 0, "its first acquisition was missed")
        self.assertIn(process["acquisitions"] - identities.releases(process), (0, 1), process)

    def children(self, report):
        """The traced processes that are not the first one, in the order of beginning. (2.7's subprocess forks in Python:
        until the exec, that is another one.)"""
        children = [p for p in report["processes"] if p["pid"] != report["target"]["pid"] and p["ended_by"] != "execed"]
        return sorted(children, key=lambda p: p["start_ns"])


@pythons.for_each(["pyenv 2.7"] + pythons.EVERY)
class Children(Following):
    def check_bare_forks(self, program):
        """Three forked children do nothing but their share of cycles; so their counts differ by exactly that."""
        report = self.trace("--quiet", "--follow", "--", program, workload("children"), "bare", 3, CYCLES).report
        self.assert_sound(report)
        self.assertEqual(report["window"]["scope"], "children")
        children = self.children(report)
        self.assertEqual(len(children), 3)
        for child in children:
            self.assert_alternates(child)
        own = [child["acquisitions"] - CYCLES * (i + 1) for i, child in enumerate(children)]
        if report["target"]["design"] == "ticks":  # each 100 instructions one more
            self.assertAlmostEqual(own[2] - own[1], own[1] - own[0], delta=3, msg=own)
            return
        print("%s: %s acquisitions of children that make %s" % (
            self.id(), ", ".join(str(child["acquisitions"]) for child in children),
            ", ".join(str(CYCLES * (i + 1)) for i in range(3))))
        self.assertEqual(own, [own[0]] * 3, "an acquisition of a child was missed")
        self.assertIn(own[0], range(0, 4), "the child's own: the lock that the fork made anew, and the end")

    def check_programs(self, program):
        """Children that run the interpreter again: it is the same file, so nothing of them is missed."""
        report = self.trace("--quiet", "--follow", "--", program, workload("children"), "subprocess", 3, CYCLES).report
        self.assert_sound(report)
        children = self.children(report)
        self.assertEqual(len(children), 3)
        for child in children:
            self.assert_alternates(child)
        self.assertEqual(len({c["acquisitions"] - identities.releases(c) for c in children}), 1)
        counts = sorted(child["acquisitions"] for child in children)
        for i, count in enumerate(counts):
            self.assertGreaterEqual(count, CYCLES * (i + 1))
            self.assertLessEqual(count, CYCLES * (i + 1) + START_UP)


@pythons.for_each(pythons.EVERY)
class Multiprocessing(Following):
    def check_all_methods(self, program):
        for method in ("fork", "spawn", "forkserver"):
            with self.subTest(method=method):
                report = self.trace("--quiet", "--follow", "--", program, workload("children"), method, 3,
                                    CYCLES).report
                self.assert_sound(report)
                children = self.children(report)
                for child in children:
                    self.assert_alternates(child)
                worked = sorted(c["acquisitions"] for c in children)[-3:]
                for i, count in enumerate(worked):
                    self.assertGreaterEqual(count, CYCLES * (i + 1), "acquisitions of a child were missed")
                    self.assertLessEqual(count, CYCLES * (i + 1) + START_UP)


class Relatives(Following):
    def test_prefork(self):
        """Workers that a running server has already, and ones that it starts later."""
        target = self.start_target(pythons.system(), workload("children"), "prefork", 3, CYCLES, "steps")
        target.hear()
        tracer = self.start_tracer("--quiet", "--verbose", "--follow", "-p", target.pid)
        tracer.wait_until_tracing()
        target.tell()
        target.hear()
        report = tracer.interrupt().report
        self.assert_sound(report)
        children = self.children(report)
        self.assertEqual([c["from_start"] for c in children], [False] * 3)
        self.assertEqual([c["parent"] for c in children], [None] * 3)
        self.assertEqual(len({c["acquisitions"] - identities.releases(c) for c in children}), 1)
        self.assertEqual(sorted(c["acquisitions"] for c in children)[1] - CYCLES,
                         sorted(c["acquisitions"] for c in children)[0], "the second works twice as long")

    def test_exec(self):
        """A child that replaces its program is two processes in the report, with one pid."""
        report = self.trace("--quiet", "--follow", "--", pythons.system(), workload("children"), "exec", 2,
                            CYCLES).report
        self.assert_sound(report)
        children = [p for p in report["processes"] if p["pid"] != report["target"]["pid"]]
        self.assertEqual(len(children), 4)
        self.assertEqual(len({c["pid"] for c in children}), 2)
        for pid in {c["pid"] for c in children}:
            first, second = [c for c in children if c["pid"] == pid]
            self.assertEqual((first["ended_by"], second["ended_by"]), ("execed", "exited"))
            self.assertLessEqual(first["start_ns"] + first["duration_ns"], second["start_ns"])
            self.assert_alternates(second)
            self.assertEqual(first["open"]["holds_at_end"], 1, "it holds the lock while it is replaced")

    def test_not_followed(self):
        """Without --follow only the process itself."""
        result = self.trace("--", pythons.system(), workload("children"), "bare", 3, CYCLES)
        self.assertEqual(len(result.report["processes"]), 1)
        self.assertEqual(result.report["window"]["children"], 3)
        self.assertLess(self.only_gil(result.report)["acquisitions"], CYCLES)
        self.assertIn("--follow", result.out)

    def test_through_a_shell(self):
        """Children of a child without an interpreter, and one of another version, whose file nobody knew before."""
        other = pythons.any_pyenv("3.8", "3.9", "3.10")
        script = "%s %s work 1 %d; %s %s work 1 %d; %s %s work 1 %d" % (
            pythons.system(), workload("children"), CYCLES, other, workload("children"), 100 * CYCLES, other,
            workload("children"), CYCLES)
        report = self.trace("--quiet", "--follow", "--", "sh", "-c", "sh -c '%s'; true" % script).report
        self.assert_sound(report)
        self.assertEqual(len(report["processes"]), 3)
        first, second, third = report["processes"]
        self.assertFalse(second["from_start"], "its file had to be found while it ran: the report must say so")
        self.assertEqual(first["exe"], pythons.system())
        for process in (first, third):  # by then the file was known
            self.assert_alternates(process)
            self.assertIn(process["acquisitions"], range(CYCLES, CYCLES + START_UP))

    def test_waits_only(self):
        report = self.trace("--quiet", "--follow", "--probes=waits", "--", pythons.system(), workload("children"),
                            "fork", 2, CYCLES).report
        self.assert_nothing_lost(report)

    def test_toygil_against_its_books(self):
        """Three processes, each with its own truth."""
        truth = os.path.join(self.directory, "truth")
        report = self.trace("--quiet", "--follow", "--", TOYGIL, "--processes=3", "--gil=interval",
                            "--truth=" + truth, "--threads=3", "mixed").report
        self.assert_sound(report)
        files = glob.glob(truth + ".*")
        self.assertEqual(len(files), 3)
        for path in files:
            with open(path, encoding="utf-8") as file:
                true = json.load(file)
            traced = [g for g in report["gils"] if g["pid"] == true["target"]["pid"]]
            self.assertEqual(len(traced), 1)
            for count in COUNTS:
                self.assertEqual(traced[0][count], true["gils"][0][count], count)


class Given(Following):
    def test_two_processes(self):
        """-p twice: each with its counts, and nothing of a third that runs the same file."""
        targets = [self.start_target(pythons.system(), workload("write_loop"), 1, CYCLES * (i + 1), "steps")
                   for i in range(3)]
        for target in targets:
            target.hear()
        tracer = self.start_tracer("--quiet", "--verbose", "-p", targets[0].pid, "-p", targets[1].pid)
        tracer.wait_until_tracing()
        for target in targets:
            target.tell()
        for target in targets:
            target.hear()
        report = tracer.interrupt().report
        self.assert_sound(report)
        counts = {p["pid"]: p["acquisitions"] for p in report["processes"]}
        self.assertEqual(set(counts), {targets[0].pid, targets[1].pid})
        # Starting the thread takes the lock once more when it is not there at once.
        self.assertAlmostEqual(counts[targets[1].pid] - counts[targets[0].pid], CYCLES, delta=3)

    def test_ends_with_the_last(self):
        targets = [self.start_target(pythons.system(), workload("write_loop"), 1, CYCLES, "steps") for _ in range(6)]
        for target in targets:
            target.hear()
        arguments = [word for target in targets for word in ("-p", target.pid)]
        tracer = self.start_tracer("--verbose", *arguments)
        tracer.wait_until_tracing()
        for target in targets:
            target.tell()
            target.hear()
            self.assertIsNone(tracer.process.poll(), "it waits for the others")
            target.tell()
        result = tracer.finish()
        self.assertEqual(result.status, 0, result)
        self.assert_sound(result.report)
        self.assertEqual([p["ended_by"] for p in result.report["processes"]], ["exited"] * 6)
        self.assertEqual(result.report["window"]["ended_by"], "exited")
        for line in result.out.splitlines():
            self.assertLessEqual(len(line), 80, "too wide: " + line)
        self.assertIn("6 processes", result.out)

    def test_one_of_them_is_gone(self):
        target = self.start_target(pythons.system(), workload("write_loop"), 1, 1, "steps")
        target.hear()
        gone = subprocess.Popen(["true"])
        gone.wait()
        self.assert_one_line(self.run_giltrace("-p", target.pid, "-p", gone.pid), 3, str(gone.pid))


class Everything(Following):
    def test_all(self):
        """Those that run already and those to come, of different versions."""
        running = self.start_target(pythons.system(), workload("write_loop"), 2, CYCLES, "steps")
        running.hear()
        tracer = self.start_tracer("--verbose", "--all")
        tracer.wait_until_tracing()
        running.tell()
        running.hear()
        mine = [running.pid]
        programs = [pythons.system(), pythons.any_pyenv("3.9", "3.10"), pythons.any_pyenv("3.9", "3.10")]
        for i, program in enumerate(programs):
            cycles = CYCLES * (30 if i == 1 else 1)  # it takes a moment until a file that nobody has seen is found
            child = subprocess.Popen([program, workload("children"), "work", "1", str(cycles)])
            self.addCleanup(end, child)
            self.assertEqual(child.wait(), 0)
            mine.append(child.pid)
        result = tracer.interrupt()
        self.assertEqual(result.status, 0, result)
        report = result.report
        self.assertIsNone(report["target"]["pid"])
        found = {p["pid"]: p for p in report["processes"]}
        for pid in mine:
            self.assertIn(pid, found)
        self.assertFalse(found[mine[0]]["from_start"])
        for pid in (mine[1], mine[3]):  # the file was known by then
            self.assert_alternates(found[pid])
            self.assertIn(found[pid]["acquisitions"], range(CYCLES, CYCLES + START_UP))
        self.assertIn("--all", result.out)

    def test_nothing_to_trace(self):
        """A user sees that it works, and what it found: nothing."""
        result = self.trace("--all", "-d", 0.2)
        self.assertIn("processes with a GIL", result.out)


class Reuse(Following):
    def test_many_short_lives(self):
        """More children than there is room for at the same time; each is read out when it ends."""
        code = ("import os\n"
                "for i in range(600):\n"
                "    pid = os.fork()\n"
                "    if not pid: os._exit(0)\n"
                "    os.waitpid(pid, 0)\n")
        report = self.trace("--quiet", "--follow", "--", pythons.system(), "-c", code).report
        self.assert_sound(report)
        self.assertEqual(len(report["processes"]), 601)
        for child in self.children(report):
            self.assert_alternates(child)
