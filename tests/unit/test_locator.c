/* SPDX-License-Identifier: MIT */
/*
 * The locator: the sites of real builds, exactly as found by hand (probe-points.txt); the shapes that compilers and
 * linkers make of one small library; and crafted files, which must be refused or read, never crash or hang.
 *
 * Run from the root of the source tree. PYENV_ROOT, or else ~/.pyenv, and .cache (tests/fetch-pythons.sh) have the
 * builds; one that is absent or differs is skipped by name.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
/* cmocka.h needs the ones above */
#include <cmocka.h>

#include "user/target/cpython.h"
#include "user/target/disassembly.h"
#include "user/target/elf_image.h"
#include "user/target/plan.h"
#include "user/target/runtime.h"

#define MAX_BUILDS 64
#define MUTATIONS  3000

static const char *const event_names[PROBE_EVENTS] = {"blocked",  "waited", "acquired", "released",
						      "switched", "taking", "taken"};

struct expected_build {
	char build_id[64], path[512], version[32];
	char name[640];
	uint64_t sites[PROBE_EVENTS][PLAN_MAX_SITES];
	size_t counts[PROBE_EVENTS];
};

static struct expected_build builds[MAX_BUILDS];
static size_t build_count;
static char directory[] = "/tmp/test-locator-XXXXXX";

/* ---- real builds ---- */

/* Not inlined: gcc would warn of paths that are longer than they can be. */
__attribute__((noinline)) static void set_path(struct expected_build *build, const char *path)
{
	const char *root = getenv("PYENV_ROOT"), *home = getenv("HOME");

	if (!strncmp(path, "cache:", 6))
		snprintf(build->path, sizeof(build->path), ".cache/%s", path + 6);
	else if (strncmp(path, "pyenv:", 6))
		snprintf(build->path, sizeof(build->path), "%s", path);
	else if (root)
		snprintf(build->path, sizeof(build->path), "%s/versions/%s", root, path + 6);
	else
		snprintf(build->path, sizeof(build->path), "%s/.pyenv/versions/%s", home ? home : "", path + 6);
	snprintf(build->name, sizeof(build->name), "sites of %s (%.8s)", path, build->build_id);
}

static void add_addresses(struct expected_build *build, char *line)
{
	char *word = strtok(line, " \n");

	for (int event = 0; word && event < PROBE_EVENTS; event++) {
		if (strcmp(word, event_names[event]))
			continue;
		while ((word = strtok(NULL, " \n")))
			build->sites[event][build->counts[event]++] = strtoull(word, NULL, 16);
	}
}

static void read_builds(void)
{
	FILE *file = fopen("tests/unit/probe-points.txt", "r");
	char line[4096], path[512];

	if (!file) {
		perror("tests/unit/probe-points.txt");
		exit(1);
	}
	while (fgets(line, sizeof(line), file)) {
		struct expected_build *build = &builds[build_count];

		if (sscanf(line, "build %63s %511s %31s", build->build_id, path, build->version) == 3) {
			set_path(build, path);
			build_count++;
		} else if (build_count && *line != '#') {
			add_addresses(build - 1, line);
		}
	}
	fclose(file);
}

/* Whether the file's .note.gnu.build-id is this one. */
static bool has_build_id(int fd, const char *expected)
{
	struct elf_image *image;
	const char *reason;
	Elf64_Shdr section;
	unsigned char note[36];
	char text[41];
	bool equal = false;

	if (elf_image__open(fd, &image, &reason))
		return false;
	if (!elf_image__section(image, ".note.gnu.build-id", &section) &&
	    !elf_image__read(image, section.sh_addr, note, sizeof(note))) {
		for (int i = 0; i < 20; i++)
			snprintf(text + 2 * i, 3, "%02x", note[16 + i]);
		equal = !strcmp(text, expected);
	}
	elf_image__close(image);
	return equal;
}

static void assert_sites(const struct probe_plan *plan, const struct expected_build *build)
{
	size_t at = 0;

	for (int event = 0; event < PROBE_EVENTS; event++)
		for (size_t i = 0; i < build->counts[event]; i++, at++) {
			assert_true(at < plan->site_count);
			assert_int_equal(plan->sites[at].event, event);
			assert_int_equal(plan->sites[at].address, build->sites[event][i]);
			assert_true(plan->sites[at].emulated);
		}
	assert_int_equal(at, plan->site_count); /* more would be counted as events that are none */
}

/* How each minor's frames lie, 2.7 first, then 3.6 to 3.15: as debug information says of real builds. */
static const struct frame_offsets {
	uint32_t threads, next_thread, top, top_within, previous, code, instruction, owner;
	uint32_t instructions, name, file, first_line, line_table, text_ascii;
} frame_offsets[] = {
	{8, 0, 16, NO_FIELD, 24, 32, 120, NO_FIELD, NO_FIELD, 88, 80, 96, 104, 0},
	{8, 8, 24, NO_FIELD, 24, 32, 120, NO_FIELD, NO_FIELD, 104, 96, 36, 112, 48},
	{8, 8, 24, NO_FIELD, 24, 32, 104, NO_FIELD, NO_FIELD, 104, 96, 36, 112, 48},
	{8, 8, 24, NO_FIELD, 24, 32, 104, NO_FIELD, NO_FIELD, 112, 104, 40, 120, 48},
	{8, 8, 24, NO_FIELD, 24, 32, 104, NO_FIELD, NO_FIELD, 112, 104, 40, 120, 48},
	{8, 8, 24, NO_FIELD, 24, 32, 96, NO_FIELD, NO_FIELD, 112, 104, 40, 120, 48},
	{16, 8, 56, 8, 48, 32, 56, NO_FIELD, 184, 128, 112, 72, 136, 48},
	{72, 8, 56, 0, 8, 0, 56, 70, 192, 128, 112, 68, 136, 40},
	{7344, 8, 72, NO_FIELD, 8, 0, 56, 70, 200, 128, 112, 68, 136, 40},
	{7344, 8, 72, NO_FIELD, 8, 0, 56, 74, 208, 128, 112, 68, 136, 40},
	{7336, 8, 72, NO_FIELD, 8, 0, 56, 74, 208, 128, 112, 68, 136, 40},
};

