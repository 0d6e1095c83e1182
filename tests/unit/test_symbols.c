/* SPDX-License-Identifier: MIT */
/* Raw stacks into named ones: the merge of both kinds, symbols of files as they are and crafted, what is remembered. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka.h needs the ones above */
#include <cmocka.h>

#include "user/symbols/cache.h"
#include "user/symbols/function_table.h"
#include "user/symbols/merge.h"
#include "user/symbols/native.h"
#include "user/symbols/symbols.h"
#include "user/symbols/system_calls.h"
#include "user/target/cpython.h"
#include "user/target/plan.h"
#include "user/target/runtime.h"
#include "user/trace/stacks.h"
#include "user/trace/trace.h"

/* ---- merge ---- */

/*
 * Stacks as text, the leaf first: native frames are f (a function), E (an evaluation), ? (nowhere); Python frames are
 * p, and e where C code called it. The result has n and p, with the index of each.
 */
static void check_merge(const char *native, const char *python, bool cut, const char *expected)
{
	enum native_role roles[16];
	bool entries[16];
	struct merged_frame out[32];
	char text[128] = "";
	size_t count;

	for (size_t i = 0; native[i]; i++)
		roles[i] = native[i] == 'E' ? NATIVE_EVALUATION : native[i] == '?' ? NATIVE_NOWHERE : NATIVE_FUNCTION;
	for (size_t i = 0; python[i]; i++)
		entries[i] = python[i] == 'e';
	count = merge__frames(roles, strlen(native), entries, strlen(python), cut, out);
	for (size_t i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%c%u", i ? " " : "",
			 out[i].native ? 'n' : 'p', out[i].index);
	assert_string_equal(text, expected);
}

static void test_merge(void **state)
{
	(void)state;
	/* One kind alone. */
	check_merge("", "", false, "");
	check_merge("", "ppe", false, "p0 p1 p2");
	check_merge("ff", "", false, "n0 n1");
	check_merge("fEf", "", false, "n0 n1 n2"); /* nothing takes its place */
	/* Both fit: C between two evaluations, and what is around them. */
	check_merge("fEf", "ppe", false, "n0 p0 p1 p2 n2");
	check_merge("ffEfEff", "pepe", false, "n0 n1 p0 p1 n3 p2 p3 n5 n6");
	check_merge("EEE", "eee", false, "p0 p1 p2");
	check_merge("E", "e", false, "p0");
	/* The native stack is not as deep: 64 frames at most, or it was lost. */
	check_merge("fE", "epe", false, "n0 p0 p1 p2");
	check_merge("fEfE?f", "epeppe", false, "n0 p0 n2 p1 p2 p3 p4 p5");
	/* It is not known which frames C code called (3.11). */
	check_merge("fEfEf", "pppp", false, "n0 p0 p1 p2 p3 n2 n4");
	/* Without frame pointers: the leaf, then nothing that is true. */
	check_merge("fff", "ppe", false, "n0 p0 p1 p2");
	check_merge("f?f", "pe", false, "n0 p0 p1");
	check_merge("??E", "pe", false, "n0 p0 p1");
	check_merge("?", "", false, "n0");
	check_merge("f?f", "", false, "n0");
	/* More evaluations than Python has: wrong below the first. */
	check_merge("ffEEf", "pe", false, "n0 n1 p0 p1");
	check_merge("EfE", "pe", false, "p0 p1");
	/* ... unless it was not followed to its end. */
	check_merge("fEfEf", "pep", true, "n0 p0 p1 n2 p2 n4");
	check_merge("fEfEfEf", "e", true, "n0 p0 n2 n4 n6");
}

/* ---- cache ---- */

