/* SPDX-License-Identifier: MIT */
/* Headers and chunks: see chunk.h. Numbers are little-endian. */
#include "user/recording/chunk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define PIECE 65536 /* bytes that are read at once */

static void put_32(unsigned char *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		out[i] = (unsigned char)(value >> 8 * i);
}

static uint32_t get_32(const unsigned char *in)
{
	return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

void chunk__write_header(unsigned char out[RECORDING_HEADER_SIZE])
{
	memcpy(out, RECORDING_MAGIC, 8);
	put_32(out + 8, RECORDING_VERSION);
	put_32(out + 12, (uint32_t)crc32(0, out, 12));
}

int chunk__read_header(FILE *in, uint32_t *version)
{
	unsigned char header[RECORDING_HEADER_SIZE];

	if (fread(header, 1, sizeof(header), in) != sizeof(header))
		return ferror(in) ? -EIO : -EBADMSG;
	if (memcmp(header, RECORDING_MAGIC, 8) != 0 || get_32(header + 12) != (uint32_t)crc32(0, header, 12))
		return -EBADMSG;
	*version = get_32(header + 8);
	return *version == RECORDING_VERSION ? 0 : -ENOTSUP;
}

/* Of the header and what is stored, without the place of the checksum itself. */
static uint32_t checksum(const unsigned char *header, const unsigned char *stored, size_t size)
{
	return (uint32_t)crc32(crc32(0, header, CHUNK_HEADER_SIZE - 4), stored, (uInt)size);
}

int chunk__write(struct bytes *into, uint32_t type, uint32_t number, const void *payload, size_t size)
{
	unsigned char header[CHUNK_HEADER_SIZE];
	const unsigned char *stored = payload;
	unsigned char *packed;
	uLongf packed_size;

	if (size > RECORDING_MAX_CHUNK)
		return -EFBIG;
	packed_size = compressBound(size);
	packed = malloc(packed_size);
	if (!packed || compress2(packed, &packed_size, payload, size, Z_DEFAULT_COMPRESSION) != Z_OK) {
		free(packed);
		return -ENOMEM;
	}
	if (packed_size < size)
		stored = packed;
	else
		packed_size = size;
	put_32(header, type);
	put_32(header + 4, number);
	put_32(header + 8, (uint32_t)packed_size);
	put_32(header + 12, (uint32_t)size);
	put_32(header + 16, checksum(header, stored, packed_size));
	bytes__add(into, header, sizeof(header));
	bytes__add(into, stored, packed_size);
	free(packed);
	return into->failed ? -ENOMEM : 0;
}

/* Reads `size` bytes. -EBADMSG when there are fewer. */
static int read_stored(FILE *in, size_t size, struct bytes *stored)
{
	unsigned char piece[PIECE];

	while (stored->size < size) {
		size_t wanted = size - stored->size < PIECE ? size - stored->size : PIECE;

		if (fread(piece, 1, wanted, in) != wanted)
			return ferror(in) ? -EIO : -EBADMSG;
		bytes__add(stored, piece, wanted);
		if (stored->failed)
			return -ENOMEM;
	}
	return 0;
}

int chunk__unpack(struct chunk *chunk)
{
	uLongf plain = chunk->size;

	chunk->payload = malloc(chunk->size + 1);
	if (!chunk->payload)
		return -ENOMEM;
	if (chunk->stored.size == chunk->size) {
		if (chunk->size)
			memcpy(chunk->payload, chunk->stored.data, chunk->size);
		return 0;
	}
	if (uncompress(chunk->payload, &plain, chunk->stored.data, chunk->stored.size) != Z_OK || plain != chunk->size)
		return -EBADMSG;
	return 0;
}

int chunk__read(FILE *in, struct chunk *chunk)
{
	unsigned char header[CHUNK_HEADER_SIZE];
	size_t got = fread(header, 1, sizeof(header), in), stored_size;
	int err;

	chunk__clear(chunk);
	if (got != sizeof(header))
		return ferror(in) ? -EIO : got ? -EBADMSG : 0;
	chunk->type = get_32(header);
	chunk->number = get_32(header + 4);
	stored_size = get_32(header + 8);
	chunk->size = get_32(header + 12);
	if (stored_size > chunk->size || chunk->size > RECORDING_MAX_CHUNK ||
	    chunk->size / RECORDING_MAX_RATIO > stored_size)
		return -EBADMSG;
	err = read_stored(in, stored_size, &chunk->stored);
	if (!err && get_32(header + 16) != checksum(header, chunk->stored.data, chunk->stored.size))
		err = -EBADMSG;
	return err ? err : 1;
}

void chunk__clear(struct chunk *chunk)
{
	free(chunk->payload);
	bytes__free(&chunk->stored);
	*chunk = (struct chunk){0};
}