static void assert_frames(const struct probe_plan *plan, unsigned minor)
{
	const struct frame_offsets *expected = &frame_offsets[cpython__version(plan) < 0x030000 ? 0 : minor - 5];
	const struct frame_layout *frames = &plan->frames;

	assert_true(frames->code_type); /* PyCode_Type is exported by each */
	assert_int_equal(frames->code_has_type, 8);
	assert_int_equal(frames->threads, expected->threads);
	assert_int_equal(frames->interpreter, plan->cpython.interpreter);
	assert_int_equal(frames->next_thread, expected->next_thread);
	assert_int_equal(frames->top, expected->top);
	assert_int_equal(frames->top_within, expected->top_within);
	assert_int_equal(frames->previous, expected->previous);
	assert_int_equal(frames->code, expected->code);
	assert_int_equal(frames->instruction, expected->instruction);
	assert_int_equal(frames->owner, expected->owner);
	assert_int_equal(frames->foreign_owner, expected->owner == NO_FIELD ? 0 : 3);
	assert_int_equal(frames->instruction_form,
			 expected->instructions == NO_FIELD ? INSTRUCTION_INDEX : INSTRUCTION_IN_CODE);
	assert_int_equal(frames->instructions, expected->instructions);
	assert_int_equal(frames->name, expected->name);
	assert_int_equal(frames->file, expected->file);
	assert_int_equal(frames->first_line, expected->first_line);
	assert_int_equal(plan->cpython.line_table, expected->line_table);
	assert_int_equal(plan->cpython.objects.type, 8);
	assert_int_equal(plan->cpython.objects.text_ascii, expected->text_ascii);
	assert_int_equal(plan->cpython.objects.text_compact, expected->text_ascii == 48 ? 72
							     : expected->text_ascii     ? 56
											: 0);
}

static void assert_layout(const struct probe_plan *plan)
{
	static const int thread_ids[] = {152, 176, 176, 176, 176, 152, 136, 152, 152, 176}; /* 3.6 to 3.15 */
	unsigned minor = cpython__version(plan) >> 8 & 0xff;

	assert_frames(plan, minor);
	assert_int_equal(plan->cpython.interpreter, cpython__version(plan) < 0x030000 ? 8 : 16);
	if (cpython__version(plan) < 0x030000) {
		assert_string_equal(plan->design, "ticks");
		assert_int_equal(plan->layout.thread_id, 144);
		assert_int_equal(plan->root, 0x1f7510); /* interpreter_lock, as debug symbols say of pyenv's build */
		return;
	}
	assert_in_range(minor, 6, 15);
	assert_int_equal(plan->layout.thread_id, thread_ids[minor - 6]);
	assert_false(plan->cpython.guessed || plan->cpython.free_threaded);
	assert_string_equal(plan->design, minor >= 12 ? "per-interpreter" : "interval");
	if (minor == 6) {
		assert_int_equal(plan->layout.cond, 0);
		return;
	}
	assert_int_equal(plan->layout.cond, 32);
	assert_int_equal(plan->layout.switch_cond, 120);
	assert_int_equal(plan->layout.mutex, 80);
	assert_int_equal(plan->layout.locked, 16);
	assert_int_equal(plan->layout.last_holder, 8);
	assert_true(plan->root && plan->root_size); /* _PyRuntime */
}

static void test_build(void **state)
{
	const struct expected_build *build = *state;
	static struct probe_plan plan;
	char why[256];
	int fd = open(build->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		skip();
	if (!has_build_id(fd, build->build_id)) {
		close(fd);
		skip();
	}
	assert_int_equal(cpython__plan_file(fd, &plan, why, sizeof(why)), 0);
	close(fd);
	assert_string_equal(plan.version, build->version);
	assert_string_equal(plan.notes, "");
	assert_sites(&plan, build);
	assert_layout(&plan);
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Debian's static programs, the largest that there are. The best of some runs: the machine may be busy. */
static void test_time(void **state)
{
	static const char *const paths[] = {"/usr/bin/python3.11", ".cache/trixie/usr/bin/python3.13",
					    ".cache/forky/usr/bin/python3.14", ".cache/forky/usr/bin/python3.15"};
	const char *sanitized = getenv("GILTRACE_SANITIZED");
	size_t found = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		static struct probe_plan plan;
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		double best = 1e9;
		char why[256];

		if (fd < 0)
			continue;
		for (int run = 0; run < 20; run++) {
			double start = now_ms();

			assert_int_equal(cpython__plan_file(fd, &plan, why, sizeof(why)), 0);
			best = now_ms() - start < best ? now_ms() - start : best;
		}
		close(fd);
		found++;
		print_message("# %s: %zu sites located in %.1f ms\n", paths[i], plan.site_count, best);
		if (!sanitized || strcmp(sanitized, "1"))
			assert_true(best < 50);
	}
	if (!found)
		skip();
}

/* pyenv's 3.6.15, whose static variables debug symbols name: gil_cond 2faae0, gil_mutex 2faaa0, switch_cond 2faa60, ...
 */
static void test_variables_of_3_6(void **state)
{
	static struct probe_plan plan;
	const char *id = "6d853d1016a951ac13d69174b9a33ac9639c3a22";
	char why[256];
	int fd = -1;

	(void)state;
	for (size_t i = 0; i < build_count; i++)
		if (!strcmp(builds[i].build_id, id))
			fd = open(builds[i].path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		skip();
	if (!has_build_id(fd, id)) {
		close(fd);
		skip();
	}
	assert_int_equal(cpython__plan_file(fd, &plan, why, sizeof(why)), 0);
	close(fd);
	assert_int_equal(plan.root, 0x2faae0);
	assert_int_equal(plan.layout.mutex, 0x2faaa0 - 0x2faae0);
	assert_int_equal(plan.layout.switch_cond, 0x2faa60 - 0x2faae0);
	assert_int_equal(plan.layout.locked, 0x2a4fb8 - 0x2faae0);
	assert_int_equal(plan.layout.last_holder, 0x2fab10 - 0x2faae0);
}

/* ---- versions to come ---- */

/* A copy of a build that claims to be another version: Py_Version and _Py_DebugOffsets' words are changed. */
static int copy_as(const char *path, uint64_t version, const uint64_t changes[][2], size_t change_count)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), copy = memfd_create("copy", MFD_CLOEXEC);
	struct elf_symbol constant, runtime;
	struct elf_image *image;
	const char *reason;
	uint64_t offset;
	char block[65536];
	ssize_t size;

	if (fd < 0)
		skip();
	assert_int_equal(elf_image__open(fd, &image, &reason), 0);
	while ((size = read(fd, block, sizeof(block))) > 0)
		assert_int_equal(write(copy, block, (size_t)size), size);
	assert_int_equal(elf_image__dynamic_symbol(image, "Py_Version", &constant), 0);
	assert_int_equal(elf_image__file_offset(image, constant.address, &offset), 0);
	assert_int_equal(pwrite(copy, &version, 8, (off_t)offset), 8);
	assert_int_equal(elf_image__dynamic_symbol(image, "_PyRuntime", &runtime), 0);
	assert_int_equal(elf_image__file_offset(image, runtime.address, &offset), 0);
	assert_int_equal(pwrite(copy, &version, 8, (off_t)offset + 8), 8);
	for (size_t i = 0; i < change_count; i++)
		assert_int_equal(pwrite(copy, &changes[i][1], 8, (off_t)(offset + 8 * changes[i][0])), 8);
	elf_image__close(image);
	close(fd);
	return copy;
}

