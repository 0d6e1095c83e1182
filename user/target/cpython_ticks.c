/* SPDX-License-Identifier: MIT */
/*
 * CPython 2.7's lock, which is released each hundred bytecodes ("ticks"). It is a semaphore, made like each of the
 * program's own locks; only the static variable `interpreter_lock` tells which one it is. PyThread_acquire_lock() calls
 * sem_wait(), PyThread_release_lock() calls sem_post(), both for every lock: the kernel side compares the argument with
 * the variable. Its address is in the code of the exported PyEval_ReleaseLock(), which passes it on.
 */
#include <errno.h>

#include "user/target/cpython_build.h"

enum { SEM_WAIT, SEM_POST, FUNCTIONS };

static const char *const functions[FUNCTIONS] = {[SEM_WAIT] = "sem_wait", [SEM_POST] = "sem_post"};

/* The address that a load of a 64-bit register reads: disp(%rip), or the bare address of a non-PIE executable; or 0. */
static uint64_t loaded_variable(const cs_insn *instruction)
{
	const cs_x86 *x86 = &instruction->detail->x86;
	const cs_x86_op *source = &x86->operands[1];

	if (instruction->id != X86_INS_MOV || x86->op_count != 2 || x86->operands[0].type != X86_OP_REG ||
	    x86->operands[0].size != 8 || source->type != X86_OP_MEM || source->mem.segment != X86_REG_INVALID)
		return 0;
	if (source->mem.base == X86_REG_RIP)
		return instruction__memory(instruction);
	if (source->mem.base == X86_REG_INVALID && source->mem.index == X86_REG_INVALID)
		return (uint64_t)source->mem.disp;
	return 0;
}

static int find_lock_variable(struct build *build, uint64_t *address)
{
	const cs_insn *instruction;
	struct address_range range;
	struct elf_symbol symbol;
	int err = elf_image__dynamic_symbol(build->image, "PyEval_ReleaseLock", &symbol);

	*address = 0;
	err = err ? err : elf_image__function(build->image, symbol.address, &range);
	err = err ? err : disassembly__start(build->disassembly, &range, true);
	while (!err && !*address && (instruction = disassembly__next(build->disassembly)))
		if (instruction->address >= symbol.address)
			*address = loaded_variable(instruction);
	if (err == -ENOMEM || err == -ENOEXEC)
		return err;
	if (!*address)
		return build__refuse(build, -ENOTSUP,
				     "the variable that names its GIL was not found in PyEval_ReleaseLock");
	return 0;
}

static uint64_t address_of(struct build *build, const char *name)
{
	struct elf_symbol symbol;

	return elf_image__dynamic_symbol(build->image, name, &symbol) ? 0 : symbol.address;
}

/* The instruction behind a call, whatever it is: the result is still in eax there. */
static int add_next(struct build *build, const struct call_site *call)
{
	const cs_insn *instruction;
	int err = disassembly__start(build->disassembly, &call->function, false);

	while (!err && (instruction = disassembly__next(build->disassembly))) {
		char text[48];

		if (instruction->address != call->next)
			continue;
		instruction__text(instruction, text, sizeof(text));
		return build__add_site(build, PROBE_TAKEN, call->next,
				       instruction__emulated(instruction->bytes, instruction->size), text);
	}
	if (err == -ENOMEM || err == -ENOEXEC)
		return err;
	return build__refuse(build, -ENOTSUP, "what follows the call of sem_wait at 0x%llx was not found",
			     (unsigned long long)call->address);
}

static int add_wait(struct build *build, const struct call_site *call)
{
	bool found;
	int err;

	if (call->kind != CALL_DIRECT && call->kind != CALL_INDIRECT)
		return build__refuse(build, -ENOTSUP, "at 0x%llx sem_wait is jumped to: its result is not seen",
				     (unsigned long long)call->address);
	err = build__add_call(build, PROBE_TAKING, call);
	err = err ? err : build__add_result_jump(build, PROBE_TAKEN, call, &found);
	return err || found ? err : add_next(build, call);
}

static int add_sites(struct build *build)
{
	size_t waits = 0, posts = 0;
	int err = 0;

	for (size_t i = 0; !err && i < build->calls.count; i++) {
		const struct call_site *call = &build->calls.sites[i];

		if (call->kind == CALL_BY_REGISTER) {
			build__note(build, "At 0x%llx %s is loaded into a register: calls through it are not seen.\n",
				    (unsigned long long)call->address, functions[call->callee]);
		} else if (call->callee == SEM_WAIT) {
			err = add_wait(build, call);
			waits++;
		} else {
			err = build__add_call(build, PROBE_RELEASED, call);
			posts++;
		}
	}
	if (!err && (!waits || !posts))
		return build__refuse(build, -ENOTSUP, "no call of %s was found in it, so its GIL cannot be watched",
				     waits ? functions[SEM_POST] : functions[SEM_WAIT]);
	return err;
}

int build__find_ticks(struct build *build)
{
	struct probe_plan *plan = build->plan;
	int err = find_lock_variable(build, &plan->root);

	if (err)
		return err;
	plan->layout = (struct lock_layout){.mutex = UNKNOWN_OFFSET,
					    .locked = UNKNOWN_OFFSET,
					    .last_holder = UNKNOWN_OFFSET,
					    .thread_id = plan->cpython.thread_id,
					    .interpreter = UNKNOWN_OFFSET};
	plan->cpython.current_thread = address_of(build, "_PyThreadState_Current");
	plan->cpython.check_interval = address_of(build, "_Py_CheckInterval");
	build->functions = functions;
	err = call_sites__find(build->image, build->disassembly, functions, FUNCTIONS, &build->calls);
	if (err == -E2BIG)
		return build__refuse(build, -ENOTSUP, "its code is absurdly large, or calls %s absurdly often",
				     functions[SEM_POST]);
	return err ? err : add_sites(build);
}
