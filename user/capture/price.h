/* SPDX-License-Identifier: MIT */
/* The price of a probe hit on this machine, measured on a function of our own with the same kind of instruction. */
#ifndef GILTRACE_CAPTURE_PRICE_H
#define GILTRACE_CAPTURE_PRICE_H

#include <stdbool.h>

struct giltrace_bpf;

/*
 * What a hit adds, and what the kernel's account says that the probes' program takes of it, in ns: in a loop of nothing
 * else, and in one that uses much other memory in between. While the account is kept a hit takes longer (run_time.h).
 */
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
 * What a hit adds where the program runs for `program_ns`: what makes it slow makes the trap slow, too, be it cold
 * caches or a machine that is slower than when the price was measured; and what makes it fast, fast. Between the two
 * that were measured it is on the line through them. Beyond, the program has more to do, as in a contended wait, and
 * that is all. Negative: not known.
 */
double price__where(const struct price *price, double program_ns);

#endif
