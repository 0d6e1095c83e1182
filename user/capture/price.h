/* SPDX-License-Identifier: MIT */
/* The price of a probe hit on this machine, measured on a function of our own with the same kind of instruction. */
#ifndef GILTRACE_CAPTURE_PRICE_H
#define GILTRACE_CAPTURE_PRICE_H

#include <stdbool.h>

struct giltrace_bpf;

/* What a hit adds, and the program's own part of it, in ns: in a loop of nothing else, and after much other memory was
 * used. */
struct price {
	double hit_ns;     /* negative: could not be measured, nor anything else */
	double program_ns; /* 0: the kernel does not tell */
	double cold_hit_ns, cold_program_ns;
};

/*
 * Lets the loaded programs trace acquisitions and releases of a lock of our own. Leaves the maps as they were. Takes
 * some ms and one attach.
 */
struct price price__measure(struct giltrace_bpf *bpf, bool multi);

/*
 * What a hit adds where the program runs for `program_ns`: what makes it slow makes the trap slow, too. Between the two
 * that were measured it is on the line through them, never less than in the loop. Beyond, the program has more to do,
 * as in a contended wait, and that is all. Negative: not known.
 */
double price__where(const struct price *price, double program_ns);

#endif
