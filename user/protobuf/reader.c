/* SPDX-License-Identifier: MIT */
/* Reading the wire format of protocol buffers: see reader.h. */
#include "user/protobuf/reader.h"

#include <string.h>

#define MOST_BITS 64

struct protobuf_reader protobuf__read(const void *data, size_t size)
{
	return (struct protobuf_reader){.at = data, .end = size ? (const unsigned char *)data + size : data};
}

struct protobuf_reader protobuf__read_field(const struct protobuf_field *field)
{
	struct protobuf_reader reader = protobuf__read(field->data, field->size);

	reader.bad = field->wire != WIRE_BYTES;
	return reader;
}

static bool fail(struct protobuf_reader *reader)
{
	reader->bad = true;
	return false;
}

/* Bits above the 64th are refused, and so is what has more bytes than it needs for these. */
static bool read_varint(struct protobuf_reader *reader, uint64_t *value)
{
	uint64_t sum = 0;

	for (unsigned int shift = 0; shift < MOST_BITS; shift += 7) {
		uint64_t byte;

		if (reader->at == reader->end)
			return fail(reader);
		byte = *reader->at++;
		if (shift == 63 && byte > 1)
			return fail(reader);
		sum |= (byte & 0x7f) << shift;
		if (byte < 0x80) {
			*value = sum;
			return true;
		}
	}
	return fail(reader);
}

bool protobuf__next_integer(struct protobuf_reader *reader, uint64_t *value)
{
	return !reader->bad && reader->at != reader->end && read_varint(reader, value);
}

static bool read_bytes(struct protobuf_reader *reader, struct protobuf_field *field)
{
	uint64_t size;

	if (!read_varint(reader, &size))
		return false;
	if (size > (uint64_t)(reader->end - reader->at))
		return fail(reader);
	field->data = reader->at;
	field->size = (size_t)size;
	reader->at += size;
	return true;
}

static bool read_64(struct protobuf_reader *reader, struct protobuf_field *field)
{
	if (reader->end - reader->at < 8)
		return fail(reader);
	for (unsigned int i = 0; i < 8; i++)
		field->value |= (uint64_t)reader->at[i] << 8 * i;
	reader->at += 8;
	return true;
}

bool protobuf__next(struct protobuf_reader *reader, struct protobuf_field *field)
{
	uint64_t tag;

	*field = (struct protobuf_field){0};
	if (!protobuf__next_integer(reader, &tag))
		return false;
	if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
		return fail(reader);
	field->number = (uint32_t)(tag >> 3);
	field->wire = (enum wire_type)(tag & 7);
	switch (tag & 7) {
	case WIRE_VARINT:
		return read_varint(reader, &field->value);
	case WIRE_64:
		return read_64(reader, field);
	case WIRE_BYTES:
		return read_bytes(reader, field);
	default:
		return fail(reader);
	}
}

int64_t protobuf__unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1 ^ (value & 1 ? UINT64_MAX : 0));
}

double protobuf__as_double(const struct protobuf_field *field)
{
	double value;

	memcpy(&value, &field->value, sizeof(value));
	return value;
}
