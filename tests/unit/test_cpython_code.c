/* SPDX-License-Identifier: MIT */
/*
 * CPython's line tables and strings. The tables of line-tables.txt were made by the real interpreters of each version,
 * and so were the lines beside them (make-line-tables.py); other tables are any bytes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka.h needs the ones above */
#include <cmocka.h>

#include "user/target/cpython.h"
#include "user/target/cpython_lines.h"
#include "user/target/cpython_text.h"
#include "user/target/plan.h"
#include "user/target/process.h"
#include "user/target/runtime.h"

#define MAX_TABLE 8192
#define MAX_CODE  65536

struct table {
	uint32_t version;
	int32_t first_line;
	int code_size;
	size_t size;
	uint8_t bytes[MAX_TABLE];
	uint32_t lines[MAX_CODE]; /* of each byte of code */
};

static uint32_t line_at(const struct table *table, size_t size, int address, int *err)
{
	enum line_form form = cpython_lines__form(table->version);
	uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees each byte that is read beyond it */
	uint32_t line = UINT32_MAX;

	assert_non_null(exact);
	memcpy(exact, table->bytes, size);
	*err = cpython_lines__find(form, exact, size, table->first_line, form == LINES_RANGES ? address / 2 : address,
				   &line);
	free(exact);
	return line;
}

static void set_lines(struct table *table, char *text)
{
	int begin, last = 0;
	uint32_t line = 0, before = 0;

	for (char *word = strtok(text, " \n"); word; word = strtok(NULL, " \n")) {
		if (sscanf(word, "%d:%u", &begin, &line) != 2)
			continue;
		assert_in_range(begin, last, MAX_CODE - 1);
		for (; last < begin; last++)
			table->lines[last] = before;
		before = line;
	}
	for (; last < table->code_size; last++)
		table->lines[last] = before;
}

static void set_bytes(struct table *table, const char *text)
{
	unsigned byte;

	for (table->size = 0; sscanf(text, "%2x", &byte) == 1; text += 2) {
		assert_true(table->size < MAX_TABLE);
		table->bytes[table->size++] = (uint8_t)byte;
	}
}

static bool read_table(FILE *file, struct table *table)
{
	static char line[65536], bytes[2 * MAX_TABLE + 1];

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "code %x %d %d %16384s", &table->version, &table->first_line, &table->code_size,
			   bytes) == 4)
			set_bytes(table, bytes);
		if (strncmp(line, "lines ", 6))
			continue;
		assert_in_range(table->code_size, 1, MAX_CODE);
		set_lines(table, line + 6);
		return true;
	}
	return false;
}

/* As far as the table is needed: cut off before that, it must say so, or know the answer from what there is. */
static void check_parts(const struct table *table, int address)
{
	uint32_t expected = table->lines[address], line;
	int err;

	for (size_t size = 0; size < table->size; size += 1 + table->size / 7) {
		line = line_at(table, size, address, &err);
		assert_true(err == -EAGAIN || (!err && line == expected));
	}
}

