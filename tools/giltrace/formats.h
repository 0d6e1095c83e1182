/* SPDX-License-Identifier: MIT */
/* The reports that can be asked for by an option each, --NAME=FILE: a new format is a line in the table. */
#ifndef GILTRACE_FORMATS_H
#define GILTRACE_FORMATS_H

#include <stdbool.h>
#include <stdio.h>

#include "user/report/flame_tree.h"

/* Whether a format shows single events. */
enum format_events { WITHOUT_EVENTS, EVENTS_IF_KNOWN, MADE_OF_EVENTS };

struct report_format {
	const char *option;          /* without the dashes */
	const char *argument, *help; /* for --help */
	bool optional;               /* without a FILE it goes to stdout */
	bool of_stacks;              /* it is made of stacks: nothing without them */
	enum format_events events;
	int (*write)(const struct trace *trace, enum flame_kind kind, FILE *out); /* 0 or -errno */
};

#define REPORT_FORMATS 7

extern const struct report_format report_formats[REPORT_FORMATS];

#endif