static void test_cache(void **state)
{
	struct cache cache = {0};
	uint64_t value;

	(void)state;
	assert_false(cache__get(&cache, 1, 2, &value));
	for (uint64_t i = 0; i < CACHE_MOST; i++)
		cache__put(&cache, i << 4, i % 7, i);
	assert_int_equal(cache.used, CACHE_MOST);
	for (uint64_t i = 0; i < CACHE_MOST; i++) {
		assert_true(cache__get(&cache, i << 4, i % 7, &value));
		assert_int_equal(value, i);
		assert_false(cache__get(&cache, i << 4, i % 7 + 7, &value));
	}
	cache__put(&cache, 16, 1, 99); /* full: it is emptied first */
	assert_int_equal(cache.used, 1);
	assert_false(cache__get(&cache, 0, 0, &value));
	assert_true(cache__get(&cache, 16, 1, &value));
	assert_int_equal(value, 99);
	cache__put(&cache, 16, 1, 100);
	assert_int_equal(cache.used, 1);
	cache__clear(&cache);
	assert_false(cache__get(&cache, 16, 1, &value));
}

/* ---- system calls ---- */

static void test_system_calls(void **state)
{
	(void)state;
	assert_string_equal(system_call__name(0), "read");
	assert_string_equal(system_call__name(202), "futex");
	assert_string_equal(system_call__name(230), "clock_nanosleep");
	assert_string_equal(system_call__name(257), "openat");
	assert_null(system_call__name(-1));
	assert_null(system_call__name(335)); /* a gap in the numbers */
	assert_null(system_call__name(INT32_MAX));
}

/* ---- symbols of files ---- */

/* In this program, for the tests below. They call a function that returns where it returns to. */
__attribute__((noinline)) static uint64_t return_address(void)
{
	return (uint64_t)(uintptr_t)__builtin_return_address(0);
}

__attribute__((noinline)) static uint64_t outer_function_of_the_test(void)
{
	uint64_t address = return_address();

	return address + (getpid() < 0);
}

__attribute__((noinline)) static uint64_t PyEval_EvalFrameEx(void)
{
	uint64_t address = return_address();

	return address + (getppid() < 0);
}

static void test_own_functions(void **state)
{
	struct native_files *files = native_files__new();
	struct native_maps maps = {0};
	struct process *process;
	struct native_name name;
	uint64_t function = (uint64_t)(uintptr_t)outer_function_of_the_test;

	(void)state;
	assert_non_null(files);
	assert_int_equal(process__open(getpid(), &process), 0);
	assert_true(native__name(files, &maps, process, function, &name));
	assert_string_equal(name.name, "outer_function_of_the_test");
	assert_non_null(strstr(name.file, "test_symbols"));
	assert_true(native__name(files, &maps, process, function + 1, &name));
	assert_string_equal(name.name, "outer_function_of_the_test");
	assert_true(native__name(files, &maps, process, (uint64_t)(uintptr_t)PyEval_EvalFrameEx, &name));
	assert_string_equal(name.name, "PyEval_EvalFrameEx"); /* static: of .symtab */
	assert_true(native__name(files, &maps, process, (uint64_t)(uintptr_t)getenv, &name));
	assert_string_equal(name.name, "getenv"); /* libc has .dynsym alone, or with all aliases */
	assert_false(native__name(files, &maps, process, 0, &name));
	assert_false(native__name(files, &maps, process, UINT64_MAX, &name));
	assert_false(native__name(files, &maps, process, (uint64_t)(uintptr_t)&name, &name)); /* no code */
	process__close(process);
	/* It is gone: what was read of it is used. */
	assert_true(native__name(files, &maps, NULL, function, &name));
	assert_string_equal(name.name, "outer_function_of_the_test");
	native_maps__clear(&maps);
	assert_false(native__name(files, &maps, NULL, function, &name));
	native_files__free(files);
}

