/* SPDX-License-Identifier: MIT */
/* What decode.c and decode_elements.c share about a decoder; for others it is opaque. */
#ifndef GILTRACE_RECORDING_DECODE_STATE_H
#define GILTRACE_RECORDING_DECODE_STATE_H

#include "user/protobuf/reader.h"
#include "user/recording/decode.h"
#include "user/trace/keys.h"

/* Numbers of the segment to those of the trace. */
struct renumbering {
	size_t count, room;
	uint32_t *numbers;
};

struct decoder {
	struct trace *trace;
	bool any, complete;
	bool wants_events;
	struct parts *parts;     /* NULL: what came when is not wanted */
	uint64_t start_ns;       /* of the whole trace; the following are since then */
	uint64_t from_ns, to_ns; /* what the payloads are of */
	struct renumbering frames, stacks;
	struct keys processes, gils, threads; /* of two threads with one key, the one that has not ended */
	size_t text_bytes, bucket_bytes;
	size_t compact_at;
};

/* The trace's number of a stack of the segment. 0 or -EBADMSG. */
int decode__stack_number(const struct decoder *decoder, uint32_t stack, uint32_t *out);

/* One element out of its message. 0, -EBADMSG or -ENOMEM. */
int decode__process(struct decoder *decoder, const struct protobuf_field *message);
int decode__gil(struct decoder *decoder, const struct protobuf_field *message);
int decode__thread(struct decoder *decoder, const struct protobuf_field *message);
int decode__blame(struct decoder *decoder, const struct protobuf_field *message);
int decode__point(struct decoder *decoder, const struct protobuf_field *message);
int decode__hog(struct decoder *decoder, const struct protobuf_field *message);

#endif
