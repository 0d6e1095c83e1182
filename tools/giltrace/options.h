/* SPDX-License-Identifier: MIT */
/* The command line of giltrace. */
#ifndef GILTRACE_OPTIONS_H
#define GILTRACE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/giltrace/conditions.h"
#include "tools/giltrace/reports.h"
#include "user/trace/trace.h"

/* The documented exit statuses. */
enum exit_status {
	STATUS_OK = 0,
	STATUS_FAILURE = 1,
	STATUS_USAGE = 2,
	STATUS_NO_TARGET = 3, /* gone, or has no GIL */
	STATUS_PERMISSION = 4,
	STATUS_LOSS = 5,      /* more lost than --max-loss */
	STATUS_CONDITION = 6, /* a --fail-if held */
};

enum subcommand { COMMAND_TRACE, COMMAND_RECORD, COMMAND_REPORT, COMMAND_DIFF, COMMAND_TOP, COMMAND_DOCTOR };

#define OPTIONS_MAX_PIDS  64
#define OPTIONS_MAX_DEPTH 128

struct options {
	enum subcommand subcommand;
	pid_t pids[OPTIONS_MAX_PIDS];
	size_t pid_count;
	enum trace_scope scope;
	char **command;       /* after "--", NULL-terminated, or NULL */
	uint64_t duration_ns; /* 0: until it ends or is interrupted */
	enum trace_level level;
	enum trace_events events; /* single ones, in the recording */
	const char *recording;    /* to be written, or to be reported; NULL: none */
	const char *after;        /* of diff: the recording that the first one is compared with */
	uint64_t max_size;        /* of the recording, in bytes; 0: any */
	struct report_paths reports;
	enum flame_kind flame_kind;
	enum trace_stacks stacks;
	uint32_t depth; /* the most frames of a stack */
	uint32_t max_threads;
	uint64_t interval_ns; /* of top, from one look to the next */
	double budget_pct;    /* with TRACE_AUTO, of one CPU */
	double max_loss_pct;  /* negative: any */
	struct condition_texts fail_if;
	bool quiet, verbose;
};

/*
 * Reads the command line. Returns -1 to go on, or the status to exit with: 0 after --help or --version, STATUS_USAGE
 * after one line on stderr that says what is wrong.
 */
int options__parse(struct options *options, int argc, char **argv);

/*
 * What reports were asked for that cannot be known from what was captured. -1 to go on, or STATUS_USAGE after one line.
 */
int options__check_reports(const struct options *options, enum trace_stacks stacks, enum trace_level level,
			   enum trace_events events);

#endif
