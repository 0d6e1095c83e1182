/* SPDX-License-Identifier: MIT */
/* Reading the wire format of protocol buffers. What is read is not trusted: nothing beyond the end is touched. */
#ifndef GILTRACE_PROTOBUF_READER_H
#define GILTRACE_PROTOBUF_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/protobuf/writer.h"

/* Where reading is; once something made no sense, `bad` stays and nothing more comes. */
struct protobuf_reader {
	const unsigned char *at, *end;
	bool bad;
};

/* One field. `value` is of an integer or the bits of a double; `data` points to the `size` bytes of others. */
struct protobuf_field {
	uint32_t number;
	enum wire_type wire;
	uint64_t value;
	const unsigned char *data;
	size_t size;
};

struct protobuf_reader protobuf__read(const void *data, size_t size);

/* The message or the packed integers in a field of bytes; of another field: bad. */
struct protobuf_reader protobuf__read_field(const struct protobuf_field *field);

/* The next field. False at the end, or when it makes no sense: then the reader is bad. */
bool protobuf__next(struct protobuf_reader *reader, struct protobuf_field *field);

/* The next of packed integers. False at the end, or when the reader is bad. */
bool protobuf__next_integer(struct protobuf_reader *reader, uint64_t *value);

int64_t protobuf__unzigzag(uint64_t value);
double protobuf__as_double(const struct protobuf_field *field); /* may be anything that a double can be */

#endif
