/* SPDX-License-Identifier: MIT */
/* Frames and stacks, each kept once: see stacks.h. */
#include "user/trace/stacks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/trace/hash_seed.h"

/* Numbers found by what they name: open addressing, a power of two of places, at most half of them full. */
struct index {
	size_t size, used;
	uint32_t *places; /* number + 1; 0: empty */
};

struct stack {
	size_t first, count; /* within the list of all stacks' frames */
};

struct stacks {
	size_t frame_count, frame_room;
	struct trace_frame *frames;
	struct index frame_index;
	size_t stack_count, stack_room;
	struct stack *stacks;
	struct index stack_index;
	size_t list_count, list_room;
	uint32_t *list;
};

/* Makes room for `more` elements behind `count`. */
static bool reserve(void **array, size_t *room, size_t count, size_t more, size_t size)
{
	size_t wanted = *room ? *room : 16;
	void *grown;

	if (more <= *room - count)
		return true;
	while (wanted - count < more)
		wanted *= 2;
	grown = realloc(*array, wanted * size);
	if (!grown)
		return false;
	*array = grown;
	*room = wanted;
	return true;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 29;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = mix(hash, (unsigned char)*text);
	return mix(hash, text ? 1 : 2);
}

static uint64_t hash_frame(const struct trace_frame *frame)
{
	return mix_text(mix_text(mix(mix(hash_seed(), frame->line), (uint64_t)frame->kind), frame->name), frame->file);
}

static uint64_t hash_list(const uint32_t *frames, size_t count)
{
	uint64_t hash = mix(hash_seed(), count);

	for (size_t i = 0; i < count; i++)
		hash = mix(hash, frames[i]);
	return hash;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_frame(const struct trace_frame *a, const struct trace_frame *b)
{
	return a->line == b->line && a->kind == b->kind && same_text(a->name, b->name) && same_text(a->file, b->file);
}

/* NULL of a stack without frames: the list may be none yet. */
static const uint32_t *frames_of(const struct stacks *stacks, const struct stack *stack)
{
	return stack->count ? stacks->list + stack->first : NULL;
}

static bool same_stack(const struct stacks *stacks, const struct stack *stack, const uint32_t *frames, size_t count)
{
	return stack->count == count && (!count || !memcmp(frames_of(stacks, stack), frames, count * sizeof(*frames)));
}

/* Doubles an index that would get more than half full; `hash` gives the hash of a number. */
static int grow(const struct stacks *stacks, struct index *index, uint64_t (*hash)(const struct stacks *, uint32_t))
{
	size_t size = index->size ? 2 * index->size : 64;
	uint32_t *places;

	if (2 * (index->used + 1) <= index->size)
		return 0;
	places = calloc(size, sizeof(*places));
	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < index->size; i++) {
		size_t at;

		if (!index->places[i])
			continue;
		at = hash(stacks, index->places[i] - 1) & (size - 1);
		while (places[at])
			at = (at + 1) & (size - 1);
		places[at] = index->places[i];
	}
	free(index->places);
	index->places = places;
	index->size = size;
	return 0;
}

static uint64_t hash_of_frame(const struct stacks *stacks, uint32_t number)
{
	return hash_frame(&stacks->frames[number]);
}

static uint64_t hash_of_stack(const struct stacks *stacks, uint32_t number)
{
	return hash_list(frames_of(stacks, &stacks->stacks[number]), stacks->stacks[number].count);
}

struct stacks *stacks__new(void)
{
	struct stacks *stacks = calloc(1, sizeof(*stacks));

	if (!stacks || stacks__add(stacks, NULL, 0) != STACKS_UNKNOWN) {
		stacks__free(stacks);
		return NULL;
	}
	return stacks;
}

void stacks__free(struct stacks *stacks)
{
	if (!stacks)
		return;
	for (size_t i = 0; i < stacks->frame_count; i++) {
		free((char *)stacks->frames[i].name);
		free((char *)stacks->frames[i].file);
	}
	free(stacks->frames);
	free(stacks->frame_index.places);
	free(stacks->stacks);
	free(stacks->stack_index.places);
	free(stacks->list);
	free(stacks);
}

