/* SPDX-License-Identifier: MIT */
/* A capped table by two numbers: see cache.h. */
#include "user/symbols/cache.h"

#include <stdlib.h>

struct cache_entry {
	uint64_t first, second, value;
	bool used;
};

void cache__clear(struct cache *cache)
{
	free(cache->entries);
	*cache = (struct cache){0};
}

/* Where these numbers are, or would be. */
static struct cache_entry *place_of(const struct cache *cache, uint64_t first, uint64_t second)
{
	uint64_t hash = (first ^ second * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;

	for (size_t at = hash >> 20;; at++) {
		struct cache_entry *entry = &cache->entries[at & (cache->size - 1)];

		if (!entry->used || (entry->first == first && entry->second == second))
			return entry;
	}
}

bool cache__get(const struct cache *cache, uint64_t first, uint64_t second, uint64_t *value)
{
	const struct cache_entry *entry = cache->size ? place_of(cache, first, second) : NULL;

	if (!entry || !entry->used)
		return false;
	*value = entry->value;
	return true;
}

static bool grow(struct cache *cache)
{
	struct cache larger = {.size = cache->size ? 2 * cache->size : 64, .used = cache->used};

	larger.entries = calloc(larger.size, sizeof(*larger.entries));
	if (!larger.entries)
		return false;
	for (size_t i = 0; i < cache->size; i++)
		if (cache->entries[i].used)
			*place_of(&larger, cache->entries[i].first, cache->entries[i].second) = cache->entries[i];
	free(cache->entries);
	*cache = larger;
	return true;
}

void cache__put(struct cache *cache, uint64_t first, uint64_t second, uint64_t value)
{
	struct cache_entry *entry;

	if (cache->used == CACHE_MOST)
		cache__clear(cache);
	if (2 * (cache->used + 1) > cache->size && !grow(cache))
		return;
	entry = place_of(cache, first, second);
	cache->used += !entry->used;
	*entry = (struct cache_entry){.first = first, .second = second, .value = value, .used = true};
}
