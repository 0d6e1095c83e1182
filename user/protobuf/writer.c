/* SPDX-License-Identifier: MIT */
/* The wire format of protocol buffers: see writer.h. */
#include "user/protobuf/writer.h"

#include <stdlib.h>
#include <string.h>

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

uint64_t protobuf__zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

void protobuf__integer(struct bytes *bytes, uint32_t field, uint64_t value)
{
	protobuf__varint(bytes, (uint64_t)field << 3 | WIRE_VARINT);
	protobuf__varint(bytes, value);
}

void protobuf__signed(struct bytes *bytes, uint32_t field, int64_t value)
{
	protobuf__integer(bytes, field, protobuf__zigzag(value));
}

void protobuf__fixed(struct bytes *bytes, uint32_t field, uint64_t value)
{
	unsigned char encoded[8];

	for (size_t i = 0; i < sizeof(encoded); i++)
		encoded[i] = (unsigned char)(value >> 8 * i);
	protobuf__varint(bytes, (uint64_t)field << 3 | WIRE_64);
	bytes__add(bytes, encoded, sizeof(encoded));
}

void protobuf__double(struct bytes *bytes, uint32_t field, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	protobuf__fixed(bytes, field, bits);
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