static void test_tables_of_real_versions(void **state)
{
	static struct table table;
	FILE *file = fopen("tests/unit/line-tables.txt", "r");
	uint32_t versions = 0, last = 0;
	int err;

	(void)state;
	assert_non_null(file);
	while (read_table(file, &table)) {
		versions += table.version != last;
		last = table.version;
		for (int address = 0; address < table.code_size; address += table.version < 0x0300 ? 1 : 2) {
			assert_int_equal(line_at(&table, table.size, address, &err), table.lines[address]);
			if (address % 64 == 0)
				check_parts(&table, address);
		}
		assert_int_equal(line_at(&table, table.size, -2, &err), table.first_line); /* not begun */
		assert_int_equal(err, 0);
		line_at(&table, table.size, INT32_MAX - 1, &err); /* far behind the code */
		assert_int_equal(err, -EAGAIN);
	}
	fclose(file);
	assert_int_equal(versions, 11); /* 2.7, 3.6 to 3.15 */
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Any bytes give a line that could be one, or none; under `make asan` nothing beyond them is read. */
static void test_any_bytes(void **state)
{
	static const uint32_t versions[] = {0x0207, 0x0306, 0x030a, 0x030b};
	static struct table table;
	uint64_t random = 0x2545f4914f6cdd1d;

	(void)state;
	for (int i = 0; i < 40000; i++) {
		int err;
		uint32_t line;

		table.version = versions[i % 4];
		table.first_line = i % 3 ? (int32_t)next_random(&random) : INT32_MAX;
		table.size = next_random(&random) % (i % 100 ? 40 : MAX_TABLE);
		for (size_t at = 0; at < table.size; at++)
			table.bytes[at] = i % 5 ? (uint8_t)next_random(&random) : 0xff;
		line = line_at(&table, table.size, (int)(next_random(&random) % 4096) - 8, &err);
		assert_true(!err || err == -EAGAIN);
		assert_true(line <= INT32_MAX);
	}
}

static void check_text(enum text_kind kind, const void *characters, size_t count, const char *expected)
{
	char out[256];

	cpython_text__encode(kind, characters, count, false, out, sizeof(out));
	assert_string_equal(out, expected);
}

static void test_kinds(void **state)
{
	static const uint16_t two[] = {0x41, 0xe9, 0x4e2d, 0x7ff, 0x800, 0xffff};
	static const uint32_t four[] = {0x1f40d, 0x10ffff, 0x41, 0xffff, 0x10000};

	(void)state;
	check_text(TEXT_BYTES, "caf\xc3\xa9", 5, "caf\xc3\xa9"); /* 2.7: as they are, whatever they mean */
	check_text(TEXT_BYTES, "\xff\x80", 2, "\xff\x80");
	check_text(TEXT_1, "caf\xe9\x7f\x80", 6, "caf\xc3\xa9\x7f\xc2\x80");
	check_text(TEXT_2, two, 6, "A\xc3\xa9\xe4\xb8\xad\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf");
	check_text(TEXT_4, four, 5,
		   "\xf0\x9f\x90\x8d\xf4\x8f\xbf\xbf"
		   "A\xef\xbf\xbf\xf0\x90\x80\x80");
	check_text(TEXT_1, "", 0, "");
}

/* What is no text: escaped, as Python's backslashreplace does. */
static void test_harmless(void **state)
{
	static const uint16_t two[] = {0xdcff, 0xd800, 0xdfff, 0};
	static const uint32_t four[] = {0x110000, 0xffffffff, 0xd800, 0};

	(void)state;
	check_text(TEXT_2, two, 4, "\\udcff\\ud800\\udfff\\x00");
	check_text(TEXT_4, four, 4, "\\U00110000\\Uffffffff\\ud800\\x00");
	check_text(TEXT_1, "a\0b", 3, "a\\x00b");
	check_text(TEXT_BYTES, "a\0b", 3, "a\\x00b");
}

/* A text that is too long ends in "...", at a whole character, at each length; one that just fits does not. */
static void test_cut(void **state)
{
	char expected[64], out[64];

	(void)state;
	for (size_t size = 8; size < 40; size++) {
		size_t characters = 0;

		for (size_t fit = 0; fit <= (size - 1) / 2; fit++) { /* two bytes a character */
			static const uint8_t text[32] = {[0 ... 31] = 0xe9};
			bool more = fit == (size - 1) / 2;

			characters = more ? 32 : fit;
			cpython_text__encode(TEXT_1, text, characters, false, out, size);
			*expected = '\0';
			for (size_t i = 0; i < (more ? (size - 4) / 2 : fit); i++)
				strcat(expected, "\xc3\xa9");
			if (more)
				strcat(expected, "...");
			assert_string_equal(out, expected);
		}
	}
	cpython_text__encode(TEXT_BYTES, "0123456", 7, false, out, 8);
	assert_string_equal(out, "0123456");
	cpython_text__encode(TEXT_BYTES, "0123456", 7, true, out, 8);
	assert_string_equal(out, "0123...");
	cpython_text__encode(TEXT_BYTES, "01", 2, true, out, 8);
	assert_string_equal(out, "01...");
}

/* ---- a code object of 3.12 in this very process, whose memory says what it likes ---- */

struct crafted_text {
	uint64_t reference_count, type, length, hash;
	uint32_t state, padding;
	union {
		char ascii[24];
		struct {
			uint64_t utf8_length, utf8;
			uint64_t data; /* pointer of one that is not compact, or the characters */
		};
	};
};

struct crafted_bytes {
	uint64_t reference_count, type, length, hash;
	uint8_t bytes[32];
};

struct crafted_code {
	uint64_t reference_count, type;
	uint8_t before_line[52];
	int32_t first_line;
	uint8_t before_file[40];
	uint64_t file, name, qualified_name, line_table;
};

_Static_assert(offsetof(struct crafted_code, first_line) == 68 && offsetof(struct crafted_code, file) == 112 &&
		       offsetof(struct crafted_code, line_table) == 136 && offsetof(struct crafted_text, ascii) == 40 &&
		       offsetof(struct crafted_text, data) == 56 && offsetof(struct crafted_bytes, bytes) == 32,
	       "as 3.12 has them");

struct crafted {
	struct process *process;
	struct probe_plan plan;
	struct frame_text text;
	struct crafted_text name, file;
	struct crafted_bytes lines;
	struct crafted_code code;
	uint64_t type;
	void *pages; /* one that can be read, and one behind it that cannot */
};

#define ASCII (1U << 2 | 1U << 5 | 1U << 6) /* kind 1, compact, ascii */

static int craft(void **state)
{
	struct crafted *c = calloc(1, sizeof(*c));

	if (!c || process__open(getpid(), &c->process))
		return -1;
	c->plan.cpython = (struct cpython_layout){.version = 0x030c,
						  .line_table = 136,
						  .objects = {.type = 8,
							      .bytes_length = 16,
							      .bytes = 32,
							      .text_length = 16,
							      .text_state = 32,
							      .text_kind = 2,
							      .text_ascii = 40,
							      .text_compact = 56}};
	c->plan.frames =
		(struct frame_layout){.top = 56, .code_has_type = 8, .name = 128, .file = 112, .first_line = 68};
	c->plan.frames.code_type = (uint64_t)(uintptr_t)&c->type - 0x1000;
	c->plan.load_bias = 0x1000;
	c->name = (struct crafted_text){.length = 4, .state = ASCII, .ascii = "name"};
	c->file = (struct crafted_text){.length = 7, .state = ASCII, .ascii = "file.py"};
	c->lines = (struct crafted_bytes){.length = 2, .bytes = {0x80 | 13 << 3 | 7, 6}}; /* 8 units, 3 lines on */
	c->code = (struct crafted_code){.type = (uint64_t)(uintptr_t)&c->type,
					.first_line = 10,
					.file = (uint64_t)(uintptr_t)&c->file,
					.name = 1,
					.qualified_name = (uint64_t)(uintptr_t)&c->name,
					.line_table = (uint64_t)(uintptr_t)&c->lines};
	c->pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c->pages == MAP_FAILED || mprotect((char *)c->pages + 4096, 4096, PROT_NONE))
		return -1;
	*state = c;
	return 0;
}

