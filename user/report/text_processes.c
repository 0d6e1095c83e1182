/* SPDX-License-Identifier: MIT */
/* The table of processes, where several were traced: a line for each, those whose threads waited longest first. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/format.h"
#include "user/report/text_parts.h"
#include "user/trace/trace.h"

#define SHOWN_PROCESSES 40

static uint64_t waited_ns(const struct trace_process *process)
{
	return process->counts.waited_ns + process->open.waited_ns;
}

static int compare_waited(const void *left, const void *right)
{
	const struct trace_process *a = *(const struct trace_process *const *)left;
	const struct trace_process *b = *(const struct trace_process *const *)right;

	if (waited_ns(a) != waited_ns(b))
		return waited_ns(a) > waited_ns(b) ? -1 : 1;
	return a->number < b->number ? -1 : 1;
}

static const char *program_of(const struct trace_process *process)
{
	const char *base = process->exe ? strrchr(process->exe, '/') : NULL;

	return base ? base + 1 : process->exe ? process->exe : "?";
}

static bool has_ended(const struct trace_process *process)
{
	return process->end == TRACE_END_EXITED || process->end == TRACE_END_EXECED;
}

/* "*": it ended or replaced its program; "<": it was there already when it was first probed. */
static void print_process(const struct trace *trace, const struct trace_process *process, FILE *out)
{
	char program[128], time[FORMAT_SIZE], held[FORMAT_SIZE] = "-", acquired[24] = "-";
	double duration = (double)process->duration_ns;
	uint64_t held_ns = process->counts.held_ns + process->open.held_ns;

	if (trace__knows_holds(trace)) {
		snprintf(acquired, sizeof(acquired), "%" PRIu64, process->counts.acquisitions);
		format_percent(held, duration > 0 ? (double)held_ns / duration : 0);
	}
	fprintf(out, "%7" PRIu32 "%c%c %s %-8.8s %7s %5s %8.2f %10s %9" PRIu64 "\n", process->pid,
		has_ended(process) ? '*' : ' ', process->from_start ? ' ' : '<',
		format_name_column(program, sizeof(program), program_of(process), 15), process->version,
		format_rough_time(time, process->duration_ns), held,
		duration > 0 ? (double)waited_ns(process) / duration : 0, acquired, process->counts.contended);
}

static void print_total(const struct trace *trace, FILE *out)
{
	const struct trace_counts *counts = &trace->total.counts;
	char acquired[24] = "-", time[FORMAT_SIZE];

	if (trace__knows_holds(trace))
		snprintf(acquired, sizeof(acquired), "%" PRIu64, counts->acquisitions);
	fprintf(out, "    together %zu locks, %s acquisitions, %" PRIu64 " contended; waited %s\n", trace->gil_count,
		acquired, counts->contended, format_time(time, counts->waited_ns + trace->total.open.waited_ns));
}

void text__processes(const struct trace *trace, FILE *out)
{
	const struct trace_process **sorted = calloc(trace->process_count + 1, sizeof(*sorted));
	size_t ended = 0, earlier = 0;

	if (!sorted)
		return;
	for (size_t i = 0; i < trace->process_count; i++) {
		sorted[i] = &trace->processes[i];
		ended += has_ended(sorted[i]);
		earlier += !sorted[i]->from_start;
	}
	qsort(sorted, trace->process_count, sizeof(*sorted), compare_waited);
	fprintf(out, "\n                                              held  threads\n"
		     "    pid   program         version   traced     %%  waiting   acquired contended\n");
	for (size_t i = 0; i < trace->process_count && i < SHOWN_PROCESSES; i++)
		print_process(trace, sorted[i], out);
	if (trace->process_count > SHOWN_PROCESSES)
		fprintf(out, "          ... and %zu more, whose threads waited less (--json has them all)\n",
			trace->process_count - SHOWN_PROCESSES);
	print_total(trace, out);
	if (ended)
		fprintf(out, "    * ended or replaced its program during the trace\n");
	if (earlier)
		fprintf(out, "    < was running before it was probed: what it did then is not in here\n");
	free(sorted);
}
