/* SPDX-License-Identifier: MIT */
/* Recordings into traces: see reader.h. */
#include "user/recording/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "user/recording/chunk.h"
#include "user/recording/decode.h"
#include "user/trace/trace.h"

static int explain(int err, uint32_t version, char *why, size_t why_size)
{
	switch (err) {
	case -ENOTSUP:
		snprintf(why, why_size,
			 "was written by a later giltrace (format %" PRIu32 "); this one reads format %d", version,
			 RECORDING_VERSION);
		break;
	case -EBADMSG:
		snprintf(why, why_size, "is no recording of giltrace");
		break;
	case -ENODATA:
		snprintf(why, why_size, "has no whole chunk: nothing can be told from it");
		return -EBADMSG;
	case -EFBIG:
		snprintf(why, why_size, "holds more than %llu MiB of figures: too much to be read",
			 RECORDING_MAX_MODEL >> 20);
		break;
	case -EIO:
		snprintf(why, why_size, "cannot be read: %s", strerror(errno ? errno : EIO));
		break;
	default:
		snprintf(why, why_size, "cannot be read: %s", strerror(-err));
		break;
	}
	return err;
}

static int take(struct decoder *decoder, struct chunk *chunk, bool events)
{
	int err;

	if (chunk->type != CHUNK_STATE && !(events && chunk->type == CHUNK_EVENTS))
		return 0;
	err = chunk__unpack(chunk);
	if (err)
		return err;
	return chunk->type == CHUNK_STATE ? decoder__decode(decoder, chunk->payload, chunk->size)
					  : decoder__decode_events(decoder, chunk->payload, chunk->size);
}

/* A chunk that is not whole, or damaged, ends it: what was whole before counts. `*to_the_end`: there was none such. */
static int read_chunks(FILE *in, struct decoder *decoder, bool events, bool *to_the_end, char *why, size_t why_size)
{
	struct chunk chunk = {0};
	int more, err = 0;

	while (!err && (more = chunk__read(in, &chunk)) > 0) {
		err = take(decoder, &chunk, events);
		if (err == -EBADMSG)
			snprintf(why, why_size, "makes no sense: chunk %" PRIu32 " is whole, but not its content",
				 chunk.number);
		else if (err)
			explain(err, 0, why, why_size);
	}
	chunk__clear(&chunk);
	*to_the_end = !err && !more;
	if (!err && more < 0 && more != -EBADMSG)
		err = explain(more, 0, why, why_size);
	return err;
}

int recording__read_parts(FILE *in, bool events, struct parts *parts, struct trace **out, bool *whole, char *why,
			  size_t why_size)
{
	struct decoder *decoder = decoder__new(events);
	uint32_t version = 0;
	int err;

	errno = 0;
	if (!decoder)
		return explain(-ENOMEM, 0, why, why_size);
	decoder__watch(decoder, parts);
	err = chunk__read_header(in, &version);
	if (err) {
		decoder__free(decoder);
		return explain(err, version, why, why_size);
	}
	err = read_chunks(in, decoder, events, whole, why, why_size);
	if (!err) {
		*whole &= decoder__is_complete(decoder);
		err = decoder__finish(decoder, out);
		if (err)
			err = explain(err, 0, why, why_size);
	}
	decoder__free(decoder);
	return err;
}

int recording__read(FILE *in, bool events, struct trace **out, bool *whole, char *why, size_t why_size)
{
	return recording__read_parts(in, events, NULL, out, whole, why, why_size);
}
