/* SPDX-License-Identifier: MIT */
/* The command line of giltrace: see options.h. */
#include "tools/giltrace/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"giltrace shows who holds Python's global interpreter lock, who waits for it, and for how long.\n"
	"\n"
	"  giltrace -p PID [-d SECONDS] [options]    trace a running process, then report\n"
	"  giltrace --all [-d SECONDS] [options]     trace every process that has a GIL, those to come too\n"
	"  giltrace [options] -- COMMAND [ARG...]    start a command traced; exits with its status\n"
	"  giltrace doctor [-p PID]                  what this machine and this process allow\n"
	"\n"
	"  -p, --pid=PID           the process; can be given up to 64 times\n"
	"      --follow            also its children and their children, those there are and those to come\n"
	"  -d, --duration=SECONDS  how long; without it until all that is traced ends or Ctrl-C\n"
	"      --json[=FILE]       a report in JSON to FILE, or to stdout instead of the text\n"
	"      --probes=all|waits  all: each acquisition and release, exact (the default)\n"
	"                          waits: only waiting threads are probed; free where nobody waits\n"
	"      --max-threads=N     room for N threads at the same time\n"
	"      --max-loss=PCT      exit with 5 when more than PCT % of the events were lost\n"
	"  -q, --quiet             no text report\n"
	"  -v, --verbose           what the kernel says\n"
	"      --version, --help\n"
	"\n"
	"FILE is written beside its name and renamed when whole; - is stdout. Ctrl-C ends the trace and\n"
	"prints the report, a second one aborts. Exit status: 0 ok, 1 failure, 2 usage, 3 no such process\n"
	"or it has no GIL, 4 permission, 5 more lost than --max-loss.\n";

enum { OPTION_JSON = 256, OPTION_ALL, OPTION_FOLLOW, OPTION_PROBES, OPTION_MAX_THREADS, OPTION_MAX_LOSS, OPTION_VERSION, OPTION_HELP };

static const struct option long_options[] = {
	{"pid", required_argument, NULL, 'p'},
	{"all", no_argument, NULL, OPTION_ALL},
	{"follow", no_argument, NULL, OPTION_FOLLOW},
	{"duration", required_argument, NULL, 'd'},
	{"json", optional_argument, NULL, OPTION_JSON},
	{"probes", required_argument, NULL, OPTION_PROBES},
	{"max-threads", required_argument, NULL, OPTION_MAX_THREADS},
	{"max-loss", required_argument, NULL, OPTION_MAX_LOSS},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, OPTION_HELP},
	{0},
};

__attribute__((format(printf, 1, 2))) static int usage(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "giltrace: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, " (see giltrace --help)\n");
	va_end(arguments);
	return STATUS_USAGE;
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

static int parse_probes(struct options *options, const char *text)
{
	if (!strcmp(text, "all"))
		options->level = TRACE_ALL;
	else if (!strcmp(text, "waits"))
		options->level = TRACE_WAITS;
	else
		return usage("--probes takes all or waits, not \"%s\"", text);
	return -1;
}

static int add_pid(struct options *options, const char *text)
{
	long number;

	if (!parse_number(text, 1, INT_MAX, &number))
		return usage("-p takes a process id, not \"%s\"", text);
	for (size_t i = 0; i < options->pid_count; i++)
		if (options->pids[i] == (pid_t)number)
			return -1;
	if (options->pid_count == OPTIONS_MAX_PIDS)
		return usage("at most %d processes; --all traces every one", OPTIONS_MAX_PIDS);
	options->pids[options->pid_count++] = (pid_t)number;
	return -1;
}

static int widen(struct options *options, enum trace_scope scope)
{
	if (options->scope != TRACE_GIVEN && options->scope != scope)
		return usage("either --follow or --all, not both");
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
			return usage("-d takes seconds above 0, not \"%s\"", text);
		options->duration_ns = (uint64_t)(real * 1e9);
		return -1;
	case OPTION_JSON:
		options->json = text ? text : "-";
		return *options->json ? -1 : usage("--json= needs a file's name");
	case OPTION_PROBES:
		return parse_probes(options, text);
	case OPTION_MAX_THREADS:
		if (!parse_number(text, 1, 65536, &number))
			return usage("--max-threads takes a number from 1 to 65536, not \"%s\"", text);
		options->max_threads = (uint32_t)number;
		return -1;
	case OPTION_MAX_LOSS:
		if (!parse_real(text, 0, 100, &options->max_loss_pct))
			return usage("--max-loss takes a percentage from 0 to 100, not \"%s\"", text);
		return -1;
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
		fputs(help, stdout);
		return fflush(stdout) ? STATUS_FAILURE : STATUS_OK;
	default: /* getopt_long has said what is wrong */
		return STATUS_USAGE;
	}
}

static int check(const struct options *options, int argc, char **argv)
{
	if (optind < argc && !options->command)
		return usage("\"%s\" is not understood; a command to start stands after --", argv[optind]);
	if (options->subcommand == COMMAND_DOCTOR) {
		if (options->command || options->pid_count > 1 || options->scope != TRACE_GIVEN)
			return usage("doctor takes one -p PID");
		return -1;
	}
	if (options->scope == TRACE_EVERYTHING && (options->pid_count || options->command))
		return usage("--all traces every process: no -p PID and no COMMAND with it");
	if (options->pid_count && options->command)
		return usage("either -p PID or -- COMMAND, not both");
	if (!options->pid_count && !options->command && options->scope != TRACE_EVERYTHING)
		return usage("which process? Give -p PID, -- COMMAND or --all");
	return -1;
}

int options__parse(struct options *options, int argc, char **argv)
{
	int option, status;

	*options = (struct options){.max_loss_pct = -1};
	if (argc > 1 && !strcmp(argv[1], "doctor")) {
		options->subcommand = COMMAND_DOCTOR;
		argv[1] = argv[0]; /* getopt begins its messages with it */
		argv++;
		argc--;
	}
	while ((option = getopt_long(argc, argv, "+p:d:qv", long_options, NULL)) != -1) {
		status = parse_option(options, option, optarg);
		if (status != -1)
			return status;
	}
	if (optind < argc && optind > 0 && !strcmp(argv[optind - 1], "--"))
		options->command = argv + optind;
	return check(options, argc, argv);
}
