#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""For the benchmark: BCC on the lock's call sites, with histograms of waits and holds in the kernel.
gil_histograms.py PID|0 FILE EVENT=ADDRESS,... ...; prints how many of each until SIGINT."""
import signal
import sys

from bcc import BPF

PROGRAM = r"""
BPF_HASH(since, u32, u64);
BPF_HASH(taken, u32, u64);
BPF_HISTOGRAM(wait);
BPF_HISTOGRAM(hold);
BPF_ARRAY(failed, u64, 1);

int blocked(struct pt_regs *ctx)
{
	u32 thread = bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();

	if (since.lookup(&thread))
		failed.increment(0);
	else
		since.update(&thread, &now);
	return 0;
}

int acquired(struct pt_regs *ctx)
{
	u32 thread = bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();
	u64 *begun = since.lookup(&thread);

	if (begun) {
		wait.increment(bpf_log2l(now - *begun));
		since.delete(&thread);
	}
	taken.update(&thread, &now);
	return 0;
}

int released(struct pt_regs *ctx)
{
	u32 thread = bpf_get_current_pid_tgid();
	u64 *begun = taken.lookup(&thread);

	if (begun) {
		hold.increment(bpf_log2l(bpf_ktime_get_ns() - *begun));
		taken.delete(&thread);
	}
	return 0;
}
"""


def main(pid, file, *events):
    program = BPF(text=PROGRAM)
    for event, addresses in (word.split("=") for word in events):
        for address in addresses.split(","):
            program.attach_uprobe(name=file, addr=int(address, 16), fn_name=event, pid=int(pid) or -1)
    print("attached", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
    for name in ("wait", "hold"):
        print(name, sum(count.value for count in program[name].values()))
    print("failed", program["failed"][0].value)


if __name__ == "__main__":
    main(*sys.argv[1:])
