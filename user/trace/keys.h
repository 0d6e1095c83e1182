/* SPDX-License-Identifier: MIT */
/* Numbers found by a key of two: which element of a list is the thread 4243 of the lock at 0xa5b8a8. */
#ifndef GILTRACE_KEYS_H
#define GILTRACE_KEYS_H

#include <stddef.h>
#include <stdint.h>

#define KEYS_NONE UINT32_MAX

struct key_place;

/* All zero is empty. */
struct keys {
	uint64_t seed;
	size_t size, used;
	struct key_place *places;
};

/* The number of a key, KEYS_NONE at first; NULL without memory. Good until the next key is added. */
uint32_t *keys__get(struct keys *keys, uint64_t first, uint64_t second);

/* The same, or KEYS_NONE: a key that is not there is not added. */
uint32_t keys__find(const struct keys *keys, uint64_t first, uint64_t second);

/* Bytes of memory. */
size_t keys__memory(const struct keys *keys);

void keys__clear(struct keys *keys);

#endif
