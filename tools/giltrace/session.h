/* SPDX-License-Identifier: MIT */
/* Tracing what the command line names: processes that run, or a command that is started. */
#ifndef GILTRACE_SESSION_H
#define GILTRACE_SESSION_H

#include "tools/giltrace/options.h"
#include "user/capture/capture.h"

#define SESSION_WHY_SIZE 1024

struct launch;
struct probe_plan;
struct process;

/* All zero but the options, and `signals` -1, before session__prepare(); freed in one place. */
struct session {
	const struct options *options;
	struct process *processes[OPTIONS_MAX_PIDS]; /* that were given, or started */
	struct probe_plan *plans[OPTIONS_MAX_PIDS];  /* of each; NULL: it has no runtime, but may have children */
	size_t process_count;
	struct capture *capture;
	struct launch *launch; /* of a command that we started */
	int signals;           /* a signalfd: the first SIGINT or SIGTERM ends the trace */
	char why[SESSION_WHY_SIZE];
};

/* Up to the first moment of the trace. 0, or -errno and mostly a line in `why`. */
int session__prepare(struct session *session);

/* A started command goes on, traced. */
void session__begin(struct session *session);

/* Until the trace is to end, or `due_ns` as capture__run() has it. */
enum capture_end session__run(struct session *session, uint64_t due_ns);

/* The trace is over. From here on a signal ends giltrace as it ends any program. */
enum trace_end session__stop(struct session *session, enum capture_end end);

/*
 * Waits for the command, if there is one, and returns the status to exit with: the command's, unless `status` or `err`
 * (of session__prepare()) says that something went wrong here.
 */
int session__end_with_command(struct session *session, int err, int status);

void session__free(struct session *session);

#endif
