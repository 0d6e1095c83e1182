/* SPDX-License-Identifier: MIT */
/* The wire format of protocol buffers: see protobuf.h. */
#include "user/report/protobuf.h"

#include <stdlib.h>
#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_BYTES = 2 };

void bytes__free(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){0};
}

void bytes__clear(struct bytes *bytes)
{
	bytes->size = 0;
}

void bytes__add(struct bytes *bytes, const void *data, size_t size)
{
	if (bytes->failed || !size)
		return;
	if (size > bytes->room - bytes->size) {
		size_t room = bytes->room ? 2 * bytes->room : 256;
		unsigned char *grown;

		while (room - bytes->size < size)
			room *= 2;
		grown = realloc(bytes->data, room);
		if (!grown) {
			bytes->failed = true;
			return;
		}
		bytes->data = grown;
		bytes->room = room;
	}
	memcpy(bytes->data + bytes->size, data, size);
	bytes->size += size;
}

void protobuf__varint(struct bytes *bytes, uint64_t value)
{
	unsigned char encoded[10];
	size_t size = 0;

	do {
		encoded[size] = (unsigned char)(value & 0x7f) | (value > 0x7f ? 0x80 : 0);
		size++;
		value >>= 7;
	} while (value);
	bytes__add(bytes, encoded, size);
}

void protobuf__integer(struct bytes *bytes, uint32_t field, uint64_t value)
{
	protobuf__varint(bytes, (uint64_t)field << 3 | WIRE_VARINT);
	protobuf__varint(bytes, value);
}

void protobuf__bytes(struct bytes *bytes, uint32_t field, const void *data, size_t size)
{
	protobuf__varint(bytes, (uint64_t)field << 3 | WIRE_BYTES);
	protobuf__varint(bytes, size);
	bytes__add(bytes, data, size);
}

void protobuf__message(struct bytes *bytes, uint32_t field, const struct bytes *message)
{
	bytes->failed |= message->failed;
	protobuf__bytes(bytes, field, message->data, message->size);
}
