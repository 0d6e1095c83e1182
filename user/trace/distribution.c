/* SPDX-License-Identifier: MIT */
/* Sparse distributions of times: see distribution.h. */
#include "user/trace/distribution.h"

#include <errno.h>
#include <stdlib.h>

#include "bpf/histogram.h"

static void merge_summary(struct distribution *into, const struct distribution *from)
{
	if (!into->count || from->min_ns < into->min_ns)
		into->min_ns = from->min_ns;
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
	into->count += from->count;
	into->sum_ns += from->sum_ns;
}

int distribution__merge(struct distribution *into, const struct distribution *from)
{
	struct distribution_bucket *merged;
	size_t a = 0, b = 0, n = 0;

	if (!from->count)
		return 0;
	merged = calloc(into->bucket_count + from->bucket_count + 1, sizeof(*merged));
	if (!merged)
		return -ENOMEM;
	while (a < into->bucket_count || b < from->bucket_count) {
		const struct distribution_bucket *left = a < into->bucket_count ? &into->buckets[a] : NULL;
		const struct distribution_bucket *right = b < from->bucket_count ? &from->buckets[b] : NULL;

		if (left && (!right || left->index <= right->index)) {
			merged[n] = *left;
			a++;
			if (right && right->index == left->index) {
				merged[n].count += right->count;
				b++;
			}
		} else {
			merged[n] = *right;
			b++;
		}
		n++;
	}
	merge_summary(into, from);
	free(into->buckets);
	into->buckets = merged;
	into->bucket_count = n;
	return 0;
}

int distribution__add_histogram(struct distribution *into, const struct histogram *from)
{
	struct distribution_bucket buckets[HISTOGRAM_BUCKETS];
	struct distribution sparse = {
		.count = from->count,
		.sum_ns = from->sum_ns,
		.min_ns = from->min_ns,
		.max_ns = from->max_ns,
		.buckets = buckets,
	};

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (from->buckets[i])
			buckets[sparse.bucket_count++] = (struct distribution_bucket){i, from->buckets[i]};
	return distribution__merge(into, &sparse);
}

/* The least and the greatest may have been there before: then their buckets say what is known. */
static void narrow_to_buckets(struct distribution *distribution)
{
	uint64_t low, high;

	distribution__bounds(distribution->buckets[0].index, &low, &high);
	if (distribution->min_ns < low || distribution->min_ns >= high)
		distribution->min_ns = low;
	distribution__bounds(distribution->buckets[distribution->bucket_count - 1].index, &low, &high);
	if (distribution->max_ns < low || distribution->max_ns >= high)
		distribution->max_ns = high - 1;
}

int distribution__since(struct distribution *out, const struct distribution *now, const struct distribution *before)
{
	struct distribution new = {.min_ns = now->min_ns, .max_ns = now->max_ns};
	size_t b = 0;

	if (!now->bucket_count)
		return 0;
	new.buckets = calloc(now->bucket_count, sizeof(*new.buckets));
	if (!new.buckets)
		return -ENOMEM;
	for (size_t i = 0; i < now->bucket_count; i++) {
		struct distribution_bucket bucket = now->buckets[i];

		while (b < before->bucket_count && before->buckets[b].index < bucket.index)
			b++;
		if (b < before->bucket_count && before->buckets[b].index == bucket.index)
			bucket.count -=
				before->buckets[b].count < bucket.count ? before->buckets[b].count : bucket.count;
		if (bucket.count)
			new.buckets[new.bucket_count++] = bucket;
		new.count += bucket.count;
	}
	if (!new.count) {
		free(new.buckets);
		return 0;
	}
	new.sum_ns = now->sum_ns > before->sum_ns ? now->sum_ns - before->sum_ns : 0;
	narrow_to_buckets(&new);
	*out = new;
	return 0;
}

static uint64_t scaled(uint64_t value, double factor)
{
	double product = (double)value * factor + 0.5;

	return product < 0x1p63 ? (uint64_t)product : INT64_MAX;
}

void distribution__scale(struct distribution *distribution, double factor)
{
	distribution->count = 0;
	distribution->sum_ns = scaled(distribution->sum_ns, factor);
	for (size_t i = 0; i < distribution->bucket_count; i++) {
		distribution->buckets[i].count = scaled(distribution->buckets[i].count, factor);
		distribution->count += distribution->buckets[i].count;
	}
}

void distribution__bounds(uint32_t index, uint64_t *low_ns, uint64_t *high_ns)
{
	uint32_t shift;

	if (index >= HISTOGRAM_OVERFLOW) {
		*low_ns = 1ULL << (HISTOGRAM_TOP_BITS + HISTOGRAM_UNIT_BITS);
		*high_ns = UINT64_MAX;
		return;
	}
	shift = index < 2 * HISTOGRAM_STEPS ? 0 : index / HISTOGRAM_STEPS - 1;
	*low_ns = (uint64_t)(index - shift * HISTOGRAM_STEPS) << (shift + HISTOGRAM_UNIT_BITS);
	*high_ns = *low_ns + (1ULL << (shift + HISTOGRAM_UNIT_BITS));
}

uint64_t distribution__percentile(const struct distribution *distribution, double percent)
{
	uint64_t seen = 0, low, high, middle = 0;
	uint64_t rank = (uint64_t)((double)distribution->count * percent / 100.0 + 0.999999);

	if (!distribution->count)
		return 0;
	if (rank < 1)
		rank = 1;
	if (rank > distribution->count)
		rank = distribution->count;
	for (size_t i = 0; i < distribution->bucket_count; i++) {
		seen += distribution->buckets[i].count;
		if (seen < rank)
			continue;
		distribution__bounds(distribution->buckets[i].index, &low, &high);
		middle = high == UINT64_MAX ? distribution->max_ns : low + (high - low) / 2;
		break;
	}
	if (middle < distribution->min_ns)
		return distribution->min_ns;
	return middle > distribution->max_ns ? distribution->max_ns : middle;
}

void distribution__clear(struct distribution *distribution)
{
	free(distribution->buckets);
	*distribution = (struct distribution){0};
}
