/* SPDX-License-Identifier: MIT */
/* The log-linear histogram and the distributions made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/histogram.h"
#include "user/trace/distribution.h"

/* Every value must fall into the bucket whose bounds contain it: else percentiles name times that never were. */
static void test_bounds_contain_value(void **state)
{
	uint64_t low, high;

	(void)state;
	for (int bit = 0; bit < 40; bit++) {
		for (int64_t offset = -3; offset <= 3; offset++) {
			for (uint64_t step = 0; step < 16; step++) {
				uint64_t value = (1ULL << bit) + step * ((1ULL << bit) / 16) + (uint64_t)offset;

				if ((int64_t)value < 0)
					continue;
				distribution__bounds(histogram_bucket(value), &low, &high);
				assert_true(low <= value);
				assert_true(value < high);
			}
		}
	}
}

/* Buckets must tile the range without a gap or an overlap, none wider than the stated error allows. */
static void test_buckets_tile(void **state)
{
	uint64_t low, high, previous = 0;

	(void)state;
	for (uint32_t i = 0; i < HISTOGRAM_OVERFLOW; i++) {
		distribution__bounds(i, &low, &high);
		assert_int_equal(low, previous);
		assert_int_equal(histogram_bucket(low), i);
		assert_int_equal(histogram_bucket(high - 1), i);
		if (low >= 256)
			assert_true((double)(high - low) / 2 / (double)low * 100 <= DISTRIBUTION_ERROR_PCT);
		previous = high;
	}
	assert_int_equal(previous, 1ULL << 36);
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_OVERFLOW);
}

static void test_highest_bit(void **state)
{
	(void)state;
	for (uint32_t bit = 0; bit < 64; bit++) {
		assert_int_equal(histogram_highest_bit(1ULL << bit), bit);
		assert_int_equal(histogram_highest_bit((1ULL << bit) | ((1ULL << bit) - 1)), bit);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

/* Percentiles against a sort of the same values. */
static void test_percentiles(void **state)
{
	static uint64_t values[10000];
	struct histogram *histogram = calloc(1, sizeof(*histogram));
	struct distribution distribution = {0};
	const double percents[] = {1, 50, 90, 99, 99.9, 100};
	uint64_t sum = 0;

	(void)state;
	srand(7);
	for (size_t i = 0; i < 10000; i++) {
		values[i] = 300 + (uint64_t)rand() % (1ULL << (10 + rand() % 20));
		sum += values[i];
		histogram_add(histogram, values[i]);
	}
	qsort(values, 10000, sizeof(*values), compare);
	assert_int_equal(distribution__add_histogram(&distribution, histogram), 0);
	assert_int_equal(distribution.count, 10000);
	assert_int_equal(distribution.sum_ns, sum);
	assert_int_equal(distribution.min_ns, values[0]);
	assert_int_equal(distribution.max_ns, values[9999]);
	for (size_t i = 0; i < sizeof(percents) / sizeof(*percents); i++) {
		size_t rank = (size_t)(10000 * percents[i] / 100 + 0.999999) - 1;
		double truth = (double)values[rank];
		double got = (double)distribution__percentile(&distribution, percents[i]);

		assert_true(got >= truth * (1 - DISTRIBUTION_ERROR_PCT / 100) &&
			    got <= truth * (1 + DISTRIBUTION_ERROR_PCT / 100));
	}
	distribution__clear(&distribution);
	free(histogram);
}

/* Merging must be addition, whichever way round. */
static void test_merge(void **state)
{
	struct histogram *parts[3], *whole = calloc(1, sizeof(*whole));
	struct distribution merged = {0}, direct = {0};

	(void)state;
	srand(11);
	for (int i = 0; i < 3; i++)
		parts[i] = calloc(1, sizeof(*whole));
	for (int i = 0; i < 5000; i++) {
		uint64_t value = (uint64_t)rand() % (1ULL << (4 + rand() % 34));

		histogram_add(parts[i % 3], value);
		histogram_add(whole, value);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(distribution__add_histogram(&merged, parts[i]), 0);
		free(parts[i]);
	}
	assert_int_equal(distribution__add_histogram(&direct, whole), 0);
	assert_int_equal(merged.count, direct.count);
	assert_int_equal(merged.sum_ns, direct.sum_ns);
	assert_int_equal(merged.min_ns, direct.min_ns);
	assert_int_equal(merged.max_ns, direct.max_ns);
	assert_int_equal(merged.bucket_count, direct.bucket_count);
	for (size_t i = 0; i < direct.bucket_count; i++) {
		assert_int_equal(merged.buckets[i].index, direct.buckets[i].index);
		assert_int_equal(merged.buckets[i].count, direct.buckets[i].count);
	}
	distribution__clear(&merged);
	distribution__clear(&direct);
	free(whole);
}

static void test_empty_and_extreme(void **state)
{
	struct histogram *histogram = calloc(1, sizeof(*histogram));
	struct distribution distribution = {0};

	(void)state;
	assert_int_equal(distribution__add_histogram(&distribution, histogram), 0);
	assert_int_equal(distribution__percentile(&distribution, 50), 0);
	histogram_add(histogram, 0);
	histogram_add(histogram, UINT64_MAX / 4);
	assert_int_equal(distribution__add_histogram(&distribution, histogram), 0);
	assert_int_equal(distribution__percentile(&distribution, 50), 4); /* the middle of the first bucket */
	assert_int_equal(distribution__percentile(&distribution, 100), UINT64_MAX / 4);
	distribution__clear(&distribution);
	free(histogram);
}

static void test_attempts(void **state)
{
	(void)state;
	assert_int_equal(attempts_bucket(0), 0);
	assert_int_equal(attempts_bucket(15), 15);
	assert_int_equal(attempts_bucket(16), 16);
	assert_int_equal(attempts_bucket(31), 16);
	assert_int_equal(attempts_bucket(32), 17);
	assert_int_equal(attempts_bucket(UINT32_MAX), ATTEMPTS_BUCKETS - 1);
}

static void test_scale(void **state)
{
	struct histogram *histogram = calloc(1, sizeof(*histogram));
	struct distribution distribution = {0};

	(void)state;
	histogram_add_weighted(histogram, 1000, 10);
	histogram_add_weighted(histogram, 5000, 3);
	assert_int_equal(histogram->count, 13);
	assert_int_equal(histogram->sum_ns, 25000);
	assert_int_equal(distribution__add_histogram(&distribution, histogram), 0);
	distribution__scale(&distribution, 1.25);
	assert_int_equal(distribution.count, 13 + 4); /* 12.5 and 3.75 */
	assert_int_equal(distribution.sum_ns, 31250);
	assert_int_equal(distribution.min_ns, 1000);
	assert_int_equal(distribution.max_ns, 5000);
	distribution__clear(&distribution);
	free(histogram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scale),
		cmocka_unit_test(test_bounds_contain_value),
		cmocka_unit_test(test_buckets_tile),
		cmocka_unit_test(test_highest_bit),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_empty_and_extreme),
		cmocka_unit_test(test_attempts),
	};

	return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
