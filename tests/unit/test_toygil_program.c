/* SPDX-License-Identifier: MIT */
/*
 * Toy programs that are none: each must be refused with one line that has the file, the line and the reason. A program
 * that got past this could run the machine, which checks none of it again, off its stack.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/toygil/program.h"
#include "tools/toygil/programs.h"

static void refused(const char *text, const char *expected)
{
	char error[PROGRAM_ERROR_SIZE] = "";
	struct program *program = program__assemble("f.toy", text, strlen(text), error);

	assert_null(program);
	assert_string_equal(error, expected);
}

static struct program *accepted(const char *text)
{
	char error[PROGRAM_ERROR_SIZE] = "";
	struct program *program = program__assemble("f.toy", text, strlen(text), error);

	assert_string_equal(error, "");
	assert_non_null(program);
	return program;
}

#define MAIN(body) "function main\n" body "end\n"

static void names_are_checked(void **state)
{
	(void)state;
	refused("", "f.toy:1: no function 'main' to begin with");
	refused(MAIN("fly\n"), "f.toy:2: unknown instruction 'fly'");
	refused(MAIN("native fly\n"), "f.toy:2: unknown native 'fly'");
	refused(MAIN("constant @fly\nreturn\n"), "f.toy:2: no function 'fly'");
	refused(MAIN("jump away\n"), "f.toy:2: no label 'away' in function 'main' to jump to");
	refused(MAIN("a:\na:\n"), "f.toy:3: label 'a' is already set in function 'main'");
	refused(MAIN("constant 1\nreturn\n") MAIN("constant 1\nreturn\n"),
		"f.toy:5: function 'main' is already defined on line 1");
	refused("function main x\nload x\nreturn\nend\n", "f.toy:1: main takes no arguments");
	refused("function main\nconstant 1\nreturn\n", "f.toy:4: function 'main' has no end");
	refused("pop\n", "f.toy:1: an instruction outside of a function: 'pop'");
	refused("end\n", "f.toy:1: an end without a function");
}

static void operands_are_checked(void **state)
{
	(void)state;
	refused(MAIN("constant\n"), "f.toy:2: a value is missing");
	refused(MAIN("constant 99999999999999999999\n"),
		"f.toy:2: an integer of more than 64 bits: '99999999999999999999'");
	refused(MAIN("constant 12x\n"), "f.toy:2: no integer: '12x'");
	refused(MAIN("constant \"abc\n"), "f.toy:2: a string that does not end");
	refused(MAIN("constant \"\\q\"\n"), "f.toy:2: an escape that is none of \\n \\t \\\" \\\\ \\xNN");
	refused(MAIN("call 65\n"), "f.toy:2: a count between 0 and 64 expected, got 65");
	refused(MAIN("call -1\n"), "f.toy:2: a count between 0 and 64 expected, got -1");
	refused(MAIN("pop 1\n"), "f.toy:2: something follows where the line should end: '1'");
	refused("\x01\n", "f.toy:1: an instruction, a label or a directive expected, found \\x01");
}

static void the_stack_is_proved(void **state)
{
	(void)state;
	refused(MAIN("pop\n"), "f.toy:2: stack underflow: pop takes 1, the stack has 0");
	refused(MAIN("constant 1\nadd\nreturn\n"), "f.toy:3: stack underflow: add takes 2, the stack has 1");
	refused(MAIN("constant 1\ncall 1\nreturn\n"), "f.toy:3: stack underflow: call takes 2, the stack has 1");
	refused(MAIN("constant 1\nnative post\nreturn\n"), "f.toy:3: stack underflow: native takes 2, the stack has 1");
	refused(MAIN(""), "f.toy:1: function 'main' is empty: it needs a return");
	refused(MAIN("constant 1\n"), "f.toy:2: function 'main' runs past its end: it needs a return");
	refused(MAIN("constant true\njump-if over\nconstant 1\nreturn\nover:\n"),
		"f.toy:3: function 'main' runs past its end: it needs a return");
	/* A loop that pushes at each turn has no depth. */
	refused(MAIN("again:\nconstant 1\njump again\n"),
		"f.toy:4: line 3 is reached with 0 values on the stack, and with 1");
}

static void the_depth_is_the_greatest_of_all_paths(void **state)
{
	struct program *program = accepted(MAIN("constant true\njump-if deep\nconstant 1\nreturn\n"
						"deep:\nconstant 1\nconstant 2\nconstant 3\nlist 3\nreturn\n"));

	(void)state;
	assert_int_equal(program->codes[program->entry].stack, 3);
	program__free(program);
}

static void backward_jumps_are_negative(void **state)
{
	struct program *program = accepted(MAIN("again:\nconstant true\njump-if again\nconstant 1\nreturn\n"));

	(void)state;
	/* The machine looks at its eval breaker where a jump's operand is below 0. */
	assert_int_equal(program->codes[program->entry].instructions[1].operand, -2);
	program__free(program);
}

static void what_ships_is_accepted(void **state)
{
	struct shipped_program shipped;
	char error[PROGRAM_ERROR_SIZE];
	size_t count = 0;

	(void)state;
	for (; (shipped = programs__at(count)).name; count++) {
		struct program *program = program__assemble(shipped.name, shipped.text, shipped.length, error);

		assert_non_null(program);
		assert_true(program->rounds || program->duration_ns); /* else it would end at once, or never */
		program__free(program);
	}
	assert_int_equal(count, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_checked),           cmocka_unit_test(operands_are_checked),
		cmocka_unit_test(the_stack_is_proved),         cmocka_unit_test(the_depth_is_the_greatest_of_all_paths),
		cmocka_unit_test(backward_jumps_are_negative), cmocka_unit_test(what_ships_is_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