static int end_crafted(void **state)
{
	struct crafted *c = *state;

	process__close(c->process);
	munmap(c->pages, 8192);
	free(c);
	return 0;
}

static int name_crafted(struct crafted *c, uint64_t code)
{
	struct raw_frame frame = {.code = code, .instruction = 4};

	frame.check = code_check(c->code.qualified_name, c->code.file, (uint32_t)c->code.first_line);
	return cpython__name_frame(c->process, &c->plan, &frame, &c->text);
}

static int name_it(struct crafted *c)
{
	return name_crafted(c, (uint64_t)(uintptr_t)&c->code);
}

static void test_crafted_objects(void **state)
{
	struct crafted *c = *state;
	char *last = (char *)c->pages + 4096 - sizeof(c->code);

	assert_int_equal(name_it(c), 0);
	assert_string_equal(c->text.name, "name");
	assert_string_equal(c->text.file, "file.py");
	assert_int_equal(c->text.line, 13);
	/* The last that a page has: nothing behind it may be read. */
	memcpy(last, &c->code, sizeof(c->code));
	assert_int_equal(name_crafted(c, (uint64_t)(uintptr_t)last), 0);
	assert_int_equal(name_crafted(c, (uint64_t)(uintptr_t)last + 8), -ESTALE);
	c->code.type++;
	assert_int_equal(name_it(c), -ESTALE);
}