/* A library that is mapped later is found, though not before a second has passed since the last look. */
static void test_new_mapping(void **state)
{
	struct native_files *files = native_files__new();
	struct native_maps maps = {0};
	struct process *process;
	struct native_name name;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	void *mapped;

	(void)state;
	assert_int_equal(process__open(getpid(), &process), 0);
	assert_false(native__name(files, &maps, process, 0, &name));
	mapped = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_true(mapped != MAP_FAILED);
	assert_false(native__name(files, &maps, process, (uint64_t)(uintptr_t)mapped, &name));
	usleep(1100000);
	assert_true(native__name(files, &maps, process, (uint64_t)(uintptr_t)mapped + 8, &name));
	assert_string_equal(name.name, "test_symbols+0x8"); /* a part of the file that is no code: its place in it */
	munmap(mapped, 4096);
	close(fd);
	process__close(process);
	native_maps__clear(&maps);
	native_files__free(files);
}

/* Builds a library; returns it opened. */
static int compile(const char *flags)
{
	static const char source[] = "__attribute__((noinline)) int inner(int x) { return x + 1; }"
				     "static __attribute__((noinline)) int hidden(int x) { return inner(x) * 2; }"
				     "int exported(int x) { return hidden(x) + 3; }";
	char command[512];
	int fd;

	snprintf(command, sizeof(command),
		 "echo '%s' | cc -xc -O0 -shared -fPIC %s -o /tmp/test-symbols-%d.so - 2>/dev/null", source, flags,
		 (int)getpid());
	if (system(command))
		skip();
	snprintf(command, sizeof(command), "/tmp/test-symbols-%d.so", (int)getpid());
	fd = open(command, O_RDONLY | O_CLOEXEC);
	unlink(command);
	assert_true(fd >= 0);
	return fd;
}

static uint64_t address_of(struct function_table *table, const char *name)
{
	uint64_t start;

	for (uint64_t address = 0; address < 65536; address++) {
		const char *found = function_table__find(table, address, &start);

		if (found && !strcmp(found, name))
			return address;
	}
	fail_msg("no %s", name);
	return 0;
}

static void test_stripped(void **state)
{
	struct function_table *table, *stripped;
	uint64_t hidden, exported, start;

	(void)state;
	assert_int_equal(function_table__open(compile(""), &table), 0);
	hidden = address_of(table, "hidden");
	exported = address_of(table, "exported");
	function_table__free(table);
	assert_int_equal(function_table__open(compile("-s"), &stripped), 0);
	assert_string_equal(function_table__find(stripped, exported + 1, &start), "exported");
	assert_int_equal(start, exported);
	assert_null(function_table__find(stripped, hidden + 5, &start));
	assert_int_equal(start, hidden); /* by .eh_frame: all of one function is one name */
	assert_null(function_table__find(stripped, 0, &start));
	assert_int_equal(start, 0);
	function_table__free(stripped);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Files with any bytes changed: refused, or read with what is left. `make asan` sees what is read beyond. */
static void test_crafted(void **state)
{
	static unsigned char bytes[65536], copy[65536];
	uint64_t random = 0x9e3779b97f4a7c15;
	int fd = compile(""), read_well = 0;
	ssize_t size = read(fd, bytes, sizeof(bytes));

	(void)state;
	close(fd);
	assert_in_range(size, 1000, sizeof(bytes) - 1);
	for (int i = 0; i < 2000; i++) {
		struct function_table *table;
		int crafted = memfd_create("crafted", MFD_CLOEXEC);
		uint64_t start;

		memcpy(copy, bytes, (size_t)size);
		for (uint64_t left = 1 + next_random(&random) % 32; left; left--) {
			/* Half of them in the headers and at the end, where the section headers are. */
			uint64_t at = next_random(&random) % (uint64_t)size;

			if (left % 2)
				at = left % 4 == 1 ? at % 4096 : (uint64_t)size - 1 - at % 2048;
			copy[at] = (unsigned char)next_random(&random);
		}
		assert_int_equal(write(crafted, copy, (size_t)size), size);
		if (function_table__open(crafted, &table))
			continue;
		read_well++;
		for (uint64_t address = 0; address < 0x5000; address += 0x101) {
			const char *name = function_table__find(table, address, &start);

			if (name)
				assert_true(strlen(name) <= (size_t)size);
		}
		function_table__find(table, UINT64_MAX, &start);
		function_table__free(table);
	}
	assert_true(read_well > 100);
}

/* ---- whole stacks ---- */

static int asked; /* times that the runtime was asked */

/* Frames of this runtime: function number `code`, at line `instruction`; those above 1000 are gone. */
static int name_frame(const struct process *process, const struct probe_plan *plan, const struct raw_frame *frame,
		      struct frame_text *out)
{
	(void)process;
	(void)plan;
	asked++;
	if (frame->code > 1000)
		return frame->code % 2 ? -ESTALE : -EFAULT;
	snprintf(out->name, sizeof(out->name), "function%d", (int)frame->code);
	snprintf(out->file, sizeof(out->file), "%s", frame->code == 9 ? "" : "file.py");
	out->line = frame->instruction & INSTRUCTION_MASK;
	return 0;
}

static const struct runtime_adapter adapter = {
	.name = "test", .name_frame = name_frame, .evaluates = cpython__evaluates};

/* The stack in words, the leaf first. */
static const char *as_text(struct stacks *stacks, int64_t stack)
{
	static char text[8192];
	size_t count;
	const uint32_t *frames;

	assert_true(stack >= 0);
	frames = stacks__frames(stacks, (uint32_t)stack, &count);
	*text = '\0';
	for (size_t i = 0; i < count; i++) {
		const struct trace_frame *frame = stacks__frame(stacks, frames[i]);

		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%c:%s", i ? " " : "", "pnk!"[frame->kind],
			 frame -> name);
		if (frame->line)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), ":%u", frame->line);
	}
	return text;
}