static int append_frame(struct stacks *stacks, const struct trace_frame *frame)
{
	struct trace_frame copy = *frame;

	if (stacks->frame_count >= UINT32_MAX - 1 ||
	    !reserve((void **)&stacks->frames, &stacks->frame_room, stacks->frame_count, 1, sizeof(copy)))
		return -ENOMEM;
	copy.name = strdup(frame->name);
	copy.file = frame->file ? strdup(frame->file) : NULL;
	if (!copy.name || (frame->file && !copy.file)) {
		free((char *)copy.name);
		free((char *)copy.file);
		return -ENOMEM;
	}
	stacks->frames[stacks->frame_count++] = copy;
	return 0;
}

int64_t stacks__add_frame(struct stacks *stacks, const struct trace_frame *frame)
{
	struct index *index = &stacks->frame_index;
	int err = grow(stacks, index, hash_of_frame);
	size_t at;

	if (err)
		return err;
	for (at = hash_frame(frame) & (index->size - 1); index->places[at]; at = (at + 1) & (index->size - 1))
		if (same_frame(&stacks->frames[index->places[at] - 1], frame))
			return index->places[at] - 1;
	err = append_frame(stacks, frame);
	if (err)
		return err;
	index->places[at] = (uint32_t)stacks->frame_count;
	index->used++;
	return (int64_t)stacks->frame_count - 1;
}

static int append_stack(struct stacks *stacks, const uint32_t *frames, size_t count)
{
	if (stacks->stack_count >= UINT32_MAX - 1 ||
	    !reserve((void **)&stacks->stacks, &stacks->stack_room, stacks->stack_count, 1, sizeof(*stacks->stacks)) ||
	    !reserve((void **)&stacks->list, &stacks->list_room, stacks->list_count, count, sizeof(*stacks->list)))
		return -ENOMEM;
	if (count)
		memcpy(stacks->list + stacks->list_count, frames, count * sizeof(*frames));
	stacks->stacks[stacks->stack_count++] = (struct stack){.first = stacks->list_count, .count = count};
	stacks->list_count += count;
	return 0;
}

int64_t stacks__add(struct stacks *stacks, const uint32_t *frames, size_t count)
{
	struct index *index = &stacks->stack_index;
	int err = grow(stacks, index, hash_of_stack);
	size_t at;

	for (size_t i = 0; !err && i < count; i++)
		if (frames[i] >= stacks->frame_count)
			err = -EINVAL;
	if (err)
		return err;
	for (at = hash_list(frames, count) & (index->size - 1); index->places[at]; at = (at + 1) & (index->size - 1))
		if (same_stack(stacks, &stacks->stacks[index->places[at] - 1], frames, count))
			return index->places[at] - 1;
	err = append_stack(stacks, frames, count);
	if (err)
		return err;
	index->places[at] = (uint32_t)stacks->stack_count;
	index->used++;
	return (int64_t)stacks->stack_count - 1;
}

size_t stacks__count(const struct stacks *stacks)
{
	return stacks->stack_count;
}

size_t stacks__frame_count(const struct stacks *stacks)
{
	return stacks->frame_count;
}

const uint32_t *stacks__frames(const struct stacks *stacks, uint32_t stack, size_t *count)
{
	if (stack >= stacks->stack_count) {
		*count = 0;
		return NULL;
	}
	*count = stacks->stacks[stack].count;
	return frames_of(stacks, &stacks->stacks[stack]);
}

int64_t stacks__culprit(const struct stacks *stacks, uint32_t stack)
{
	size_t count;
	const uint32_t *frames = stacks__frames(stacks, stack, &count);

	for (size_t i = 0; i < count; i++)
		if (stacks->frames[frames[i]].kind == FRAME_PYTHON)
			return frames[i];
	return count ? (int64_t)frames[0] : -1;
}

const struct trace_frame *stacks__frame(const struct stacks *stacks, uint32_t frame)
{
	return frame < stacks->frame_count ? &stacks->frames[frame] : NULL;
}

static int compare_texts(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

int stacks__compare_functions(const struct trace_frame *a, const struct trace_frame *b)
{
	int order;

	if (!a || !b)
		return (a != NULL) - (b != NULL);
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	order = compare_texts(a->name, b->name);
	return order ? order : compare_texts(a->file, b->file);
}
