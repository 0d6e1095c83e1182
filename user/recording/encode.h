/* SPDX-License-Identifier: MIT */
/*
 * What changed in a trace since it was looked at before, as the payload of a chunk (docs/recording.md). Texts and
 * stacks are told once in a segment, with the first chunk that refers to them.
 */
#ifndef GILTRACE_RECORDING_ENCODE_H
#define GILTRACE_RECORDING_ENCODE_H

#include <stdbool.h>

#include "user/protobuf/writer.h"

struct encoder;
struct stacks;
struct trace;

struct encoder *encoder__new(void);          /* NULL without memory */
void encoder__free(struct encoder *encoder); /* takes NULL */

/* The next chunk refers to nothing that was told before it: a reader can begin there. So does the first. */
void encoder__begin_segment(struct encoder *encoder);

/*
 * Writes into `payload`, which is cleared first, what is new in `now`: the figures of its processes, locks and threads
 * (those that are not in it have not changed) are those since the beginning of the trace; its blame, release points and
 * hogs are those that came since the last call. A thread that has `ended` comes no more. `stacks` has the stacks that
 * `now` refers to, which keep their numbers from call to call. `last`: the trace is over, and `now` says how it ended.
 * Takes what the distributions of `now` own.
 * `events`, also cleared, gets what single events there are, for a chunk after that of `payload`. 0 or -ENOMEM: then
 * the encoder is of no use any more.
 */
int encoder__encode(struct encoder *encoder, struct trace *now, const struct stacks *stacks, bool last,
		    struct bytes *payload, struct bytes *events);

#endif
