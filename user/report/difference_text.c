/* SPDX-License-Identifier: MIT */
/* The difference of two traces for people: see difference.h. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "user/report/difference.h"
#include "user/report/format.h"
#include "user/report/text_parts.h"

#define SHOWN_THREADS 12
#define SHOWN_PLACES  12
#define TITLE         34 /* columns, of 80 */
#define FIGURE        10

/* A share below this in both is not worth a line. */
#define LEAST_SHARE 0.0005

static const char *format_value(char out[FORMAT_SIZE], enum difference_unit unit, double value)
{
	switch (unit) {
	case DIFFERENCE_SHARE:
		return format_percent(out, value);
	case DIFFERENCE_NUMBER:
		snprintf(out, FORMAT_SIZE, value < 9.995 ? "%.2f" : "%.1f", value);
		return out;
	case DIFFERENCE_RATE:
		if (value > 0 && value < 9.95)
			snprintf(out, FORMAT_SIZE, "%.1f", value);
		else
			format_count(out, value);
		return out;
	case DIFFERENCE_TIME:
		return format_rough_time(out, (uint64_t)value);
	}
	return "";
}

/* "-43 %", "+1.2x10^3 %" would tell nothing: from ten times on it is "x12". "new" and "gone" is what was nothing. */
static const char *format_change(char out[FORMAT_SIZE], const struct difference_figure *figure)
{
	double change = difference__change(figure);

	if (isnan(change))
		return "-";
	if (isinf(change))
		return "new";
	if (figure->value[0] > 0 && figure->value[1] <= 0)
		return "gone";
	if (change < -0.999)
		change = -0.999;
	if (change >= 9)
		snprintf(out, FORMAT_SIZE, change < 1e6 ? "x%.0f" : "x%.0e", change + 1);
	else if (fabs(change) < 0.0005)
		return "0 %";
	else
		snprintf(out, FORMAT_SIZE, fabs(change) < 0.0995 || change < -0.99 ? "%+.1f %%" : "%+.0f %%",
			 100 * change);
	return out;
}

static void print_figure(const char *title, enum difference_unit unit, const struct difference_figure *figure,
			 FILE *out)
{
	char values[2][FORMAT_SIZE], change[FORMAT_SIZE];
	const char *texts[2];
	int blank = TITLE - (int)format_columns(title);

	for (int i = 0; i < 2; i++)
		texts[i] = figure->known[i] ? format_value(values[i], unit, figure->value[i]) : "-";
	fprintf(out, "  %s%*s%*s%*s%*s  %s\n", title, blank > 0 ? blank : 0, "", FIGURE, texts[0], FIGURE, texts[1],
		FIGURE, format_change(change, figure),
		figure->verdict == ESTIMATE_UNKNOWN ? "-" : difference__verdict(figure->verdict));
}

static void print_heads(const char *title, FILE *out)
{
	int blank = TITLE + 2 - (int)strlen(title);

	fprintf(out, "\n%s%*s%*s%*s%*s\n", title, blank > 0 ? blank : 0, "", FIGURE, "before", FIGURE, "after", FIGURE,
		"change");
}

static void print_overall(const struct difference *difference, FILE *out)
{
	print_heads("All threads", out);
	for (size_t i = 0; i < DIFFERENCE_OVERALL; i++) {
		const struct difference_overall *row = &difference->overall[i];

		if (row->figure.known[0] || row->figure.known[1])
			print_figure(row->title, row->unit, &row->figure, out);
	}
}

static bool is_worth_a_line(const struct difference_figure *figure)
{
	return (figure->known[0] && figure->value[0] >= LEAST_SHARE) ||
	       (figure->known[1] && figure->value[1] >= LEAST_SHARE);
}

static void print_rest(size_t shown, size_t all, size_t most, const char *what, FILE *out)
{
	if (shown == most && all > shown)
		fprintf(out, "  ... and %zu more %s, which changed less (--json has them all)\n", all - shown, what);
}

