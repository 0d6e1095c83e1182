# SPDX-License-Identifier: MIT
"""Whatever becomes of the target while it is traced: the report comes, says what happened, and adds up."""

import os
import signal

import identities
import pythons
from tracing import TraceTest, changed_text, wait_for, workload


@pythons.for_each([pythons.NAMES[0], "pyenv 3.6", "pyenv 3.9", "pyenv 3.12", "pyenv 3.13"])
class Ends(TraceTest):
    def trace_end(self, program, *how):
        target = self.start_target(program, workload("ending"), *how)
        self.assertEqual(target.hear(), "ready")
        tracer = self.start_tracer("--verbose", "-p", target.pid)
        tracer.wait_until_tracing()
        target.tell()
        return target, tracer

    def assert_report(self, result, ended_by):
        self.assertEqual(result.status, 0, result)
        report = result.report
        self.assertEqual(report["window"]["ended_by"], ended_by)
        self.assert_nothing_lost(report)
        identities.check_sums(self, report)
        self.assertGreater(self.only_gil(report)["acquisitions"], 100)
        return report

    def assert_ended(self, target, tracer):
        result = tracer.finish()
        report = self.assert_report(result, "exited")
        self.assertIn("The process ended", result.out)
        self.assertEqual([t["tid"] for t in report["threads"] if not t["ended"]], [], "threads outlived their process")
        return report

    def check_finalises_with_daemon_threads(self, program):
        target, tracer = self.trace_end(program, "exit")
        report = self.assert_ended(target, tracer)
        self.assertEqual(target.process.wait(10), 3, "the trace changed how the program ended")
        gil = self.only_gil(report)
        started_with = gil["open"]["holds_at_start"]
        self.assertIn(gil["acquisitions"] + started_with - identities.releases(gil), (0, 1))

    def check_kills_itself(self, program):
        target, tracer = self.trace_end(program, "kill")
        self.assert_ended(target, tracer)

    def check_is_killed(self, program):
        target, tracer = self.trace_end(program, "fork", "0")
        self.assertEqual(target.hear(), "forked")
        target.process.kill()
        self.assert_ended(target, tracer)

    def check_aborts(self, program):
        target, tracer = self.trace_end(program, "abort")
        self.assert_ended(target, tracer)
        self.assertEqual(target.process.wait(10), -signal.SIGABRT)

    def assert_execed(self, tracer):
        result = tracer.finish()
        self.assert_report(result, "execed")
        self.assertIn("replaced its program", result.out)

    def check_execs_python(self, program):
        """What the new program does is not mixed into the figures of the old one."""
        target, tracer = self.trace_end(program, "exec", program, workload("write_loop"), "1", "50000")
        self.assert_execed(tracer)
        self.assertEqual(target.process.wait(30), 0, "the new program did not run well")

    def check_execs_sleep(self, program):
        target, tracer = self.trace_end(program, "exec", "/bin/sleep", "0.3")
        self.assert_execed(tracer)
        self.assertEqual(target.process.wait(30), 0)

    def check_execs_from_a_thread(self, program):
        """The thread takes over the process's number; all others end."""
        target, tracer = self.trace_end(program, "exec-from-thread", "/bin/sleep", "0.3")
        self.assert_execed(tracer)
        self.assertEqual(target.process.wait(30), 0)

    def check_forks(self, program):
        """Children are counted; what they do with their copy of the lock is not."""
        target, tracer = self.trace_end(program, "fork", "3")
        self.assertEqual(target.hear(), "forked")
        result = tracer.interrupt()
        report = self.assert_report(result, "time")
        self.assertEqual(report["window"]["children"], 3)
        self.assertIn("forked 3 child processes", result.out)
        self.assertEqual({t["pid"] for t in report["threads"]}, {target.pid}, "a child's threads are in the report")

    def check_child_is_clean(self, program):
        """A child has a copy of the traced code: after the trace no breakpoint is left in it either."""
        target = self.start_target(program, workload("ending"), "fork-and-stay")
        self.assertEqual(target.hear(), "ready")
        before = changed_text(target.pid)
        tracer = self.start_tracer("--verbose", "-p", target.pid)
        tracer.wait_until_tracing()
        sites = changed_text(target.pid) - before
        self.assertTrue(sites, "no probe is there at all")
        target.tell()
        child = int(target.hear())
        tracer.interrupt()
        wait_for(lambda: not sites & changed_text(child), "the child's breakpoints to go", 10)
        target.tell()
        wait_for(lambda: not os.path.exists("/proc/%d/stat" % child) or state(child) == "Z", "the child to end", 10)


def state(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"
