/* SPDX-License-Identifier: MIT */
/*
 * The CPython adapter: finds the probe sites of the GIL in the ELF file that holds the interpreter, with no symbol
 * table and no table of addresses.
 *
 * The calls of the condition-variable functions tell all (docs/design.md): pthread_cond_timedwait is called only in
 * take_gil; pthread_cond_signal in take_gil (acquired) and in drop_gil or its inlined copies (released);
 * pthread_cond_wait in drop_gil or its copies (switched). Python-level locks use semaphores. Checked on 18 builds, 3.6
 * to 3.15. Another user of condition variables in the same file is told apart at run time: by the arguments, and where
 * a wait ends by the mutex, which names its owner.
 */
#include "user/target/cpython.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/target/cpython_build.h"
#include "user/target/cpython_layout.h"
#include "user/target/plan.h"
#include "user/target/register_values.h"
#include "user/target/runtime.h"

#define MAX_SCANNED (256UL << 20) /* bytes; a scan is of all of the code */

int build__refuse(struct build *build, int err, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(build->why, build->why_size, format, arguments);
	va_end(arguments);
	return err;
}

void build__note(struct build *build, const char *format, ...)
{
	size_t used = strlen(build->plan->notes);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(build->plan->notes + used, PLAN_NOTES_SIZE - used, format, arguments);
	va_end(arguments);
}

/* A file is an interpreter when it defines, not imports, its API: whatever its name is. -ENOENT: it is none. */
static int recognise(struct build *build)
{
	static const char *const api[] = {"PyEval_SaveThread", "PyEval_RestoreThread", "Py_GetVersion"};
	struct elf_symbol symbol;

	for (size_t i = 0; i < sizeof(api) / sizeof(*api); i++) {
		int err = elf_image__dynamic_symbol(build->image, api[i], &symbol);

		if (err)
			return err;
	}
	build->plan->runtime = "cpython";
	snprintf(build->plan->recognised, sizeof(build->plan->recognised), "the file defines %s and %s", api[0],
		 api[2]);
	return 0;
}

/* "3.8.18" of a text that begins so; what follows (a1, rc2, +) is kept. False: it does not look like a version. */
static bool copy_version(const char *text, char *out, size_t size)
{
	size_t length = strspn(text, "0123456789abcr.+");
	int major, minor, micro;

	if (!isdigit((unsigned char)*text) || length >= size || text[length] != '\0' ||
	    sscanf(text, "%3d.%3d.%3d", &major, &minor, &micro) != 3)
		return false;
	memcpy(out, text, length);
	out[length] = '\0';
	return true;
}

/* Py_Version, exported since 3.11: 0x030b02f0 is 3.11.2 final. */
static int version_from_constant(struct build *build)
{
	uint64_t hex;
	struct elf_symbol symbol;
	int err = elf_image__dynamic_symbol(build->image, "Py_Version", &symbol);

	err = err ? err : elf_image__read(build->image, symbol.address, &hex, sizeof(hex));
	if (!err)
		snprintf(build->plan->version, sizeof(build->plan->version), "%u.%u.%u", (unsigned)(hex >> 24 & 0xff),
			 (unsigned)(hex >> 16 & 0xff), (unsigned)(hex >> 8 & 0xff));
	return err;
}

/* Before 3.11: the string among those that Py_GetVersion formats that looks like a version. */
static int version_from_code(struct build *build)
{
	struct address_range range;
	struct elf_symbol symbol;
	const cs_insn *instruction;
	int err = elf_image__dynamic_symbol(build->image, "Py_GetVersion", &symbol);

	err = err ? err : elf_image__function(build->image, symbol.address, &range);
	err = err ? err : disassembly__start(build->disassembly, &range, true);
	if (err)
		return err;
	while ((instruction = disassembly__next(build->disassembly))) {
		char text[24];
		uint64_t address = instruction__constant(instruction);

		if (!address || elf_image__read(build->image, address, text, sizeof(text)))
			continue;
		text[sizeof(text) - 1] = '\0';
		if (copy_version(text, build->plan->version, sizeof(build->plan->version)))
			return 0;
	}
	return -ENOENT;
}

