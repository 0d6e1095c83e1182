/* SPDX-License-Identifier: MIT */
/*
 * The CPython adapter: finds the probe sites of the GIL in the ELF file that holds the interpreter, with no symbol
 * table and no table of addresses.
 *
 * The calls of the condition-variable functions tell all (docs/design.md): pthread_cond_timedwait is called only in
 * take_gil; pthread_cond_signal in take_gil (acquired) and in drop_gil or its inlined copies (released);
 * pthread_cond_wait in drop_gil or its copies (switched). Python-level locks use semaphores. Checked on 18 builds, 3.6
 * to 3.15. Another user of condition variables in the same file is told apart at run time, by the arguments.
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
#include "user/target/runtime.h"

enum { TIMEDWAIT, SIGNAL, WAIT, FUNCTIONS };

static const char *const functions[FUNCTIONS] = {
	[TIMEDWAIT] = "pthread_cond_timedwait",
	[SIGNAL] = "pthread_cond_signal",
	[WAIT] = "pthread_cond_wait",
};

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

/* The constant address that an instruction computes: lea disp(%rip), or mov $address of a non-PIE executable; or 0. */
static uint64_t constant_address(const cs_insn *instruction)
{
	const cs_x86 *x86 = &instruction->detail->x86;

	if (x86->op_count != 2 || x86->operands[0].type != X86_OP_REG)
		return 0;
	if (instruction->id == X86_INS_LEA)
		return instruction__memory(instruction);
	if (instruction->id == X86_INS_MOV && x86->operands[1].type == X86_OP_IMM)
		return (uint64_t)x86->operands[1].imm;
	return 0;
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
		uint64_t address = constant_address(instruction);

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

/* Whether an instruction sets the flags from the whole of a call's result: cmp $ETIMEDOUT,%eax or test %eax,%eax. */
static bool tests_result(const cs_insn *instruction)
{
	static const uint8_t forms[][6] = {
		{3, 0x83, 0xf8, 0x6e}, /* the length first */
		{5, 0x3d, 0x6e, 0x00, 0x00, 0x00},
		{3, 0x83, 0xf8, 0xff}, /* cmp $-1,%eax: sem_wait's error */
		{2, 0x85, 0xc0},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (instruction->size == forms[i][0] && !memcmp(instruction->bytes, forms[i] + 1, forms[i][0]))
			return true;
	return false;
}

/* The compiler may schedule moves before and after the comparison. */
int build__add_result_jump(struct build *build, enum probe_event event, const struct call_site *call, bool *found)
{
	const cs_insn *instruction;
	bool tested = false;
	int near = 0, err = disassembly__start(build->disassembly, &call->function, true);

	*found = false;
	while (!err && near < 8 && (instruction = disassembly__next(build->disassembly))) {
		char text[48];

		if (instruction->address < call->next)
			continue;
		near++;
		if (tested && instruction__is_conditional_jump(instruction)) {
			instruction__text(instruction, text, sizeof(text));
			*found = true;
			return build__add_site(build, event, instruction->address, true, text);
		}
		if (instruction__is_branch(instruction))
			break;
		if (tests_result(instruction))
			tested = true;
		else if (disassembly__writes(build->disassembly, instruction, X86_REG_RAX) ||
			 (tested && instruction->id != X86_INS_MOV && instruction->id != X86_INS_LEA))
			break;
	}
	return err == -ENOMEM ? err : 0;
}

static int add_waited(struct build *build, const struct call_site *call)
{
	bool found;
	int err = build__add_result_jump(build, PROBE_WAITED, call, &found);

	if (!err && !found)
		build__note(build,
			    "The jump on the result of %s at 0x%llx was not found: timeouts are not told from stolen "
			    "wake-ups.\n",
			    functions[TIMEDWAIT], (unsigned long long)call->address);
	return err;
}

/* Whether a jump within the function enters at an address in (after, last]. */
static bool is_entered(struct build *build, const struct call_site *call, uint64_t after, uint64_t last)
{
	const cs_insn *instruction;

	if (disassembly__start(build->disassembly, &call->function, false))
		return true;
	while ((instruction = disassembly__next(build->disassembly))) {
		uint64_t target = instruction__target(instruction);

		if (target > after && target <= last)
			return true;
	}
	return false;
}

/*
 * An instruction shortly before a call that the kernel emulates and that is passed exactly when the call is, with the
 * call's first two arguments in place. False: there is none.
 */
static bool find_stand_in(struct build *build, const struct call_site *call, uint64_t *address, char *text, size_t size)
{
	const cs_insn *instruction;

	*address = 0;
	if (disassembly__start(build->disassembly, &call->function, true))
		return false;
	while ((instruction = disassembly__next(build->disassembly)) && instruction->address < call->address) {
		if (instruction__is_branch(instruction) ||
		    disassembly__writes(build->disassembly, instruction, X86_REG_RDI) ||
		    disassembly__writes(build->disassembly, instruction, X86_REG_RSI)) {
			*address = 0;
		} else if (instruction__emulated(instruction->bytes, instruction->size)) {
			*address = instruction->address;
			instruction__text(instruction, text, size);
		}
	}
	return *address && !is_entered(build, call, *address, call->address);
}

int build__add_call(struct build *build, enum probe_event event, const struct call_site *call)
{
	char text[48];
	uint64_t address;

	if (call->kind == CALL_TAIL_IF)
		build__note(build, "The %s at 0x%llx is a conditional jump: the probe there is hit too often.\n",
			    build->functions[call->callee], (unsigned long long)call->address);
	if (call->emulated)
		return build__add_site(build, event, call->address, true, call->text);
	if (find_stand_in(build, call, &address, text, sizeof(text)))
		return build__add_site(build, event, address, true, text);
	return build__add_site(build, event, call->address, false, call->text);
}

/* Whether a call is in a function that waits with a timeout: take_gil, or one of its clones (3.8 has two). */
static bool is_in_take_gil(const struct build *build, const struct call_site *call)
{
	for (size_t i = 0; i < build->calls.count; i++)
		if (build->calls.sites[i].callee == TIMEDWAIT && build->calls.sites[i].kind != CALL_BY_REGISTER &&
		    build->calls.sites[i].function.start == call->function.start)
			return true;
	return false;
}

static enum probe_event event_of(const struct build *build, const struct call_site *call)
{
	if (call->callee == TIMEDWAIT)
		return PROBE_BLOCKED;
	if (call->callee == WAIT)
		return PROBE_SWITCHED;
	return is_in_take_gil(build, call) ? PROBE_ACQUIRED : PROBE_RELEASED;
}

static int compare_sites(const void *left, const void *right)
{
	const struct probe_site *a = left, *b = right;

	if (a->event != b->event)
		return a->event < b->event ? -1 : 1;
	return a->address < b->address ? -1 : a->address > b->address;
}

static const struct probe_site *first_site(const struct build *build, enum probe_event event)
{
	for (size_t i = 0; i < build->plan->site_count; i++)
		if (build->plan->sites[i].event == event)
			return &build->plan->sites[i];
	return NULL;
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

static int check_sites(struct build *build)
{
	if (!first_site(build, PROBE_BLOCKED))
		return build__refuse(build, -ENOTSUP, "no call of %s was found in it, so its GIL cannot be watched",
				     functions[TIMEDWAIT]);
	if (!first_site(build, PROBE_ACQUIRED))
		return build__refuse(build, -ENOTSUP, "no call of %s was found in the function that takes the GIL",
				     functions[SIGNAL]);
	if (!first_site(build, PROBE_RELEASED))
		return build__refuse(build, -ENOTSUP, "no call of %s was found that releases the GIL",
				     functions[SIGNAL]);
	if (!first_site(build, PROBE_SWITCHED))
		build__note(build, "No call of %s was found: forced releases are not told from voluntary ones.\n",
			    functions[WAIT]);
	return 0;
}

static void note_sites(struct build *build)
{
	note_slow_sites(build);
	if (build->calls.unverified)
		build__note(build, "%zu possible calls in code that could not be disassembled were left out.\n",
			    build->calls.unverified);
}

static int find_sites(struct build *build)
{
	int err;

	build->functions = functions;
	err = call_sites__find(build->image, build->disassembly, functions, FUNCTIONS, &build->calls);

	if (err == -E2BIG)
		return build__refuse(build, -ENOTSUP, "its code is absurdly large, or calls %s absurdly often",
				     functions[SIGNAL]);
	for (size_t i = 0; !err && i < build->calls.count; i++) {
		const struct call_site *call = &build->calls.sites[i];

		if (call->kind == CALL_BY_REGISTER) {
			build__note(build, "At 0x%llx %s is loaded into a register: calls through it are not seen.\n",
				    (unsigned long long)call->address, functions[call->callee]);
			continue;
		}
		err = build__add_call(build, event_of(build, call), call);
		if (!err && call->callee == TIMEDWAIT)
			err = add_waited(build, call);
	}
	return err ? err : check_sites(build);
}

/* 3.6 keeps the GIL in separate static variables. What take_gil says about where they are: addresses, 0 unknown. */
struct static_gil {
	uint64_t cond, mutex, switch_cond, locked, last_holder;
};

/* Registers that hold a constant address while a function is stepped through. */
struct constants {
	uint64_t value[X86_REG_ENDING];
};

static void follow_constants(struct build *build, const cs_insn *instruction, struct constants *constants)
{
	static const x86_reg general[] = {X86_REG_RAX, X86_REG_RCX, X86_REG_RDX, X86_REG_RSI, X86_REG_RDI,
					  X86_REG_R8,  X86_REG_R9,  X86_REG_R10, X86_REG_R11, X86_REG_RBX,
					  X86_REG_RBP, X86_REG_R12, X86_REG_R13, X86_REG_R14, X86_REG_R15};
	const size_t count = sizeof(general) / sizeof(*general), caller_saved = 9;
	const cs_x86 *x86 = &instruction->detail->x86;
	uint64_t value = constant_address(instruction);

	if (instruction->id == X86_INS_MOV && x86->op_count == 2 && x86->operands[1].type == X86_OP_REG)
		value = constants->value[x86->operands[1].reg];
	for (size_t i = 0; i < count; i++)
		if ((instruction->id == X86_INS_CALL && i < caller_saved) ||
		    disassembly__writes(build->disassembly, instruction, general[i]))
			constants->value[general[i]] = 0;
	if (value && x86->operands[0].type == X86_OP_REG && x86->operands[0].size == 8)
		constants->value[x86->operands[0].reg] = value;
	else if (value && instruction->id == X86_INS_MOV && x86->operands[0].type == X86_OP_REG) /* mov $address,%edi */
		for (size_t i = 0; i < count; i++)
			if (disassembly__writes(build->disassembly, instruction, general[i]))
				constants->value[general[i]] = value;
}

/* gil_locked is the 4-byte variable that is -1 at first; gil_last_holder the one that takes a 64-bit register. */
static void look_at_variable(struct build *build, const cs_insn *instruction, struct static_gil *gil)
{
	const cs_x86 *x86 = &instruction->detail->x86;
	uint64_t address = instruction__memory(instruction);
	int32_t initial;

	if (!address || instruction->id != X86_INS_MOV || x86->op_count != 2)
		return;
	if (x86->operands[0].size == 4 && !elf_image__read(build->image, address, &initial, sizeof(initial)) &&
	    initial == -1)
		gil->locked = address;
	else if (x86->operands[0].size == 8 && x86->operands[0].type == X86_OP_MEM &&
		 x86->operands[1].type == X86_OP_REG)
		gil->last_holder = gil->last_holder && gil->last_holder != address ? UINT64_MAX : address;
}

static int find_static_gil(struct build *build, struct static_gil *gil)
{
	const uint64_t blocked = first_site(build, PROBE_BLOCKED)->address;
	const uint64_t acquired = first_site(build, PROBE_ACQUIRED)->address;
	struct constants constants = {0};
	struct address_range range;
	const cs_insn *instruction;
	int err = elf_image__function(build->image, blocked, &range);

	*gil = (struct static_gil){0};
	err = err ? err : disassembly__start(build->disassembly, &range, true);
	while (!err && (instruction = disassembly__next(build->disassembly))) {
		if (instruction->address == blocked) {
			gil->cond = constants.value[X86_REG_RDI];
			gil->mutex = constants.value[X86_REG_RSI];
		} else if (instruction->address == acquired) {
			gil->switch_cond = constants.value[X86_REG_RDI];
		}
		look_at_variable(build, instruction, gil);
		follow_constants(build, instruction, &constants);
	}
	if (gil->last_holder == UINT64_MAX) /* several */
		gil->last_holder = 0;
	return err;
}

static int64_t offset_from(uint64_t variable, uint64_t lock)
{
	return variable ? (int64_t)(variable - lock) : UNKNOWN_OFFSET;
}

/* The lock's address is taken to be its condition variable's. */
static int find_static_layout(struct build *build)
{
	struct probe_plan *plan = build->plan;
	struct static_gil gil;
	int err = find_static_gil(build, &gil);

	if (err == -ENOMEM)
		return err;
	if (err || !gil.cond || !gil.mutex || !gil.switch_cond)
		return build__refuse(build, -ENOTSUP, "the variables of its GIL could not be told from its code");
	plan->root = gil.cond;
	plan->layout.cond = 0;
	plan->layout.mutex = offset_from(gil.mutex, gil.cond);
	plan->layout.switch_cond = offset_from(gil.switch_cond, gil.cond);
	plan->layout.locked = offset_from(gil.locked, gil.cond);
	plan->layout.last_holder = offset_from(gil.last_holder, gil.cond);
	if (!gil.locked || !gil.last_holder)
		build__note(build,
			    "Where the GIL keeps its state and holder was not found: who holds it is known from events "
			    "only.\n");
	return 0;
}

/* struct _gil_runtime_state, the same from 3.7 to 3.15 on x86-64 glibc, but for what free-threaded builds put first. */
static int fill_layout(struct build *build)
{
	struct probe_plan *plan = build->plan;
	int64_t shift = plan->cpython.gil_shift;
	struct elf_symbol runtime;
	int err;

	plan->layout = (struct lock_layout){.cond = 32 + shift,
					    .switch_cond = 120 + shift,
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
		return find_static_layout(build);
	err = elf_image__dynamic_symbol(build->image, "_PyRuntime", &runtime);
	if (err && err != -ENOENT)
		return err;
	if (!err) {
		plan->root = runtime.address;
		plan->root_size = runtime.size;
	}
	return 0;
}

static int make_plan(struct build *build)
{
	int err = recognise(build);

	if (err)
		return err;
	err = disassembly__open(build->image, &build->disassembly);
	err = err ? err : check_version(build);
	if (!err && build->plan->cpython.version < 0x0300) {
		err = build__find_ticks(build);
	} else {
		err = err ? err : find_sites(build);
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
	struct build build = {.plan = plan, .why = why, .why_size = why_size};
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
