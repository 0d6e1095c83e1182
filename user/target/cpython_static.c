/* SPDX-License-Identifier: MIT */
/* 3.6 keeps the GIL in separate static variables. Where they are is told from the code of take_gil. */
#include <errno.h>

#include "user/target/cpython_build.h"
#include "user/target/register_values.h"

/* What take_gil says about where they are: addresses, 0 unknown. */
struct static_gil {
	uint64_t cond, mutex, switch_cond, locked, last_holder;
};

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

static uint64_t address_in(const struct register_values *values, x86_reg reg)
{
	return values->of[reg].kind == VALUE_ADDRESS ? values->of[reg].value : 0;
}

/* Looks at the function, or part of one, that has one of the sites. */
static int look_around(struct build *build, const struct probe_site *site, struct static_gil *gil)
{
	struct register_values values = {0};
	struct address_range range;
	const cs_insn *instruction;
	int err = elf_image__function(build->image, site->address, &range);

	err = err ? err : disassembly__start(build->disassembly, &range, true);
	while (!err && (instruction = disassembly__next(build->disassembly))) {
		if (instruction->address == site->address && site->event == PROBE_BLOCKED) {
			gil->cond = address_in(&values, X86_REG_RDI);
			gil->mutex = address_in(&values, X86_REG_RSI);
		} else if (instruction->address == site->address) {
			gil->switch_cond = address_in(&values, X86_REG_RDI);
		}
		look_at_variable(build, instruction, gil);
		register_values__follow(&values, build->disassembly, instruction);
	}
	return err;
}

/* Both sites are in one function, but for one that was split. */
static int find_static_gil(struct build *build, struct static_gil *gil)
{
	int err;

	*gil = (struct static_gil){0};
	err = look_around(build, build__first_site(build, PROBE_BLOCKED), gil);
	err = err ? err : look_around(build, build__first_site(build, PROBE_ACQUIRED), gil);
	if (gil->last_holder == UINT64_MAX) /* several */
		gil->last_holder = 0;
	return err;
}

static int64_t offset_from(uint64_t variable, uint64_t lock)
{
	return variable ? (int64_t)(variable - lock) : UNKNOWN_OFFSET;
}

/* The lock's address is taken to be its condition variable's. */
int build__find_static_layout(struct build *build)
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