struct fixture {
	struct stacks *stacks;
	struct symbols *symbols;
	struct process *process;
	struct trace_stack_quality quality;
	struct probe_plan plan;
	struct raw_stack raw;
};

static int open_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture || process__open(getpid(), &fixture->process))
		return -1;
	fixture->stacks = stacks__new();
	fixture->symbols = symbols__new(fixture->stacks, &fixture->quality);
	fixture->plan.adapter = &adapter;
	fixture->plan.cpython.version = 0x0207;
	fixture->plan.frames.instruction_form = INSTRUCTION_IN_CODE;
	fixture->raw = (struct raw_stack){.id = 1, .tgid = (uint32_t)getpid(), .syscall = -1};
	asked = 0;
	*state = fixture;
	return 0;
}

static int close_fixture(void **state)
{
	struct fixture *fixture = *state;

	symbols__free(fixture->symbols);
	stacks__free(fixture->stacks);
	process__close(fixture->process);
	free(fixture);
	return 0;
}

static void add_python(struct fixture *fixture, uint64_t code, uint32_t instruction)
{
	fixture->raw.python[fixture->raw.python_count++] = (struct raw_frame){.code = code, .instruction = instruction};
}

static void add_native(struct fixture *fixture, uint64_t address)
{
	fixture->raw.native[fixture->raw.native_count++] = address;
}

static const char *resolve(struct fixture *fixture, bool alive)
{
	int64_t stack =
		symbols__resolve(fixture->symbols, alive ? fixture->process : NULL, &fixture->plan, &fixture->raw);

	return as_text(fixture->stacks, stack);
}

