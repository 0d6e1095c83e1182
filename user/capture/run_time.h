/* SPDX-License-Identifier: MIT */
/*
 * What the programs run, by the kernel's own account (BPF_ENABLE_STATS, Linux 5.8). While it is kept, each run of any
 * program of the machine takes some 50 ns longer.
 */
#ifndef GILTRACE_CAPTURE_RUN_TIME_H
#define GILTRACE_CAPTURE_RUN_TIME_H

#include <stdint.h>

struct giltrace_bpf;

/* ns and runs of the probes' programs, while the account was kept. */
struct run_time {
	uint64_t ns, runs;
};

/* From here on the account is kept, until the descriptor is closed; or -errno. */
int run_time__keep(void);

/* So far; all 0 where the kernel does not tell. */
struct run_time run_time__read(const struct giltrace_bpf *bpf);

#endif
