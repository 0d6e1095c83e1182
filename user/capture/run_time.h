/* SPDX-License-Identifier: MIT */
/*
 * What the programs run, by the kernel's own account (BPF_ENABLE_STATS, Linux 5.8). While it is kept, each run of any
 * program of the machine takes some 100 ns longer.
 */
#ifndef GILTRACE_CAPTURE_RUN_TIME_H
#define GILTRACE_CAPTURE_RUN_TIME_H

#include <stdbool.h>
#include <stdint.h>

struct giltrace_bpf;

/* ns and runs of the probes' programs, while the account was kept; what looks at stacks took of them, always. */
struct run_time {
	uint64_t ns, runs, look_ns;
};

/* From here on the account is kept, until the descriptor is closed; or -errno. */
int run_time__keep(void);

/* So far; all 0 where the kernel does not tell. */
struct run_time run_time__read(const struct giltrace_bpf *bpf);

/* ns of a run without looks at stacks, on average, between two readings with the account kept; 0: there was none. */
double run_time__mean(const struct run_time *before, const struct run_time *now);

/* The same of a whole trace, from a few moments of it. All zero: none yet. */
struct run_samples {
	bool kept;   /* the account is, for a moment, by */
	int account; /* this descriptor, */
	uint64_t next_ns, gap_ns;
	struct run_time since; /* this reading */
	double ns;
	uint64_t runs;
};

/* To be called 50 times a second or so: now and then, at first often, the account is kept from one call to the next. */
void run_samples__go_on(struct run_samples *samples, const struct giltrace_bpf *bpf, uint64_t now);

/* The account is not kept any more. Idempotent. */
void run_samples__end(struct run_samples *samples, const struct giltrace_bpf *bpf);

/* 0: not known. */
double run_samples__mean(const struct run_samples *samples);

#endif
