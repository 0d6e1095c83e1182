/* SPDX-License-Identifier: MIT */
/*
 * How sure a figure is, and whether two differ by more than chance. Pure. docs/diff.md says what is assumed, and where
 * that ends.
 */
#ifndef GILTRACE_ESTIMATE_H
#define GILTRACE_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct distribution;

#define ESTIMATE_FEWEST 4 /* parts: from fewer nothing is told */

/* A mean of parts: its standard error, and with how many degrees of freedom that is known. 0: exact. */
struct estimate {
	bool known; /* whether the error is */
	double value, error, freedom;
};

enum estimate_verdict {
	ESTIMATE_UNKNOWN, /* noise cannot be judged, or one of the two figures is not known */
	ESTIMATE_NOISE,   /* no more than what each differs from part to part */
	ESTIMATE_MORE,
	ESTIMATE_LESS,
};

/* From where to where something lies, with 95 %. */
struct estimate_range {
	double low, high; /* may be infinite */
};

/*
 * sum(x) / sum(of), of `count` parts of unequal size: `of` is how long each was, or what else x is a share of. The
 * error is that of a ratio of sums of parts that do not depend on each other.
 */
struct estimate estimate__ratio(const double *x, const double *of, size_t count);

/* What 95 % of Student's distribution lie within, +-. Between two lines of the table the greater. */
double estimate__student(double freedom);

/* Whether `after` differs from `before` (Welch), and in *range by how much. */
enum estimate_verdict estimate__compare(const struct estimate *before, const struct estimate *after,
					struct estimate_range *range);

/* The bucket that a percentile lies in; 0 when there are no values. */
uint32_t estimate__bucket(const struct distribution *distribution, double percent);

/*
 * Where the percentile of all such values lies if these were drawn from them: by the ranks, and with the width of the
 * buckets. Ranks are uncertain as those of values are that do not depend on each other (binomial; `factor`: for how
 * many each value that was seen stands), or by `width`, a share of all, where that is more. Infinite where there are
 * too few.
 */
struct estimate_range estimate__percentile(const struct distribution *distribution, double percent, double factor,
					   double width);

/* By how much the share of the values below a bound is uncertain, with 95 %: a part has `below` of `all`. 0: unknown.
 */
double estimate__share_width(const double *below, const double *all, size_t count);

/* Whether two percentiles differ: their ranges do not touch. Of too few values that is not known. In *range by how
 * much. */
enum estimate_verdict estimate__compare_ranges(const struct estimate_range *before, const struct estimate_range *after,
					       struct estimate_range *range);

#endif
