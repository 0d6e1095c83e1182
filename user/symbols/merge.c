/* SPDX-License-Identifier: MIT */
/* Native and Python frames into one stack: see merge.h. */
#include "user/symbols/merge.h"

struct merge {
	struct merged_frame *out;
	size_t count;
	const bool *entries;
	size_t python, python_count; /* the next one, of so many */
};

static void add(struct merge *merge, bool native, size_t index)
{
	merge->out[merge->count++] = (struct merged_frame){.native = native, .index = (uint32_t)index};
}

static void add_python_rest(struct merge *merge)
{
	while (merge->python < merge->python_count)
		add(merge, false, merge->python++);
}

/* What one evaluation runs. */
static void add_evaluation(struct merge *merge)
{
	while (merge->python < merge->python_count) {
		add(merge, false, merge->python++);
		if (merge->entries[merge->python - 1])
			break;
	}
}

/* How many frames there are until the first that is nowhere; the leaf is where the thread is, whatever that is. */
static size_t count_plausible(const enum native_role *roles, size_t count)
{
	size_t plausible = count ? 1 : 0;

	while (plausible < count && roles[plausible] != NATIVE_NOWHERE)
		plausible++;
	return plausible;
}

static size_t count_evaluations(const enum native_role *roles, size_t count)
{
	size_t evaluations = 0;

	for (size_t i = 0; i < count; i++)
		evaluations += roles[i] == NATIVE_EVALUATION;
	return evaluations;
}

static size_t count_entries(const bool *entries, size_t count)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += entries[i];
	return found;
}

size_t merge__frames(const enum native_role *roles, size_t native_count, const bool *entries, size_t python_count,
		     bool cut, struct merged_frame *out)
{
	struct merge merge = {.out = out, .entries = entries, .python_count = python_count};
	size_t plausible = count_plausible(roles, native_count);
	size_t evaluations = count_evaluations(roles, plausible), marked = count_entries(entries, python_count);
	/* More evaluations than there can be: the stack was followed wrongly, but for what is above the first. */
	bool trusted = !marked || cut || evaluations <= marked;

	if (python_count && !evaluations && plausible)
		plausible = 1;
	for (size_t i = 0; i < plausible; i++) {
		if (!python_count || roles[i] != NATIVE_EVALUATION) {
			add(&merge, true, i);
			continue;
		}
		if (!trusted)
			break;
		add_evaluation(&merge);
	}
	add_python_rest(&merge);
	return merge.count;
}