static const struct difference_figure *figure_of(const struct difference_thread *thread, bool held)
{
	return held ? &thread->held : &thread->waited;
}

static void print_threads(const struct difference *difference, bool held, FILE *out)
{
	char name[256], title[320];
	size_t shown = 0, all = 0;

	for (size_t i = 0; i < difference->thread_count; i++) {
		const struct difference_thread *thread = &difference->threads[i];

		if (!is_worth_a_line(figure_of(thread, held)))
			continue;
		if (!all++)
			print_heads(held ? "Threads: held, % of the time" : "Threads: waited, % of the time", out);
		if (shown == SHOWN_THREADS)
			continue;
		format_name(name, sizeof(name), thread->name, 20);
		if (thread->threads[0] > 1 || thread->threads[1] > 1)
			snprintf(title, sizeof(title), "%s (%zu, %zu)", *name ? name : "(no name)", thread->threads[0],
				 thread->threads[1]);
		else
			snprintf(title, sizeof(title), "%s", *name ? name : "(no name)");
		print_figure(title, DIFFERENCE_SHARE, figure_of(thread, held), out);
		shown++;
	}
	print_rest(shown, all, SHOWN_THREADS, "names", out);
}

static void print_places(const struct difference *difference, FILE *out)
{
	char title[TEXT_PLACE_SIZE];
	size_t shown = 0, all = 0;

	for (size_t i = 0; i < difference->place_count; i++) {
		const struct difference_place *place = &difference->places[i];
		struct trace_frame frame;

		if (!is_worth_a_line(&place->waited))
			continue;
		if (!all++)
			print_heads("Waited for what had the lock, %", out);
		if (shown == SHOWN_PLACES)
			continue;
		if (place->frame) {
			frame = *place->frame;
			frame.line = 0; /* lines move from one to the other */
		}
		print_figure(text__place(title, place->frame ? &frame : NULL, TITLE - 1), DIFFERENCE_SHARE,
			     &place->waited, out);
		shown++;
	}
	print_rest(shown, all, SHOWN_PLACES, "places", out);
}

/* What makes the two hard to compare. */
static void print_warnings(const struct difference *difference, FILE *out)
{
	const struct trace *before = difference->sides[0].trace, *after = difference->sides[1].trace;

	if (before->level != after->level)
		fprintf(out,
			"\nTraced differently: --probes=%s before, %s after. Probes cost time, so a\n"
			"part of the difference may be theirs.\n",
			trace__level_name(before->level), trace__level_name(after->level));
	if (trace__lost(before) || trace__lost(after))
		fprintf(out, "\nLOST: %" PRIu64 " events before, %" PRIu64 " after (giltrace report tells which).\n",
			trace__lost(before), trace__lost(after));
}

static void print_noise(const struct difference *difference, FILE *out)
{
	size_t fewest = difference->parts[difference->parts[1] < difference->parts[0]];

	if (difference->judged) {
		fprintf(out,
			"\nNoise is judged by how each recording differs from part to part: %zu parts\n"
			"before, %zu after. \"more\" and \"less\" are beyond 95 %% of it; of 20 lines without a\n"
			"change, one or two may say so. How runs differ, no two of them tell.\n",
			difference->parts[0], difference->parts[1]);
		return;
	}
	fprintf(out,
		"\nNoise cannot be judged: %s recording has %zu part%s, and %d are needed.\n"
		"Record for some seconds.\n",
		difference->parts[1] < difference->parts[0] ? "the second" : "the first", fewest,
		fewest == 1 ? "" : "s", ESTIMATE_FEWEST);
}

int difference__text(const struct difference *difference, FILE *out)
{
	errno = 0;
	fputs("Before: ", out);
	text__header(difference->sides[0].trace, out);
	fputs("After:  ", out);
	text__header(difference->sides[1].trace, out);
	print_overall(difference, out);
	print_threads(difference, false, out);
	print_threads(difference, true, out);
	print_places(difference, out);
	print_warnings(difference, out);
	print_noise(difference, out);
	if (fflush(out) || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}
