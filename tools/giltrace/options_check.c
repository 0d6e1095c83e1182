/* SPDX-License-Identifier: MIT */
/* Options that do not go together: see options_check.h. */
#include "tools/giltrace/options_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int options__refuse(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "giltrace: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, " (see giltrace --help)\n");
	va_end(arguments);
	return STATUS_USAGE;
}

/* Two reports in one file would be none. */
static int check_files(const struct report_paths *paths)
{
	for (size_t i = 0; i < REPORT_FORMATS; i++) {
		for (size_t j = 0; j < i; j++) {
			const char *a = paths->of[j], *b = paths->of[i];

			if (!a || !b)
				continue;
			if (reports__is_stdout(a) && reports__is_stdout(b))
				return options__refuse("only one report can go to stdout, not --%s and --%s",
						       report_formats[j].option, report_formats[i].option);
			if (!strcmp(a, b) && strncmp(a, "/dev/", 5) != 0)
				return options__refuse("--%s and --%s cannot both go to %s", report_formats[j].option,
						       report_formats[i].option, a);
		}
	}
	return -1;
}

int options__check_reports(const struct options *options, enum trace_stacks stacks, enum trace_level level,
			   enum trace_events events)
{
	for (size_t i = 0; i < REPORT_FORMATS; i++) {
		const struct report_format *format = &report_formats[i];

		if (!options->reports.of[i])
			continue;
		if (format->events == MADE_OF_EVENTS && events == TRACE_EVENTS_NONE)
			return options__refuse("--%s is made of events: not with --events=none", format->option);
		if (!format->of_stacks)
			continue;
		if (stacks == TRACE_STACKS_NONE)
			return options__refuse("--%s is made of stacks: not with --stacks=none", format->option);
		if (options->flame_kind == FLAME_HOLD && level == TRACE_WAITS)
			return options__refuse("--flame-kind=hold needs --probes=all: with waits, holds are not seen");
	}
	return -1;
}

static bool has_target(const struct options *options)
{
	return options->pid_count || options->command || options->scope == TRACE_EVERYTHING;
}

/* What a report of a recording can do nothing with. */
static int check_report(const struct options *options)
{
	int status;

	if (has_target(options) || options->scope != TRACE_GIVEN || options->duration_ns || options->max_size)
		return options__refuse("report takes a recording and the options of reports");
	if (!options->recording)
		return options__refuse("which recording? giltrace report FILE");
	status = check_files(&options->reports);
	return status == -1 ? conditions__check(&options->fail_if, TRACE_AUTO, TRACE_STACKS_BOTH) : status;
}

/* Whether this report can be of two recordings. */
static bool is_of_two(const struct report_format *format)
{
	return !strcmp(format->option, "json") || !strcmp(format->option, "flame");
}

static int check_diff(const struct options *options)
{
	if (has_target(options) || options->scope != TRACE_GIVEN || options->duration_ns || options->max_size ||
	    options->fail_if.count || options->max_loss_pct >= 0)
		return options__refuse("diff takes two recordings, --json, --flame, --flame-kind and -q");
	if (!options->after)
		return options__refuse("which recordings? giltrace diff BEFORE AFTER");
	if (!strcmp(options->recording, "-") && !strcmp(options->after, "-"))
		return options__refuse("only one of the recordings can come from stdin");
	for (size_t i = 0; i < REPORT_FORMATS; i++)
		if (options->reports.of[i] && !is_of_two(&report_formats[i]))
			return options__refuse(
				"diff has --json and --flame; giltrace report FILE --%s is of one recording",
				report_formats[i].option);
	return check_files(&options->reports);
}

static int check_target(const struct options *options)
{
	if (options->scope == TRACE_EVERYTHING && (options->pid_count || options->command))
		return options__refuse("--all traces every process: no -p PID and no COMMAND with it");
	if (options->pid_count && options->command)
		return options__refuse("either -p PID or -- COMMAND, not both");
	if (!has_target(options))
		return options__refuse("which process? Give -p PID, -- COMMAND or --all");
	if (options->budget_pct && options->level != TRACE_AUTO)
		return options__refuse("--budget is kept by --probes=auto only: leave --probes away");
	if (options->events == TRACE_EVENTS_ALL && options->level != TRACE_ALL)
		return options__refuse("--events=all needs --probes=all: else not each hold is seen");
	return -1;
}

/* What only a report or a recording can do something with. */
static int check_top(const struct options *options)
{
	const char *no = "top writes no report and starts no command: giltrace -p PID does, giltrace -- COMMAND";

	for (size_t i = 0; i < REPORT_FORMATS; i++)
		if (options->reports.of[i])
			return options__refuse("%s", no);
	if (options->command || options->fail_if.count || options->max_loss_pct >= 0)
		return options__refuse("%s", no);
	if (options->duration_ns || options->max_size || options->quiet || options->verbose)
		return options__refuse("top goes on until q is pressed: no -d, --max-size, -q or -v with it");
	return -1;
}

static int check_record(const struct options *options)
{
	if (!options->recording)
		return options__refuse("where to? giltrace record -o FILE");
	for (size_t i = 0; i < REPORT_FORMATS; i++)
		if (options->reports.of[i])
			return options__refuse("record writes no report: giltrace report %s --%s does",
					       options->recording, report_formats[i].option);
	if (options->fail_if.count)
		return options__refuse("record writes no report: giltrace report %s --fail-if=EXPR asks it",
				       options->recording);
	return -1;
}

/* A recording and a report in one file would be neither. */
static int check_live(const struct options *options)
{
	const char *path = options->recording;
	int status = options__check_reports(options, options->stacks, options->level, options->events);

	if (options->max_size)
		return options__refuse("--max-size is for giltrace record");
	for (size_t i = 0; path && i < REPORT_FORMATS; i++)
		if (options->reports.of[i] && !strcmp(options->reports.of[i], path))
			return options__refuse("--%s and --record cannot both go to %s", report_formats[i].option,
					       path);
	if (path && reports__is_stdout(path))
		return options__refuse("the report goes to stdout: give -o - to giltrace record");
	if (status == -1)
		status = check_files(&options->reports);
	return status == -1 ? conditions__check(&options->fail_if, options->level, options->stacks) : status;
}

int options__check(const struct options *options)
{
	int status;

	if (options->interval_ns && options->subcommand != COMMAND_TOP)
		return options__refuse("--interval is for giltrace top");
	switch (options->subcommand) {
	case COMMAND_DOCTOR:
		if (options->command || options->pid_count > 1 || options->scope != TRACE_GIVEN)
			return options__refuse("doctor takes one -p PID");
		return -1;
	case COMMAND_REPORT:
		return check_report(options);
	case COMMAND_DIFF:
		return check_diff(options);
	case COMMAND_TOP:
	case COMMAND_RECORD:
	case COMMAND_TRACE:
		break;
	}
	status = check_target(options);
	if (status != -1)
		return status;
	if (options->subcommand == COMMAND_TOP)
		return check_top(options);
	return options->subcommand == COMMAND_RECORD ? check_record(options) : check_live(options);
}
