/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The log-linear histogram that the kernel side fills and the user side reads.
 *
 * A value in nanoseconds is cut to units of 8 ns. The first 32 buckets are one unit wide each; from there on every
 * octave has 16 buckets, so a bucket is at most 1/16 of its lower bound wide and a value read back from the middle of
 * its bucket is off by at most 1/32 = 3.125 % (or 4 ns below 256 ns). The last bucket takes all from 2^36 ns (68.7 s)
 * on; count, sum, min and max beside the buckets are exact.
 *
 * The file compiles for BPF and for user space alike; there is one writer for each histogram, so nothing is atomic.
 */
#ifndef GILTRACE_HISTOGRAM_H
#define GILTRACE_HISTOGRAM_H

/*
 * In the kernel a global function of numbers is verified once, not for each caller and each way that led there: what
 * has many ways within would multiply them all.
 */
#ifdef __bpf__
#include "vmlinux.h"
#define HISTOGRAM_INLINE static __attribute__((always_inline)) inline
#define HISTOGRAM_ONCE   __attribute__((noinline))
#else
#include <linux/types.h>
#define HISTOGRAM_INLINE static inline
#define HISTOGRAM_ONCE   static inline
#endif

#define HISTOGRAM_UNIT_BITS 3 /* 8 ns */
#define HISTOGRAM_STEP_BITS 4 /* 16 buckets an octave */
#define HISTOGRAM_STEPS     (1U << HISTOGRAM_STEP_BITS)
#define HISTOGRAM_TOP_BITS  33 /* units: 2^33 x 8 ns = 68.7 s */
#define HISTOGRAM_OVERFLOW  ((HISTOGRAM_TOP_BITS - HISTOGRAM_STEP_BITS) * HISTOGRAM_STEPS + HISTOGRAM_STEPS)
#define HISTOGRAM_BUCKETS   (HISTOGRAM_OVERFLOW + 1)

struct histogram {
	__u64 count;
	__u64 sum_ns;
	__u64 min_ns; /* meaningful once count > 0 */
	__u64 max_ns;
	__u64 buckets[HISTOGRAM_BUCKETS];
};

/* The position of the highest set bit, for a value above 0. A cascade of shifts: clang 14's BPF back end has no clz. */
HISTOGRAM_ONCE __u32 histogram_highest_bit(__u64 value)
{
	__u32 bit = 0;

	if (value >> 32) {
		value >>= 32;
		bit += 32;
	}
	if (value >> 16) {
		value >>= 16;
		bit += 16;
	}
	if (value >> 8) {
		value >>= 8;
		bit += 8;
	}
	if (value >> 4) {
		value >>= 4;
		bit += 4;
	}
	if (value >> 2) {
		value >>= 2;
		bit += 2;
	}
	return bit + (value >> 1);
}

/* The bucket of a time in ns: always below HISTOGRAM_BUCKETS. */
HISTOGRAM_ONCE __u32 histogram_bucket(__u64 ns)
{
	__u64 units = ns >> HISTOGRAM_UNIT_BITS;
	__u32 shift;

	if (units >> HISTOGRAM_TOP_BITS)
		return HISTOGRAM_OVERFLOW;
	if (units < 2 * HISTOGRAM_STEPS)
		return units;
	shift = histogram_highest_bit(units) - HISTOGRAM_STEP_BITS;
	return shift * HISTOGRAM_STEPS + (__u32)(units >> shift);
}

/* Adds a time in ns that stands for `weight` such times. Single writer. */
HISTOGRAM_INLINE void histogram_add_weighted(struct histogram *histogram, __u64 ns, __u64 weight)
{
	__u32 bucket = histogram_bucket(ns);

	if (!histogram->count || ns < histogram->min_ns)
		histogram->min_ns = ns;
	if (ns > histogram->max_ns)
		histogram->max_ns = ns;
	histogram->count += weight;
	histogram->sum_ns += weight * ns;
	if (bucket < HISTOGRAM_BUCKETS)
		histogram->buckets[bucket] += weight;
}

/* Adds one time in ns. Single writer. */
HISTOGRAM_INLINE void histogram_add(struct histogram *histogram, __u64 ns)
{
	histogram_add_weighted(histogram, ns, 1);
}

/*
 * Failed attempts before a contended acquisition succeeded: 0 to 15 have a bucket each, then one an octave
 * (16-31, 32-63, ...); the last takes 2^31 and more.
 */
#define ATTEMPTS_EXACT   16
#define ATTEMPTS_BUCKETS (ATTEMPTS_EXACT + 28)

HISTOGRAM_INLINE __u32 attempts_bucket(__u32 failed)
{
	return failed < ATTEMPTS_EXACT ? failed : ATTEMPTS_EXACT + histogram_highest_bit(failed) - 4;
}

#endif
