/* SPDX-License-Identifier: MIT */
/*
 * Payloads of chunks (encode.h) into a trace: the same code for a live report and for that of a file. Nothing in them
 * is trusted.
 */
#ifndef GILTRACE_RECORDING_DECODE_H
#define GILTRACE_RECORDING_DECODE_H

#include <stdbool.h>
#include <stddef.h>

struct decoder;
struct parts;
struct trace;

/* `events`: single ones are wanted. NULL without memory. */
struct decoder *decoder__new(bool events);
/* Lets what each payload brings be added to `parts`, too, which stays the caller's. Before the first one. */
void decoder__watch(struct decoder *decoder, struct parts *parts);
void decoder__free(struct decoder *decoder); /* takes NULL */

/*
 * Takes in the next payload; the first begins a segment, and so must one that comes after others were left out.
 * -EBADMSG: it makes no sense; -EFBIG: more than is read (RECORDING_MAX_MODEL); -ENOMEM. After an error the decoder is
 * of no use any more.
 */
int decoder__decode(struct decoder *decoder, const void *payload, size_t size);

/* The same for a payload of events, which comes after that with what it refers to; nothing where they are not wanted.
 */
int decoder__decode_events(struct decoder *decoder, const void *payload, size_t size);

/* Whether the last payload of the trace came. */
bool decoder__is_complete(const struct decoder *decoder);

/*
 * The trace, finished; the caller's. It begins with the first payload that came. -ENODATA: none did; -ENOMEM. The
 * decoder is of no use after it.
 */
int decoder__finish(struct decoder *decoder, struct trace **out);

#endif