static const char *const any_3_15 = ".cache/forky/usr/lib/x86_64-linux-gnu/libpython3.15.so.1.0";

/* A minor version that nobody knows yet, of the same shape as the last one. */
static void test_unknown_minor(void **state)
{
	static struct probe_plan plan;
	char why[256];
	int fd = copy_as(any_3_15, 0x031000f0, NULL, 0);

	(void)state;
	assert_int_equal(cpython__plan_file(fd, &plan, why, sizeof(why)), 0);
	close(fd);
	assert_string_equal(plan.version, "3.16.0");
	assert_true(plan.cpython.guessed); /* and so must be checked while it is traced */
	assert_non_null(strstr(plan.notes, "Python 3.16.0 is not known"));
	assert_int_equal(plan.layout.cond, 32);
	assert_int_equal(plan.cpython.thread_id, 176);
	assert_frames(&plan, 15);
}

/* Word 2 says that it is free-threaded: then 8 bytes precede the lock's fields, which words 18 and 19 must agree to. */
static void test_free_threaded_layout(void **state)
{
	static struct probe_plan plan;
	static const uint64_t changes[][2] = {{2, 1}, {18, 7760}, {19, 7752}};
	char why[256];
	int fd = copy_as(any_3_15, 0x030f00f0, changes, 3);

	(void)state;
	assert_int_equal(cpython__plan_file(fd, &plan, why, sizeof(why)), 0);
	close(fd);
	assert_true(plan.cpython.free_threaded);
	assert_int_equal(plan.layout.cond, 40);
	assert_int_equal(plan.layout.mutex, 88);
	assert_int_equal(plan.layout.switch_cond, 128);
	assert_int_equal(plan.layout.locked, 24);
	assert_int_equal(plan.layout.last_holder, 16);
	assert_false(plan.frames.top); /* its objects are still those of a default build */
	assert_non_null(strstr(plan.notes, "no Python stacks"));
}

/* The words of a free-threaded 3.15, as its headers give them. */
static void test_free_threaded_frames(void **state)
{
	static struct probe_plan plan;
	static const uint64_t changes[][2] = {
		{2, 1},    {18, 7760}, {19, 7752}, {44, 78}, {45, 64},  {46, 72},  {47, 240}, {48, 128}, {49, 136},
		{50, 144}, {51, 152},  {52, 84},   {53, 68}, {56, 232}, {57, 224}, {58, 32},  {59, 24},  {86, 56},
		{87, 32},  {88, 48},   {89, 80},   {90, 48}, {91, 32},  {92, 56},  {93, 72},
	};
	char why[256];
	int fd = copy_as(any_3_15, 0x030f00f0, changes, sizeof(changes) / sizeof(*changes));

	(void)state;
	assert_int_equal(cpython__plan_file(fd, &plan, why, sizeof(why)), 0);
	close(fd);
	assert_string_equal(plan.notes, "");
	assert_int_equal(plan.frames.code_has_type, 24);
	assert_int_equal(plan.frames.owner, 78);
	assert_int_equal(plan.frames.file, 128);
	assert_int_equal(plan.frames.name, 144);
	assert_int_equal(plan.frames.first_line, 84);
	assert_int_equal(plan.frames.instructions, 232);
	assert_int_equal(plan.cpython.line_table, 152);
	assert_int_equal(plan.cpython.objects.bytes, 48);
	assert_int_equal(plan.cpython.objects.text_kind, 8);
	assert_int_equal(plan.cpython.objects.text_ascii, 56);
	assert_int_equal(plan.cpython.objects.text_compact, 72);
}

