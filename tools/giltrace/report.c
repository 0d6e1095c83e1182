/* SPDX-License-Identifier: MIT */
/* giltrace report FILE: the report of a recording, as it would have been live. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/giltrace/commands.h"
#include "user/recording/reader.h"
#include "user/trace/trace.h"

#define WHY_SIZE 256

/* Returns the trace, or NULL after one line. */
static struct trace *read_recording(const struct options *options, bool *whole)
{
	const char *path = options->recording;
	FILE *in = strcmp(path, "-") ? fopen(path, "re") : stdin;
	struct trace *trace = NULL;
	char why[WHY_SIZE];

	if (!in)
		complain("cannot read %s: %s", path, strerror(errno));
	else if (recording__read(in, reports__want_events(&options->reports), &trace, whole, why, sizeof(why)))
		complain("%s %s", path, why);
	if (in && in != stdin)
		fclose(in);
	return trace;
}

int command_report(const struct options *options)
{
	static struct report_outputs outputs;
	struct trace *trace;
	const char *failed;
	bool whole = false;
	int status, err;

	trace = read_recording(options, &whole);
	if (!trace)
		return STATUS_FAILURE;
	status = options__check_reports(options, trace->stack_level, trace->level, trace->event_level);
	err = status == -1 ? reports__open(&options->reports, &outputs, &failed) : 0;
	if (err) {
		complain("cannot write %s: %s", failed, strerror(-err));
		status = STATUS_FAILURE;
	}
	if (status == -1 && !whole)
		complain("%s breaks off: this is the report of what is whole in it", options->recording);
	if (status == -1)
		status = reports__all(options, &outputs, trace);
	reports__abandon(&outputs);
	trace__free(trace);
	return status;
}
