/* SPDX-License-Identifier: MIT */
/* giltrace diff BEFORE AFTER: what changed from one recording to another. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/giltrace/commands.h"
#include "user/recording/reader.h"
#include "user/report/difference.h"
#include "user/report/flame_difference.h"
#include "user/trace/parts.h"
#include "user/trace/trace.h"

#define WHY_SIZE 256

struct recording {
	struct trace *trace;
	struct parts *parts;
};

/* STATUS_OK, or STATUS_FAILURE after one line. */
static int read_recording(const char *path, struct recording *recording)
{
	FILE *in = strcmp(path, "-") ? fopen(path, "re") : stdin;
	bool whole = false;
	char why[WHY_SIZE];

	recording->parts = parts__new();
	if (!in)
		complain("cannot read %s: %s", path, strerror(errno));
	else if (!recording->parts)
		complain("cannot read %s: %s", path, strerror(ENOMEM));
	else if (recording__read_parts(in, false, recording->parts, &recording->trace, &whole, why, sizeof(why)))
		complain("%s %s", path, why);
	if (in && in != stdin)
		fclose(in);
	if (recording->trace && !whole)
		complain("%s breaks off: what is whole in it is compared", path);
	return recording->trace ? STATUS_OK : STATUS_FAILURE;
}

static void free_recording(struct recording *recording)
{
	parts__free(recording->parts);
	trace__free(recording->trace);
}

static int write_one(const struct difference *difference, const struct options *options, size_t format, FILE *out)
{
	if (!report_formats[format].of_stacks)
		return difference__json(difference, out);
	return report__flame_difference(difference->sides[0].trace, difference->sides[1].trace, options->flame_kind,
					out);
}

static int write_files(const struct difference *difference, const struct options *options,
		       struct report_outputs *outputs)
{
	int status = STATUS_OK, err;

	for (size_t i = 0; i < REPORT_FORMATS; i++) {
		if (!options->reports.of[i])
			continue;
		err = write_one(difference, options, i, outputs->of[i].stream);
		if (err)
			output__abandon(&outputs->of[i]);
		else
			err = output__commit(&outputs->of[i]);
		if (!err)
			continue;
		complain("cannot write %s: %s", options->reports.of[i], strerror(-err));
		status = STATUS_FAILURE;
	}
	return status;
}

static bool is_text_wanted(const struct options *options)
{
	for (size_t i = 0; i < REPORT_FORMATS; i++)
		if (options->reports.of[i] && reports__is_stdout(options->reports.of[i]))
			return false;
	return !options->quiet;
}

static int write_all(const struct difference *difference, const struct options *options)
{
	static struct report_outputs outputs;
	const char *failed;
	int status, err = reports__open(&options->reports, &outputs, &failed);

	if (err) {
		complain("cannot write %s: %s", failed, strerror(-err));
		reports__abandon(&outputs);
		return STATUS_FAILURE;
	}
	status = write_files(difference, options, &outputs);
	err = is_text_wanted(options) ? difference__text(difference, stdout) : 0;
	if (err) {
		complain("cannot write the report: %s", strerror(-err));
		status = STATUS_FAILURE;
	}
	reports__abandon(&outputs);
	return status;
}

/* STATUS_OK, or the status after one line. */
static int compare(const struct options *options, const struct recording recordings[2])
{
	struct difference_side sides[2];
	struct difference difference;
	int status = -1, err;

	for (int i = 0; i < 2; i++) {
		const struct trace *trace = recordings[i].trace;

		sides[i] = (struct difference_side){trace, recordings[i].parts};
		if (status == -1)
			status = options__check_reports(options, trace->stack_level, trace->level, trace->event_level);
	}
	if (status != -1)
		return status;
	err = difference__find(sides, &difference);
	if (err) {
		complain("cannot compare: %s", strerror(-err));
		return STATUS_FAILURE;
	}
	status = write_all(&difference, options);
	difference__clear(&difference);
	return status;
}

int command_diff(const struct options *options)
{
	struct recording recordings[2] = {{0}};
	int status = read_recording(options->recording, &recordings[0]);

	if (status == STATUS_OK)
		status = read_recording(options->after, &recordings[1]);
	if (status == STATUS_OK)
		status = compare(options, recordings);
	free_recording(&recordings[0]);
	free_recording(&recordings[1]);
	return status;
}
