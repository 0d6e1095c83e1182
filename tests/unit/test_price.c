/* SPDX-License-Identifier: MIT */
/* What a hit costs where the probes' program takes this long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/capture/price.h"

static const struct price price = {.hit_ns = 1000, .program_ns = 200, .cold_hit_ns = 2000, .cold_program_ns = 400};

static void test_between_both(void **state)
{
	(void)state;
	assert_float_equal(price__where(&price, 200), 1000, 1e-6);
	assert_float_equal(price__where(&price, 250), 1250, 1e-6);
	assert_float_equal(price__where(&price, 400), 2000, 1e-6);
}

/* The machine is faster than it was when the price was measured. */
static void test_faster(void **state)
{
	(void)state;
	assert_float_equal(price__where(&price, 100), 500, 1e-6);
}

/* A program that does more, as at a contended wait: its trap is no dearer for that. */
static void test_more_to_do(void **state)
{
	(void)state;
	assert_float_equal(price__where(&price, 1400), 3000, 1e-6);
}

/* Noise may make the second measurement the cheaper one: no price falls for it. */
static void test_cold_is_no_slower(void **state)
{
	struct price odd = price;

	(void)state;
	odd.cold_program_ns = 150;
	odd.cold_hit_ns = 900;
	assert_float_equal(price__where(&odd, 200), 1000, 1e-6);
	assert_float_equal(price__where(&odd, 300), 1150, 1e-6);
	odd.cold_program_ns = 200;
	assert_float_equal(price__where(&odd, 200), 1000, 1e-6);
}

static void test_unknown(void **state)
{
	struct price unknown = price;

	(void)state;
	assert_float_equal(price__where(&price, 0), 1000, 1e-6);
	unknown.program_ns = unknown.cold_program_ns = 0; /* the kernel keeps no account */
	assert_float_equal(price__where(&unknown, 300), 1000, 1e-6);
	unknown.hit_ns = -1;
	assert_true(price__where(&unknown, 300) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_between_both), cmocka_unit_test(test_faster),
		cmocka_unit_test(test_more_to_do),   cmocka_unit_test(test_cold_is_no_slower),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