/* What is said of frames cannot be: the lock is traced all the same, without stacks. */
static void test_bent_frame_offsets(void **state)
{
	static struct probe_plan plan;
	static const uint64_t bent[][2] = {
		{9, UINT64_MAX},  {9, 7337},        {24, 888},
		{24, 9},          {26, 0},          {26, UINT64_MAX - 7},
		{39, 48},         {39, UINT64_MAX}, {40, 0},
		{40, 12},         {41, 128},        {42, 82},
		{42, 8},          {44, 88},         {44, 1ULL << 32},
		{47, 100},        {47, UINT64_MAX}, {48, 113},
		{49, 1ULL << 63}, {50, 256},        {51, UINT64_MAX},
		{52, 70},         {56, 209},        {56, 300},
		{58, 24},         {59, 16},         {87, 24},
		{88, UINT64_MAX}, {89, 0},          {90, 1ULL << 40},
		{91, 24},         {92, 41},
	};
	static const struct frame_layout unknown;
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bent) / sizeof(*bent); i++) {
		int fd = copy_as(any_3_15, 0x031000f0, &bent[i], 1);

		assert_int_equal(cpython__plan_file(fd, &plan, why, sizeof(why)), 0);
		assert_memory_equal(&plan.frames, &unknown, sizeof(unknown));
		assert_non_null(strstr(plan.notes, "no Python stacks"));
		assert_int_equal(plan.layout.cond, 32);
		close(fd);
	}
}

static void test_bent_debug_offsets(void **state)
{
	static struct probe_plan plan;
	static const uint64_t bent[][2] = {
		{0, 0},     {1, 0},           {2, 1},
		{3, 0},     {5, UINT64_MAX},  {5, 1ULL << 40},
		{6, 0},     {6, UINT64_MAX},  {7, UINT64_MAX - 7},
		{8, 7265},  {15, 226240},     {16, UINT64_MAX},
		{16, 7737}, {18, 7744},       {19, 0},
		{22, 0},    {25, UINT64_MAX}, {30, 1ULL << 63},
		{31, 0},
	};
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bent) / sizeof(*bent); i++) {
		int fd = copy_as(any_3_15, 0x031000f0, &bent[i], 1);

		assert_int_equal(cpython__plan_file(fd, &plan, why, sizeof(why)), -ENOTSUP);
		assert_non_null(strstr(why, "Python 3.16.0 "));
		assert_non_null(strstr(why, "layout"));
		close(fd);
	}
}

/* ---- one small library, built in many ways ---- */

/*
 * Compiles a fixture, and has a shell command (or NULL) change it, to which it is $F; returns it opened. Skips the test
 * when there is no such compiler, linker or other program.
 */
