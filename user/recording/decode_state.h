/* SPDX-License-Identifier: MIT */
/* What decode.c and decode_elements.c share about a decoder; for others it is opaque. */
#ifndef GILTRACE_RECORDING_DECODE_STATE_H
#define GILTRACE_RECORDING_DECODE_STATE_H

#include "user/protobuf/reader.h"
#include "user/recording/decode.h"
#include "user/recording/keys.h"

/* Numbers of the segment to those of the trace. */
struct renumbering {
	size_t count, room;
	uint32_t *numbers;
};

struct decoder {
	struct trace *trace;
	bool any, complete;
	uint64_t start_ns;       /* of the whole trace; the following are since then */
	uint64_t from_ns, to_ns; /* what the payloads are of */
	struct renumbering frames, stacks;
	struct keys processes, gils, threads; /* of two threads with one key, the one that has not ended */
	size_t text_bytes, bucket_bytes;
	size_t compact_at;
};

/* One element out of its message. 0, -EBADMSG or -ENOMEM. */
int decode__process(struct decoder *decoder, const struct protobuf_field *message);
int decode__gil(struct decoder *decoder, const struct protobuf_field *message);
int decode__thread(struct decoder *decoder, const struct protobuf_field *message);
int decode__blame(struct decoder *decoder, const struct protobuf_field *message);
int decode__point(struct decoder *decoder, const struct protobuf_field *message);
int decode__hog(struct decoder *decoder, const struct protobuf_field *message);

#endif
