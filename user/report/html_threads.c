/* SPDX-License-Identifier: MIT */
/* The page's tables of threads, which need no script. */
#include <inttypes.h>

#include "user/report/format.h"
#include "user/report/html_parts.h"
#include "user/report/text_parts.h"
#include "user/report/xml.h"
#include "user/trace/trace.h"

/* Browsers take long for larger tables; --json has them all. */
#define SHOWN_THREADS 5000

static void write_cell(const char *text, FILE *out)
{
	fputs("<td>", out);
	xml__write(text, out);
}

static void write_known(bool is_known, uint64_t value, FILE *out)
{
	if (is_known)
		fprintf(out, "<td>%" PRIu64, value);
	else
		fputs("<td>-", out);
}

static void write_percentile(bool is_known, const struct distribution *distribution, FILE *out)
{
	char time[FORMAT_SIZE];

	if (is_known && distribution->count)
		write_cell(format_rough_time(time, distribution__percentile(distribution, 99)), out);
	else
		fputs("<td>-", out);
}

static void write_thread(const struct trace *trace, const struct trace_gil *gil, size_t i, FILE *out)
{
	const struct trace_thread *thread = &trace->threads[i];
	double waited = (double)(thread->counts.waited_ns + thread->open.waited_ns);
	double duration = (double)trace__duration(trace, gil);
	bool all = trace__knows_holds(trace);
	char text[FORMAT_SIZE], name[512];

	fprintf(out, "<tr data-lane=\"%zu\"><td>%" PRIu32 "<th scope=\"row\">", i, thread->tid);
	xml__write(format_name(name, sizeof(name), thread->name, 60), out);
	fputs(thread->ended ? " (ended)" : "", out);
	write_cell(all ? format_percent(text, text__held_share(trace, gil, thread)) : "-", out);
	write_cell(format_percent(text, duration > 0 ? waited / duration : 0), out);
	write_known(all, thread->counts.acquisitions, out);
	write_known(true, thread->counts.contended, out);
	write_known(true, thread->counts.failed, out);
	write_percentile(true, &thread->wait, out);
	write_percentile(all, &thread->hold, out);
	fputs("</tr>\n", out);
}

static void write_lock_title(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	if (trace->process_count > 1)
		fprintf(out, "Pid %" PRIu32 ", lock", gil->pid);
	else
		fputs("Lock", out);
	fprintf(out, " 0x%" PRIx64, gil->address);
	if (gil->interpreter >= 0)
		fprintf(out, " (interpreter %" PRId64 ")", gil->interpreter);
}

/* Threads are sorted by lock, so that each lock's are one piece. Returns how many there were. */
static size_t write_lock(const struct trace *trace, size_t lock, size_t first, FILE *out)
{
	const struct trace_gil *gil = &trace->gils[lock];
	size_t i = first;

	fprintf(out, "<div class=\"scrolled\" data-lock=\"%zu\"><table class=\"threads\">\n<caption>", lock);
	write_lock_title(trace, gil, out);
	fputs("</caption>\n<thead><tr><th scope=\"col\">tid<th scope=\"col\">thread<th scope=\"col\">held %"
	      "<th scope=\"col\">wait %<th scope=\"col\">acquired<th scope=\"col\">contended<th scope=\"col\">failed"
	      "<th scope=\"col\">wait p99<th scope=\"col\">hold p99</tr></thead>\n<tbody>\n",
	      out);
	for (; i < trace->thread_count && trace__is_of(&trace->threads[i], gil); i++)
		if (i < SHOWN_THREADS)
			write_thread(trace, gil, i, out);
	fputs("</tbody></table></div>\n", out);
	return i - first;
}

void html__threads(const struct trace *trace, FILE *out)
{
	size_t next = 0;

	fputs("<section id=\"threads\">\n<h2>Threads</h2>\n", out);
	for (size_t lock = 0; lock < trace->gil_count; lock++)
		next += write_lock(trace, lock, next, out);
	if (trace->thread_count > SHOWN_THREADS)
		fprintf(out, "<p>The first %d of %zu threads; --json has them all.</p>\n", SHOWN_THREADS,
			trace->thread_count);
	fputs("</section>\n", out);
}
