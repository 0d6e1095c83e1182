/* SPDX-License-Identifier: MIT */
/* What two traces differ by, and when that is called noise: figures worked out by hand, and parts that are merged. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/histogram.h"
#include "user/report/difference.h"
#include "user/report/flame_tree.h"
#include "user/trace/parts.h"
#include "user/trace/trace.h"

#define SECOND 1000000000ULL
#define MS     1000000ULL
#define LOCK   0x1000

static void assert_near(double found, double expected)
{
	if (fabs(found - expected) > 1e-3 * fabs(expected) + 1e-12)
		fail_msg("%.9g instead of %.9g", found, expected);
}

/* By hand: mean 5, deviations -2, -1, 1, 2; variance 10/3; error of the mean sqrt(10/3/4). */
static void test_ratio(void **state)
{
	const double x[] = {3, 4, 6, 7}, equal[] = {1, 1, 1, 1}, doubled[] = {2, 2, 2, 2};
	struct estimate found = estimate__ratio(x, equal, 4);

	(void)state;
	assert_true(found.known);
	assert_near(found.value, 5);
	assert_near(found.error, sqrt(10.0 / 3 / 4));
	assert_near(found.freedom, 3);
	found = estimate__ratio(x, doubled, 4);
	assert_near(found.value, 2.5);
	assert_near(found.error, sqrt(10.0 / 3 / 4) / 2);
	assert_false(estimate__ratio(x, equal, 3).known);
	assert_false(estimate__ratio(x, equal, 0).known);
}

/* Parts of other lengths but the same rate do not scatter. */
static void test_ratio_of_unequal_parts(void **state)
{
	const double x[] = {5, 10, 20, 1}, of[] = {1, 2, 4, 0.2};
	struct estimate found = estimate__ratio(x, of, 4);

	(void)state;
	assert_near(found.value, 5);
	assert_near(found.error, 0);
}

static void test_student(void **state)
{
	(void)state;
	assert_near(estimate__student(1), 12.706);
	assert_near(estimate__student(9.9), 2.262);
	assert_near(estimate__student(30), 2.042);
	assert_near(estimate__student(30.99), 2.042);
	assert_near(estimate__student(1e9), 1.98);
	assert_near(estimate__student(INFINITY), 1.98);
	assert_true(isinf(estimate__student(0.5)));
}

/* Welch by hand: errors 3 and 4 of 9 degrees each: 5 of 625 * 9 / (81 + 256) = 16.7, t 2.120. */
static void test_compare(void **state)
{
	struct estimate before = {true, 100, 3, 9}, after = {true, 110.5, 4, 9};
	struct estimate_range range;

	(void)state;
	assert_int_equal(estimate__compare(&before, &after, &range), ESTIMATE_NOISE);
	assert_near(range.low, 10.5 - 5 * 2.120);
	after.value = 110.7;
	assert_int_equal(estimate__compare(&before, &after, &range), ESTIMATE_MORE);
	assert_true(range.low > 0);
	assert_int_equal(estimate__compare(&after, &before, &range), ESTIMATE_LESS);
	after.known = false;
	assert_int_equal(estimate__compare(&before, &after, &range), ESTIMATE_UNKNOWN);
	assert_true(isinf(range.low) && isinf(range.high));
}

/* What is exact on both sides differs by whatever it differs. */
static void test_compare_exact(void **state)
{
	struct estimate before = {true, 0, 0, 9}, after = {true, 0, 0, 9};
	struct estimate_range range;

	(void)state;
	assert_int_equal(estimate__compare(&before, &after, &range), ESTIMATE_NOISE);
	after.value = 1e-9;
	assert_int_equal(estimate__compare(&before, &after, &range), ESTIMATE_MORE);
}

static void fill(struct distribution *distribution, uint64_t count, uint64_t ns)
{
	struct histogram histogram = {0};

	for (uint64_t i = 0; i < count; i++)
		histogram_add(&histogram, ns);
	assert_int_equal(distribution__add_histogram(distribution, &histogram), 0);
}

