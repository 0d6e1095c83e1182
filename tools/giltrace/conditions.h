/* SPDX-License-Identifier: MIT */
/* --fail-if: conditions on the report, for CI. */
#ifndef GILTRACE_CONDITIONS_H
#define GILTRACE_CONDITIONS_H

#include <stddef.h>

#include "user/trace/trace.h"

#define CONDITIONS_MAX 32

/* As they were given. */
struct condition_texts {
	const char *of[CONDITIONS_MAX];
	size_t count;
};

/* Whether each can be asked of a trace that knows so much: -1, or STATUS_USAGE after one line on stderr. */
int conditions__check(const struct condition_texts *texts, enum trace_level level, enum trace_stacks stacks);

/*
 * Asks them of a finished trace and tells on stderr which hold, with what was compared. STATUS_CONDITION: one holds;
 * else STATUS_FAILURE: of one it cannot be told; else STATUS_OK.
 */
int conditions__ask(const struct condition_texts *texts, const struct trace *trace);

#endif
