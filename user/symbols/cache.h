/* SPDX-License-Identifier: MIT */
/* A table of what was found out, by two numbers. It is emptied when it is full: what is asked again is found again. */
#ifndef GILTRACE_SYMBOLS_CACHE_H
#define GILTRACE_SYMBOLS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache_entry;

/* All zero: an empty one. */
struct cache {
	size_t size, used; /* places, a power of two; at most half of them are used */
	struct cache_entry *entries;
};

#define CACHE_MOST 65536 /* entries */

void cache__clear(struct cache *cache);
bool cache__get(const struct cache *cache, uint64_t first, uint64_t second, uint64_t *value);

/* Without memory it is not kept. */
void cache__put(struct cache *cache, uint64_t first, uint64_t second, uint64_t value);

#endif
