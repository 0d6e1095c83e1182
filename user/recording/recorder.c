/* SPDX-License-Identifier: MIT */
/* What was captured into files and traces: see recorder.h. */
#include "user/recording/recorder.h"

#include <errno.h>
#include <stdlib.h>

#include "user/recording/chunk.h"
#include "user/recording/decode.h"
#include "user/recording/encode.h"
#include "user/recording/file.h"
#include "user/trace/trace.h"

struct recorder {
	struct encoder *encoder;
	struct decoder *decoder;     /* NULL: no report is wanted */
	struct recording_file *file; /* NULL: nothing is written */
	uint32_t chunks;             /* made so far */
	struct bytes payload, events;
	struct bytes pending; /* a chunk that is not in the file yet */
	bool pending_begins;  /* a segment begins with it */
	bool segment_begins;  /* one begins with the next chunk */
	uint64_t pending_ns, written_ns;
};

int recorder__open(const struct recorder_options *options, struct recorder **out)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	int err = 0;

	if (!recorder)
		return -ENOMEM;
	recorder->segment_begins = true;
	recorder->encoder = encoder__new();
	recorder->decoder = options->report ? decoder__new(options->events) : NULL;
	if (!recorder->encoder || (options->report && !recorder->decoder))
		err = -ENOMEM;
	if (!err && options->path)
		err = recording_file__open(options->path, options->max_size, &recorder->file);
	if (err) {
		recorder__free(recorder);
		return err;
	}
	*out = recorder;
	return 0;
}

static void begin_segment(struct recorder *recorder)
{
	encoder__begin_segment(recorder->encoder);
	recorder->segment_begins = true;
}

int recorder__make_ready(struct recorder *recorder)
{
	int err;

	if (!recorder->pending.size)
		return 0;
	err = recording_file__append(recorder->file, &recorder->pending, recorder->pending_begins);
	if (err && err != -EFBIG)
		return err;
	bytes__clear(&recorder->pending);
	if (err)
		begin_segment(recorder); /* what was told with it has to be told again */
	else
		recorder->written_ns = recorder->pending_ns;
	return err;
}

static int write_payload(struct recorder *recorder, uint64_t until_ns)
{
	int err = recorder__make_ready(recorder); /* nothing may come before that */

	if (err)
		return err;
	err = chunk__write(&recorder->pending, CHUNK_STATE, recorder->chunks++, recorder->payload.data,
			   recorder->payload.size);
	if (!err && recorder->events.size)
		err = chunk__write(&recorder->pending, CHUNK_EVENTS, recorder->chunks++, recorder->events.data,
				   recorder->events.size);
	if (err) {
		bytes__free(&recorder->pending);
		begin_segment(recorder);
		return err;
	}
	recorder->pending_begins = recorder->segment_begins;
	recorder->pending_ns = until_ns;
	recorder->segment_begins = false;
	return recorder__make_ready(recorder);
}

int recorder__add(struct recorder *recorder, struct trace *now, const struct stacks *stacks, bool last)
{
	uint64_t until_ns = now->duration_ns;
	int err;

	if (recorder->file && recording_file__wants_segment(recorder->file))
		begin_segment(recorder);
	err = encoder__encode(recorder->encoder, now, stacks, last, &recorder->payload, &recorder->events);
	if (!err && recorder->decoder)
		err = decoder__decode(recorder->decoder, recorder->payload.data, recorder->payload.size);
	if (!err && recorder->decoder && recorder->events.size)
		err = decoder__decode_events(recorder->decoder, recorder->events.data, recorder->events.size);
	if (!err && recorder->file)
		err = write_payload(recorder, until_ns);
	return err;
}

int recorder__end(struct recorder *recorder)
{
	int err = recorder->file ? recorder__make_ready(recorder) : 0;

	if (!err && recorder->file)
		err = recording_file__sync(recorder->file);
	return err;
}

int recorder__trace(struct recorder *recorder, struct trace **out)
{
	return recorder->decoder ? decoder__finish(recorder->decoder, out) : -ENODATA;
}

void recorder__discard(struct recorder *recorder)
{
	if (recorder->file)
		recording_file__discard(recorder->file);
	recorder->file = NULL;
}

uint64_t recorder__size(const struct recorder *recorder)
{
	return recorder->file ? recording_file__size(recorder->file) : 0;
}

uint64_t recorder__written_ns(const struct recorder *recorder)
{
	return recorder->written_ns;
}

void recorder__free(struct recorder *recorder)
{
	if (!recorder)
		return;
	encoder__free(recorder->encoder);
	decoder__free(recorder->decoder);
	recording_file__close(recorder->file);
	bytes__free(&recorder->payload);
	bytes__free(&recorder->events);
	bytes__free(&recorder->pending);
	free(recorder);
}
