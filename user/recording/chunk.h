/* SPDX-License-Identifier: MIT */
/* The frames of a recording: the file's header, and chunks compressed and checksummed. */
#ifndef GILTRACE_RECORDING_CHUNK_H
#define GILTRACE_RECORDING_CHUNK_H

#include <stdint.h>
#include <stdio.h>

#include "user/protobuf/writer.h"
#include "user/recording/format.h"

/* A chunk as it was read; owns what it points to. All zero is none. */
struct chunk {
	uint32_t type, number;
	struct bytes stored;
	unsigned char *payload; /* plain; NULL until it is unpacked */
	size_t size;            /* of the payload */
};

void chunk__write_header(unsigned char out[RECORDING_HEADER_SIZE]);

/* 0; -EBADMSG: it is no recording; -ENOTSUP: one of a later version, which *version tells; -EIO. */
int chunk__read_header(FILE *in, uint32_t *version);

/* Appends a chunk as it stands in a file. 0, -EFBIG: the payload is larger than what is read, or -ENOMEM. */
int chunk__write(struct bytes *into, uint32_t type, uint32_t number, const void *payload, size_t size);

/*
 * Reads the next chunk into `chunk`, what was there is freed first. 1; 0: there is no more; -EBADMSG: what follows is
 * no whole chunk, or was damaged; -EIO, -ENOMEM. Takes memory for what is there, not for what the file says there is.
 */
int chunk__read(FILE *in, struct chunk *chunk);

/* Makes the payload of what was read. 0; -EBADMSG: it is none; -ENOMEM. */
int chunk__unpack(struct chunk *chunk);

void chunk__clear(struct chunk *chunk);

#endif