static void test_resolve(void **state)
{
	struct fixture *fixture = *state;
	uint64_t function = (uint64_t)(uintptr_t)outer_function_of_the_test;

	assert_string_equal(resolve(fixture, true), "");
	add_python(fixture, 1, 10);
	add_python(fixture, 2, FRAME_ENTRY | 20);
	add_python(fixture, 3, FRAME_ENTRY | 30);
	assert_string_equal(resolve(fixture, true), "p:function1:10 p:function2:20 p:function3:30");
	fixture->raw.syscall = 0;
	fixture->raw.cut = 1;
	assert_string_equal(resolve(fixture, true),
			    "k:read p:function1:10 p:function2:20 p:function3:30 !:[deeper frames cut]");
	fixture->raw.syscall = 99999;
	fixture->raw.cut = 0;
	add_native(fixture, function);
	add_native(fixture, PyEval_EvalFrameEx());
	add_native(fixture, outer_function_of_the_test());
	add_native(fixture, PyEval_EvalFrameEx());
	assert_string_equal(resolve(fixture, true),
			    "k:system call 99999 n:outer_function_of_the_test p:function1:10 p:function2:20 "
			    "n:outer_function_of_the_test p:function3:30");
	/* What is behind no call is no return address: all from there on is wrong. */
	fixture->raw.native[2] = function + 1;
	assert_string_equal(resolve(fixture, true), "k:system call 99999 n:outer_function_of_the_test p:function1:10 "
						    "p:function2:20 p:function3:30");
	assert_int_equal(asked, 3); /* each once */
	assert_int_equal(fixture->quality.frames_gone, 0);
}

static void test_gone(void **state)
{
	struct fixture *fixture = *state;

	add_python(fixture, 1, 10);
	add_python(fixture, 1001, 0);
	add_python(fixture, 1002, 0);
	add_python(fixture, 9, 7);
	assert_string_equal(resolve(fixture, true), "p:function1:10 !:[code object gone] p:function9:7");
	assert_int_equal(fixture->quality.frames_gone, 2);
	/* The process is gone, too: what was named before is still known, not what was not. */
	add_python(fixture, 2, 0);
	assert_string_equal(resolve(fixture, false),
			    "p:function1:10 !:[code object gone] p:function9:7 !:[code object gone]");
	assert_int_equal(fixture->quality.frames_gone, 5);
	/* Another program runs there: nothing of the one before is believed. */
	fixture->raw.instance++;
	assert_string_equal(resolve(fixture, false), "!:[code object gone]");
	fixture->raw.instance--;
	symbols__forget(fixture->symbols, fixture->raw.tgid, fixture->raw.instance);
	assert_string_equal(resolve(fixture, false), "!:[code object gone]");
}

static void test_checks_tell_codes_apart(void **state)
{
	struct fixture *fixture = *state;

	add_python(fixture, 1, 10);
	resolve(fixture, true);
	fixture->raw.python[0].check = 5; /* another code object at the same address */
	resolve(fixture, true);
	assert_int_equal(asked, 2);
}

/* Counts and addresses may be anything. */
static void test_absurd(void **state)
{
	struct fixture *fixture = *state;
	size_t count;

	memset(&fixture->raw, 0xff, sizeof(fixture->raw));
	fixture->raw.syscall = INT32_MIN;
	stacks__frames(fixture->stacks,
		       (uint32_t)symbols__resolve(fixture->symbols, fixture->process, &fixture->plan, &fixture->raw),
		       &count);
	assert_int_equal(count, 3); /* the leaf that is nowhere, one note for all frames that are gone, the cut */
	assert_int_equal(fixture->quality.frames_gone, PYTHON_DEPTH);
	fixture->plan.adapter = NULL;
	symbols__resolve(fixture->symbols, fixture->process, &fixture->plan, &fixture->raw);
	for (uint32_t i = 0; i < 5000; i++) { /* more processes than are remembered */
		fixture->raw.tgid = i;
		assert_true(symbols__resolve(fixture->symbols, NULL, &fixture->plan, &fixture->raw) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_system_calls),
		cmocka_unit_test(test_own_functions),
		cmocka_unit_test(test_new_mapping),
		cmocka_unit_test(test_stripped),
		cmocka_unit_test(test_crafted),
		cmocka_unit_test_setup_teardown(test_resolve, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_gone, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_checks_tell_codes_apart, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_absurd, open_fixture, close_fixture),
	};

	return cmocka_run_group_tests_name("symbols", tests, NULL, NULL);
}