uint32_t cpython__version(const struct probe_plan *plan)
{
	unsigned major, minor, micro;

	if (sscanf(plan->version, "%3u.%3u.%3u", &major, &minor, &micro) != 3)
		return 0;
	return (major & 0xff) << 16 | (minor & 0xff) << 8 | (micro & 0xff);
}

static int check_version(struct build *build)
{
	struct probe_plan *plan = build->plan;
	const char *reason;
	int err = version_from_constant(build);

	if (err == -ENOENT || err == -EFAULT)
		err = version_from_code(build);
	if (err == -ENOENT || err == -EFAULT || err == -E2BIG)
		return build__refuse(build, -ENOTSUP,
				     "it is a Python whose version cannot be told; 2.7, 3.6 and later are supported");
	if (err)
		return err;
	err = cpython_layout__find(build->image, cpython__version(plan) >> 8, &plan->cpython, &plan->frames, &reason);
	if (err == -ENOTSUP)
		return build__refuse(build, err, "Python %s %s", plan->version, reason);
	if (err)
		return err;
	if (plan->cpython.guessed)
		build__note(build,
			    "Python %s is not known to giltrace: its layout was guessed, and is checked while it is "
			    "traced.\n",
			    plan->version);
	if (plan->frames.top)
		plan->frames.interpreter = plan->cpython.interpreter;
	else
		build__note(build, "How Python %s keeps its frames is not known: there are no Python stacks.\n",
			    plan->version);
	plan->design = plan->cpython.version >= 0x030c   ? "per-interpreter"
		       : plan->cpython.version >= 0x0300 ? "interval"
							 : "ticks";
	return 0;
}

int build__add_site(struct build *build, enum probe_event event, uint64_t address, bool emulated, const char *text)
{
	struct probe_plan *plan = build->plan;
	struct probe_site *site = &plan->sites[plan->site_count];

	if (plan->site_count == PLAN_MAX_SITES)
		return build__refuse(build, -ENOTSUP, "it calls %s and the like in more than %d places",
				     build->functions[0], PLAN_MAX_SITES);
	*site = (struct probe_site){.event = event, .address = address, .emulated = emulated};
	if (elf_image__file_offset(build->image, address, &site->file_offset))
		return build__refuse(build, -ENOTSUP, "the code at 0x%llx is not in the file",
				     (unsigned long long)address);
	snprintf(site->instruction, sizeof(site->instruction), "%s", text);
	plan->site_count++;
	return 0;
}

/* struct _gil_runtime_state, the same from 3.7 to 3.15 on x86-64 glibc, but for what free-threaded builds put first. */
static int fill_layout(struct build *build)
{
	struct probe_plan *plan = build->plan;
	int64_t shift = plan->cpython.gil_shift;
	struct elf_symbol runtime;
	int err;

	plan->layout = (struct lock_layout){.cond = GIL_COND + shift,
					    .switch_cond = GIL_SWITCH_COND + shift,
					    .mutex = 80 + shift,
					    .locked = 16 + shift,
					    .last_holder = 8 + shift,
					    .thread_id = plan->cpython.thread_id,
					    .interpreter = UNKNOWN_OFFSET};
	if (plan->cpython.interpreter_gil) {
		plan->layout.interpreter = plan->cpython.interpreter;
		plan->layout.interpreter_id = plan->cpython.interpreter_id;
		plan->layout.interpreter_gil = plan->cpython.interpreter_gil;
	}
	if (plan->cpython.version < 0x0307)
		return build__find_static_layout(build);
	err = elf_image__dynamic_symbol(build->image, "_PyRuntime", &runtime);
	if (err && err != -ENOENT)
		return err;
	if (!err) {
		plan->root = runtime.address;
		plan->root_size = runtime.size;
	}
	return 0;
}

static int compare_sites(const void *left, const void *right)
{
	const struct probe_site *a = left, *b = right;

	if (a->event != b->event)
		return a->event < b->event ? -1 : 1;
	return a->address < b->address ? -1 : a->address > b->address;
}

