/* SPDX-License-Identifier: MIT */
/*
 * The sites of CPython 3's lock: the calls of the condition-variable functions, each with the event that it tells. And
 * what 2.7's sites are found with, too: calls that can be probed cheaply, and the jumps on their results.
 */
#include <errno.h>
#include <string.h>

#include "user/target/cpython_build.h"
#include "user/target/register_values.h"

enum { TIMEDWAIT, SIGNAL, WAIT, FUNCTIONS };

static const char *const functions[FUNCTIONS] = {
	[TIMEDWAIT] = "pthread_cond_timedwait",
	[SIGNAL] = "pthread_cond_signal",
	[WAIT] = "pthread_cond_wait",
};

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

/*
 * Whether a jump enters at an address in (after, last]: within the function, or from anywhere, for a function that was
 * split is entered from its other parts.
 */
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
	return call_sites__code_enters(build->image, after, last, &build->scan_budget) != 0;
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

/* Whether a jump goes from one range into the midst of the other: these are parts of one function, which was split. */
static bool jumps_into(struct build *build, const struct address_range *from, const struct address_range *into)
{
	const cs_insn *instruction;

	if (disassembly__start(build->disassembly, from, false))
		return false;
	while ((instruction = disassembly__next(build->disassembly))) {
		uint64_t target = instruction__target(instruction);

		if (target > into->start && target < into->end && instruction->id != X86_INS_CALL)
			return true;
	}
	return false;
}

static bool are_of_one_function(struct build *build, const struct call_site *a, const struct call_site *b)
{
	return a->function.start == b->function.start || jumps_into(build, &a->function, &b->function) ||
	       jumps_into(build, &b->function, &a->function);
}

/* What the registers hold where a jump leads from one part of a function to another. */
static void values_at_jump(struct build *build, const struct address_range *from, const struct address_range *into,
			   struct register_values *values)
{
	const cs_insn *instruction;

	*values = (struct register_values){0};
	if (disassembly__start(build->disassembly, from, true))
		return;
	while ((instruction = disassembly__next(build->disassembly))) {
		uint64_t target = instruction__target(instruction);

		if (target >= into->start && target < into->end && instruction->id != X86_INS_CALL)
			return;
		register_values__follow(values, build->disassembly, instruction);
	}
	*values = (struct register_values){0};
}

/* The first argument of a call. `other` is another part of its function, or the same. */
static struct register_value argument_of(struct build *build, const struct call_site *call,
					 const struct address_range *other)
{
	struct register_values values = {0};
	const cs_insn *instruction;

	if (call->function.start != other->start)
		values_at_jump(build, other, &call->function, &values);
	if (disassembly__start(build->disassembly, &call->function, true))
		return (struct register_value){0};
	while ((instruction = disassembly__next(build->disassembly)) && instruction->address < call->address)
		register_values__follow(&values, build->disassembly, instruction);
	return values.of[X86_REG_RDI];
}

/*
 * Whether take_gil signals the condition that the waiters wait for, `waited_for`, and so releases: it does in the
 * drop_gil that is inlined where a thread must exit.
 */
static bool releases(const struct build *build, struct register_value signalled, struct register_value waited_for)
{
	if (signalled.kind != VALUE_UNKNOWN && signalled.kind == waited_for.kind)
		return signalled.value == waited_for.value;
	return signalled.kind == VALUE_OFFSET && signalled.value == GIL_COND + (uint64_t)build->plan->cpython.gil_shift;
}

/*
 * Free-threaded builds: who waited for the lock while it was switched off passes the signal on, and releases nothing.
 * A release stores to `locked` right before.
 */
static bool only_wakes(struct build *build, const struct call_site *call)
{
	const cs_insn *instruction;
	bool stored = false;

	if (!build->plan->cpython.free_threaded || disassembly__start(build->disassembly, &call->function, true))
		return false;
	while ((instruction = disassembly__next(build->disassembly)) && instruction->address < call->address) {
		const cs_x86_op *to = &instruction->detail->x86.operands[0];

		if (instruction__is_branch(instruction))
			stored = false;
		else if (instruction->id == X86_INS_MOV && to->type == X86_OP_MEM && to->size == 4)
			stored = true;
	}
	return !stored;
}

/* What a signal tells; PROBE_EVENTS: nothing. take_gil, or one of its clones (3.8 has two), is where there is a wait.
 */
static enum probe_event event_of_signal(struct build *build, const struct call_site *call)
{
	for (size_t i = 0; i < build->calls.count; i++) {
		const struct call_site *wait = &build->calls.sites[i];

		if (wait->callee != TIMEDWAIT || wait->kind == CALL_BY_REGISTER ||
		    !are_of_one_function(build, call, wait))
			continue;
		if (!releases(build, argument_of(build, call, &wait->function),
			      argument_of(build, wait, &call->function)))
			return PROBE_ACQUIRED;
		return only_wakes(build, call) ? PROBE_EVENTS : PROBE_RELEASED;
	}
	return PROBE_RELEASED;
}

static enum probe_event event_of(struct build *build, const struct call_site *call)
{
	if (call->callee == TIMEDWAIT)
		return PROBE_BLOCKED;
	return call->callee == WAIT ? PROBE_SWITCHED : event_of_signal(build, call);
}

const struct probe_site *build__first_site(const struct build *build, enum probe_event event)
{
	for (size_t i = 0; i < build->plan->site_count; i++)
		if (build->plan->sites[i].event == event)
			return &build->plan->sites[i];
	return NULL;
}

static int check_sites(struct build *build)
{
	if (!build__first_site(build, PROBE_BLOCKED))
		return build__refuse(build, -ENOTSUP, "no call of %s was found in it, so its GIL cannot be watched",
				     functions[TIMEDWAIT]);
	if (!build__first_site(build, PROBE_ACQUIRED))
		return build__refuse(build, -ENOTSUP, "no call of %s was found in the function that takes the GIL",
				     functions[SIGNAL]);
	if (!build__first_site(build, PROBE_RELEASED))
		return build__refuse(build, -ENOTSUP, "no call of %s was found that releases the GIL",
				     functions[SIGNAL]);
	if (!build__first_site(build, PROBE_SWITCHED))
		build__note(build, "No call of %s was found: forced releases are not told from voluntary ones.\n",
			    functions[WAIT]);
	return 0;
}

int build__find_sites(struct build *build)
{
	int err;

	build->functions = functions;
	err = call_sites__find(build->image, build->disassembly, functions, FUNCTIONS, &build->calls);

	if (err == -E2BIG)
		return build__refuse(build, -ENOTSUP, "its code is absurdly large, or calls %s absurdly often",
				     functions[SIGNAL]);
	for (size_t i = 0; !err && i < build->calls.count; i++) {
		const struct call_site *call = &build->calls.sites[i];
		enum probe_event event;

		if (call->kind == CALL_BY_REGISTER) {
			build__note(build, "At 0x%llx %s is loaded into a register: calls through it are not seen.\n",
				    (unsigned long long)call->address, functions[call->callee]);
			continue;
		}
		event = event_of(build, call);
		if (event == PROBE_EVENTS)
			continue;
		err = build__add_call(build, event, call);
		if (!err && call->callee == TIMEDWAIT)
			err = add_waited(build, call);
	}
	return err ? err : check_sites(build);
}
