/* SPDX-License-Identifier: MIT */
/* The command line of giltrace: see options.h. */
#include "tools/giltrace/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/giltrace/options_check.h"
#include "user/recording/file.h"

static const char help_begin[] =
	"giltrace shows who holds Python's global interpreter lock, who waits for it, and for how long.\n"
	"\n"
	"  giltrace -p PID [-d SECONDS] [options]    trace a running process, then report\n"
	"  giltrace --all [-d SECONDS] [options]     trace every process that has a GIL, those to come too\n"
	"  giltrace [options] -- COMMAND [ARG...]    start a command traced; exits with its status\n"
	"  giltrace record -o FILE ...               trace as above into a recording, no report\n"
	"  giltrace report FILE [options]            the report of a recording; needs no root\n"
	"  giltrace diff BEFORE AFTER [options]      what changed from one recording to another\n"
	"  giltrace top -p PID [options]             watch live in the terminal: locks, threads, blame\n"
	"  giltrace doctor [-p PID]                  what this machine and this process allow\n"
	"\n"
	"  -p, --pid=PID           the process; can be given up to 64 times\n"
	"      --follow            also its children and their children, those there are and those to come\n"
	"  -d, --duration=SECONDS  how long; without it until all that is traced ends or Ctrl-C\n"
	"\n"
	"reports, any number of them:\n";

static const char help_end[] =
	"      --flame-kind=KIND   what the reports of stacks show: blame (who had the lock while others\n"
	"                          waited; the default), wait (who waited) or hold (who had it)\n"
	"\n"
	"  -o, --output=FILE       record: the recording\n"
	"      --max-size=SIZE     record: never larger than SIZE (as in 64M); the newest part is kept\n"
	"      --record=FILE       a recording beside the report\n"
	"      --events=KIND       single events in a recording: contended (each wait, and the holds that\n"
	"                          somebody waited for; the default), all (each hold too) or none\n"
	"\n"
	"      --interval=SECONDS  top: from one look to the next, 0.1 to 1 (the default)\n"
	"\n"
	"      --stacks=KIND       the frames that stacks have: python, native, both or none\n"
	"      --depth=N           the most frames of a stack, 1 to 128 (the default)\n"
	"      --probes=LEVEL      auto: each acquisition and release as long as that is within the budget,\n"
	"                          else in short windows (the default); all: each, whatever it costs;\n"
	"                          waits: only waiting threads, free where nobody waits\n"
	"      --budget=PCT        what tracing may cost with auto, in % of one CPU (2)\n"
	"      --max-threads=N     room for N threads at the same time\n"
	"      --max-loss=PCT      exit with 5 when more than PCT % of the events were lost\n"
	"      --fail-if=EXPR      exit with 6 when this holds of the report: 'wait.p99 > 10ms',\n"
	"                          'thread[\"io-1\"].waited / duration > 5%'; can be given up to 32 times\n"
	"  -q, --quiet             no text report\n"
	"  -v, --verbose           what the kernel says\n"
	"      --version, --help\n"
	"\n"
	"A report is written beside its name and renamed when whole; a recording can be read while it\n"
	"grows. - is stdout. Ctrl-C ends the trace and prints the report, a second one aborts.\n"
	"Exit status: 0 ok, 1 failure, 2 usage, 3 no such process or it has no GIL, 4 permission, 5 more lost\n"
	"than --max-loss, 6 a --fail-if held.\n";

enum {
	OPTION_ALL = 256,
	OPTION_FOLLOW,
	OPTION_PROBES,
	OPTION_BUDGET,
	OPTION_FLAME_KIND,
	OPTION_STACKS,
	OPTION_DEPTH,
	OPTION_MAX_THREADS,
	OPTION_MAX_LOSS,
	OPTION_FAIL_IF,
	OPTION_MAX_SIZE,
	OPTION_EVENTS,
	OPTION_RECORD,
	OPTION_INTERVAL,
	OPTION_VERSION,
	OPTION_HELP,
	OPTION_REPORTS, /* the first of the formats; theirs are the last */
};

