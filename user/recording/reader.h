/* SPDX-License-Identifier: MIT */
/* Reading a recording: any bytes are either a trace, or refused with one line. */
#ifndef GILTRACE_RECORDING_READER_H
#define GILTRACE_RECORDING_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct parts;
struct trace;

/*
 * Reads all that is whole into a trace, finished and the caller's; `events`: single events, too. `*whole`: the end of
 * the trace is in it; else it was cut, damaged, or is being written still. Chunks of other types are skipped. 0;
 * -EBADMSG: it is no recording, or nothing of one; -ENOTSUP: one of a later version; -EFBIG; -EIO; -ENOMEM; with one
 * line in `why`, which begins as "is no recording" does: the file's name goes before it.
 */
int recording__read(FILE *in, bool events, struct trace **out, bool *whole, char *why, size_t why_size);

/* The same; and what each chunk brought is added to `parts` (user/trace/parts.h), NULL: it is not wanted. */
int recording__read_parts(FILE *in, bool events, struct parts *parts, struct trace **out, bool *whole, char *why,
			  size_t why_size);

#endif
