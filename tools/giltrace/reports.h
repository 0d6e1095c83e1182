/* SPDX-License-Identifier: MIT */
/* The files of the reports that are asked for: opened early, so that a bad name is told before the trace. */
#ifndef GILTRACE_REPORTS_H
#define GILTRACE_REPORTS_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/giltrace/formats.h"
#include "user/report/output.h"

struct options;

/* Where the report of each format goes; NULL: it is not wanted. */
struct report_paths {
	const char *of[REPORT_FORMATS];
};

/* The files of the reports that are wanted, open. */
struct report_outputs {
	struct output of[REPORT_FORMATS];
};

/* Whether this name is that of stdout. */
bool reports__is_stdout(const char *path);

/* Whether one of them shows single events. */
bool reports__want_events(const struct report_paths *paths);

/* Opens what is wanted. 0, or -errno and in *failed the path. */
int reports__open(const struct report_paths *paths, struct report_outputs *outputs, const char **failed);

/*
 * All reports that the options ask for, the text among them unless it is not wanted or another has stdout. Tells what
 * failed, and when more was lost than is allowed. Returns the status to exit with.
 */
int reports__all(const struct options *options, struct report_outputs *outputs, const struct trace *trace);

/* Removes what was begun and not written. Idempotent. */
void reports__abandon(struct report_outputs *outputs);

#endif
