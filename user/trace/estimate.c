/* SPDX-License-Identifier: MIT */
/* Errors of figures: see estimate.h. */
#include "user/trace/estimate.h"

#include <math.h>

#include "user/trace/distribution.h"

#define NORMAL 1.959964 /* 95 % of the normal distribution lie within +- */

struct estimate estimate__ratio(const double *x, const double *of, size_t count)
{
	struct estimate estimate = {.freedom = count > 1 ? (double)(count - 1) : 0};
	double x_sum = 0, of_sum = 0, squares = 0;

	for (size_t i = 0; i < count; i++) {
		x_sum += x[i];
		of_sum += of[i];
	}
	if (of_sum <= 0)
		return estimate;
	estimate.value = x_sum / of_sum;
	for (size_t i = 0; i < count; i++) {
		double off = x[i] - estimate.value * of[i];

		squares += off * off;
	}
	if (count < ESTIMATE_FEWEST)
		return estimate;
	estimate.known = true;
	estimate.error = sqrt((double)count * squares / estimate.freedom) / of_sum;
	return estimate;
}

double estimate__student(double freedom)
{
	static const double first[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
				       2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
				       2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
	const double count = sizeof(first) / sizeof(*first);

	if (freedom < 1)
		return INFINITY;
	if (freedom < count + 1)
		return first[(size_t)freedom - 1];
	return freedom < 40 ? 2.042 : freedom < 60 ? 2.021 : freedom < 120 ? 2.000 : 1.980;
}

/* Of the error of a difference: Welch and Satterthwaite. What is exact does not count. */
static double freedom_of(const struct estimate *a, const struct estimate *b)
{
	double a2 = a->error * a->error, b2 = b->error * b->error, below = 0;

	if (a2 > 0)
		below += a2 * a2 / a->freedom;
	if (b2 > 0)
		below += b2 * b2 / b->freedom;
	return below > 0 ? (a2 + b2) * (a2 + b2) / below : INFINITY;
}

enum estimate_verdict estimate__compare(const struct estimate *before, const struct estimate *after,
					struct estimate_range *range)
{
	double difference = after->value - before->value, error, width;

	*range = (struct estimate_range){-INFINITY, INFINITY};
	if (!before->known || !after->known)
		return ESTIMATE_UNKNOWN;
	error = sqrt(before->error * before->error + after->error * after->error);
	width = error > 0 ? error * estimate__student(freedom_of(before, after)) : 0;
	*range = (struct estimate_range){difference - width, difference + width};
	if (fabs(difference) <= width)
		return ESTIMATE_NOISE;
	return difference > 0 ? ESTIMATE_MORE : ESTIMATE_LESS;
}

/* The bucket of the value with this rank, counted from 1. */
static void bounds_of_rank(const struct distribution *distribution, double rank, double *low, double *high)
{
	uint64_t low_ns = 0, high_ns = 0;
	double seen = 0;

	for (size_t i = 0; i < distribution->bucket_count; i++) {
		seen += (double)distribution->buckets[i].count;
		distribution__bounds(distribution->buckets[i].index, &low_ns, &high_ns);
		if (seen >= rank)
			break;
	}
	*low = (double)low_ns;
	*high = high_ns == UINT64_MAX ? INFINITY : (double)high_ns;
}

uint32_t estimate__bucket(const struct distribution *distribution, double percent)
{
	double seen = 0, rank = (double)distribution->count * percent / 100;

	for (size_t i = 0; i < distribution->bucket_count; i++) {
		seen += (double)distribution->buckets[i].count;
		if (seen >= rank)
			return distribution->buckets[i].index;
	}
	return 0;
}

double estimate__share_width(const double *below, const double *all, size_t count)
{
	struct estimate share = estimate__ratio(below, all, count);

	return share.known ? share.error * estimate__student(share.freedom) : 0;
}

struct estimate_range estimate__percentile(const struct distribution *distribution, double percent, double factor,
					   double width)
{
	struct estimate_range range = {0, INFINITY};
	double seen = (double)distribution->count / (factor > 1 ? factor : 1), share = percent / 100, unused;
	double off = fmax(NORMAL * sqrt(seen * share * (1 - share)), width * seen), first, last;

	if (seen <= 0)
		return range;
	first = floor(seen * share - off);
	last = ceil(seen * share + off) + 1;
	if (first >= 1)
		bounds_of_rank(distribution, first * (double)distribution->count / seen, &range.low, &unused);
	if (last <= seen)
		bounds_of_rank(distribution, last * (double)distribution->count / seen, &unused, &range.high);
	return range;
}

enum estimate_verdict estimate__compare_ranges(const struct estimate_range *before, const struct estimate_range *after,
					       struct estimate_range *range)
{
	*range = (struct estimate_range){after->low - before->high, after->high - before->low};
	if (after->low > before->high)
		return ESTIMATE_MORE;
	if (after->high < before->low)
		return ESTIMATE_LESS;
	return isinf(before->high) || isinf(after->high) ? ESTIMATE_UNKNOWN : ESTIMATE_NOISE;
}