/* 100 values, 50 of them 1 ms and 50 of them 4 ms: the median's ranks are 40 to 61. */
static void test_percentile(void **state)
{
	struct distribution distribution = {0};
	struct estimate_range range;

	(void)state;
	fill(&distribution, 50, MS);
	fill(&distribution, 50, 4 * MS);
	range = estimate__percentile(&distribution, 50, 1, 0);
	assert_true(range.low <= (double)MS && range.low > 0.9 * (double)MS);
	assert_true(range.high >= (double)(4 * MS) && range.high < 4.3 * (double)MS);
	range = estimate__percentile(&distribution, 30, 1, 0);
	assert_true(range.high < 1.1 * (double)MS);
	range = estimate__percentile(&distribution, 99, 1, 0);
	assert_true(isinf(range.high)); /* of 100 values the greatest may well be below the 99th percentile */
	range = estimate__percentile(&distribution, 30, 20, 0);
	assert_true(isinf(range.high) || range.high > (double)(4 * MS)); /* they are but five */
	range = estimate__percentile(&distribution, 30, 1, 0.25);
	assert_true(range.high > (double)(4 * MS)); /* ranks 5 to 56 */
	range = estimate__percentile(&distribution, 30, 1, 0.01);
	assert_true(range.high < 1.1 * (double)MS); /* what is less than by chance does not narrow */
	assert_true(estimate__bucket(&distribution, 50) < estimate__bucket(&distribution, 51));
	distribution__clear(&distribution);
}

/* Bursts: half of the parts have only short times, the others only long ones. Ranks are as uncertain as parts are few.
 */
static void test_times_by_parts(void **state)
{
	struct distribution before = {0}, now = {0};
	struct parts *parts = parts__new();
	double below[PARTS_MOST], all[PARTS_MOST];
	uint32_t bucket;

	(void)state;
	for (int i = 0; i < 100; i++) {
		fill(&now, 10, i % 4 < 2 ? MS : 4 * MS);
		parts__add_times(parts, PARTS_WAITS, &before, &now);
		distribution__clear(&before);
		assert_int_equal(distribution__merge(&before, &now), 0);
		parts__end_chunk(parts, SECOND);
	}
	bucket = estimate__bucket(&now, 90);
	assert_int_equal(parts__times_below(parts, PARTS_WAITS, bucket, below, all), 50);
	assert_near(below[0], 20);
	assert_near(below[1], 0);
	assert_near(all[1], 20);
	assert_near(estimate__share_width(below, all, 50), 1.0 / 2 / sqrt(49) * 2.021);
	parts__times_below(parts, PARTS_HOLDS, bucket, below, all);
	assert_near(all[0], 0);
	parts__free(parts);
	distribution__clear(&before);
	distribution__clear(&now);
}

static void test_percentiles_that_touch(void **state)
{
	struct estimate_range before = {1, 2}, after = {2, 3}, range;

	(void)state;
	assert_int_equal(estimate__compare_ranges(&before, &after, &range), ESTIMATE_NOISE);
	after.low = 2.1;
	assert_int_equal(estimate__compare_ranges(&before, &after, &range), ESTIMATE_MORE);
	assert_near(range.low, 0.1);
	assert_near(range.high, 2);
	assert_int_equal(estimate__compare_ranges(&after, &before, &range), ESTIMATE_LESS);
	before.high = INFINITY; /* of too few values */
	assert_int_equal(estimate__compare_ranges(&before, &after, &range), ESTIMATE_UNKNOWN);
	after.high = 0.5;
	after.low = 0.1;
	assert_int_equal(estimate__compare_ranges(&before, &after, &range), ESTIMATE_LESS);
}

/* A thread that comes to have waited and held so much. */
static void add_thread(struct parts *parts, const char *name, uint64_t waited_ns, uint64_t held_ns)
{
	struct trace_thread before = {0},
			    now = {.counts = {.waited_ns = waited_ns, .held_ns = held_ns, .acquisitions = 1}};

	snprintf(before.name, sizeof(before.name), "%s", name);
	snprintf(now.name, sizeof(now.name), "%s", name);
	assert_int_equal(parts__add_thread(parts, &before, &now), 0);
}

static double sum(const double *values, size_t count)
{
	double all = 0;

	for (size_t i = 0; i < count; i++)
		all += values[i];
	return all;
}