static int compile_and(const char *compiler, const char *flags, const char *source, const char *after)
{
	char command[1024], path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/fixture", directory);
	snprintf(command, sizeof(command), "F=%s; { %s %s -o $F tests/unit/%s && %s; } >%s/errors 2>&1", path, compiler,
		 flags, source, after ? after : "true", directory);
	if (system(command)) {
		print_message("# cannot be built here: %s\n", command);
		unlink(path);
		skip();
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static int compile(const char *compiler, const char *flags, const char *source)
{
	return compile_and(compiler, flags, source, NULL);
}

static void count_sites(const struct probe_plan *plan, size_t counts[PROBE_EVENTS])
{
	memset(counts, 0, PROBE_EVENTS * sizeof(*counts));
	for (size_t i = 0; i < plan->site_count; i++)
		counts[plan->sites[i].event]++;
}

/* The sites of locator_fixture.c: one of each, but two releases. The probes' bytes must be branches of the wanted form.
 */
static void assert_fixture(int fd, const struct probe_plan *plan, bool emulated)
{
	size_t counts[PROBE_EVENTS];

	count_sites(plan, counts);
	assert_int_equal(counts[PROBE_BLOCKED], 1);
	assert_int_equal(counts[PROBE_WAITED], 1);
	assert_int_equal(counts[PROBE_ACQUIRED], 1);
	assert_int_equal(counts[PROBE_RELEASED], 2);
	assert_int_equal(counts[PROBE_SWITCHED], 1);
	for (size_t i = 0; i < plan->site_count; i++) {
		const struct probe_site *site = &plan->sites[i];
		unsigned char bytes[2];

		assert_int_equal(pread(fd, bytes, 2, (off_t)site->file_offset), 2);
		if (site->event == PROBE_WAITED) {
			assert_true((bytes[0] & 0xf0) == 0x70 || (bytes[0] == 0x0f && (bytes[1] & 0xf0) == 0x80));
			continue;
		}
		assert_int_equal(site->emulated, emulated);
		if (emulated)
			assert_int_equal(bytes[0], 0xe8);
		else if (bytes[0] == 0xff) /* call *slot(%rip), call *%reg */
			assert_true(bytes[1] == 0x15 || (bytes[1] & 0xf8) == 0xd0);
		else /* call *%r8 to *%r15 */
			assert_true(bytes[0] == 0x41 && bytes[1] == 0xff);
	}
}

static uint64_t label(int fd, const char *name)
{
	struct elf_image *image;
	struct elf_symbol symbol;
	const char *reason;

	assert_int_equal(elf_image__open(fd, &image, &reason), 0);
	assert_int_equal(elf_image__dynamic_symbol(image, name, &symbol), 0);
	elf_image__close(image);
	return symbol.address;
}

/* The addresses that the fixture exports under other names. */
static void assert_split_layout(int fd, const struct probe_plan *plan)
{
	uint64_t lock = label(fd, "at_cond");

	assert_int_equal(plan->root, lock);
	assert_int_equal(plan->layout.cond, 0);
	assert_int_equal(plan->layout.mutex, label(fd, "at_mutex") - lock);
	assert_int_equal(plan->layout.switch_cond, label(fd, "at_switch_cond") - lock);
	assert_int_equal(plan->layout.locked, label(fd, "at_locked") - lock);
	assert_int_equal(plan->layout.last_holder, label(fd, "at_last_holder") - lock);
}

struct shape {
	const char *compiler, *flags;
	bool indirect;
	const char *after; /* a command that changes the file $F; NULL: none */
};

static void test_shape(void **state)
{
	const struct shape *shape = *state;
	static struct probe_plan plan;
	char why[256];
	int fd = compile_and(shape->compiler, shape->flags, "locator_fixture.c", shape->after);
	bool split = strstr(shape->flags, "SPLIT_VARIABLES");

	assert_int_equal(cpython__plan_file(fd, &plan, why, sizeof(why)), 0);
	assert_fixture(fd, &plan, !shape->indirect);
	assert_string_equal(plan.version, split ? "3.6.7+" : "3.10.4");
	assert_int_equal(!!*plan.notes, shape->indirect);
	if (split)
		assert_split_layout(fd, &plan);
	close(fd);
}

static uint64_t function_of(int fd, uint64_t address)
{
	struct elf_image *image;
	struct address_range range;
	const char *reason;

	assert_int_equal(elf_image__open(fd, &image, &reason), 0);
	assert_int_equal(elf_image__function(image, address, &range), 0);
	elf_image__close(image);
	return range.start;
}

/*
 * locator_fixture_split.c: one acquisition and two releases, whichever of them, or of the wait, is in a fragment of its
 * own. By the bounds of functions alone one would be taken for the other.
 */
static void test_split_shape(void **state)
{
	const struct shape *shape = *state;
	static struct probe_plan plan;
	size_t counts[PROBE_EVENTS];
	uint64_t blocked, acquired, released;
	char why[256];
	int fd = compile_and(shape->compiler, shape->flags, "locator_fixture_split.c", shape->after);

	assert_int_equal(cpython__plan_file(fd, &plan, why, sizeof(why)), 0);
	assert_int_equal(!!*plan.notes, shape->indirect);
	count_sites(&plan, counts);
	assert_int_equal(counts[PROBE_BLOCKED], 1);
	assert_int_equal(counts[PROBE_WAITED], 1);
	assert_int_equal(counts[PROBE_ACQUIRED], 1);
	assert_int_equal(counts[PROBE_RELEASED], 2);
	assert_int_equal(counts[PROBE_SWITCHED], 1);
	blocked = function_of(fd, plan.sites[0].address);
	acquired = function_of(fd, plan.sites[2].address);
	released = function_of(fd, plan.sites[3].address);
	if (shape->after || strstr(shape->flags, "COLD_WAIT"))
		assert_int_not_equal(blocked, acquired); /* else this compiler did not split it */
	else
		assert_int_equal(blocked, acquired);
	if (strstr(shape->flags, "COLD_DROP"))
		assert_int_not_equal(released, acquired);
	close(fd);
}

/* locator_fixture_ticks.c: a result to each wait, and the variable that names the lock. */
static void test_ticks_shape(void **state)
{
	const struct shape *shape = *state;
	static struct probe_plan plan;
	size_t counts[PROBE_EVENTS];
	char why[256];
	int fd = compile(shape->compiler, shape->flags, "locator_fixture_ticks.c");

	assert_int_equal(cpython__plan_file(fd, &plan, why, sizeof(why)), 0);
	assert_string_equal(plan.version, "2.7.18+");
	assert_string_equal(plan.design, "ticks");
	count_sites(&plan, counts);
	assert_true(counts[PROBE_TAKING] >= 1); /* the compiler may inline */
	assert_int_equal(counts[PROBE_TAKEN], counts[PROBE_TAKING]);
	assert_true(counts[PROBE_RELEASED] >= 1);
	assert_int_equal(counts[PROBE_TAKING] + counts[PROBE_TAKEN] + counts[PROBE_RELEASED], plan.site_count);
	assert_int_equal(plan.root, label(fd, "at_interpreter_lock"));
	assert_int_equal(plan.cpython.current_thread, label(fd, "_PyThreadState_Current"));
	assert_int_equal(plan.cpython.check_interval, label(fd, "_Py_CheckInterval"));
	close(fd);
}

static void assert_site(const struct probe_plan *plan, size_t at, enum probe_event event, uint64_t address,
			bool emulated)
{
	assert_int_equal(plan->sites[at].event, event);
	assert_int_equal(plan->sites[at].address, address);
	assert_int_equal(plan->sites[at].emulated, emulated);
}

/* locator_fixture.S says at its labels what each must become. */
static void test_rare_shapes(void **state)
{
	static struct probe_plan plan;
	char why[256];
	int fd = compile("cc", "-shared", "locator_fixture.S");

	(void)state;
	assert_int_equal(cpython__plan_file(fd, &plan, why, sizeof(why)), 0);
	assert_string_equal(plan.version, "3.11.7");
	assert_int_equal(plan.site_count, 7);
	assert_site(&plan, 0, PROBE_BLOCKED, label(fd, "at_blocked"), true);
	assert_site(&plan, 1, PROBE_WAITED, label(fd, "at_waited"), true);
	assert_site(&plan, 2, PROBE_ACQUIRED, label(fd, "at_acquired"), true);
	assert_site(&plan, 3, PROBE_RELEASED, label(fd, "at_released_slow"), false);
	assert_site(&plan, 4, PROBE_RELEASED, label(fd, "at_released_tail"), true);
	assert_site(&plan, 5, PROBE_RELEASED, label(fd, "at_by_copy"), false);
	assert_site(&plan, 6, PROBE_SWITCHED, label(fd, "at_switched"), true);
	assert_non_null(strstr(plan.notes, "does not emulate"));
	snprintf(why, sizeof(why), "At 0x%llx pthread_cond_wait is loaded into a register",
		 (unsigned long long)label(fd, "at_load_that_escapes"));
	assert_non_null(strstr(plan.notes, why));
	assert_null(strstr(plan.notes, "pthread_cond_signal is loaded"));
	close(fd);
}

/* ---- what the kernel emulates ---- */

static void test_emulated(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		bool emulated;
	} cases[] = {
		{"\xe8\0\0\0\0", 5, true},      /* call rel32 */
		{"\xe9\0\0\0\0", 5, true},      /* jmp rel32 */
		{"\xeb\0", 2, true},            /* jmp rel8 */
		{"\x74\0", 2, true},            /* je rel8 */
		{"\x0f\x84\0\0\0\0", 6, true},  /* je rel32 */
		{"\x90", 1, true},              /* nop */
		{"\x55", 1, true},              /* push %rbp */
		{"\x41\x57", 2, true},          /* push %r15 */
		{"\xff\x15\0\0\0\0", 6, false}, /* call *disp(%rip) */
		{"\xff\x25\0\0\0\0", 6, false}, /* jmp *disp(%rip) */
		{"\x66\xe8\0\0\0\0", 6, false}, /* 0x66 on a branch: the kernel refuses */
		{"\x66\x74\0", 3, false},       /* the same */
		{"\xf2\xe8\0\0\0\0", 6, false}, /* bnd call */
		{"\x3e\xff\xe0", 3, false},     /* notrack jmp *%rax */
		{"\xf3\x0f\x1e\xfa", 4, false}, /* endbr64 */
		{"\x0f\x1f\x44\0\0", 5, false}, /* nopl: from Linux 6.18 only */
		{"\x48\x89\xe5", 3, false},     /* mov */
		{"\x48\x83\xec\x08", 4, false}, /* sub */
		{"\xc3", 1, false},             /* ret */
		{"\x48\x55", 2, false},         /* push with a REX that is not 0x41 */
		{"\xe3\0", 2, false},           /* jrcxz */
		{"\x0f\xb6\xc0", 3, false},     /* movzbl */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(instruction__emulated((const uint8_t *)cases[i].bytes, cases[i].size),
				 cases[i].emulated);
}

/* ---- crafted files ---- */

struct bytes {
	unsigned char *data;
	size_t size;
};

static struct bytes read_fixture(const char *flags, const char *source)
{
	int fd = compile("cc", flags, source);
	struct bytes bytes = {.size = (size_t)lseek(fd, 0, SEEK_END)};

	bytes.data = malloc(bytes.size);
	assert_non_null(bytes.data);
	assert_int_equal(pread(fd, bytes.data, bytes.size, 0), bytes.size);
	close(fd);
	return bytes;
}

/* Of this process on a CPU: the machine may be busy. */
static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Runs the locator over bytes, padded with zeroes to `size`. It must come back soon, and say why when it refuses. */
static int locate(const unsigned char *data, size_t size, uint64_t padded_size)
{
	static struct probe_plan plan;
	char why[256];
	double start = seconds();
	int fd = memfd_create("crafted", MFD_CLOEXEC), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	assert_int_equal(ftruncate(fd, (off_t)padded_size), 0);
	err = cpython__plan_file(fd, &plan, why, sizeof(why));
	close(fd);
	assert_true(err <= 0);
	if (err && err != -ENOENT)
		assert_true(*why);
	if (!err)
		assert_true(plan.site_count > 0);
	assert_true(seconds() - start < 2);
	return err;
}

static void test_truncated(void **state)
{
	struct bytes bytes = read_fixture("-O2 -shared -fPIC", "locator_fixture.c");

	(void)state;
	assert_int_equal(locate(bytes.data, bytes.size, bytes.size), 0);
	for (size_t size = 0; size < bytes.size; size += size < 128 ? 1 : 61)
		assert_int_not_equal(locate(bytes.data, size, size), 0); /* its section headers are at the end */
	free(bytes.data);
}

/* Header fields at their extremes: refused, or read with what is left. */
static void test_bent_headers(void **state)
{
	static const uint64_t extremes[] = {0,          1,          0x7f,      0xff,       0xffff,
					    0x7fffffff, 0xffffffff, INT64_MAX, UINT64_MAX, UINT64_MAX - 63};
	struct bytes bytes = read_fixture("-O2 -shared -fPIC", "locator_fixture.c");
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)bytes.data;
	size_t fields_end = sizeof(*header), table = header->e_shoff, count = header->e_shnum;
	unsigned char *copy = malloc(bytes.size);

	(void)state;
	assert_non_null(copy);
	for (size_t i = 0; i < sizeof(extremes) / sizeof(*extremes); i++) {
		for (size_t at = EI_NIDENT; at < fields_end; at += 2) { /* the file's header */
			size_t width = fields_end - at < 8 ? fields_end - at : 8;

			memcpy(copy, bytes.data, bytes.size);
			memcpy(copy + at, &extremes[i], at >= 0x34 ? 2 : width);
			locate(copy, bytes.size, bytes.size);
		}
		for (size_t at = 0; at < count * sizeof(Elf64_Shdr); at += 4) { /* sections: each field */
			memcpy(copy, bytes.data, bytes.size);
			memcpy(copy + table + at, &extremes[i], at + 8 <= count * sizeof(Elf64_Shdr) ? 8 : 4);
			locate(copy, bytes.size, bytes.size);
		}
		for (size_t at = 0; at < header->e_phnum * sizeof(Elf64_Phdr); at += 4) { /* segments */
			memcpy(copy, bytes.data, bytes.size);
			memcpy(copy + header->e_phoff + at, &extremes[i], 8);
			locate(copy, bytes.size, bytes.size);
		}
	}
	free(copy);
	free(bytes.data);
}

/* Every section at once: linked in a circle, over the whole file, or of a size that only a sparse file has. */
static void test_bent_sections(void **state)
{
	struct bytes bytes = read_fixture("-O2 -shared -fPIC", "locator_fixture.c");
	Elf64_Ehdr *header = (Elf64_Ehdr *)bytes.data;
	Elf64_Shdr *sections = malloc(header->e_shnum * sizeof(*sections)), *bent;
	uint64_t sparse = 1ULL << 36;

	(void)state;
	assert_non_null(sections);
	bent = (Elf64_Shdr *)(void *)(bytes.data + header->e_shoff);
	memcpy(sections, bent, header->e_shnum * sizeof(*sections));
	for (int how = 0; how < 8; how++) {
		memcpy(bent, sections, header->e_shnum * sizeof(*sections));
		for (size_t i = 1; i < header->e_shnum; i++) {
			if (how == 0)
				bent[i].sh_link = (uint32_t)i;
			else if (how == 1)
				bent[i].sh_link = (uint32_t)((i + 1) % header->e_shnum);
			else if (how == 2)
				bent[i].sh_size = 0;
			else if (how == 3)
				bent[i].sh_offset = 0, bent[i].sh_size = bytes.size;
			else if (how == 4 && i != header->e_shstrndx)
				bent[i].sh_size = sparse / 2;
			else if (how == 5 && i != header->e_shstrndx)
				bent[i].sh_size = ELF_IMAGE_MAX_SECTION;
			else if (how == 6 && i != header->e_shstrndx)
				bent[i].sh_size = 32UL << 20; /* what is read of .eh_frame at most */
			else if (how == 7 && sections[i].sh_flags & SHF_EXECINSTR)
				bent[i].sh_size = 12UL << 20; /* in all as much code as is scanned */
		}
		locate(bytes.data, bytes.size, bytes.size);
		locate(bytes.data, bytes.size, sparse);
	}
	free(sections);
	free(bytes.data);
}

/* The file shrinks while it is read: reads fail, nothing is mapped that could fault. */
static void test_shrinking(void **state)
{
	struct bytes bytes = read_fixture("-O2 -shared -fPIC", "locator_fixture.c");
	int fd = memfd_create("shrinking", MFD_CLOEXEC);
	struct elf_image *image;
	struct elf_symbol symbol;
	struct address_range range;
	const char *reason;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.data, bytes.size), bytes.size);
	assert_int_equal(elf_image__open(fd, &image, &reason), 0);
	assert_int_equal(ftruncate(fd, 64), 0);
	assert_int_equal(elf_image__dynamic_symbol(image, "Py_GetVersion", &symbol), -ENOEXEC);
	assert_string_equal(elf_image__reason(image), "it was truncated while it was read");
	assert_int_equal(elf_image__function(image, 0x1000, &range), -ENOEXEC);
	elf_image__close(image);
	close(fd);
	free(bytes.data);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void mutate(const char *flags, const char *source)
{
	struct bytes bytes = read_fixture(flags, source);
	uint64_t random = 0x9e3779b97f4a7c15;
	unsigned char *copy = malloc(bytes.size);
	int accepted = 0;

	assert_non_null(copy);
	print_message("# seed 0x%llx, %s\n", (unsigned long long)random, flags);
	for (int i = 0; i < MUTATIONS; i++) {
		memcpy(copy, bytes.data, bytes.size);
		for (uint64_t bytes_left = 1 + next_random(&random) % 16; bytes_left; bytes_left--)
			copy[next_random(&random) % bytes.size] = (unsigned char)next_random(&random);
		accepted += !locate(copy, bytes.size, bytes.size);
	}
	assert_true(accepted > 0); /* else all that is behind the headers was never reached */
	free(copy);
	free(bytes.data);
}

