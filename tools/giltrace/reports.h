/* SPDX-License-Identifier: MIT */
/* The reports that can be asked for by an option each, --NAME=FILE: a new format is a line in the table. */
#ifndef GILTRACE_REPORTS_H
#define GILTRACE_REPORTS_H

#include <stdbool.h>
#include <stdio.h>

#include "user/report/flame_tree.h"
#include "user/report/output.h"

struct report_format {
	const char *option;          /* without the dashes */
	const char *argument, *help; /* for --help */
	bool optional;               /* without a FILE it goes to stdout */
	bool of_stacks;              /* it is made of stacks: nothing without them */
	int (*write)(const struct trace *trace, enum flame_kind kind, FILE *out); /* 0 or -errno */
};

#define REPORT_FORMATS 2

extern const struct report_format report_formats[REPORT_FORMATS];

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

/* Opens what is wanted. 0, or -errno and in *failed the path. */
int reports__open(const struct report_paths *paths, struct report_outputs *outputs, const char **failed);

/* Writes all that is wanted, each whatever becomes of the others, and tells what failed. 0 or the first -errno. */
int reports__write(const struct report_paths *paths, struct report_outputs *outputs, const struct trace *trace,
		   enum flame_kind kind);

/* Removes what was begun and not written. Idempotent. */
void reports__abandon(struct report_outputs *outputs);

#endif