/* Whatever the number of chunks, nothing is lost, there are at most PARTS_MOST, and a name that came late fits in. */
static void test_parts(void **state)
{
	(void)state;
	for (size_t chunks = 1; chunks < 700; chunks += 13) {
		struct parts *parts = parts__new();
		double out[PARTS_MOST], durations[PARTS_MOST];
		size_t count;

		for (size_t i = 0; i < chunks; i++) {
			add_thread(parts, "early", i, 2 * i);
			if (i >= chunks / 2)
				add_thread(parts, "late", 7, 0);
			parts__end_chunk(parts, SECOND);
		}
		count = parts__count(parts);
		assert_true(count <= PARTS_MOST);
		assert_true(count >= (chunks < PARTS_MOST / 2 ? chunks : PARTS_MOST / 2 - 1));
		assert_int_equal(parts__durations(parts, durations), count);
		assert_near(sum(durations, count), (double)(chunks * SECOND));
		assert_int_equal(parts__thread(parts, "early", PARTS_WAITED_NS, out), count);
		assert_near(sum(out, count), (double)(chunks * (chunks - 1) / 2));
		assert_int_equal(parts__thread(parts, "early", PARTS_HELD_NS, out), count);
		assert_near(sum(out, count), (double)(chunks * (chunks - 1)));
		assert_int_equal(parts__thread(parts, "late", PARTS_WAITED_NS, out), count);
		assert_near(sum(out, count), (double)(7 * (chunks - chunks / 2)));
		assert_near(chunks > 1 ? out[0] : 0, 0);
		assert_int_equal(parts__total(parts, PARTS_WAITED_NS, out), count);
		assert_near(sum(out, count), (double)(chunks * (chunks - 1) / 2 + 7 * (chunks - chunks / 2)));
		assert_int_equal(parts__thread(parts, "nobody", PARTS_WAITED_NS, out), 0);
		parts__free(parts);
	}
}

/* Rates of the parts are those of the chunks in them, after they were merged as well. */
static void test_parts_are_in_order(void **state)
{
	struct parts *parts = parts__new();
	double out[PARTS_MOST], durations[PARTS_MOST];
	size_t count;

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		add_thread(parts, "steady", 5 * (i < 10 ? 1 : 2), 0);
		parts__end_chunk(parts, i < 10 ? SECOND / 2 : SECOND);
	}
	count = parts__thread(parts, "steady", PARTS_WAITED_NS, out);
	parts__durations(parts, durations);
	for (size_t i = 0; i < count; i++)
		assert_near(out[i] / durations[i], 10.0 / SECOND);
	parts__free(parts);
}

/* A last chunk of a moment is no part. */
static void test_short_end(void **state)
{
	struct parts *parts = parts__new();
	double out[PARTS_MOST];

	(void)state;
	for (int i = 0; i < 5; i++) {
		add_thread(parts, "a", 10, 0);
		parts__end_chunk(parts, i < 4 ? SECOND : SECOND / 10);
	}
	assert_int_equal(parts__count(parts), 4);
	parts__thread(parts, "a", PARTS_WAITED_NS, out);
	assert_near(out[3], 20);
	parts__free(parts);
}

/* There may be more names than are kept; they are told so, and totals have them. */
static void test_many_names(void **state)
{
	struct parts *parts = parts__new();
	double out[PARTS_MOST];
	char name[32];

	(void)state;
	for (int i = 0; i < 2 * PARTS_NAMES; i++) {
		snprintf(name, sizeof(name), "thread-%d", i);
		add_thread(parts, name, 1, 0);
	}
	parts__end_chunk(parts, SECOND);
	assert_int_equal(parts__thread(parts, "thread-0", PARTS_WAITED_NS, out), 1);
	assert_int_equal(parts__thread(parts, name, PARTS_WAITED_NS, out), 0);
	assert_int_equal(parts__total(parts, PARTS_WAITED_NS, out), 1);
	assert_near(out[0], 2 * PARTS_NAMES);
	parts__free(parts);
}

/* A trace of `chunks` seconds, in which threads of these names wait so many ms each second, by turns a tenth more and
 * less, for one place. */
struct made {
	struct trace *trace;
	struct parts *parts;
	struct difference_side side;
};

static uint32_t stack_of(struct trace *trace, const char *function, uint32_t line)
{
	struct trace_frame caller = {.name = "run", .file = "/srv/main.py", .line = 3},
			   frame = {.name = function, .file = "/srv/app.py", .line = line};
	uint32_t frames[2] = {(uint32_t)stacks__add_frame(trace->stacks, &frame),
			      (uint32_t)stacks__add_frame(trace->stacks, &caller)};

	return (uint32_t)stacks__add(trace->stacks, frames, 2);
}

static void add_waiting(struct made *made, const char *name, uint32_t tid, const char *function, uint32_t line,
			uint64_t ms, size_t chunks)
{
	struct trace_thread *thread = trace__add_thread(made->trace);
	struct trace_blame *blame = trace__add_blame(made->trace);
	uint64_t all = ms * MS * chunks;

	*thread = (struct trace_thread){.process = 1, .tid = tid, .gil = LOCK};
	snprintf(thread->name, sizeof(thread->name), "%s", name);
	thread->counts = (struct trace_counts){.waited_ns = all, .held_ns = all / 2, .acquisitions = chunks};
	*blame = (struct trace_blame){.process = 1, .waiter = tid, .gil = LOCK, .wait_ns = all, .waits = chunks};
	blame->stack = stack_of(made->trace, function, line);
}

