/* SPDX-License-Identifier: MIT */
/* Numbers found by keys: see keys.h. Open addressing, a power of two of places, at most half of them full. */
#include "user/trace/keys.h"

#include <stdbool.h>
#include <stdlib.h>

#include "user/trace/hash_seed.h"

struct key_place {
	uint64_t first, second;
	uint32_t number;
	bool full;
};

static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 32) * 0xff51afd7ed558ccd;
	value = (value ^ value >> 29) * 0xc4ceb9fe1a85ec53;
	return value ^ value >> 32;
}

static size_t hash(const struct keys *keys, uint64_t first, uint64_t second)
{
	return mix(mix(first ^ keys->seed) ^ second);
}

static struct key_place *find(const struct keys *keys, uint64_t first, uint64_t second)
{
	size_t at = hash(keys, first, second) & (keys->size - 1);

	while (keys->places[at].full && (keys->places[at].first != first || keys->places[at].second != second))
		at = (at + 1) & (keys->size - 1);
	return &keys->places[at];
}

static bool grow(struct keys *keys)
{
	struct keys grown = {.size = keys->size ? 2 * keys->size : 64, .used = keys->used, .seed = hash_seed()};

	if (2 * (keys->used + 1) <= keys->size)
		return true;
	grown.places = calloc(grown.size, sizeof(*grown.places));
	if (!grown.places)
		return false;
	for (size_t i = 0; i < keys->size; i++)
		if (keys->places[i].full)
			*find(&grown, keys->places[i].first, keys->places[i].second) = keys->places[i];
	free(keys->places);
	*keys = grown;
	return true;
}

uint32_t *keys__get(struct keys *keys, uint64_t first, uint64_t second)
{
	struct key_place *place;

	if (!grow(keys))
		return NULL;
	place = find(keys, first, second);
	if (!place->full) {
		*place = (struct key_place){.first = first, .second = second, .number = KEYS_NONE, .full = true};
		keys->used++;
	}
	return &place->number;
}

uint32_t keys__find(const struct keys *keys, uint64_t first, uint64_t second)
{
	const struct key_place *place = keys->size ? find(keys, first, second) : NULL;

	return place && place->full ? place->number : KEYS_NONE;
}

size_t keys__memory(const struct keys *keys)
{
	return keys->size * sizeof(*keys->places);
}

void keys__clear(struct keys *keys)
{
	free(keys->places);
	*keys = (struct keys){0};
}
