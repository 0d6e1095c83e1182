/* SPDX-License-Identifier: MIT */
/* Two traces, before and after: see difference.h. The figures of all threads together; lists are in difference_lists.c.
 */
#include "user/report/difference.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "user/report/difference_parts.h"
#include "user/trace/parts.h"

/*
 * The error of the parts, as a share of what they add up to, is that of the value: holds that were seen in windows
 * stand for others, and what was refuted is left out, so the two are not the same.
 */
static struct estimate estimate_of(const struct difference_sum *sum)
{
	struct estimate found = estimate__ratio(sum->x, sum->of, sum->count);
	double error = found.error;

	if (found.known && found.value > 0)
		error *= sum->value / found.value;
	else if (sum->value > 0)
		found.known = false; /* its parts do not say when */
	found.value = sum->value;
	found.error = sqrt(error * error + sum->error * sum->error);
	return found;
}

/* What is in one trace only was nothing in the other, and that is exact. */
struct difference_figure difference__compare(const struct difference_sum sums[2])
{
	struct difference_figure figure = {.range = {-INFINITY, INFINITY}};
	struct estimate estimates[2];

	for (int i = 0; i < 2; i++) {
		figure.known[i] = sums[i].known;
		figure.value[i] = sums[i].value;
		estimates[i] = estimate_of(&sums[i]);
	}
	if (sums[0].known && sums[1].known)
		figure.verdict = estimate__compare(&estimates[0], &estimates[1], &figure.range);
	return figure;
}

static bool is_holds_known(const struct difference_side *side)
{
	return trace__knows_holds(side->trace);
}

/* Of what was counted: so many a second, or ns a ns. */
static void fill_rate(const struct difference_side *side, enum parts_figure figure, double total, double per_ns,
		      struct difference_sum *sum)
{
	double duration = (double)side->trace->duration_ns;

	sum->known = duration > 0;
	sum->value = duration > 0 ? total * per_ns / duration : 0;
	sum->count = parts__total(side->parts, figure, sum->x);
	parts__durations(side->parts, sum->of);
	for (size_t i = 0; i < sum->count; i++)
		sum->of[i] /= per_ns;
}

static void fill_acquisitions(const struct difference_side *side, struct difference_sum *sum)
{
	const struct trace *trace = side->trace;

	fill_rate(side, PARTS_ACQUISITIONS, (double)trace->total.counts.acquisitions, 1e9, sum);
	sum->known &= is_holds_known(side);
	if (trace__is_sampled(trace))
		sum->error = sum->value * trace->probes.acquisitions_error_pct / 100 / 1.96;
}

/* Of the number of waits, and of the time waited. */
static double waits_error(const struct trace *trace, double value)
{
	return value * trace->probes.waits_error_pct / 100 / 1.96;
}

static void fill_contended(const struct difference_side *side, struct difference_sum *sum)
{
	fill_rate(side, PARTS_CONTENDED, (double)side->trace->total.counts.contended, 1e9, sum);
	sum->error = waits_error(side->trace, sum->value);
}

static void fill_failed(const struct difference_side *side, struct difference_sum *sum)
{
	fill_rate(side, PARTS_FAILED, (double)side->trace->total.counts.failed, 1e9, sum);
	sum->error = waits_error(side->trace, sum->value);
}

static double all_waited(const struct trace *trace)
{
	return (double)trace->total.counts.waited_ns + (double)trace->total.open.waited_ns;
}

static void fill_waiters(const struct difference_side *side, struct difference_sum *sum)
{
	fill_rate(side, PARTS_WAITED_NS, all_waited(side->trace), 1, sum);
	sum->error = waits_error(side->trace, sum->value);
}

/* Of several locks, the mean over the time that each was traced. What looks tell (trace__utilisation()) has its error.
 */