static void test_mutated(void **state)
{
	(void)state;
	mutate("-O2 -shared -fPIC", "locator_fixture.c");
}

static void test_mutated_split(void **state)
{
	(void)state;
	mutate("-O2 -shared -fPIC -fno-plt -DSPLIT_VARIABLES", "locator_fixture.c");
}

static void test_mutated_ticks(void **state)
{
	(void)state;
	mutate("-O2 -shared -fPIC -pthread", "locator_fixture_ticks.c");
}

static void test_not_elf(void **state)
{
	(void)state;
	assert_int_equal(locate((const unsigned char *)"", 0, 0), -ENOENT);
	assert_int_equal(locate((const unsigned char *)"#!/bin/sh\n", 10, 10), -ENOENT);
	assert_int_equal(locate((const unsigned char *)"\177ELF", 4, 4), -ENOEXEC);
	assert_int_equal(locate((const unsigned char *)"\177ELF", 4, 1 << 20), -ENOEXEC);
}

static int remove_directory(void **state)
{
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/errors", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/fixture", directory);
	unlink(path);
	return rmdir(directory);
}

/* As Fedora strips: what is left of the symbols is compressed, in a section. */
#define MINI_DEBUG_INFO                                                                            \
	"nm $F >/dev/null && objcopy --only-keep-debug $F $F.debug && xz $F.debug && strip $F && " \
	"objcopy --add-section .gnu_debugdata=$F.debug.xz $F && rm $F.debug.xz"

