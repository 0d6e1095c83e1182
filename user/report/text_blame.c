/* SPDX-License-Identifier: MIT */
/*
 * Which code had the lock while others waited. A place is a function; of its lines the one where most was waited is
 * shown, and what was called in C there, and who called it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/format.h"
#include "user/report/text_parts.h"
#include "user/trace/trace.h"

#define SHOWN_PLACES  8
#define WITH_CALLERS  5 /* of these, so many with what called them */
#define SHOWN_CALLERS 2
#define INDENT        29
#define PLACE_WIDTH   (80 - INDENT)

/* What was waited for one stack. */
struct part {
	const struct trace_frame *culprit; /* NULL: unknown */
	uint32_t stack;
	uint64_t ns, waits;
};

/* A function: some of the parts, in a row. */
struct place {
	const struct part *worst; /* the stack for which most was waited, at the worst line */
	uint64_t ns, waits, worst_line_ns;
	size_t lines;
};

static uint32_t line_of(const struct part *part)
{
	return part->culprit ? part->culprit->line : 0;
}

/* By function, line, stack: so that those of a place stand in a row. */
static int compare_parts(const void *left, const void *right)
{
	const struct part *a = left, *b = right;
	int order = stacks__compare_functions(a->culprit, b->culprit);

	if (order)
		return order;
	if (line_of(a) != line_of(b))
		return line_of(a) < line_of(b) ? -1 : 1;
	return a->stack < b->stack ? -1 : a->stack > b->stack;
}

static int compare_places(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	if (a->ns != b->ns)
		return a->ns > b->ns ? -1 : 1;
	return compare_parts(a->worst, b->worst);
}

/* One part a stack. Returns how many. */
static size_t collect(const struct trace *trace, const struct trace_gil *gil, struct part *parts)
{
	size_t count = 0, kept = 0;

	for (size_t i = 0; i < trace->blame_count; i++) {
		const struct trace_blame *pair = &trace->blame[i];

		if (pair->process == gil->process && pair->gil == gil->address)
			parts[count++] = (struct part){text__culprit(trace->stacks, pair->stack), pair->stack,
						       pair->wait_ns, pair->waits};
	}
	if (count)
		qsort(parts, count, sizeof(*parts), compare_parts);
	for (size_t i = 0; i < count; i++) {
		if (kept && parts[kept - 1].stack == parts[i].stack) {
			parts[kept - 1].ns += parts[i].ns;
			parts[kept - 1].waits += parts[i].waits;
		} else {
			parts[kept++] = parts[i];
		}
	}
	return kept;
}

/* The place of the parts that begin at `parts`: returns how many they are. */
static size_t make_place(const struct part *parts, size_t count, struct place *place)
{
	const struct part *worst_of_line = NULL;
	uint64_t line_ns = 0;
	size_t i;

	*place = (struct place){.worst = parts};
	for (i = 0; i < count && !stacks__compare_functions(parts->culprit, parts[i].culprit); i++) {
		if (!i || line_of(&parts[i]) != line_of(&parts[i - 1])) {
			place->lines++;
			line_ns = 0;
			worst_of_line = &parts[i];
		}
		line_ns += parts[i].ns;
		place->ns += parts[i].ns;
		place->waits += parts[i].waits;
		if (parts[i].ns > worst_of_line->ns)
			worst_of_line = &parts[i];
		if (line_ns >= place->worst_line_ns) {
			place->worst_line_ns = line_ns;
			place->worst = worst_of_line;
		}
	}
	return i;
}

static void print_frame(const char *relation, const struct trace_frame *frame, FILE *out)
{
	char text[TEXT_PLACE_SIZE];

	fprintf(out, "%*s%s %s\n", INDENT, "", relation, text__place(text, frame, PLACE_WIDTH - strlen(relation) - 1));
}

/* What the place's function was busy with, if that is no Python, and who called it. */
static void print_surroundings(const struct trace *trace, const struct part *part, size_t callers, FILE *out)
{
	size_t count, at = 0;
	const uint32_t *frames = stacks__frames(trace->stacks, part->stack, &count);

	while (at < count && stacks__frame(trace->stacks, frames[at]) != part->culprit)
		at++;
	if (at > 0 && at < count)
		print_frame("in", stacks__frame(trace->stacks, frames[0]), out);
	for (size_t i = at + 1; i < count && i <= at + callers; i++)
		print_frame("<", stacks__frame(trace->stacks, frames[i]), out);
}

static void print_place(const struct trace *trace, const struct place *place, uint64_t total, size_t callers, FILE *out)
{
	char time[FORMAT_SIZE], share[FORMAT_SIZE], text[TEXT_PLACE_SIZE];

	fprintf(out, "  %9s %5s %9" PRIu64 "  %s\n", format_time(time, place->ns),
		format_percent(share, total ? (double)place->ns / (double)total : 0), place->waits,
		text__place(text, place->worst->culprit, PLACE_WIDTH));
	if (place->lines > 1)
		fprintf(out, "%*s%s %% of it at this line, the rest at %zu other%s\n", INDENT, "",
			format_percent(share, place->ns ? (double)place->worst_line_ns / (double)place->ns : 0),
			place->lines - 1, place->lines > 2 ? "s" : "");
	print_surroundings(trace, place->worst, callers, out);
}

static void print_places(const struct trace *trace, const struct place *places, size_t count, FILE *out)
{
	uint64_t total = 0, rest = 0;
	char time[FORMAT_SIZE];

	for (size_t i = 0; i < count; i++) {
		total += places[i].ns;
		rest += i < SHOWN_PLACES ? 0 : places[i].ns;
	}
	fprintf(out, "\nWho blocked whom, by code: what had the lock while others waited\n"
		     "     waited     %%     waits  where (in: what it called in C; <: called by)\n");
	for (size_t i = 0; i < count && i < SHOWN_PLACES; i++)
		print_place(trace, &places[i], total, i < WITH_CALLERS ? SHOWN_CALLERS : 0, out);
	if (count > SHOWN_PLACES)
		fprintf(out, "  %9s                  at %zu more place%s (--flame=FILE.svg shows all)\n",
			format_time(time, rest), count - SHOWN_PLACES, count > SHOWN_PLACES + 1 ? "s" : "");
}

void text__blame(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	struct part *parts = calloc(trace->blame_count + 1, sizeof(*parts));
	struct place *places = calloc(trace->blame_count + 1, sizeof(*places));
	size_t count = 0, place_count = 0;

	if (parts && places && trace->stack_level != TRACE_STACKS_NONE)
		count = collect(trace, gil, parts);
	for (size_t i = 0; i < count; place_count++)
		i += make_place(parts + i, count - i, &places[place_count]);
	if (place_count) {
		qsort(places, place_count, sizeof(*places), compare_places);
		while (place_count > 1 && !places[place_count - 1].ns)
			place_count--; /* where waits only began: their time was for others */
		print_places(trace, places, place_count, out);
	}
	free(parts);
	free(places);
}
