/* SPDX-License-Identifier: MIT */
/*
 * Whole runs under every design: what a program computes, how a wrong one ends, and that no object is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tools/toygil/design.h"
#include "tools/toygil/programs.h"

#define MAIN(body) "function main\n" body "end\n"

static struct outcome run_with(const struct settings *settings, const char *text, size_t length)
{
	char error[PROGRAM_ERROR_SIZE] = "";
	struct program *program = program__assemble("f.toy", text, length, error);
	struct outcome outcome;

	assert_string_equal(error, "");
	runtime__run(program, settings, &outcome);
	program__free(program);
	return outcome;
}

static struct outcome run(const struct design *design, const char *text)
{
	struct settings settings;

	settings__init(&settings);
	settings.design = design;
	settings.quiet = true;
	return run_with(&settings, text, strlen(text));
}

/* The result under each design, and nothing left. */
static void gives(const char *text, const char *expected)
{
	for (size_t i = 0; designs[i]; i++) {
		struct outcome outcome = run(designs[i], text);

		assert_string_equal(outcome.error, "");
		assert_string_equal(outcome.result, expected);
		assert_int_equal(outcome.left, 0);
	}
}

static void fails(const char *text, const char *expected)
{
	for (size_t i = 0; designs[i]; i++) {
		struct outcome outcome = run(designs[i], text);

		assert_true(outcome.failed);
		assert_string_equal(outcome.error, expected);
		assert_int_equal(outcome.left, 0);
	}
}

static void arithmetic(void **state)
{
	(void)state;
	gives(MAIN("constant 7\nconstant 2\nsubtract\nreturn\n"), "5");
	gives(MAIN("constant -7\nconstant 2\ndivide\nreturn\n"), "-4"); /* rounds down, as Python */
	gives(MAIN("constant -7\nconstant 2\nremainder\nreturn\n"), "1");
	gives(MAIN("constant \"a\"\nconstant \"b\\n\"\nadd\nreturn\n"), "\"ab\\x0a\"");
	gives(MAIN("constant 1000\nconstant 1000\nmultiply\nnative root\nreturn\n"), "1000");
	gives(MAIN("constant 1\nconstant 1\nequal\nnot\nreturn\n"), "false");
	fails(MAIN("constant 1\nconstant 0\ndivide\nreturn\n"), "f.toy:4: divide: division by zero");
	fails(MAIN("constant 9223372036854775807\nduplicate\nadd\nreturn\n"), "f.toy:4: add: integer overflow");
	fails(MAIN("constant 1\nconstant none\nadd\nreturn\n"),
	      "f.toy:4: add: expects two integers or two strings, got integer and none");
}

static void containers(void **state)
{
	(void)state;
	gives(MAIN("constant 1\nconstant \"x\"\nlist 2\nduplicate\nduplicate\nextend\nreturn\n"),
	      "[1, \"x\", 1, \"x\"]");
	gives(MAIN("dict\nstore d\nload d\nconstant \"k\"\nconstant 1000\nset-item\n"
		   "load d\nconstant \"k\"\nconstant 2000\nset-item\nload d\nreturn\n"),
	      "{\"k\": 2000}");
	gives(MAIN("dict\nconstant 1\nhas\nreturn\n"), "false");
	fails(MAIN("list 0\ntake-last\nreturn\n"), "f.toy:3: take-last: the list is empty");
	fails(MAIN("list 0\nconstant 0\nitem\nreturn\n"), "f.toy:4: item: the list has no item 0");
	fails(MAIN("dict\nlist 0\nhas\nreturn\n"), "f.toy:4: has: a list cannot be a key");
	fails(MAIN("load x\nreturn\n"), "f.toy:2: load: the local has not been stored");
	fails(MAIN("get x\nreturn\n"), "f.toy:2: get: the global has not been set");
	fails(MAIN("constant 3\njump-if a\na:\nconstant 1\nreturn\n"),
	      "f.toy:3: jump-if: expects a boolean, got integer");
}

static void calls(void **state)
{
	(void)state;
	gives(MAIN("constant @twice\nconstant 300\ncall 1\nreturn\n") "function twice x\nload x\nload "
								      "x\nadd\nreturn\nend\n",
	      "600");
	fails(MAIN("constant @main\ncall 0\nreturn\n"), "f.toy:3: call: more than 1000 nested calls");
	fails(MAIN("constant @main\nconstant 1\ncall 1\nreturn\n"),
	      "f.toy:4: call: function 'main' takes 0 arguments, got 1");
	fails(MAIN("constant 1\ncall 0\nreturn\n"), "f.toy:3: call: expects a function, got integer");
}

