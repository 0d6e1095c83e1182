/* SPDX-License-Identifier: MIT */
/* What the files of the difference of two traces share. */
#ifndef GILTRACE_REPORT_DIFFERENCE_PARTS_H
#define GILTRACE_REPORT_DIFFERENCE_PARTS_H

#include "user/report/difference.h"
#include "user/trace/parts.h"

/* What is summed up by parts, of one side: its value as the report has it is known apart from these. */
struct difference_sum {
	bool known;
	double value;                         /* in its unit */
	size_t count;                         /* parts; 0: it was not kept by parts */
	double x[PARTS_MOST], of[PARTS_MOST]; /* its rate in a part is x / of */
	double error; /* in its unit; of what was estimated already while tracing. 0: nothing was */
};

/* Compares two sums whose rates differ by chance as their parts do. */
struct difference_figure difference__compare(const struct difference_sum sums[2]);

/* Fills in the lists. 0 or -ENOMEM. */
int difference__threads(struct difference *difference);
int difference__places(struct difference *difference);

#endif
