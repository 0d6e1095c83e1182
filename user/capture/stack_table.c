/* SPDX-License-Identifier: MIT */
/* Ids of stacks to numbers: see stack_table.h. */
#include "user/capture/stack_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/frame_layout.h"
#include "user/capture/capture_state.h"
#include "user/capture/files.h"
#include "user/symbols/symbols.h"
#include "user/target/plan.h"
#include "user/target/process.h"

struct entry {
	uint64_t id; /* 0: an empty place */
	uint32_t number;
};

/* Open addressing; ids are hashes already. */
struct stack_table {
	struct capture *capture;
	struct symbols *symbols;
	size_t size, used;
	struct entry *entries;
};

struct stack_table *stack_table__new(struct capture *capture)
{
	struct stack_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->capture = capture;
	table->symbols = symbols__new(capture->harvested->stacks, &capture->harvested->quality);
	if (!table->symbols) {
		free(table);
		return NULL;
	}
	return table;
}

void stack_table__free(struct stack_table *table)
{
	if (!table)
		return;
	symbols__free(table->symbols);
	free(table->entries);
	free(table);
}

/* The entry of an id, or the place for it; there is room. */
static struct entry *place_of(const struct stack_table *table, uint64_t id)
{
	size_t at = (id >> 1) & (table->size - 1); /* the lowest bit is always set */

	while (table->entries[at].id && table->entries[at].id != id)
		at = (at + 1) & (table->size - 1);
	return &table->entries[at];
}

static int grow(struct stack_table *table)
{
	struct stack_table old = *table;

	if (2 * (table->used + 1) <= table->size)
		return 0;
	table->size = table->size ? 2 * table->size : 1024;
	table->entries = calloc(table->size, sizeof(*table->entries));
	if (!table->entries) {
		*table = old;
		return -ENOMEM;
	}
	for (size_t i = 0; i < old.size; i++)
		if (old.entries[i].id)
			*place_of(table, old.entries[i].id) = old.entries[i];
	free(old.entries);
	return 0;
}

/* The process, if it may live still: opened once for all its stacks. */
static const struct process *process_of(struct life *life)
{
	if (life->process)
		return life->process;
	if (!life->opened && !life->ended_ns && process__open((pid_t)life->pid, &life->opened))
		life->opened = NULL;
	return life->opened;
}

static int64_t name(struct stack_table *table, const struct raw_stack *raw)
{
	struct life *life = lives__get(&table->capture->lives, raw->tgid, raw->instance);
	const struct probe_plan *plan = files__plan(table->capture->files, raw->plan);

	if (!life || !plan)
		return -ENOMEM;
	return symbols__resolve(table->symbols, process_of(life), plan, raw);
}

int stack_table__take(void *context, void *data, size_t size)
{
	static struct raw_stack raw; /* the part of it that came, and zeros */
	struct stack_table *table = context;
	struct entry *entry;
	int64_t number;

	if (size > sizeof(raw) || size < offsetof(struct raw_stack, python) || grow(table))
		return 0;
	memset(&raw, 0, sizeof(raw));
	memcpy(&raw, data, size);
	entry = place_of(table, raw.id);
	if (entry->id || !raw.id)
		return 0; /* it is told again: the kernel side had forgotten it */
	number = name(table, &raw);
	if (number < 0) {
		table->capture->harvested->lost.stacks++;
		return 0;
	}
	*entry = (struct entry){.id = raw.id, .number = (uint32_t)number};
	table->used++;
	return 0;
}

uint32_t stack_table__find(const struct stack_table *table, uint64_t id)
{
	return id && table->size ? place_of(table, id)->number : STACKS_UNKNOWN;
}

void stack_table__forget(struct stack_table *table, uint32_t tgid, uint32_t instance)
{
	symbols__forget(table->symbols, tgid, instance);
}