static const struct option fixed_options[] = {
	{"pid", required_argument, NULL, 'p'},
	{"all", no_argument, NULL, OPTION_ALL},
	{"follow", no_argument, NULL, OPTION_FOLLOW},
	{"duration", required_argument, NULL, 'd'},
	{"probes", required_argument, NULL, OPTION_PROBES},
	{"budget", required_argument, NULL, OPTION_BUDGET},
	{"flame-kind", required_argument, NULL, OPTION_FLAME_KIND},
	{"stacks", required_argument, NULL, OPTION_STACKS},
	{"depth", required_argument, NULL, OPTION_DEPTH},
	{"max-threads", required_argument, NULL, OPTION_MAX_THREADS},
	{"max-loss", required_argument, NULL, OPTION_MAX_LOSS},
	{"fail-if", required_argument, NULL, OPTION_FAIL_IF},
	{"output", required_argument, NULL, 'o'},
	{"max-size", required_argument, NULL, OPTION_MAX_SIZE},
	{"events", required_argument, NULL, OPTION_EVENTS},
	{"record", required_argument, NULL, OPTION_RECORD},
	{"interval", required_argument, NULL, OPTION_INTERVAL},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, OPTION_HELP},
};

#define DEFAULT_BUDGET_PCT  2
#define DEFAULT_INTERVAL_NS 1000000000
#define FIXED_OPTIONS       (sizeof(fixed_options) / sizeof(*fixed_options))

/* The options above, one for each report format, and the end. */
static void list_options(struct option list[FIXED_OPTIONS + REPORT_FORMATS + 1])
{
	memcpy(list, fixed_options, sizeof(fixed_options));
	for (int i = 0; i < REPORT_FORMATS; i++)
		list[FIXED_OPTIONS + i] = (struct option){
			report_formats[i].option, report_formats[i].optional ? optional_argument : required_argument,
			NULL, OPTION_REPORTS + i};
	list[FIXED_OPTIONS + REPORT_FORMATS] = (struct option){0};
}

static int print_help(void)
{
	char option[64];

	fputs(help_begin, stdout);
	for (size_t i = 0; i < REPORT_FORMATS; i++) {
		snprintf(option, sizeof(option), "--%s%s", report_formats[i].option, report_formats[i].argument);
		printf("      %-19s %s\n", option, report_formats[i].help);
	}
	fputs(help_end, stdout);
	return fflush(stdout) ? STATUS_FAILURE : STATUS_OK;
}

/* A whole decimal number in [least, most]. */
static bool parse_number(const char *text, long least, long most, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return !errno && end != text && !*end && *out >= least && *out <= most;
}

static bool parse_real(const char *text, double least, double most, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(text, &end);
	return !errno && end != text && !*end && isfinite(*out) && *out >= least && *out <= most;
}

/* A whole number of bytes, or of K, M or G of them. */
static bool parse_size(const char *text, uint64_t least, uint64_t *out)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (errno || end == text || *text == '-')
		return false;
	unit = *end ? strchr(units, *end) : NULL;
	if (*end && (!unit || end[1] || *out > UINT64_MAX >> 40))
		return false;
	if (unit)
		*out <<= 10 * (unit - units + 1);
	return *out >= least && *out <= INT64_MAX;
}

/* The place of a word in a list, or -1. */
static int find_word(const char *const *words, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(words[i], text))
			return (int)i;
	return -1;
}

static int parse_probes(struct options *options, const char *text)
{
	for (int level = 0; level < TRACE_LEVELS; level++) {
		if (!strcmp(trace__level_name((enum trace_level)level), text)) {
			options->level = (enum trace_level)level;
			return -1;
		}
	}
	return options__refuse("--probes takes auto, all or waits, not \"%s\"", text);
}

static int parse_stacks(struct options *options, const char *text)
{
	static const char *const stacks[] = {
		[TRACE_STACKS_NONE] = "none",
		[TRACE_STACKS_PYTHON] = "python",
		[TRACE_STACKS_NATIVE] = "native",
		[TRACE_STACKS_BOTH] = "both",
	};
	int level = find_word(stacks, 4, text);

	if (level < 0)
		return options__refuse("--stacks takes python, native, both or none, not \"%s\"", text);
	options->stacks = (enum trace_stacks)level;
	return -1;
}

