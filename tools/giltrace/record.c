/* SPDX-License-Identifier: MIT */
/* Recording while tracing: see record.h. */
#include "tools/giltrace/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/giltrace/commands.h"
#include "tools/giltrace/progress.h"
#include "tools/giltrace/reports.h"
#include "user/recording/recorder.h"
#include "user/report/format.h"
#include "user/trace/trace.h"

/*
 * From one chunk to the next: at the beginning, and later; longer where reading all threads takes more of a CPU than
 * one part in so many.
 */
#define FIRST_INTERVAL_NS 500000000
#define INTERVAL_NS       1000000000
#define BEGINNING_NS      10000000000
#define MOST_SHARE        100

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int record__open(struct record *record)
{
	const struct options *options = record->options;
	struct recorder_options wanted = {
		.path = options->recording,
		.max_size = options->max_size,
		.report = options->subcommand == COMMAND_TRACE,
		.events = reports__want_events(&options->reports),
	};

	return recorder__open(&wanted, &record->recorder);
}

void record__begin(struct record *record)
{
	progress__begin(record->options);
	if (record->options->recording || progress__is_wanted(record->options))
		record->due_ns = now_ns() + FIRST_INTERVAL_NS;
}

static void tell(struct record *record, int err)
{
	const char *path = record->options->recording;
	uint64_t written_ns = recorder__written_ns(record->recorder);
	char time[FORMAT_SIZE];

	record->lost |= err == -EFBIG;
	if (record->told)
		return;
	record->told = true;
	if (!path)
		complain("cannot read the figures: %s", strerror(-err));
	else if (err == -EFBIG)
		complain("a part of the trace is not in %s: it is larger than --max-size", path);
	else if (written_ns)
		complain("cannot write %s: %s; it has the first %s of the trace", path, strerror(-err),
			 format_time(time, written_ns));
	else
		complain("cannot write %s: %s", path, strerror(-err));
}

/* Collects and adds. 0; -errno of the figures. What the file says of it is told. */
static int add(struct record *record, struct capture *capture, const enum trace_end *end, char *why, size_t why_size)
{
	struct trace *now = trace__new();
	int err = now ? capture__collect(capture, now) : -ENOMEM;

	if (!err && end) {
		now->end = *end;
		err = capture__check(capture, now, why, why_size);
	}
	if (!err) {
		record->duration_ns = now->duration_ns;
		if (!end)
			progress__tell(now);
		err = recorder__add(record->recorder, now, capture__stacks(capture), end != NULL);
		if (err && err != -ENOMEM) {
			tell(record, err);
			err = 0;
		}
	}
	trace__free(now);
	return err;
}

void record__go_on(struct record *record, struct capture *capture)
{
	uint64_t interval = record->duration_ns < BEGINNING_NS ? FIRST_INTERVAL_NS : INTERVAL_NS, cost, now = now_ns();
	int err = recorder__make_ready(record->recorder);

	if (!err)
		err = add(record, capture, NULL, NULL, 0);
	if (err)
		tell(record, err);
	cost = capture__scan_ns(capture);
	record->due_ns += cost * MOST_SHARE > interval ? cost * MOST_SHARE : interval;
	if (record->due_ns < now) /* the machine slept */
		record->due_ns = now + interval;
}

int record__end(struct record *record, struct capture *capture, enum trace_end end)
{
	char why[1024] = "";
	int err;

	progress__hide();
	err = add(record, capture, &end, why, sizeof(why));

	if (!err)
		return 0;
	if (*why)
		complain("%s", why);
	else
		complain("cannot read the figures: %s", strerror(-err));
	recorder__discard(record->recorder);
	return err;
}

int record__check(struct record *record)
{
	const struct options *options = record->options;
	char time[FORMAT_SIZE];
	int err;

	if (!options->recording)
		return 0;
	err = recorder__end(record->recorder);
	if (err)
		tell(record, err);
	if (err || record->lost)
		return err ? err : -EFBIG;
	if (options->subcommand == COMMAND_RECORD && !options->quiet && !reports__is_stdout(options->recording)) {
		printf("%s: %s, %" PRIu64 " bytes\n", options->recording, format_time(time, record->duration_ns),
		       recorder__size(record->recorder));
		fflush(stdout);
	}
	return 0;
}

void record__close(struct record *record)
{
	recorder__free(record->recorder);
	record->recorder = NULL;
}
