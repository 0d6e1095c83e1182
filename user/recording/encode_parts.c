/* SPDX-License-Identifier: MIT */
/* Parts of the messages of a recording: see encode_parts.h. */
#include "user/recording/encode_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/recording/format.h"
#include "user/trace/trace.h"

static uint64_t counter_of(const struct counter *counter, const void *element)
{
	uint64_t value;

	memcpy(&value, (const char *)element + counter->offset, sizeof(value));
	return value;
}

void encode__counters(struct bytes *into, const struct counter *list, const void *now, const void *before)
{
	for (; list->field; list++) {
		uint64_t difference = counter_of(list, now) - counter_of(list, before);

		if (difference)
			protobuf__signed(into, list->field, (int64_t)difference);
	}
}

/* One element of a packed list: how far its index is from the one before, and by how much it changed. */
static void put_change(struct bytes *into, uint32_t *previous, uint32_t index, uint64_t difference)
{
	if (!difference)
		return;
	protobuf__varint(into, index - *previous);
	protobuf__varint(into, protobuf__zigzag((int64_t)difference));
	*previous = index;
}

static void put_buckets(struct bytes *into, const struct distribution *now, const struct distribution *before)
{
	size_t a = 0, b = 0;
	uint32_t previous = 0;

	while (a < now->bucket_count || b < before->bucket_count) {
		const struct distribution_bucket *new = a < now->bucket_count ? &now->buckets[a] : NULL;
		const struct distribution_bucket *old = b < before->bucket_count ? &before->buckets[b] : NULL;

		if (new && (!old || new->index < old->index)) {
			put_change(into, &previous, new->index, new->count);
			a++;
		} else if (!new || new->index > old->index) {
			put_change(into, &previous, old->index, -old->count);
			b++;
		} else {
			put_change(into, &previous, new->index, new->count - old->count);
			a++;
			b++;
		}
	}
}

void encode__distribution(struct bytes *into, struct bytes *part, uint32_t field, const struct distribution *now,
			  const struct distribution *before)
{
	struct bytes packed = {0};

	bytes__clear(part);
	encode__counters(part, distribution_counters, now, before);
	if (now->min_ns != before->min_ns)
		protobuf__integer(part, DISTRIBUTION_MIN, now->min_ns);
	if (now->max_ns != before->max_ns)
		protobuf__integer(part, DISTRIBUTION_MAX, now->max_ns);
	put_buckets(&packed, now, before);
	if (packed.size || packed.failed)
		protobuf__message(part, DISTRIBUTION_BUCKETS, &packed);
	bytes__free(&packed);
	if (part->size)
		protobuf__message(into, field, part);
}

void encode__attempts(struct bytes *into, struct bytes *part, const uint64_t *now, const uint64_t *before)
{
	uint32_t previous = 0;

	bytes__clear(part);
	for (uint32_t i = 0; i < ATTEMPTS_BUCKETS; i++)
		put_change(part, &previous, i, now[i] - before[i]);
	if (part->size)
		protobuf__message(into, GIL_ATTEMPTS, part);
}

static void put_text(struct bytes *into, uint32_t field, const char *text)
{
	if (text)
		protobuf__bytes(into, field, text, strlen(text));
}

uint64_t encode__process_flags(const struct trace_process *process)
{
	return (process->from_start ? PROCESS_FROM_START : 0) | (process->in_windows ? PROCESS_IN_WINDOWS : 0) |
	       (process->refuted ? PROCESS_REFUTED : 0);
}

void encode__process(struct bytes *into, const struct trace_process *process)
{
	protobuf__integer(into, PROCESS_PID, process->pid);
	protobuf__integer(into, PROCESS_PID_IN_NAMESPACE, process->pid_in_namespace);
	protobuf__integer(into, PROCESS_PARENT, process->parent);
	put_text(into, PROCESS_EXE, process->exe);
	put_text(into, PROCESS_RUNTIME, process->runtime);
	put_text(into, PROCESS_VERSION, process->version);
	put_text(into, PROCESS_DESIGN, process->design);
	protobuf__integer(into, PROCESS_START, process->start_ns);
	protobuf__integer(into, PROCESS_END, 1 + (uint64_t)process->end);
	protobuf__integer(into, PROCESS_FLAGS, encode__process_flags(process));
}

static void put_target(struct bytes *into, const struct trace_target *target)
{
	protobuf__integer(into, WINDOW_PID, target->pid);
	protobuf__integer(into, WINDOW_PID_IN_NAMESPACE, target->pid_in_namespace);
	put_text(into, WINDOW_EXE, target->exe);
	put_text(into, WINDOW_RUNTIME, target->runtime);
	put_text(into, WINDOW_VERSION, target->version);
	put_text(into, WINDOW_DESIGN, target->design);
}

static bool is_same_target(const struct trace_target *a, const struct trace_target *b)
{
	return a->pid == b->pid && a->pid_in_namespace == b->pid_in_namespace && !strcmp(a->exe, b->exe) &&
	       !strcmp(a->runtime, b->runtime) && !strcmp(a->version, b->version) && !strcmp(a->design, b->design);
}

