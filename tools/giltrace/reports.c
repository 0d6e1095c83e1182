/* SPDX-License-Identifier: MIT */
/* Writing the reports that are wanted: see reports.h. */
#include "tools/giltrace/reports.h"

#include <string.h>

#include "tools/giltrace/commands.h"

bool reports__is_stdout(const char *path)
{
	return !strcmp(path, "-") || !strcmp(path, "/dev/stdout") || !strcmp(path, "/dev/fd/1") ||
	       !strcmp(path, "/proc/self/fd/1");
}

int reports__open(const struct report_paths *paths, struct report_outputs *outputs, const char **failed)
{
	int err = 0;

	for (size_t i = 0; !err && i < REPORT_FORMATS; i++) {
		if (!paths->of[i])
			continue;
		err = output__open(&outputs->of[i], paths->of[i]);
		*failed = paths->of[i];
	}
	return err;
}

static int write_one(const struct report_format *format, const char *path, struct output *output,
		     const struct trace *trace, enum flame_kind kind)
{
	int err = format->write(trace, kind, output->stream);

	if (err)
		output__abandon(output);
	else
		err = output__commit(output);
	if (err)
		complain("cannot write %s: %s", path, strerror(-err));
	return err;
}

int reports__write(const struct report_paths *paths, struct report_outputs *outputs, const struct trace *trace,
		   enum flame_kind kind)
{
	int first = 0, err;

	for (size_t i = 0; i < REPORT_FORMATS; i++) {
		if (!paths->of[i])
			continue;
		err = write_one(&report_formats[i], paths->of[i], &outputs->of[i], trace, kind);
		first = first ? first : err;
	}
	return first;
}

void reports__abandon(struct report_outputs *outputs)
{
	for (size_t i = 0; i < REPORT_FORMATS; i++)
		output__abandon(&outputs->of[i]);
}
