/* SPDX-License-Identifier: MIT */
/* A report's file: written beside its name and renamed when whole, so that no half of one is ever under the name. */
#ifndef GILTRACE_REPORT_OUTPUT_H
#define GILTRACE_REPORT_OUTPUT_H

#include <limits.h>
#include <stdio.h>

struct output {
	FILE *stream;
	char path[PATH_MAX];
	char beside[PATH_MAX]; /* "": written in place */
};

/*
 * Opens `path` for writing: "-" is stdout; what exists and is no regular file (a pipe, a device) is written in place.
 * 0 or -errno; tells early when the directory takes no file.
 */
int output__open(struct output *output, const char *path);

/* Puts what is written so far under the name, and goes on writing to it. 0 or -errno. */
int output__publish(struct output *output);

/* Makes what was written last under the name. 0 or -errno: then nothing is under the name that was not before. */
int output__commit(struct output *output);

/* Gives up: removes what was written beside. Idempotent; harmless after a commit. */
void output__abandon(struct output *output);

#endif