static struct shape shapes[] = {
	{"cc", "-O2 -shared -fPIC -Wl,-z,lazy", false, NULL},
	{"cc", "-O2 -shared -fPIC -Wl,-z,now", false, NULL},
	{"cc", "-O0 -shared -fPIC", false, NULL},
	{"cc", "-O2 -shared -fPIC -fcf-protection -Wl,-z,ibtplt -Wl,-z,lazy", false, NULL},
	{"cc", "-O2 -shared -fPIC -fcf-protection -Wl,-z,ibtplt -Wl,-z,now", false, NULL},
	{"cc", "-O2 -shared -fPIC -Wl,-z,noseparate-code -Wl,--hash-style=sysv", false, NULL},
	{"cc", "-O2 -shared -fPIC -fno-plt", true, NULL},
	{"cc", "-O2 -DPROGRAM -no-pie -fno-pie -rdynamic", false, NULL},
	{"cc", "-O2 -DPROGRAM -pie -fPIE -rdynamic -s", false, NULL},
	{"cc", "-O2 -DPROGRAM -no-pie -fno-pie -rdynamic -DSPLIT_VARIABLES", false, NULL},
	{"cc", "-O2 -shared -fPIC -DSPLIT_VARIABLES", false, NULL},
	{"cc", "-O0 -shared -fPIC -DSPLIT_VARIABLES", false, NULL},
	{"clang", "-O2 -shared -fPIC", false, NULL},
	{"clang", "-O2 -shared -fPIC -DSPLIT_VARIABLES", false, NULL},
	{"cc", "-O2 -shared -fPIC -fuse-ld=lld", false, NULL},
	{"cc", "-O2 -shared -fPIC -fuse-ld=gold", false, NULL},
	{"cc", "-Os -shared -fPIC", false, NULL},
	{"cc", "-O2 -shared -fPIC -flto", false, NULL},
	{"cc", "-O2 -shared -fPIC -fno-omit-frame-pointer", false, NULL},
	{"cc", "-O2 -DPROGRAM -pie -fPIE -rdynamic -fno-plt", true, NULL},
	{"clang", "-O2 -shared -fPIC -fno-plt", true, NULL},
	{"clang", "-O0 -shared -fPIC", false, NULL},
	{"clang", "-O2 -DPROGRAM -no-pie -fno-pie -rdynamic", false, NULL},
	{"clang", "-O2 -DPROGRAM -pie -fPIE -rdynamic -s -fuse-ld=lld -Wl,--pack-dyn-relocs=relr", false, NULL},
	{"cc", "-O2 -shared -fPIC -g", false, MINI_DEBUG_INFO},
	{"cc", "-O2 -DPROGRAM -pie -fPIE -rdynamic -g", false, MINI_DEBUG_INFO},
	{"musl-gcc", "-O2 -shared -fPIC", false, NULL},
	{"musl-gcc", "-O2 -DPROGRAM -pie -fPIE -rdynamic", false, NULL},
	{"musl-gcc", "-O2 -shared -fPIC -DSPLIT_VARIABLES", false, NULL},
};

