/* SPDX-License-Identifier: MIT */
/* Writing the reports that are wanted: see reports.h. */
#include "tools/giltrace/reports.h"

#include <string.h>

#include "tools/giltrace/commands.h"
#include "user/report/text.h"
#include "user/trace/trace.h"

bool reports__is_stdout(const char *path)
{
	return !strcmp(path, "-") || !strcmp(path, "/dev/stdout") || !strcmp(path, "/dev/fd/1") ||
	       !strcmp(path, "/proc/self/fd/1");
}

bool reports__want_events(const struct report_paths *paths)
{
	for (size_t i = 0; i < REPORT_FORMATS; i++)
		if (paths->of[i] && report_formats[i].events != WITHOUT_EVENTS)
			return true;
	return false;
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

/* Each whatever becomes of the others; tells what failed. 0 or the first -errno. */
static int write_files(const struct report_paths *paths, struct report_outputs *outputs, const struct trace *trace,
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

static int write_text(const struct options *options, const struct trace *trace)
{
	bool stdout_taken = false;
	int err;

	for (size_t i = 0; i < REPORT_FORMATS; i++)
		if (options->reports.of[i])
			stdout_taken |= reports__is_stdout(options->reports.of[i]);
	if (options->quiet || stdout_taken)
		return 0;
	err = report__text(trace, stdout);
	if (err)
		complain("cannot write the report: %s", strerror(-err));
	return err;
}

static double lost_pct(const struct trace *trace)
{
	const struct trace_lost *lost = &trace->lost;
	double count = (double)(lost->events + lost->stacks + lost->threads + lost->probes + lost->gils + lost->pairs);

	return count > 0 ? 100.0 * count / (count + (double)trace->probes.hits) : 0;
}

int reports__all(const struct options *options, struct report_outputs *outputs, const struct trace *trace)
{
	int files_err = write_files(&options->reports, outputs, trace, options->flame_kind);
	int text_err = write_text(options, trace);
	int status = conditions__ask(&options->fail_if, trace);

	if (files_err || text_err)
		return STATUS_FAILURE;
	if (options->max_loss_pct >= 0 && lost_pct(trace) > options->max_loss_pct) {
		complain("%.3g %% of the events were lost, more than --max-loss allows", lost_pct(trace));
		return STATUS_LOSS;
	}
	return status;
}

void reports__abandon(struct report_outputs *outputs)
{
	for (size_t i = 0; i < REPORT_FORMATS; i++)
		output__abandon(&outputs->of[i]);
}
