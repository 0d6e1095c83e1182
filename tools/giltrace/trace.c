/* SPDX-License-Identifier: MIT */
/* giltrace -p PID, giltrace -- COMMAND: trace, then report. giltrace record: trace into a recording. */
#include <errno.h>
#include <string.h>

#include "tools/giltrace/commands.h"
#include "tools/giltrace/record.h"
#include "tools/giltrace/session.h"
#include "user/recording/recorder.h"
#include "user/trace/trace.h"

/* All files that will be written, so that a bad name is told before anything begins. */
static int open_outputs(const struct options *options, struct report_outputs *outputs, struct record *record)
{
	const char *path = options->recording;
	int err = record__open(record);

	if (err == -EINVAL && options->max_size) {
		complain("--max-size needs a file: %s is none that parts can be taken from", path);
		return err;
	}
	if (!err)
		err = reports__open(&options->reports, outputs, &path);
	if (err)
		complain("cannot write %s: %s", path, strerror(-err));
	return err;
}

static enum trace_end run(struct session *session, struct record *record)
{
	enum capture_end end;

	session__begin(session);
	record__begin(record);
	while ((end = session__run(session, record->due_ns)) == CAPTURE_DUE)
		record__go_on(record, session->capture);
	return session__stop(session, end);
}

/* The rest of the trace, and the report. Returns the status. */
static int finish(struct session *session, struct record *record, struct report_outputs *outputs, enum trace_end end)
{
	const struct options *options = session->options;
	struct trace *trace = NULL;
	int status = STATUS_OK, err = record__end(record, session->capture, end);

	if (err)
		return status_of(err);
	capture__detach(session->capture);
	if (options->subcommand == COMMAND_TRACE) {
		err = recorder__trace(record->recorder, &trace);
		if (err)
			complain("cannot read the figures: %s", strerror(-err));
		status = err ? STATUS_FAILURE : reports__all(options, outputs, trace);
		trace__free(trace);
	}
	return record__check(record) ? STATUS_FAILURE : status;
}

int command_trace(const struct options *options)
{
	static struct report_outputs outputs;
	static struct session session = {.signals = -1};
	struct record record = {.options = options};
	int status, err;

	session.options = options;
	if (open_outputs(options, &outputs, &record)) {
		status = STATUS_FAILURE;
	} else if ((err = session__prepare(&session))) {
		complain("%s", *session.why ? session.why : strerror(-err));
		capture__free(session.capture);
		session.capture = NULL;
		status = session__end_with_command(&session, err, status_of(err));
	} else {
		status = finish(&session, &record, &outputs, run(&session, &record));
		status = session__end_with_command(&session, 0, status);
	}
	reports__abandon(&outputs);
	record__close(&record);
	session__free(&session);
	return status;
}