/* BOLT reads symbols and, where the linker kept them, relocations: without them it rewrites functions in place. */
static struct shape split_shapes[] = {
	{"gcc", "-O2 -shared -fPIC -DCOLD_WAIT", false, NULL},
	{"gcc", "-O2 -shared -fPIC -DCOLD_DROP", false, NULL},
	{"gcc", "-O2 -shared -fPIC -DCOLD_WAIT -DCOLD_DROP", false, NULL},
	{"gcc", "-O2 -DPROGRAM -no-pie -fno-pie -rdynamic -s -DCOLD_WAIT -DCOLD_DROP", false, NULL},
	{"gcc", "-O2 -shared -fPIC -fno-plt -DCOLD_WAIT -DCOLD_DROP", true, NULL},
	{"gcc", "-O2 -shared -fPIC", false, "python3 tests/bolt.py $F"},
	{"gcc", "-O2 -shared -fPIC -Wl,--emit-relocs -fno-reorder-blocks-and-partition", false,
	 "python3 tests/bolt.py $F"},
	{"clang", "-O2 -shared -fPIC -Wl,--emit-relocs", false, "python3 tests/bolt.py $F"},
	{"clang", "-O2 -DPROGRAM -pie -fPIE -rdynamic -Wl,--emit-relocs", false, "python3 tests/bolt.py $F"},
};

static struct shape ticks_shapes[] = {
	{"cc", "-O2 -shared -fPIC -pthread", false, NULL},
	{"cc", "-O0 -shared -fPIC -pthread", false, NULL},
	{"cc", "-O2 -DPROGRAM -no-pie -fno-pie -rdynamic -pthread", false, NULL},
	{"cc", "-O0 -DPROGRAM -no-pie -fno-pie -rdynamic -pthread", false, NULL},
	{"cc", "-O2 -DPROGRAM -pie -fPIE -rdynamic -s -pthread", false, NULL},
	{"cc", "-O2 -shared -fPIC -fno-plt -pthread", true, NULL},
	{"clang", "-O2 -shared -fPIC -pthread", false, NULL},
	{"clang", "-O2 -DPROGRAM -no-pie -fno-pie -rdynamic -pthread", false, NULL},
};

int main(void)
{
	static char names[sizeof(shapes) / sizeof(*shapes)][160];
	static char split_names[sizeof(split_shapes) / sizeof(*split_shapes)][160];
	static char ticks_names[sizeof(ticks_shapes) / sizeof(*ticks_shapes)][160];
	static struct CMUnitTest tests[MAX_BUILDS + sizeof(shapes) / sizeof(*shapes) + 48];
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_variables_of_3_6),
		cmocka_unit_test(test_rare_shapes),
		cmocka_unit_test(test_emulated),
		cmocka_unit_test(test_not_elf),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_bent_headers),
		cmocka_unit_test(test_bent_sections),
		cmocka_unit_test(test_shrinking),
		cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_mutated_split),
		cmocka_unit_test(test_mutated_ticks),
		cmocka_unit_test(test_unknown_minor),
		cmocka_unit_test(test_free_threaded_layout),
		cmocka_unit_test(test_free_threaded_frames),
		cmocka_unit_test(test_bent_frame_offsets),
		cmocka_unit_test(test_bent_debug_offsets),
	};
	size_t count = 0;

	if (!mkdtemp(directory)) {
		perror(directory);
		return 1;
	}
	read_builds();
	for (size_t i = 0; i < build_count; i++)
		tests[count++] = (struct CMUnitTest){
			.name = builds[i].name, .test_func = test_build, .initial_state = &builds[i]};
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		snprintf(names[i], sizeof(names[i]), "sites of a library built by %s %s%s", shapes[i].compiler,
			 shapes[i].flags, shapes[i].after ? " with .gnu_debugdata" : "");
		tests[count++] =
			(struct CMUnitTest){.name = names[i], .test_func = test_shape, .initial_state = &shapes[i]};
	}
	for (size_t i = 0; i < sizeof(split_shapes) / sizeof(*split_shapes); i++) {
		snprintf(split_names[i], sizeof(split_names[i]), "sites of split functions built by %s %s%s",
			 split_shapes[i].compiler, split_shapes[i].flags, split_shapes[i].after ? " and BOLT" : "");
		tests[count++] = (struct CMUnitTest){
			.name = split_names[i], .test_func = test_split_shape, .initial_state = &split_shapes[i]};
	}
	for (size_t i = 0; i < sizeof(ticks_shapes) / sizeof(*ticks_shapes); i++) {
		snprintf(ticks_names[i], sizeof(ticks_names[i]), "sites of a 2.7 built by %s %s",
			 ticks_shapes[i].compiler, ticks_shapes[i].flags);
		tests[count++] = (struct CMUnitTest){
			.name = ticks_names[i], .test_func = test_ticks_shape, .initial_state = &ticks_shapes[i]};
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		tests[count++] = others[i];
	return _cmocka_run_group_tests("locator", tests, count, NULL, remove_directory);
}