static void put_real(struct bytes *into, uint32_t field, double now, double before, bool everything)
{
	if (everything || memcmp(&now, &before, sizeof(now)) != 0)
		protobuf__double(into, field, now);
}

void encode__window(struct bytes *into, const struct trace *now, const struct trace *before, bool everything, bool last)
{
	if (everything) {
		protobuf__integer(into, WINDOW_START, now->start_ns);
		protobuf__integer(into, WINDOW_LEVEL, (uint64_t)now->level);
		protobuf__integer(into, WINDOW_SCOPE, (uint64_t)now->scope);
		protobuf__integer(into, WINDOW_STACKS, (uint64_t)now->stack_level);
		protobuf__integer(into, WINDOW_EVENTS, (uint64_t)now->event_level);
	}
	protobuf__integer(into, WINDOW_FROM, before->duration_ns);
	protobuf__integer(into, WINDOW_TO, now->duration_ns);
	if (last)
		protobuf__integer(into, WINDOW_END, 1 + (uint64_t)now->end);
	put_real(into, WINDOW_COST, now->probes.cost_ns_per_hit, before->probes.cost_ns_per_hit, everything);
	put_real(into, WINDOW_LONGEST, now->probes.longest_ns, before->probes.longest_ns, everything);
	put_real(into, WINDOW_BUDGET, now->probes.budget_pct, before->probes.budget_pct, everything);
	put_real(into, WINDOW_COVERAGE, now->probes.coverage_pct, before->probes.coverage_pct, everything);
	put_real(into, WINDOW_ERROR, now->probes.acquisitions_error_pct, before->probes.acquisitions_error_pct,
		 everything);
	put_real(into, WINDOW_FACTOR, now->holds_factor, before->holds_factor, everything);
	put_real(into, WINDOW_WAITS_COVERAGE, now->probes.waits_coverage_pct, before->probes.waits_coverage_pct,
		 everything);
	put_real(into, WINDOW_WAITS_ERROR, now->probes.waits_error_pct, before->probes.waits_error_pct, everything);
	put_real(into, WINDOW_WAITS_FACTOR, now->waits_factor, before->waits_factor, everything);
	if (everything || !is_same_target(&now->target, &before->target))
		put_target(into, &now->target);
	encode__counters(into, window_counters, now, before);
}

void encode__remember_window(struct trace *into, const struct trace *now)
{
	into->duration_ns = now->duration_ns;
	into->target = now->target;
	into->probes = now->probes;
	into->holds_factor = now->holds_factor;
	into->waits_factor = now->waits_factor;
	into->children = now->children;
	into->hogs_seen = now->hogs_seen;
	into->lost = now->lost;
	into->quality = now->quality;
}

/* Makes room for what is known of `number`; what comes into being is not told. */
static bool reach(uint32_t **list, size_t *room, uint32_t number)
{
	size_t wanted = *room ? *room : 256;
	uint32_t *grown;

	if (number < *room)
		return true;
	while (wanted <= number)
		wanted *= 2;
	grown = realloc(*list, wanted * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + *room, 0, (wanted - *room) * sizeof(*grown));
	*list = grown;
	*room = wanted;
	return true;
}

static bool tell_frame(struct names *names, const struct stacks *stacks, uint32_t number)
{
	const struct trace_frame *frame = stacks__frame(stacks, number);
	struct bytes *message = &names->message;

	if (!reach(&names->frames, &names->frame_room, number))
		return false;
	if (names->frames[number])
		return true;
	bytes__clear(message);
	put_text(message, FRAME_NAME, frame->name);
	put_text(message, FRAME_FILE, frame->file);
	protobuf__integer(message, FRAME_LINE, frame->line);
	protobuf__integer(message, FRAME_KIND_OF, (uint64_t)frame->kind);
	protobuf__message(&names->told, STATE_FRAME, message);
	names->frames[number] = ++names->frame_count;
	return !message->failed;
}

int64_t names__tell(struct names *names, const struct stacks *stacks, uint32_t stack)
{
	struct bytes *message = &names->message;
	size_t count;
	const uint32_t *frames = stacks__frames(stacks, stack, &count);

	if (!count)
		return STACKS_UNKNOWN;
	if (!reach(&names->stacks, &names->stack_room, stack))
		return -ENOMEM;
	if (names->stacks[stack])
		return names->stacks[stack];
	for (size_t i = 0; i < count; i++)
		if (!tell_frame(names, stacks, frames[i]))
			return -ENOMEM;
	bytes__clear(message);
	for (size_t i = 0; i < count; i++)
		protobuf__varint(message, names->frames[frames[i]] - 1);
	protobuf__message(&names->told, STATE_STACK, message);
	return names->stacks[stack] = ++names->stack_count;
}

void names__forget(struct names *names)
{
	if (names->frames)
		memset(names->frames, 0, names->frame_room * sizeof(*names->frames));
	if (names->stacks)
		memset(names->stacks, 0, names->stack_room * sizeof(*names->stacks));
	names->frame_count = names->stack_count = 0;
}

void names__clear(struct names *names)
{
	bytes__free(&names->told);
	bytes__free(&names->message);
	free(names->frames);
	free(names->stacks);
	*names = (struct names){0};
}
