/* SPDX-License-Identifier: MIT */
/* The worst single holds, and the places where threads let the lock go: each a table with the worst first. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/format.h"
#include "user/report/text_parts.h"
#include "user/symbols/system_calls.h"
#include "user/trace/trace.h"

#define SHOWN_HOGS   8
#define SHOWN_POINTS 8
#define HOG_INDENT   46
#define POINT_INDENT 46
#define LINE_WIDTH   80

/* Places at which less than this share of all coming back was spent are no convoy, however bad their score. */
#define LEAST_SHARE 0.01

/* "asleep in read, 40.0 ms": what the holder did most of the time. */
static void format_activity(char *out, size_t size, const struct trace *trace, const struct trace_hog *hog)
{
	char time[FORMAT_SIZE], number[16];
	const char *name = hog->syscall >= 0 ? system_call__name(hog->syscall) : NULL;

	snprintf(number, sizeof(number), "call %" PRId32, hog->syscall);
	if (!trace__knows_holds(trace) || !hog->held_ns)
		snprintf(out, size, "-");
	else if (2 * hog->blocked_ns >= hog->held_ns && hog->syscall >= 0)
		snprintf(out, size, "asleep in %.20s %s", name ? name : number, format_time(time, hog->syscall_ns));
	else if (2 * hog->blocked_ns >= hog->held_ns)
		snprintf(out, size, "asleep %s", format_time(time, hog->blocked_ns));
	else if (2 * hog->runnable_ns >= hog->held_ns)
		snprintf(out, size, "preempted %s", format_time(time, hog->runnable_ns));
	else
		snprintf(out, size, "on a CPU");
}

static void print_hog(const struct trace *trace, const struct trace_hog *hog, FILE *out)
{
	char held[FORMAT_SIZE], kept[FORMAT_SIZE], name[64], activity[64], text[TEXT_PLACE_SIZE];

	format_activity(activity, sizeof(activity), trace, hog);
	fprintf(out, "  %8s %8s %7" PRIu32 "  %s %s\n", hog->held_ns ? format_time(held, hog->held_ns) : "-",
		format_time(kept, hog->request_to_drop_ns), hog->waiters,
		format_name_column(name, sizeof(name), trace__thread_name(trace, hog->process, hog->tid), 15),
		activity);
	if (trace->stack_level != TRACE_STACKS_NONE)
		fprintf(out, "%*s%s\n", HOG_INDENT - 16, "",
			text__place(text, text__culprit(trace->stacks, hog->stack), LINE_WIDTH - HOG_INDENT + 16));
}

static bool is_of(uint32_t process, uint64_t address, const struct trace_gil *gil)
{
	return process == gil->process && address == gil->address;
}

void text__hogs(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	size_t count = 0;

	for (size_t i = 0; i < trace->hog_count; i++) {
		if (!is_of(trace->hogs[i].process, trace->hogs[i].gil, gil))
			continue;
		if (!count++)
			fprintf(out, "\nThe worst holds: how long the lock was kept after somebody had asked for it\n"
				     "      held  kept on waiters  thread          what it did, and where\n");
		if (count <= SHOWN_HOGS)
			print_hog(trace, &trace->hogs[i], out);
	}
	if (count > SHOWN_HOGS)
		fprintf(out, "  ... and %zu more (--json has them)\n", count - SHOWN_HOGS);
}

/* One place, all threads together. */
struct point {
	const struct trace_frame *frame;
	struct trace_release_point sum;
};

static int compare_frames(const void *left, const void *right)
{
	const struct point *a = left, *b = right;

	return a->frame < b->frame ? -1 : a->frame > b->frame; /* each frame is there once */
}

static int compare_scores(const void *left, const void *right)
{
	const struct point *a = left, *b = right;
	double x = trace__convoy_score(&a->sum), y = trace__convoy_score(&b->sum);

	if (x != y)
		return x > y ? -1 : 1;
	return compare_frames(left, right);
}

/* The voluntary releases, one point a place. Returns how many. */
static size_t collect(const struct trace *trace, const struct trace_gil *gil, struct point *points)
{
	size_t count = 0, kept = 0;

	for (size_t i = 0; i < trace->point_count; i++) {
		const struct trace_release_point *point = &trace->points[i];

		if (is_of(point->process, point->gil, gil) && point->releases > point->forced && point->outside_ns)
			points[count++] = (struct point){text__culprit(trace->stacks, point->stack), *point};
	}
	if (count)
		qsort(points, count, sizeof(*points), compare_frames);
	for (size_t i = 0; i < count; i++) {
		struct trace_release_point *into = &points[kept ? kept - 1 : 0].sum;

		if (!kept || points[kept - 1].frame != points[i].frame) {
			points[kept++] = points[i];
			continue;
		}
		into->releases += points[i].sum.releases;
		into->forced += points[i].sum.forced;
		into->outside_ns += points[i].sum.outside_ns;
		into->returns += points[i].sum.returns;
		into->back_ns += points[i].sum.back_ns;
	}
	return kept;
}

static void print_point(const struct point *point, FILE *out)
{
	uint64_t voluntary = point->sum.releases - point->sum.forced;
	double score = trace__convoy_score(&point->sum);
	char away[FORMAT_SIZE], back[FORMAT_SIZE], lost[FORMAT_SIZE], text[TEXT_PLACE_SIZE];

	fprintf(out, "  %6.*f %9" PRIu64 " %8s %8s %8s  %s\n", score < 9.95 ? 1 : 0, score > 99999 ? 99999 : score,
		voluntary, format_rough_time(away, point->sum.outside_ns / voluntary),
		format_rough_time(back, point->sum.back_ns / voluntary), format_time(lost, point->sum.back_ns),
		text__place(text, point->frame, LINE_WIDTH - POINT_INDENT - 1));
}

static void print_points(struct point *points, size_t count, FILE *out)
{
	uint64_t all = 0;
	size_t shown = 0;

	for (size_t i = 0; i < count; i++)
		all += points[i].sum.back_ns;
	if (!all)
		return;
	qsort(points, count, sizeof(*points), compare_scores);
	fprintf(out, "\nLetting the lock go, and getting it back (score: getting back / being away)\n"
		     "   score    times     away     back   in all  where\n");
	for (size_t i = 0; i < count && shown < SHOWN_POINTS; i++) {
		if ((double)points[i].sum.back_ns < LEAST_SHARE * (double)all)
			continue;
		print_point(&points[i], out);
		shown++;
	}
	if (count > shown)
		fprintf(out, "  ... and %zu more, which cost less (--json has them)\n", count - shown);
}

void text__release_points(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	struct point *points = calloc(trace->point_count + 1, sizeof(*points));

	if (points && trace->stack_level != TRACE_STACKS_NONE)
		print_points(points, collect(trace, gil, points), out);
	free(points);
}
