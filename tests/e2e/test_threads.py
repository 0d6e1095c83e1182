# SPDX-License-Identifier: MIT
"""Many threads: none is forgotten, and what does not fit is counted with its remedy."""

import os

import identities
import pythons
from tracing import TraceTest, workload

CYCLES = 100


@pythons.for_each([pythons.NAMES[0], "pyenv 3.8", "pyenv 3.13"])
class ManyThreads(TraceTest):
    def run_threads(self, program, mode, count, *options, status=0):
        tids = os.path.join(self.directory, "tids")
        result = self.trace(*options, "--", program, workload("many_threads"), mode, count, CYCLES, tids,
                            status=status)
        with open(tids, encoding="ascii") as file:
            return result, [int(tid) for tid in file.read().split()]

    def assert_all_are_there(self, result, tids):
        report = result.report
        self.assert_nothing_lost(report)
        self.only_gil(report)
        identities.check_sums(self, report)
        identities.check_whole_waits(self, report)
        threads = {t["tid"]: t for t in report["threads"]}
        self.assertEqual(len(threads), len(report["threads"]), "a thread is in the report twice")
        self.assertEqual(set(tids) - set(threads), set(), "threads that took the lock are not in the report")
        self.assertEqual([t for t in tids if not threads[t]["ended"]], [], "threads that ended count as alive")
        for tid in tids:  # its first acquisition, its cycles, and some for the barrier or when it was made to switch
            self.assertGreaterEqual(threads[tid]["acquisitions"], CYCLES + 1, "figures of an ended thread were lost")
            self.assertLessEqual(threads[tid]["acquisitions"], CYCLES + 40)
            self.assertEqual(threads[tid]["acquisitions"], identities.releases(threads[tid]))

    def check_64_alive(self, program):
        self.assert_all_are_there(*self.run_threads(program, "alive", 64))

    def check_200_that_come_and_go(self, program):
        self.assert_all_are_there(*self.run_threads(program, "come-and-go", 200))

    def check_ended_slots_are_used_again(self, program):
        """64 slots are enough for 200 threads of which 9 live at a time."""
        result, tids = self.run_threads(program, "come-and-go", 200, "--max-threads=64")
        self.assert_all_are_there(result, tids)

    def check_too_few_slots(self, program):
        """What does not fit is counted, the report names the remedy, and --max-loss makes it a failure."""
        result, tids = self.run_threads(program, "alive", 64, "--max-threads=8", "--max-loss=0", status=5)
        self.assertGreater(result.report["lost"]["threads"], 64 * CYCLES, "most threads' events found no slot")
        threads = [t["tid"] for t in result.report["threads"]]  # as some end there is room for others
        self.assertEqual(len(threads), len(set(threads)))
        self.assertEqual(set(threads) - set(tids), {result.report["target"]["pid"]} & set(threads))
        self.assertIn("--max-threads", result.out, "the text report must name the remedy")
        self.assertIn("--max-loss", result.err)

    def check_loss_below_the_limit(self, program):
        self.run_threads(program, "alive", 20, "--max-threads=8", "--max-loss=99.9")
