/* SPDX-License-Identifier: MIT */
/*
 * From a capture to a report: what was captured is encoded, and the same payloads go into a file, to the decoder that
 * makes the trace for a report, or both. So a live report and that of its recording cannot differ.
 */
#ifndef GILTRACE_RECORDER_H
#define GILTRACE_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

struct recorder;
struct stacks;
struct trace;

struct recorder_options {
	const char *path;  /* NULL: no file */
	uint64_t max_size; /* bytes; 0: any */
	bool report;       /* a trace is wanted at the end, */
	bool events;       /* with single events */
};

/* 0 or -errno; -EINVAL: a greatest size of what is no regular file. */
int recorder__open(const struct recorder_options *options, struct recorder **out);

/*
 * Before more is added: writes what could not be written before. 0; -errno: it still cannot, and nothing should be
 * added (what is captured meanwhile will come with the next addition).
 */
int recorder__make_ready(struct recorder *recorder);

/*
 * Adds what came since the last addition: `now`, `stacks` and `last` as encode.h has them. 0; or the -errno of writing:
 * the chunk is kept and tried again. -EFBIG: it is too large for the file, and left out of it.
 */
int recorder__add(struct recorder *recorder, struct trace *now, const struct stacks *stacks, bool last);

/* After the last addition: the file is whole and on the disk. 0 or -errno: it has only what was written before. */
int recorder__end(struct recorder *recorder);

/* The trace, finished and the caller's, if one was wanted. 0 or -errno. */
int recorder__trace(struct recorder *recorder, struct trace **out);

/* Takes the file away: what is in it should not be there. */
void recorder__discard(struct recorder *recorder);

/* Bytes in the file. */
uint64_t recorder__size(const struct recorder *recorder);

/* The part of the trace, in ns since its beginning, up to which all is in the file. */
uint64_t recorder__written_ns(const struct recorder *recorder);

void recorder__free(struct recorder *recorder); /* takes NULL */

#endif