static void fill_utilisation(const struct difference_side *side, struct difference_sum *sum)
{
	const struct trace *trace = side->trace;
	double held = 0, traced = 0, squares = 0;

	for (size_t i = 0; i < trace->gil_count; i++) {
		double duration = (double)trace__duration(trace, &trace->gils[i]), error = 0;
		double utilisation = trace__utilisation(trace, &trace->gils[i], &error);

		if (utilisation < 0)
			continue;
		held += utilisation * duration;
		traced += duration;
		squares += error * duration * error * duration;
	}
	sum->count = parts__total(side->parts, PARTS_HELD_NS, sum->x);
	parts__durations(side->parts, sum->of);
	sum->known = traced > 0;
	sum->value = traced > 0 ? held / traced : 0;
	sum->error = traced > 0 ? sqrt(squares) / traced / 1.96 : 0;
}

/* Of the time that threads wanted to run. */
static void fill_waiting(const struct difference_side *side, struct difference_sum *sum)
{
	const struct trace *trace = side->trace;
	double waited = all_waited(trace), held[PARTS_MOST], stands_for = 1, seen = 0;
	double all_held = (double)trace->total.counts.held_ns + (double)trace->total.open.held_ns;

	sum->known = is_holds_known(side) && waited + all_held > 0;
	sum->value = sum->known ? waited / (waited + all_held) : 0;
	sum->count = parts__total(side->parts, PARTS_WAITED_NS, sum->x);
	parts__total(side->parts, PARTS_HELD_NS, held);
	for (size_t i = 0; i < sum->count; i++)
		seen += held[i];
	if (seen > 0)
		stands_for = all_held / seen;
	for (size_t i = 0; i < sum->count; i++)
		sum->of[i] = sum->x[i] + held[i] * stands_for;
}

static const struct {
	const char *key, *title;
	enum difference_unit unit;
	void (*fill)(const struct difference_side *side, struct difference_sum *sum);
} sums_of_all[] = {
	{"utilisation", "held, % of the time", DIFFERENCE_SHARE, fill_utilisation},
	{"waiting", "waiting, % of wanting to run", DIFFERENCE_SHARE, fill_waiting},
	{"waiters", "threads waiting, on average", DIFFERENCE_NUMBER, fill_waiters},
	{"acquisitions", "acquisitions/s", DIFFERENCE_RATE, fill_acquisitions},
	{"contended", "waits/s", DIFFERENCE_RATE, fill_contended},
	{"failed", "failed attempts/s", DIFFERENCE_RATE, fill_failed},
};

#define SUMS_OF_ALL (sizeof(sums_of_all) / sizeof(*sums_of_all))

static const struct {
	const char *key, *title;
	enum parts_times which;
	double percent;
} percentiles[] = {
	{"wait.p50", "wait, p50", PARTS_WAITS, 50},           {"wait.p99", "wait, p99", PARTS_WAITS, 99},
	{"hold.p50", "hold, p50", PARTS_HOLDS, 50},           {"hold.p99", "hold, p99", PARTS_HOLDS, 99},
	{"handoff.p50", "hand-off, p50", PARTS_HANDOFFS, 50}, {"handoff.p99", "hand-off, p99", PARTS_HANDOFFS, 99},
};

#define PERCENTILES (sizeof(percentiles) / sizeof(*percentiles))

_Static_assert(SUMS_OF_ALL + PERCENTILES == DIFFERENCE_OVERALL, "there is room for each");

static int merge_handoffs(const struct trace *trace, struct distribution *out)
{
	int err = 0;

	for (size_t i = 0; !err && i < trace->gil_count; i++)
		err = distribution__merge(out, &trace->gils[i].handoff);
	return err;
}

/* For how many each value stands that was seen, at most. */
static double stands_for(const struct trace *trace, enum parts_times which)
{
	double factor = which == PARTS_WAITS ? trace->waits_factor : trace->holds_factor;

	for (size_t i = 0; i < trace->process_count; i++)
		if (trace->processes[i].in_windows)
			return factor > 1 ? factor : 1;
	return 1;
}

/* Times come in bursts: so how far off ranks may be is told by parts, by what each has below the percentile's bucket or
 * up to it, whichever differs more. */
