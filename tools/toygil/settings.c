/* SPDX-License-Identifier: MIT */
/* The command line: see settings.h. */
#include "tools/toygil/settings.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/toygil/design.h"

#define MAX_SECONDS 86400.0

enum option_key {
	OPTION_GIL = 256,
	OPTION_THREADS,
	OPTION_INTERPRETERS,
	OPTION_PROCESSES,
	OPTION_SWITCH_INTERVAL,
	OPTION_CHECK_INTERVAL,
	OPTION_DURATION,
	OPTION_SIZE,
	OPTION_SEED,
	OPTION_NO_BIAS,
	OPTION_TRUTH,
	OPTION_VERBOSE,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option options[] = {
	{"gil", required_argument, NULL, OPTION_GIL},
	{"threads", required_argument, NULL, OPTION_THREADS},
	{"interpreters", required_argument, NULL, OPTION_INTERPRETERS},
	{"processes", required_argument, NULL, OPTION_PROCESSES},
	{"switch-interval", required_argument, NULL, OPTION_SWITCH_INTERVAL},
	{"check-interval", required_argument, NULL, OPTION_CHECK_INTERVAL},
	{"duration", required_argument, NULL, OPTION_DURATION},
	{"size", required_argument, NULL, OPTION_SIZE},
	{"seed", required_argument, NULL, OPTION_SEED},
	{"no-bias", no_argument, NULL, OPTION_NO_BIAS},
	{"truth", required_argument, NULL, OPTION_TRUTH},
	{"verbose", no_argument, NULL, OPTION_VERBOSE},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{0},
};

void settings__init(struct settings *settings)
{
	*settings = (struct settings){
		.design = &design_interval,
		.threads = 2,
		.interpreters = 1,
		.processes = 1,
		.interval_us = 5000,
		.check_interval = 100,
		.rounds = -1,
		.bias = true,
		.thread_limit = SETTINGS_MAX_THREADS,
	};
}

FILE *settings__output(const struct settings *settings)
{
	return settings->truth && !strcmp(settings->truth, "-") ? stderr : stdout;
}

void settings__help(void)
{
	printf("usage: toygil [OPTION...] PROGRAM|FILE.toy\n"
	       "       toygil bench     reproduce what is known of each design, beside the published figures\n"
	       "       toygil list      the programs, designs and natives\n"
	       "\n"
	       "  --gil=DESIGN              ticks, interval (default), per-interpreter, free or none\n"
	       "  --threads=N               workers that the program starts (2)\n"
	       "  --interpreters=N          run it in N interpreters of one process (--gil=per-interpreter)\n"
	       "  --processes=N             run it in N processes\n"
	       "  --switch-interval=TIME    of interval and per-interpreter: 5ms, 500us, 0.005s (5ms)\n"
	       "  --check-interval=N        of ticks: instructions between two releases (100)\n"
	       "  --duration=SECONDS        work for this long\n"
	       "  --size=N                  or: work N rounds a thread\n"
	       "  --seed=N                  of the native random (0)\n"
	       "  --no-bias                 of free: count every object atomically\n"
	       "  --truth=FILE              write what the runtime knows of its lock, as giltrace/1 (- is stdout)\n"
	       "  --verbose                 count the objects at the end\n"
	       "  --help, --version\n"
	       "\n"
	       "exit status: 0 ok, 1 the program failed or used what was freed, 2 usage\n");
}

static bool wrong(const char *option, const char *text, const char *expected)
{
	fprintf(stderr, "toygil: --%s=%s: %s\n", option, text, expected);
	return false;
}

static bool read_count(const char *option, const char *text, int64_t low, int64_t high, int64_t *value)
{
	char expected[96], *rest;

	errno = 0;
	*value = strtoll(text, &rest, 10);
	if (rest != text && !*rest && !errno && *value >= low && *value <= high)
		return true;
	snprintf(expected, sizeof(expected), "expects an integer from %" PRId64 " to %" PRId64, low, high);
	return wrong(option, text, expected);
}

/* A time with a unit, or in seconds. */
static bool read_time(const char *option, const char *text, double low_ns, double *ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}};
	char *rest;
	double value = strtod(text, &rest);

	for (size_t i = 0; rest != text && i < sizeof(units) / sizeof(*units); i++) {
		*ns = value * units[i].ns;
		if (!strcmp(rest, units[i].unit) && *ns >= low_ns && *ns <= MAX_SECONDS * 1e9)
			return true;
	}
	return wrong(option, text,
		     low_ns < 1e6 ? "expects a time such as 5ms, 500us or 0.005s, 1us to 86400s"
				  : "expects a time such as 2, 0.5 or 500ms, 1ms to 86400s");
}

