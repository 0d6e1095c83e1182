# SPDX-License-Identifier: MIT
"""giltrace doctor -p PID: what it says of the lock at this moment."""

import re

import pythons
from tracing import PATIENCE, TraceTest, end, wait_for, workload


@pythons.for_each([name for name in pythons.EVERY if name != "pyenv 3.6"])
class Moment(TraceTest):
    def moment(self, pid):
        return re.search(r"at this moment +(.*)", self.run_giltrace("doctor", "-p", pid).out).group(1)

    def check_drop_request(self, program):
        """Nobody asks a thread that is alone; who wants the lock while another is in a long call has asked for it."""
        target = self.start_target(program, workload("long_call"), PATIENCE)
        self.assertEqual(target.hear(), "ready")
        self.assertRegex(self.moment(target.pid), r"^interval 5 ms, free, last held by thread %d, switch number \d+, "
                         r"no drop requested$" % target.pid)
        target.tell()
        wait_for(lambda: re.search(r"held by thread \d+, switch number \d+, drop requested$", self.moment(target.pid)),
                 "a drop request")
        end(target.process)
