/* SPDX-License-Identifier: MIT */
/*
 * Single events as the payload of a chunk, and back. A time is told as the difference from where it is likely to be: a
 * beginning from the end of what the thread did before, an end from the end of the event before.
 */
#ifndef GILTRACE_RECORDING_EVENTS_H
#define GILTRACE_RECORDING_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "user/protobuf/writer.h"

struct decoder;
struct event_encoder;
struct names;
struct stacks;
struct trace;

struct event_encoder *event_encoder__new(void);          /* NULL without memory */
void event_encoder__free(struct event_encoder *encoder); /* takes NULL */

/*
 * The events of `now`; none leave the payload empty. Their stacks are told to the segment of `names`. 0 or -ENOMEM.
 */
int event_encoder__encode(struct event_encoder *encoder, const struct trace *now, const struct stacks *stacks,
			  struct names *names, struct bytes *payload);

/* Adds the events of a payload to the decoder's trace. 0, -EBADMSG, -EFBIG or -ENOMEM. */
int events__decode(struct decoder *decoder, const void *payload, size_t size);

#endif
