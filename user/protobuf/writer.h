/* SPDX-License-Identifier: MIT */
/* The wire format of protocol buffers, as much of it as is needed here. */
#ifndef GILTRACE_PROTOBUF_WRITER_H
#define GILTRACE_PROTOBUF_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2 };

/* Bytes that grow; all zero is empty. After a failed allocation nothing more is added, and `failed` tells. */
struct bytes {
	unsigned char *data;
	size_t size, room;
	bool failed;
};

void bytes__free(struct bytes *bytes);
void bytes__clear(struct bytes *bytes); /* keeps the room */
void bytes__add(struct bytes *bytes, const void *data, size_t size);

void protobuf__varint(struct bytes *bytes, uint64_t value);

/* Small numbers of either sign as small ones: 0, -1, 1, -2 become 0, 1, 2, 3. */
uint64_t protobuf__zigzag(int64_t value);

/* A field with its number: an integer, or bytes (a string, a message, packed integers). 0 is written too. */
void protobuf__integer(struct bytes *bytes, uint32_t field, uint64_t value);
void protobuf__signed(struct bytes *bytes, uint32_t field, int64_t value); /* an sint64: zigzag */
void protobuf__double(struct bytes *bytes, uint32_t field, double value);
void protobuf__fixed(struct bytes *bytes, uint32_t field, uint64_t value); /* a fixed64: always 8 bytes */
void protobuf__bytes(struct bytes *bytes, uint32_t field, const void *data, size_t size);
void protobuf__message(struct bytes *bytes, uint32_t field, const struct bytes *message);

#endif