static bool read_design(struct settings *settings, const char *text)
{
	settings->design = design__find(text);
	return settings->design || wrong("gil", text, "expects ticks, interval, per-interpreter, free or none");
}

static bool read_option(struct settings *settings, int option, const char *text)
{
	int64_t value = 0;
	double ns = 0;
	bool right = true;

	switch (option) {
	case OPTION_GIL:
		return read_design(settings, text);
	case OPTION_THREADS:
		right = read_count("threads", text, 1, SETTINGS_MAX_THREADS - 2, &value);
		settings->threads = (int)value;
		return right;
	case OPTION_INTERPRETERS:
		right = read_count("interpreters", text, 1, 256, &value);
		settings->interpreters = (int)value;
		return right;
	case OPTION_PROCESSES:
		right = read_count("processes", text, 1, 256, &value);
		settings->processes = (int)value;
		return right;
	case OPTION_SWITCH_INTERVAL:
		right = read_time("switch-interval", text, 1e3, &ns);
		settings->interval_us = (uint64_t)llround(ns / 1e3);
		return right;
	case OPTION_CHECK_INTERVAL:
		right = read_count("check-interval", text, 1, INT32_MAX, &value);
		settings->check_interval = (int)value;
		return right;
	case OPTION_DURATION:
		right = read_time("duration", text, 1e6, &ns);
		settings->duration_ns = (uint64_t)ns;
		return right;
	case OPTION_SIZE:
		return read_count("size", text, 0, INT64_MAX, &settings->rounds);
	case OPTION_SEED:
		right = read_count("seed", text, 0, INT64_MAX, &value);
		settings->seed = (uint64_t)value;
		return right;
	case OPTION_NO_BIAS:
		settings->bias = false;
		return true;
	case OPTION_TRUTH:
		settings->truth = text;
		settings->books = true;
		return true;
	case OPTION_VERBOSE:
		settings->verbose = true;
		return true;
	}
	return false; /* getopt_long() has said what is wrong */
}

/* What does not go together. */
static bool fits_together(const struct settings *settings)
{
	const char *problem = NULL;

	if (settings->interpreters > 1 && !settings->design->per_interpreter)
		problem = "--interpreters needs --gil=per-interpreter";
	else if (!settings->bias && settings->design != &design_free)
		problem = "--no-bias needs --gil=free";
	else if (settings->duration_ns && settings->rounds >= 0)
		problem = "--duration and --size exclude each other";
	else if (settings->truth && settings->processes > 1 && !strcmp(settings->truth, "-"))
		problem = "--truth=- holds one process, not several";
	if (problem)
		fprintf(stderr, "toygil: %s\n", problem);
	return !problem;
}

enum settings_command settings__parse(struct settings *settings, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == OPTION_HELP)
			return SETTINGS_HELP;
		if (option == OPTION_VERSION)
			return SETTINGS_VERSION;
		if (!read_option(settings, option, optarg))
			return SETTINGS_WRONG;
	}
	if (optind == argc) {
		fprintf(stderr,
			"toygil: name a program, or a file; `toygil list` shows the programs, --help the options\n");
		return SETTINGS_WRONG;
	}
	settings->program = argv[optind];
	if (optind + 1 < argc) {
		fprintf(stderr, "toygil: one program at a time; options go before it: %s\n", argv[optind + 1]);
		return SETTINGS_WRONG;
	}
	if (!strcmp(settings->program, "bench"))
		return SETTINGS_BENCH;
	if (!strcmp(settings->program, "list"))
		return SETTINGS_LIST;
	return fits_together(settings) ? SETTINGS_RUN : SETTINGS_WRONG;
}