/* Characters elsewhere (3.11 and before), and in each width. */
static void test_crafted_texts(void **state)
{
	static const uint16_t wide[] = {0x4e2d, 0xdc80, 0x41};
	struct crafted *c = *state;

	c->name.state = 2U << 2 | 1U << 5;
	c->name.length = 3;
	memcpy(&c->name.data, wide, sizeof(wide));
	assert_int_equal(name_it(c), 0);
	assert_string_equal(c->text.name, "\xe4\xb8\xad\\udc80A");
	c->name.state = 2U << 2;
	c->name.data = (uint64_t)(uintptr_t)wide;
	assert_int_equal(name_it(c), 0);
	assert_string_equal(c->text.name, "\xe4\xb8\xad\\udc80A");
	c->name.state = 1U << 2 | 1U << 6; /* ASCII elsewhere */
	c->name.data = (uint64_t)(uintptr_t) "abc";
	assert_int_equal(name_it(c), 0);
	assert_string_equal(c->text.name, "abc");
	c->name.data = 8;
	assert_int_equal(name_it(c), -EFAULT);
}

/* Lengths, kinds and addresses that cannot be. */
static void test_crafted_nonsense(void **state)
{
	struct crafted *c = *state;
	const struct crafted good = *c;
	uint64_t random = 0x9e3779b97f4a7c15;
	int named = 0;

	c->name.length = UINT64_MAX;
	memset(c->name.ascii, 'x', sizeof(c->name.ascii));
	name_it(c); /* reads on into what is behind it; cut off */
	assert_true(strlen(c->text.name) < FRAME_TEXT_SIZE);
	c->name = good.name;
	c->name.state = 3U << 2 | 1U << 5;
	assert_int_equal(name_it(c), -EFAULT);
	c->name = good.name;
	c->lines.length = UINT64_MAX; /* ends where the answer is found */
	assert_true(name_it(c) <= 0);
	c->lines = good.lines;
	c->code.line_table = UINT64_MAX - 8;
	assert_int_equal(name_it(c), -EFAULT);
	for (int i = 0; i < 3000; i++) {
		uint8_t *bytes = (uint8_t *)&c->name;

		c->name = good.name;
		c->file = good.file;
		c->lines = good.lines;
		c->code = good.code;
		for (int changes = 0; changes < 3; changes++) {
			size_t at = next_random(&random) % (sizeof(c->name) + sizeof(c->file) + sizeof(c->lines));

			bytes[at] = (uint8_t)next_random(&random);
		}
		named += !name_it(c);
		assert_true(memchr(c->text.name, 0, FRAME_TEXT_SIZE) && memchr(c->text.file, 0, FRAME_TEXT_SIZE));
	}
	assert_true(named > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables_of_real_versions),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_harmless),
		cmocka_unit_test(test_cut),
		cmocka_unit_test_setup_teardown(test_crafted_objects, craft, end_crafted),
		cmocka_unit_test_setup_teardown(test_crafted_texts, craft, end_crafted),
		cmocka_unit_test_setup_teardown(test_crafted_nonsense, craft, end_crafted),
	};

	return cmocka_run_group_tests_name("code of CPython", tests, NULL, NULL);
}