static int parse_events(struct options *options, const char *text)
{
	static const char *const events[] = {
		[TRACE_EVENTS_NONE] = "none",
		[TRACE_EVENTS_CONTENDED] = "contended",
		[TRACE_EVENTS_ALL] = "all",
	};
	int which = find_word(events, 3, text);

	if (which < 0)
		return options__refuse("--events takes contended, all or none, not \"%s\"", text);
	options->events = (enum trace_events)which;
	return -1;
}

static int parse_flame_kind(struct options *options, const char *text)
{
	for (enum flame_kind kind = 0; kind < FLAME_KINDS; kind++) {
		if (!strcmp(flame_kind_name(kind), text)) {
			options->flame_kind = kind;
			return -1;
		}
	}
	return options__refuse("--flame-kind takes blame, wait or hold, not \"%s\"", text);
}

static int parse_report(struct options *options, size_t format, const char *text)
{
	options->reports.of[format] = text ? text : "-";
	return *options->reports.of[format]
		       ? -1
		       : options__refuse("--%s= needs a file's name", report_formats[format].option);
}

static int set_recording(struct options *options, const char *option, const char *text)
{
	if (options->recording && options->subcommand == COMMAND_DIFF) {
		if (options->after)
			return options__refuse("diff takes two recordings, and %s is a third", text);
		options->after = text;
		return *text ? -1 : options__refuse("%s needs a file's name", option);
	}
	if (options->recording)
		return options__refuse("one recording at a time, not %s and %s", options->recording, text);
	options->recording = text;
	return *text ? -1 : options__refuse("%s needs a file's name", option);
}

static int add_pid(struct options *options, const char *text)
{
	long number;

	if (!parse_number(text, 1, INT_MAX, &number))
		return options__refuse("-p takes a process id, not \"%s\"", text);
	for (size_t i = 0; i < options->pid_count; i++)
		if (options->pids[i] == (pid_t)number)
			return -1;
	if (options->pid_count == OPTIONS_MAX_PIDS)
		return options__refuse("at most %d processes; --all traces every one", OPTIONS_MAX_PIDS);
	options->pids[options->pid_count++] = (pid_t)number;
	return -1;
}

static int add_condition(struct options *options, const char *text)
{
	if (options->fail_if.count == CONDITIONS_MAX)
		return options__refuse("at most %d conditions; they can be joined with or", CONDITIONS_MAX);
	options->fail_if.of[options->fail_if.count++] = text;
	return -1;
}

static int widen(struct options *options, enum trace_scope scope)
{
	if (options->scope != TRACE_GIVEN && options->scope != scope)
		return options__refuse("either --follow or --all, not both");
	options->scope = scope;
	return -1;
}