static void make(struct made *made, size_t chunks, uint64_t worker_ms, const char *function, uint32_t line,
		 uint32_t tid)
{
	struct trace_process *process;
	struct trace_gil *gil;

	*made = (struct made){.trace = trace__new(), .parts = parts__new()};
	made->trace->duration_ns = chunks * SECOND;
	made->trace->stack_level = TRACE_STACKS_PYTHON;
	process = trace__add_process(made->trace);
	process->number = 1;
	process->duration_ns = chunks * SECOND;
	gil = trace__add_gil(made->trace);
	*gil = (struct trace_gil){.process = 1, .address = LOCK};
	add_waiting(made, "worker", tid, function, line, worker_ms / 2, chunks);
	add_waiting(made, "worker", tid + 1, function, line + 1, worker_ms - worker_ms / 2, chunks);
	add_waiting(made, "io", tid + 2, "other", 7, 100, chunks);
	for (size_t i = 0; i < chunks; i++) {
		uint64_t tenth = i % 2 ? 11 : 9;

		add_thread(made->parts, "worker", worker_ms * MS * tenth / 10, worker_ms * MS * tenth / 20);
		add_thread(made->parts, "io", 100 * MS * tenth / 10, 50 * MS * tenth / 10);
		parts__add_blame(made->parts, made->trace->stacks, made->trace->blame[0].stack,
				 worker_ms * MS * tenth / 10);
		parts__add_blame(made->parts, made->trace->stacks, made->trace->blame[2].stack, 100 * MS * tenth / 10);
		parts__end_chunk(made->parts, SECOND);
	}
	assert_int_equal(trace__finish(made->trace), 0);
	made->side = (struct difference_side){made->trace, made->parts};
}

static void unmake(struct made *made)
{
	trace__free(made->trace);
	parts__free(made->parts);
}

static const struct difference_overall *find_overall(const struct difference *difference, const char *key)
{
	for (size_t i = 0; i < DIFFERENCE_OVERALL; i++)
		if (!strcmp(difference->overall[i].key, key))
			return &difference->overall[i];
	fail_msg("no %s", key);
	return NULL;
}

/* Of traces of different lengths, with other tids and other lines. */
static void test_difference(void **state)
{
	struct made before, after;
	struct difference difference;
	const struct difference_overall *waiters;

	(void)state;
	make(&before, 10, 400, "f", 10, 100);
	make(&after, 20, 200, "f", 33, 200);
	assert_int_equal(difference__find((struct difference_side[]){before.side, after.side}, &difference), 0);
	assert_true(difference.judged);
	assert_int_equal(difference.thread_count, 2);
	assert_string_equal(difference.threads[0].name, "worker");
	assert_int_equal(difference.threads[0].threads[0], 2);
	assert_int_equal(difference.threads[0].threads[1], 2);
	assert_near(difference.threads[0].waited.value[0], 0.4);
	assert_near(difference.threads[0].waited.value[1], 0.2);
	assert_int_equal(difference.threads[0].waited.verdict, ESTIMATE_LESS);
	assert_near(difference__change(&difference.threads[0].waited), -0.5);
	assert_int_equal(difference.threads[0].held.verdict, ESTIMATE_LESS);
	assert_near(difference.threads[1].waited.value[1], 0.1);
	assert_int_equal(difference.threads[1].waited.verdict, ESTIMATE_NOISE);
	assert_int_equal(difference.place_count, 2);
	assert_string_equal(difference.places[0].frame->name, "f");
	assert_near(difference.places[0].waited.value[0], 0.4);
	assert_int_equal(difference.places[0].waited.verdict, ESTIMATE_LESS);
	assert_int_equal(difference.places[1].waited.verdict, ESTIMATE_NOISE);
	waiters = find_overall(&difference, "waiters");
	assert_near(waiters->figure.value[0], 0.5);
	assert_near(waiters->figure.value[1], 0.3);
	assert_int_equal(waiters->figure.verdict, ESTIMATE_LESS);
	assert_int_equal(find_overall(&difference, "acquisitions")->figure.verdict, ESTIMATE_NOISE);
	assert_false(find_overall(&difference, "wait.p99")->figure.known[0]);
	difference__clear(&difference);
	difference__clear(&difference);
	unmake(&before);
	unmake(&after);
}

/* A change that is less than what each scatters by. */
static void test_noise(void **state)
{
	struct made before, after;
	struct difference difference;

	(void)state;
	make(&before, 10, 400, "f", 10, 100);
	make(&after, 10, 410, "f", 10, 100);
	assert_int_equal(difference__find((struct difference_side[]){before.side, after.side}, &difference), 0);
	assert_int_equal(difference.threads[0].waited.verdict, ESTIMATE_NOISE);
	assert_int_equal(find_overall(&difference, "waiters")->figure.verdict, ESTIMATE_NOISE);
	difference__clear(&difference);
	unmake(&before);
	unmake(&after);
}

