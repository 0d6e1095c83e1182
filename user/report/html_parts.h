/* SPDX-License-Identifier: MIT */
/* Parts of the page that fill a file of their own. */
#ifndef GILTRACE_REPORT_HTML_PARTS_H
#define GILTRACE_REPORT_HTML_PARTS_H

#include <stdio.h>

struct trace;

/* The tables of threads, one for each lock. */
void html__threads(const struct trace *trace, FILE *out);

/* What the scripts show, as JSON: the JSON report, with stacks by number. 0, -ENOMEM, -EIO. */
int html__data(const struct trace *trace, FILE *out);

/* The events for the timeline: an overview, then all of them in packed blocks. 0 or -ENOMEM. */
int html__events(const struct trace *trace, FILE *out);

#endif