static double width_by_parts(const struct parts *parts, enum parts_times which, uint32_t bucket)
{
	double below[PARTS_MOST], all[PARTS_MOST], widths[2];

	for (uint32_t i = 0; i < 2; i++) {
		size_t count = parts__times_below(parts, which, bucket + i, below, all);

		widths[i] = estimate__share_width(below, all, count);
	}
	return fmax(widths[0], widths[1]);
}

/* Of a percentile of too few values, and of a recording that is too short, nothing is told. */
static void compare_percentile(const struct difference *difference, size_t which, const struct distribution handoffs[2],
			       struct difference_figure *figure)
{
	struct estimate_range ranges[2];

	*figure = (struct difference_figure){.range = {-INFINITY, INFINITY}};
	for (int i = 0; i < 2; i++) {
		const struct trace *trace = difference->sides[i].trace;
		const struct distribution *of = percentiles[which].which == PARTS_WAITS   ? &trace->total.wait
						: percentiles[which].which == PARTS_HOLDS ? &trace->total.hold
											  : &handoffs[i];

		figure->known[i] = of->count && (percentiles[which].which == PARTS_WAITS || trace__knows_holds(trace));
		figure->value[i] =
			figure->known[i] ? (double)distribution__percentile(of, percentiles[which].percent) : 0;
		ranges[i] = estimate__percentile(of, percentiles[which].percent,
						 stands_for(trace, percentiles[which].which),
						 width_by_parts(difference->sides[i].parts, percentiles[which].which,
								estimate__bucket(of, percentiles[which].percent)));
	}
	if (difference->judged && figure->known[0] && figure->known[1])
		figure->verdict = estimate__compare_ranges(&ranges[0], &ranges[1], &figure->range);
}

static int compare_all(struct difference *difference)
{
	struct distribution handoffs[2] = {{0}};
	struct difference_sum sums[2];
	size_t at = 0;
	int err = 0;

	for (; at < SUMS_OF_ALL; at++) {
		for (int i = 0; i < 2; i++) {
			sums[i] = (struct difference_sum){0};
			sums_of_all[at].fill(&difference->sides[i], &sums[i]);
		}
		difference->overall[at] = (struct difference_overall){sums_of_all[at].key, sums_of_all[at].title,
								      sums_of_all[at].unit, difference__compare(sums)};
	}
	for (int i = 0; !err && i < 2; i++)
		err = merge_handoffs(difference->sides[i].trace, &handoffs[i]);
	for (size_t i = 0; !err && i < PERCENTILES; i++) {
		struct difference_overall *row = &difference->overall[at + i];

		*row = (struct difference_overall){
			.key = percentiles[i].key, .title = percentiles[i].title, .unit = DIFFERENCE_TIME};
		compare_percentile(difference, i, handoffs, &row->figure);
	}
	distribution__clear(&handoffs[0]);
	distribution__clear(&handoffs[1]);
	return err;
}

int difference__find(const struct difference_side sides[2], struct difference *out)
{
	int err;

	*out = (struct difference){.sides = {sides[0], sides[1]}, .judged = true};
	for (int i = 0; i < 2; i++) {
		out->parts[i] = parts__count(sides[i].parts);
		out->judged &= out->parts[i] >= ESTIMATE_FEWEST;
	}
	err = compare_all(out);
	err = err ? err : difference__threads(out);
	err = err ? err : difference__places(out);
	if (err)
		difference__clear(out);
	return err;
}

void difference__clear(struct difference *difference)
{
	free(difference->threads);
	free(difference->places);
	difference->threads = NULL;
	difference->places = NULL;
	difference->thread_count = difference->place_count = 0;
}

const char *difference__verdict(enum estimate_verdict verdict)
{
	static const char *const words[] = {[ESTIMATE_UNKNOWN] = "unknown",
					    [ESTIMATE_NOISE] = "within noise",
					    [ESTIMATE_MORE] = "more",
					    [ESTIMATE_LESS] = "less"};

	return words[verdict];
}

double difference__change(const struct difference_figure *figure)
{
	if (!figure->known[0] || !figure->known[1])
		return NAN;
	if (figure->value[0] <= 0)
		return figure->value[1] > 0 ? INFINITY : 0;
	return figure->value[1] / figure->value[0] - 1;
}