/* What is in one of them only was nothing in the other. */
static void test_gone_and_new(void **state)
{
	struct made before, after;
	struct difference difference;
	int gone = 0, new = 0;

	(void)state;
	make(&before, 10, 400, "f", 10, 100);
	make(&after, 10, 400, "g", 10, 100);
	assert_int_equal(difference__find((struct difference_side[]){before.side, after.side}, &difference), 0);
	assert_int_equal(difference.place_count, 3);
	for (size_t i = 0; i < difference.place_count; i++) {
		const struct difference_place *place = &difference.places[i];

		gone += !strcmp(place->frame->name, "f") && place->waited.verdict == ESTIMATE_LESS &&
			difference__change(&place->waited) == -1;
		new += !strcmp(place->frame->name, "g") &&
		       place->waited.verdict == ESTIMATE_MORE &&isinf(difference__change(&place->waited));
	}
	assert_int_equal(gone, 1);
	assert_int_equal(new, 1);
	difference__clear(&difference);
	unmake(&before);
	unmake(&after);
}

static void test_too_short(void **state)
{
	struct made before, after;
	struct difference difference;

	(void)state;
	make(&before, 3, 400, "f", 10, 100);
	make(&after, 10, 40, "f", 10, 100);
	assert_int_equal(difference__find((struct difference_side[]){before.side, after.side}, &difference), 0);
	assert_false(difference.judged);
	for (size_t i = 0; i < DIFFERENCE_OVERALL; i++)
		assert_int_equal(difference.overall[i].figure.verdict, ESTIMATE_UNKNOWN);
	assert_int_equal(difference.threads[0].waited.verdict, ESTIMATE_UNKNOWN);
	assert_near(difference__change(&difference.threads[0].waited), -0.9);
	difference__clear(&difference);
	unmake(&before);
	unmake(&after);
}

/* In the flame graph nothing vanishes: each node is as wide as in the trace where it was wider, and its children fit
 * in. */
static void test_flame(void **state)
{
	struct made before, after;
	struct flame_tree tree;
	struct trace *both = trace__new();
	int found = 0;

	(void)state;
	make(&before, 10, 400, "f", 10, 100);
	make(&after, 20, 200, "g", 10, 100);
	assert_int_equal(flame_tree__fold_two(before.trace, after.trace, FLAME_BLAME, both, &tree), 0);
	assert_int_equal(tree.nodes[0].sides[0], 500 * MS);
	assert_int_equal(tree.nodes[0].sides[1], 300 * MS);
	assert_int_equal(tree.nodes[0].total.ns, 700 * MS);
	for (uint32_t i = 1; i < tree.count; i++) {
		const struct flame_node *node = &tree.nodes[i];
		uint64_t children = 0;

		assert_true(node->total.ns >= node->sides[0] && node->total.ns >= node->sides[1]);
		for (uint32_t child = i + 1; child < node->end; child++)
			if (tree.nodes[child].parent == i)
				children += tree.nodes[child].total.ns;
		assert_true(children <= node->total.ns);
		found += !strcmp(node->name, "f") && node->level == FLAME_FRAME && node->sides[0] == 400 * MS &&
			 !node->sides[1];
		found += !strcmp(node->name, "g") && node->level == FLAME_FRAME && !node->sides[0] &&
			 node->sides[1] == 200 * MS;
		found += !strcmp(node->name, "other") && node->level == FLAME_FRAME && node->sides[0] == 100 * MS &&
			 node->sides[1] == 100 * MS;
	}
	assert_int_equal(found, 3);
	flame_tree__free(&tree);
	trace__free(both);
	unmake(&before);
	unmake(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ratio),          cmocka_unit_test(test_ratio_of_unequal_parts),
		cmocka_unit_test(test_student),        cmocka_unit_test(test_compare),
		cmocka_unit_test(test_compare_exact),  cmocka_unit_test(test_percentile),
		cmocka_unit_test(test_times_by_parts), cmocka_unit_test(test_percentiles_that_touch),
		cmocka_unit_test(test_parts),          cmocka_unit_test(test_parts_are_in_order),
		cmocka_unit_test(test_short_end),      cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_difference),     cmocka_unit_test(test_noise),
		cmocka_unit_test(test_gone_and_new),   cmocka_unit_test(test_too_short),
		cmocka_unit_test(test_flame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
