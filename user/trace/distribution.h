/* SPDX-License-Identifier: MIT */
/*
 * A distribution of times: a histogram (bpf/histogram.h) kept sparse, so that thousands of ended threads fit in little
 * memory. Filled from the dense histograms of the kernel or of toygil, or value by value; merged by addition; read as
 * percentiles.
 */
#ifndef GILTRACE_DISTRIBUTION_H
#define GILTRACE_DISTRIBUTION_H

#include <stddef.h>
#include <stdint.h>

struct histogram;

struct distribution_bucket {
	uint32_t index; /* of the dense histogram */
	uint64_t count;
};

/* All zero is an empty distribution. Times in ns. `buckets` is sorted by index, has no empty bucket, and is owned. */
struct distribution {
	uint64_t count, sum_ns, min_ns, max_ns;
	size_t bucket_count;
	struct distribution_bucket *buckets;
};

/* The greatest error, in percent, of a percentile above 256 ns: half a bucket's width. */
#define DISTRIBUTION_ERROR_PCT 3.125

/* Adds all of a dense histogram, or all of another distribution. 0, or -ENOMEM with `into` unchanged. */
int distribution__add_histogram(struct distribution *into, const struct histogram *from);
int distribution__merge(struct distribution *into, const struct distribution *from);

/*
 * What came to a distribution since it was `before`, into `out`, an empty one. Its sum is exact; the least and the
 * greatest are as near as the buckets tell. 0, or -ENOMEM with `out` empty.
 */
int distribution__since(struct distribution *out, const struct distribution *now, const struct distribution *before);

/* Lets each value stand for `factor` of them, rounded to whole ones; the least and the greatest stay. */
void distribution__scale(struct distribution *distribution, double factor);

/*
 * The time in ns below or at which `percent` of the values lie: the middle of the bucket, held within [min, max].
 * `percent` is in (0, 100]. 0 when the distribution is empty: ask `count` first.
 */
uint64_t distribution__percentile(const struct distribution *distribution, double percent);

/* The bounds in ns of a bucket, [low, high); the overflow bucket ends at UINT64_MAX. */
void distribution__bounds(uint32_t index, uint64_t *low_ns, uint64_t *high_ns);

/* Frees what the distribution owns and empties it. */
void distribution__clear(struct distribution *distribution);

#endif
