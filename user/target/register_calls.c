/* SPDX-License-Identifier: MIT */
/* Calls through a register: see register_calls.h. */
#include "user/target/register_calls.h"

#define CALLER_SAVED 9 /* the first of them: a call may change these */

static const x86_reg general[] = {X86_REG_RAX, X86_REG_RCX, X86_REG_RDX, X86_REG_RSI, X86_REG_RDI,
				  X86_REG_R8,  X86_REG_R9,  X86_REG_R10, X86_REG_R11, X86_REG_RBX,
				  X86_REG_RBP, X86_REG_R12, X86_REG_R13, X86_REG_R14, X86_REG_R15};
#define GENERAL (sizeof(general) / sizeof(*general))

/* Which registers hold the function's address. */
struct holders {
	bool has[X86_REG_ENDING];
};

static bool any(const struct holders *holders)
{
	for (size_t i = 0; i < GENERAL; i++)
		if (holders->has[general[i]])
			return true;
	return false;
}

/* Call or jump through one of them. */
static bool goes_through(const cs_insn *instruction, const struct holders *holders)
{
	const cs_x86 *x86 = &instruction->detail->x86;

	return (instruction->id == X86_INS_CALL || instruction->id == X86_INS_JMP) && x86->op_count == 1 &&
	       x86->operands[0].type == X86_OP_REG && holders->has[x86->operands[0].reg];
}

static bool is_move_of(const cs_insn *instruction, const struct holders *holders)
{
	const cs_x86 *x86 = &instruction->detail->x86;

	return instruction->id == X86_INS_MOV && x86->op_count == 2 && x86->operands[1].type == X86_OP_REG &&
	       holders->has[x86->operands[1].reg];
}

static void follow(const struct disassembly *disassembly, const cs_insn *instruction, struct holders *holders)
{
	bool moved = is_move_of(instruction, holders);

	for (size_t i = 0; i < GENERAL; i++) {
		if (instruction->id == X86_INS_CALL && i < CALLER_SAVED)
			holders->has[general[i]] = false;
		else if (disassembly__writes(disassembly, instruction, general[i]))
			holders->has[general[i]] = moved;
	}
}

/* The value may be used where this does not follow it. */
static bool leaves(const cs_insn *instruction, const struct holders *holders, const struct address_range *function)
{
	uint64_t target = instruction__target(instruction);

	if (is_move_of(instruction, holders) && instruction->detail->x86.operands[0].type == X86_OP_MEM)
		return true;
	return target && instruction->id != X86_INS_CALL && (target < function->start || target >= function->end) &&
	       any(holders);
}

static struct call_site site_of(const cs_insn *instruction, const struct call_site *load)
{
	struct call_site site = *load;

	site.address = instruction->address;
	site.next = instruction->address + instruction->size;
	site.kind = instruction->id == X86_INS_CALL ? CALL_INDIRECT : CALL_INDIRECT_TAIL;
	site.emulated = instruction__emulated(instruction->bytes, instruction->size);
	instruction__text(instruction, site.text, sizeof(site.text));
	return site;
}

int register_calls__find(struct disassembly *disassembly, const struct call_site *load, struct call_sites *out,
			 bool *escapes)
{
	struct holders holders = {0};
	const cs_insn *instruction;
	int err = disassembly__start(disassembly, &load->function, true);

	*escapes = false;
	while (!err && (instruction = disassembly__next(disassembly))) {
		if (instruction->address < load->address)
			continue;
		if (instruction->address == load->address) {
			if (instruction->detail->x86.operands[0].type == X86_OP_REG)
				holders.has[instruction->detail->x86.operands[0].reg] = true;
			continue;
		}
		if (!any(&holders))
			break;
		*escapes |= leaves(instruction, &holders, &load->function);
		if (goes_through(instruction, &holders)) {
			const struct call_site site = site_of(instruction, load);

			err = call_sites__add(out, &site);
		}
		follow(disassembly, instruction, &holders);
	}
	return err;
}