static int parse_option(struct options *options, int option, const char *text)
{
	long number;
	double real;

	switch (option) {
	case 'p':
		return add_pid(options, text);
	case OPTION_ALL:
		return widen(options, TRACE_EVERYTHING);
	case OPTION_FOLLOW:
		return widen(options, TRACE_CHILDREN);
	case 'd':
		if (!parse_real(text, 0.001, 1e7, &real))
			return options__refuse("-d takes seconds above 0, not \"%s\"", text);
		options->duration_ns = (uint64_t)(real * 1e9);
		return -1;
	case OPTION_PROBES:
		return parse_probes(options, text);
	case OPTION_EVENTS:
		return parse_events(options, text);
	case OPTION_FLAME_KIND:
		return parse_flame_kind(options, text);
	case OPTION_STACKS:
		return parse_stacks(options, text);
	case OPTION_DEPTH:
		if (!parse_number(text, 1, OPTIONS_MAX_DEPTH, &number))
			return options__refuse("--depth takes a number from 1 to %d, not \"%s\"", OPTIONS_MAX_DEPTH,
					       text);
		options->depth = (uint32_t)number;
		return -1;
	case OPTION_MAX_THREADS:
		if (!parse_number(text, 1, 65536, &number))
			return options__refuse("--max-threads takes a number from 1 to 65536, not \"%s\"", text);
		options->max_threads = (uint32_t)number;
		return -1;
	case OPTION_BUDGET:
		if (!parse_real(text, 0.01, 100, &options->budget_pct))
			return options__refuse("--budget takes a percentage from 0.01 to 100, not \"%s\"", text);
		return -1;
	case OPTION_INTERVAL:
		if (!parse_real(text, 0.1, 1, &real))
			return options__refuse("--interval takes seconds from 0.1 to 1, not \"%s\"", text);
		options->interval_ns = (uint64_t)(real * 1e9);
		return -1;
	case OPTION_MAX_LOSS:
		if (!parse_real(text, 0, 100, &options->max_loss_pct))
			return options__refuse("--max-loss takes a percentage from 0 to 100, not \"%s\"", text);
		return -1;
	case OPTION_FAIL_IF:
		return add_condition(options, text);
	case OPTION_MAX_SIZE:
		if (!parse_size(text, RECORDING_MIN_SIZE, &options->max_size))
			return options__refuse("--max-size takes bytes, or 512K, 64M, 2G; %d at least, not \"%s\"",
					       RECORDING_MIN_SIZE, text);
		return -1;
	case 'o':
		if (options->subcommand != COMMAND_RECORD)
			return options__refuse("-o is for giltrace record; --record=FILE records beside a report");
		return set_recording(options, "-o", text);
	case OPTION_RECORD:
		if (options->subcommand != COMMAND_TRACE)
			return options__refuse(
				"--record=FILE records beside a live report; give -o to giltrace record");
		return set_recording(options, "--record=", text);
	case 'q':
		options->quiet = true;
		return -1;
	case 'v':
		options->verbose = true;
		return -1;
	case OPTION_VERSION:
		printf("giltrace %s\n", GILTRACE_VERSION);
		return fflush(stdout) ? STATUS_FAILURE : STATUS_OK;
	case OPTION_HELP:
		return print_help();
	default:
		if (option >= OPTION_REPORTS)
			return parse_report(options, (size_t)(option - OPTION_REPORTS), text);
		return STATUS_USAGE; /* getopt_long has said what is wrong */
	}
}

static enum subcommand find_subcommand(const char *word)
{
	static const char *const words[] = {
		[COMMAND_TRACE] = "",    [COMMAND_RECORD] = "record", [COMMAND_REPORT] = "report",
		[COMMAND_DIFF] = "diff", [COMMAND_TOP] = "top",       [COMMAND_DOCTOR] = "doctor",
	};
	int found = find_word(words, sizeof(words) / sizeof(*words), word);

	return found > 0 ? (enum subcommand)found : COMMAND_TRACE;
}

/* Options may stand on both sides of a recording's name; behind a command's name they are the command's. */
static int parse_all(struct options *options, int argc, char **argv)
{
	struct option list[FIXED_OPTIONS + REPORT_FORMATS + 1];
	int option, status = -1;

	list_options(list);
	for (;;) {
		while (status == -1 && (option = getopt_long(argc, argv, "+p:d:o:qv", list, NULL)) != -1)
			status = parse_option(options, option, optarg);
		if (status != -1 || optind >= argc)
			return status;
		if (options->subcommand != COMMAND_REPORT && options->subcommand != COMMAND_DIFF)
			return status;
		status =
			set_recording(options, options->subcommand == COMMAND_DIFF ? "diff" : "report", argv[optind++]);
	}
}

int options__parse(struct options *options, int argc, char **argv)
{
	int status;

	*options = (struct options){.level = TRACE_AUTO,
				    .max_loss_pct = -1,
				    .events = TRACE_EVENTS_CONTENDED,
				    .stacks = TRACE_STACKS_PYTHON,
				    .depth = OPTIONS_MAX_DEPTH};
	options->subcommand = argc > 1 ? find_subcommand(argv[1]) : COMMAND_TRACE;
	if (options->subcommand != COMMAND_TRACE) {
		argv[1] = argv[0]; /* getopt begins its messages with it */
		argv++;
		argc--;
	}
	status = parse_all(options, argc, argv);
	if (status != -1)
		return status;
	if (optind < argc && optind > 0 && !strcmp(argv[optind - 1], "--"))
		options->command = argv + optind;
	if (optind < argc && !options->command)
		return options__refuse("\"%s\" is not understood; a command to start stands after --", argv[optind]);
	status = options__check(options);
	if (!options->interval_ns)
		options->interval_ns = DEFAULT_INTERVAL_NS;
	if (!options->budget_pct)
		options->budget_pct = DEFAULT_BUDGET_PCT;
	return status;
}
