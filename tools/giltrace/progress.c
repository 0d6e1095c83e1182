/* SPDX-License-Identifier: MIT */
/* The line that tells how the trace goes: see progress.h. */
#include "tools/giltrace/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/giltrace/options.h"
#include "user/report/format.h"

#define LINE_SIZE     256
#define ERASE         "\r\033[K"
#define USUAL_COLUMNS 80
#define SECOND_NS     1000000000

static struct {
	bool wanted, shown;
	uint64_t duration_ns;      /* after which the trace ends; 0: nobody knows */
	struct trace_counts ended; /* of threads that are told no more */
} line;

bool progress__is_wanted(const struct options *options)
{
	const char *terminal = getenv("TERM");

	return !options->quiet && !options->command && isatty(STDERR_FILENO) && terminal && *terminal &&
	       strcmp(terminal, "dumb") != 0;
}

void progress__begin(const struct options *options)
{
	line.wanted = progress__is_wanted(options);
	line.duration_ns = options->duration_ns;
	line.ended = (struct trace_counts){0};
}

static void add(struct trace_counts *into, const struct trace_counts *from)
{
	into->acquisitions += from->acquisitions;
	into->contended += from->contended;
	into->held_ns += from->held_ns;
	into->waited_ns += from->waited_ns;
}

/* Since the beginning of the trace. A thread that has ended is told once. */
static struct trace_counts sum_up(const struct trace *now)
{
	struct trace_counts sum = {0};

	for (size_t i = 0; i < now->thread_count; i++) {
		const struct trace_thread *thread = &now->threads[i];

		add(thread->ended ? &line.ended : &sum, &thread->counts);
		sum.held_ns += thread->open.held_ns;
		sum.waited_ns += thread->open.waited_ns;
	}
	add(&sum, &line.ended);
	return sum;
}

/* "12 s of 60 s": whole seconds, for the line is not redrawn more often. */
static size_t write_time(char *out, size_t size, uint64_t so_far_ns)
{
	int length = snprintf(out, size, "%llu s", (unsigned long long)(so_far_ns / SECOND_NS));

	if (line.duration_ns)
		length += snprintf(out + length, size - (size_t)length, " of %.6g s",
				   (double)line.duration_ns / SECOND_NS);
	return (size_t)length;
}

/* "12 s of 60 s: 12.3k acquired, 1.20k waits, 65 % waiting, 0 lost, 0.2 % CPU": as a rule within 80 columns. */
static void write_line(char out[LINE_SIZE], const struct trace *now)
{
	struct trace_counts sum = sum_up(now);
	char number[FORMAT_SIZE];
	double wanted_ns = (double)(sum.waited_ns + sum.held_ns), duration = (double)now->duration_ns;
	bool holds = trace__knows_holds(now);
	size_t at = write_time(out, LINE_SIZE, now->duration_ns);

	at += (size_t)snprintf(out + at, LINE_SIZE - at, ": ");
	if (holds)
		at += (size_t)snprintf(out + at, LINE_SIZE - at, "%s acquired, ",
				       format_count(number, (double)sum.acquisitions));
	at += (size_t)snprintf(out + at, LINE_SIZE - at, "%s waits, ", format_count(number, (double)sum.contended));
	if (holds && wanted_ns > 0)
		at += (size_t)snprintf(out + at, LINE_SIZE - at, "%s %% waiting, ",
				       format_percent(number, (double)sum.waited_ns / wanted_ns));
	else if (!holds && duration > 0)
		at += (size_t)snprintf(out + at, LINE_SIZE - at, "%.2f waiting, ", (double)sum.waited_ns / duration);
	at += (size_t)snprintf(out + at, LINE_SIZE - at, "%s lost", format_count(number, (double)trace__lost(now)));
	if (now->probes.cost_ns_per_hit >= 0 && duration > 0)
		snprintf(out + at, LINE_SIZE - at, ", %s %% CPU",
			 format_percent(number, (double)now->probes.hits * now->probes.cost_ns_per_hit / duration));
}

/* A line that is longer than the terminal is wide could not be taken away. */
static size_t columns(void)
{
	struct winsize size;

	return !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : USUAL_COLUMNS;
}

/* In the background the terminal is somebody else's. */
static bool is_in_foreground(void)
{
	pid_t group = tcgetpgrp(STDERR_FILENO);

	return group < 0 || group == getpgrp();
}

void progress__tell(const struct trace *now)
{
	char text[LINE_SIZE] = "";
	size_t width;

	if (!line.wanted)
		return;
	write_line(text, now);
	if (!is_in_foreground())
		return;
	width = columns();
	if (width > 1)
		format_cut(text, width - 1, "~");
	fprintf(stderr, ERASE "%s", text);
	fflush(stderr);
	line.shown = true;
}

void progress__hide(void)
{
	if (!line.shown)
		return;
	fputs(ERASE, stderr);
	fflush(stderr);
	line.shown = false;
}