static void threads(void **state)
{
	(void)state;
	gives(MAIN("constant @answer\nconstant 1000\nspawn 1\njoin\nreturn\n") "function answer x\nload "
									       "x\nreturn\nend\n",
	      "1000");
	fails(MAIN("constant 5\njoin\nreturn\n"), "f.toy:3: join: there is no thread 5");
	fails(MAIN("constant 1\nconstant @w\nspawn 0\njoin\npop\njoin\nreturn\n") "function w\nconstant "
										  "none\nreturn\nend\n",
	      "f.toy:7: join: thread 1 has been joined before");
	/* An error of one thread ends the others, whatever they wait for. */
	fails(MAIN("constant @w\nspawn 0\npop\nconstant 60000000\nnative sleep\nreturn\n") "function w\nconstant "
											   "none\nduplicate\nadd\nretur"
											   "n\nend\n",
	      "f.toy:12: add: expects two integers or two strings, got none and none");
	fails(MAIN("constant @w\nspawn 0\npop\nconstant 1\nnative fetch\nreturn\n") "function w\nconstant "
										    "none\nduplicate\nadd\nreturn\nend"
										    "\n",
	      "f.toy:12: add: expects two integers or two strings, got none and none");
}

static void a_deep_list_dies_without_recursion(void **state)
{
	(void)state;
	gives("function main\nlist 0\nstore l\nconstant 0\nstore i\n"
	      "more:\nload i\nconstant 300000\nless\njump-unless over\n"
	      "load l\nlist 1\nstore l\nload i\nconstant 1\nadd\nstore i\njump more\n"
	      "over:\nload i\nreturn\nend\n",
	      "300000");
}

static void a_cycle_is_reported_as_left(void **state)
{
	struct outcome outcome = run(&design_interval, MAIN("list 0\nduplicate\nduplicate\nappend\nreturn\n"));

	(void)state;
	assert_int_equal(outcome.left, 1);
}

static void interpreters_share_nothing(void **state)
{
	static const char text[] = MAIN("native interpreter\nset mine\nget mine\nconstant 1000\nadd\nreturn\n");
	struct settings settings;
	struct outcome outcome;

	(void)state;
	settings__init(&settings);
	settings.design = &design_per_interpreter;
	settings.interpreters = 2;
	outcome = run_with(&settings, text, strlen(text));
	assert_string_equal(outcome.result, "[1000, 1001]"); /* each its own global, and the result crossed as a copy */
	assert_int_equal(outcome.left, 0);
}

static void values_cross_as_copies(void **state)
{
	(void)state;
	gives(MAIN("constant 1000\nconstant \"s\"\nlist 2\nstore l\nconstant 3\nload l\nnative post\npop\n"
		   "constant 3\nnative fetch\nstore copy\nload copy\nconstant 9\nappend\nload l\nload copy\nlist "
		   "2\nreturn\n"),
	      "[[1000, \"s\"], [1000, \"s\", 9]]");
}

/* Under a lock, or object locks, every append arrives and every object is freed. */
static void shared_containers_are_safe(void **state)
{
	struct shipped_program shipped;
	struct settings settings;

	(void)state;
	settings__init(&settings);
	settings.threads = 4;
	settings.rounds = 5;
	assert_true(programs__find("containers", &shipped));
	for (size_t i = 0; designs[i] && designs[i] != &design_none; i++) {
		for (int bias = 1; bias >= 0; bias--) {
			struct outcome outcome;

			settings.design = designs[i];
			settings.bias = bias;
			outcome = run_with(&settings, shipped.text, shipped.length);
			assert_string_equal(outcome.result, "20000");
			assert_int_equal(outcome.left, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arithmetic),
		cmocka_unit_test(containers),
		cmocka_unit_test(calls),
		cmocka_unit_test(threads),
		cmocka_unit_test(a_deep_list_dies_without_recursion),
		cmocka_unit_test(a_cycle_is_reported_as_left),
		cmocka_unit_test(interpreters_share_nothing),
		cmocka_unit_test(values_cross_as_copies),
		cmocka_unit_test(shared_containers_are_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
