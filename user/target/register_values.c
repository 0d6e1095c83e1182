/* SPDX-License-Identifier: MIT */
/* What registers hold: see register_values.h. */
#include "user/target/register_values.h"

#include <stddef.h>

#define CALLER_SAVED 9 /* the first of them: a call may change these */

static const x86_reg general[] = {X86_REG_RAX, X86_REG_RCX, X86_REG_RDX, X86_REG_RSI, X86_REG_RDI,
				  X86_REG_R8,  X86_REG_R9,  X86_REG_R10, X86_REG_R11, X86_REG_RBX,
				  X86_REG_RBP, X86_REG_R12, X86_REG_R13, X86_REG_R14, X86_REG_R15};

uint64_t instruction__constant(const cs_insn *instruction)
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

/* A known value moved on by a distance; the distance alone where the value is unknown. */
static struct register_value moved(struct register_value from, int64_t distance)
{
	if (from.kind == VALUE_UNKNOWN)
		return (struct register_value){.kind = VALUE_OFFSET, .value = (uint64_t)distance};
	from.value += (uint64_t)distance;
	return from;
}

/* What an instruction leaves in its first operand, a register. */
static struct register_value result_of(const struct register_values *values, const cs_insn *instruction)
{
	const cs_x86_op *to = &instruction->detail->x86.operands[0], *from = &instruction->detail->x86.operands[1];
	uint64_t constant = instruction__constant(instruction);

	if (constant)
		return (struct register_value){.kind = VALUE_ADDRESS, .value = constant};
	if (instruction->id == X86_INS_MOV && from->type == X86_OP_REG)
		return values->of[from->reg];
	if (instruction->id == X86_INS_LEA && from->mem.base != X86_REG_INVALID && from->mem.index == X86_REG_INVALID)
		return moved(values->of[from->mem.base], from->mem.disp);
	if (instruction->id == X86_INS_ADD && from->type == X86_OP_IMM)
		return moved(values->of[to->reg], from->imm);
	if (instruction->id == X86_INS_SUB && from->type == X86_OP_IMM) /* sub $-128, which is shorter than add $128 */
		return moved(values->of[to->reg], (int64_t)(0 - (uint64_t)from->imm));
	return (struct register_value){0};
}

void register_values__follow(struct register_values *values, const struct disassembly *disassembly,
			     const cs_insn *instruction)
{
	const cs_x86 *x86 = &instruction->detail->x86;
	struct register_value result = {0};

	/* A 32-bit register holds an address only as the constant of a non-PIE executable. */
	if (x86->op_count == 2 && x86->operands[0].type == X86_OP_REG &&
	    (x86->operands[0].size == 8 || (instruction->id == X86_INS_MOV && instruction__constant(instruction))))
		result = result_of(values, instruction);
	for (size_t i = 0; i < sizeof(general) / sizeof(*general); i++) {
		if (instruction->id == X86_INS_CALL && i < CALLER_SAVED)
			values->of[general[i]] = (struct register_value){0};
		else if (disassembly__writes(disassembly, instruction, general[i]))
			values->of[general[i]] = result;
	}
}
