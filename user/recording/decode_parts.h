/* SPDX-License-Identifier: MIT */
/* What messages of a recording have in common: keys, counters, distributions, texts. For decode.c. */
#ifndef GILTRACE_RECORDING_DECODE_PARTS_H
#define GILTRACE_RECORDING_DECODE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/protobuf/reader.h"

struct counter;
struct distribution;
struct trace;
struct trace_process;

/* What names an element; what is missing is 0. */
struct element_keys {
	uint32_t process, pid, tid, holder, stack, waiter_stack;
	uint64_t gil;
};

/* All of these return 0, -EBADMSG or -ENOMEM. */
int decode__keys(const struct protobuf_field *message, struct element_keys *keys);

/* If the field is one of the counters: adds it to what `element` has there, between 0 and INT64_MAX. */
int decode__counter(const struct counter *list, const struct protobuf_field *field, void *element);

/* All counters of a message; other fields are left alone. */
int decode__counters(const struct counter *list, const struct protobuf_field *message, void *element);

int decode__distribution(const struct protobuf_field *field, struct distribution *into);
int decode__attempts(const struct protobuf_field *field, uint64_t *attempts);
int decode__text(const struct protobuf_field *field, char *into, size_t size); /* what is too long is cut */
int decode__copy(const struct protobuf_field *field, char **into); /* the caller's; what was there is freed */
int decode__word(struct trace *trace, const struct protobuf_field *field, const char **into);
int decode__number(const struct protobuf_field *field, uint64_t most, uint64_t *into);
int decode__small(const struct protobuf_field *field, uint32_t *into);
int decode__real(const struct protobuf_field *field, double least, double most, double *into);

/* The field of a window, or of a process, that is no key and no counter; unknown ones are left alone. */
int decode__window_field(struct trace *trace, const struct protobuf_field *field);
int decode__process_field(struct trace *trace, const struct protobuf_field *field, struct trace_process *process);

#endif
