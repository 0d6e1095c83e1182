/* SPDX-License-Identifier: MIT */
/* What a run is asked to be: the command line, read. */
#ifndef TOYGIL_SETTINGS_H
#define TOYGIL_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct design;

struct settings {
	const struct design *design;
	int threads; /* workers that a program starts in each interpreter */
	int interpreters, processes;
	uint64_t interval_us; /* --switch-interval */
	int check_interval;   /* of `ticks`, in instructions */
	uint64_t duration_ns; /* 0: not given */
	int64_t rounds;       /* --size; -1: not given */
	uint64_t seed;
	bool bias;             /* false: `free` counts every object atomically */
	bool books;            /* keep the truth */
	bool verbose;          /* count the objects at the end */
	const char *truth;     /* file for it, or NULL */
	const char *program;   /* a name or a file */
	uint64_t fuel;         /* looks at the eval breaker before a thread must end; 0: no limit */
	uint32_t thread_limit; /* threads that an interpreter may start in all */
	bool quiet;            /* `print` prints nothing */
};

#define SETTINGS_MAX_THREADS 4096

enum settings_command { SETTINGS_RUN, SETTINGS_BENCH, SETTINGS_LIST, SETTINGS_HELP, SETTINGS_VERSION, SETTINGS_WRONG };

/* All at their defaults. */
void settings__init(struct settings *settings);

/* Reads the command line. SETTINGS_WRONG: one line on stderr said why. */
enum settings_command settings__parse(struct settings *settings, int argc, char **argv);

/* Where the program's and toygil's own lines go: stdout, unless the truth does. */
FILE *settings__output(const struct settings *settings);

/* The text of --help, on stdout. */
void settings__help(void);

#endif
