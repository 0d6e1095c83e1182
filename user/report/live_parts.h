/* SPDX-License-Identifier: MIT */
/* Parts of live.c that fill a file of their own. */
#ifndef GILTRACE_REPORT_LIVE_PARTS_H
#define GILTRACE_REPORT_LIVE_PARTS_H

struct live;
struct stacks;
struct trace;

/* Adds the blame that a trace brought, which is that of the last span. 0 or -ENOMEM. */
int live__add_blame(struct live *live, const struct trace *trace, const struct stacks *stacks);

#endif