/* Sites where a probe is single-stepped, as calls through the global offset table of a -fno-plt build are. */
static void note_slow_sites(struct build *build)
{
	size_t slow = 0;

	for (size_t i = 0; i < build->plan->site_count; i++)
		slow += !build->plan->sites[i].emulated;
	if (slow)
		build__note(
			build,
			"The kernel does not emulate the instruction at %zu of %zu sites: a hit costs some 15 us, not "
			"1.\n",
			slow, build->plan->site_count);
}

static void note_sites(struct build *build)
{
	note_slow_sites(build);
	if (build->calls.unverified)
		build__note(build, "%zu possible calls in code that could not be disassembled were left out.\n",
			    build->calls.unverified);
}

static int make_plan(struct build *build)
{
	int err = recognise(build);

	if (err)
		return err;
	err = disassembly__open(build->image, &build->disassembly);
	if (err == -ELIBACC)
		return build__refuse(build, err, "cannot be searched for probe sites without libcapstone: install it");
	err = err ? err : check_version(build);
	if (!err && build->plan->cpython.version < 0x0300) {
		err = build__find_ticks(build);
	} else {
		err = err ? err : build__find_sites(build);
		err = err ? err : fill_layout(build);
	}
	if (!err) {
		qsort(build->plan->sites, build->plan->site_count, sizeof(*build->plan->sites), compare_sites);
		note_sites(build);
	}
	if (err == -ENOEXEC && !*build->why) /* a Python, whatever else it is */
		return build__refuse(build, -ENOTSUP, "this Python cannot be looked into: %s",
				     elf_image__reason(build->image));
	return err;
}

int cpython__plan_file(int fd, struct probe_plan *plan, char *why, size_t why_size)
{
	struct build build = {.plan = plan, .why = why, .why_size = why_size, .scan_budget = MAX_SCANNED};
	const char *reason;
	int err;

	memset(plan, 0, sizeof(*plan));
	snprintf(why, why_size, "%s", "");
	err = elf_image__open(fd, &build.image, &reason);
	if (err == -ENOEXEC)
		return build__refuse(&build, err, "%s", reason);
	if (err)
		return err;
	err = make_plan(&build);
	if (err && err != -ENOENT && !*why)
		build__refuse(&build, err, "%s", err == -ENOEXEC ? elf_image__reason(build.image) : strerror(-err));
	call_sites__free(&build.calls);
	disassembly__close(build.disassembly);
	elf_image__close(build.image);
	return err;
}

/* What the file cannot say: where it is mapped. */
static int bind_to_process(int fd, const struct mapping *file, struct probe_plan *plan)
{
	struct elf_image *image;
	const char *reason;
	int err = elf_image__open(fd, &image, &reason);

	if (err)
		return err;
	plan->file = *file;
	err = elf_image__load_bias(image, file->start, file->file_offset, &plan->load_bias);
	elf_image__close(image);
	if (!err && plan->cpython.version < 0x0300) {
		plan->layout.lock_variable = (int64_t)plan->root;
		if (plan->cpython.current_thread)
			plan->layout.last_holder = (int64_t)plan->cpython.current_thread;
	}
	return err;
}

static int plan_mapping(const struct process *process, const struct mapping *file, struct probe_plan *plan, char *why,
			size_t why_size)
{
	char path[64];
	int fd, err;

	process__mapping_path(process, file, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		err = -errno;
		snprintf(why, why_size, "it cannot be opened through %s: %s", path, strerror(-err));
		return err;
	}
	err = cpython__plan_file(fd, plan, why, why_size);
	if (!err) {
		err = bind_to_process(fd, file, plan);
		if (err)
			snprintf(why, why_size, "its mapping fits none of its segments");
		else
			err = cpython__check(process, plan, why, why_size);
	}
	close(fd);
	return err;
}

const struct runtime_adapter cpython_adapter = {
	.name = "cpython",
	.plan = plan_mapping,
	.interpreter = cpython__interpreter,
	.main_lock = cpython__main_lock,
	.describe = cpython__describe,
	.name_frame = cpython__name_frame,
	.evaluates = cpython__evaluates,
	.without_lock = cpython__without_lock,
};
