/* SPDX-License-Identifier: MIT */
/* The waiter x holder matrix: rows wait, columns hold, both sorted by time; the rest is summed up as "others". */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "user/report/format.h"
#include "user/report/text_parts.h"
#include "user/trace/trace.h"

#define ROWS    8
#define COLUMNS 5
#define WIDTH   8 /* of a column */

/* A thread in one of its roles, with its time in it. */
struct role {
	uint32_t tid;
	uint64_t ns;
};

struct roles {
	size_t count, shown;
	struct role *all;
};

static bool of_gil(const struct trace_blame *pair, const struct trace_gil *gil)
{
	return pair->process == gil->process && pair->gil == gil->address;
}

static void add_role(struct roles *roles, uint32_t tid, uint64_t ns)
{
	for (size_t i = 0; i < roles->count; i++) {
		if (roles->all[i].tid == tid) {
			roles->all[i].ns += ns;
			return;
		}
	}
	roles->all[roles->count++] = (struct role){tid, ns};
}

static int compare_roles(const void *left, const void *right)
{
	const struct role *a = left, *b = right;

	if (a->ns != b->ns)
		return a->ns > b->ns ? -1 : 1;
	return a->tid < b->tid ? -1 : a->tid > b->tid;
}

/* Where a thread is shown: its place, or `shown` ("others"). */
static size_t place_of(const struct roles *roles, uint32_t tid)
{
	for (size_t i = 0; i < roles->shown; i++)
		if (roles->all[i].tid == tid)
			return i;
	return roles->shown;
}

static void sort_roles(struct roles *roles, size_t most)
{
	qsort(roles->all, roles->count, sizeof(*roles->all), compare_roles);
	roles->shown = roles->count > most ? most : roles->count;
}

static const char *name_of(const struct trace *trace, const struct trace_gil *gil, uint32_t tid)
{
	return tid ? trace__thread_name(trace, gil->process, tid) : "unknown";
}

static void print_holders(const struct trace *trace, const struct trace_gil *gil, const struct roles *holders,
			  FILE *out)
{
	char name[64];

	fprintf(out, "\nWho waited (rows) for whom (columns), by time:\n%24s", "");
	for (size_t i = 0; i < holders->shown; i++)
		fprintf(out, " %s",
			format_name_column(name, sizeof(name), name_of(trace, gil, holders->all[i].tid), WIDTH));
	fprintf(out, "%s\n%24s", holders->count > holders->shown ? "   others" : "", "");
	for (size_t i = 0; i < holders->shown; i++)
		fprintf(out, " %*" PRIu32, WIDTH, holders->all[i].tid);
	fprintf(out, "\n");
}

static void print_cells(const uint64_t *cells, size_t count, FILE *out)
{
	char time[FORMAT_SIZE];

	for (size_t i = 0; i < count; i++)
		fprintf(out, " %*s", WIDTH, cells[i] ? format_time(time, cells[i]) : "-");
	fprintf(out, "\n");
}

static void print_matrix(const struct trace *trace, const struct trace_gil *gil, const struct roles *waiters,
			 const struct roles *holders, FILE *out)
{
	uint64_t cells[ROWS + 1][COLUMNS + 1] = {{0}};
	size_t columns = holders->shown + (holders->count > holders->shown);
	char name[64];

	for (size_t i = 0; i < trace->blame_count; i++)
		if (of_gil(&trace->blame[i], gil))
			cells[place_of(waiters, trace->blame[i].waiter)][place_of(holders, trace->blame[i].holder)] +=
				trace->blame[i].wait_ns;
	print_holders(trace, gil, holders, out);
	for (size_t row = 0; row < waiters->shown; row++) {
		uint32_t tid = waiters->all[row].tid;

		fprintf(out, "  %s %8" PRIu32, format_name_column(name, sizeof(name), name_of(trace, gil, tid), 13),
			tid);
		print_cells(cells[row], columns, out);
	}
	if (waiters->count > waiters->shown) {
		fprintf(out, "  %-22s", "others");
		print_cells(cells[waiters->shown], columns, out);
	}
}

void text__matrix(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	struct roles waiters = {.all = calloc(trace->blame_count + 1, sizeof(struct role))};
	struct roles holders = {.all = calloc(trace->blame_count + 1, sizeof(struct role))};

	for (size_t i = 0; waiters.all && holders.all && i < trace->blame_count; i++) {
		if (!of_gil(&trace->blame[i], gil))
			continue;
		add_role(&waiters, trace->blame[i].waiter, trace->blame[i].wait_ns);
		add_role(&holders, trace->blame[i].holder, trace->blame[i].wait_ns);
	}
	if (waiters.count) {
		sort_roles(&waiters, ROWS);
		sort_roles(&holders, COLUMNS);
		print_matrix(trace, gil, &waiters, &holders, out);
	}
	free(waiters.all);
	free(holders.all);
}
