/* SPDX-License-Identifier: MIT */
/* The schema giltrace/1: a trace as JSON. docs/json.md describes every key. */
#ifndef GILTRACE_REPORT_JSON_H
#define GILTRACE_REPORT_JSON_H

#include <stdio.h>

struct trace;

/*
 * Writes a finished trace as one JSON document and a newline. Keys and elements keep a fixed order; what the trace's
 * level does not know is null. 0, -ENOMEM, or the -errno of a failed write (-EIO when the stream gives none).
 */
int report__json(const struct trace *trace, FILE *out);

#endif
