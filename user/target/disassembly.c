/* SPDX-License-Identifier: MIT */
/* Steps through a function's instructions: see disassembly.h. Boundaries and operands are capstone's, as in perf. */
#include "user/target/disassembly.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/target/capstone_library.h"

#define INSTRUCTION_REGISTERS 16
#define MAX_FUNCTION          (2UL << 20)
#define MAX_IN_ALL            (8UL << 20)

struct disassembly {
	struct elf_image *image;
	const struct capstone_library *capstone;
	csh plain, detailed; /* two handles: an instruction's detail is allocated with it */
	csh current;
	cs_insn *plain_instruction, *detailed_instruction, *instruction;
	uint8_t *bytes;
	const uint8_t *at;
	size_t left;
	uint64_t address;
	uint64_t budget; /* bytes that may still be disassembled */
};

static int open_handle(const struct capstone_library *capstone, csh *handle, cs_insn **instruction, bool operands)
{
	if (capstone->open(CS_ARCH_X86, CS_MODE_64, handle) != CS_ERR_OK)
		return -ENOMEM;
	capstone->option(*handle, CS_OPT_DETAIL, operands ? CS_OPT_ON : CS_OPT_OFF);
	*instruction = capstone->malloc(*handle);
	return *instruction ? 0 : -ENOMEM;
}

int disassembly__open(struct elf_image *image, struct disassembly **out)
{
	struct disassembly *disassembly = calloc(1, sizeof(*disassembly));
	int err;

	if (!disassembly)
		return -ENOMEM;
	disassembly->image = image;
	disassembly->budget = MAX_IN_ALL;
	disassembly->capstone = capstone_library__get();
	err = disassembly->capstone ? 0 : -ELIBACC;
	err = err ? err
		  : open_handle(disassembly->capstone, &disassembly->plain, &disassembly->plain_instruction, false);
	err = err ? err
		  : open_handle(disassembly->capstone, &disassembly->detailed, &disassembly->detailed_instruction,
				true);
	if (err) {
		disassembly__close(disassembly);
		return err;
	}
	*out = disassembly;
	return 0;
}

void disassembly__close(struct disassembly *disassembly)
{
	if (!disassembly)
		return;
	if (disassembly->plain_instruction)
		disassembly->capstone->free(disassembly->plain_instruction, 1);
	if (disassembly->detailed_instruction)
		disassembly->capstone->free(disassembly->detailed_instruction, 1);
	if (disassembly->plain)
		disassembly->capstone->close(&disassembly->plain);
	if (disassembly->detailed)
		disassembly->capstone->close(&disassembly->detailed);
	free(disassembly->bytes);
	free(disassembly);
}

int disassembly__start(struct disassembly *disassembly, const struct address_range *range, bool operands)
{
	uint64_t size = range->end - range->start;
	uint8_t *bytes;
	int err;

	disassembly->left = 0;
	if (range->end <= range->start)
		return -EFAULT;
	if (size > MAX_FUNCTION || size > disassembly->budget)
		return -E2BIG;
	bytes = realloc(disassembly->bytes, size);
	if (!bytes)
		return -ENOMEM;
	disassembly->bytes = bytes;
	err = elf_image__read(disassembly->image, range->start, bytes, size);
	if (err)
		return err;
	disassembly->budget -= size;
	disassembly->at = bytes;
	disassembly->left = size;
	disassembly->address = range->start;
	disassembly->current = operands ? disassembly->detailed : disassembly->plain;
	disassembly->instruction = operands ? disassembly->detailed_instruction : disassembly->plain_instruction;
	return 0;
}

const cs_insn *disassembly__next(struct disassembly *disassembly)
{
	while (disassembly->left) {
		if (disassembly->capstone->disasm_iter(disassembly->current, &disassembly->at, &disassembly->left,
						       &disassembly->address, disassembly->instruction))
			return disassembly->instruction;
		/* Unknown to this capstone: x86 code falls into step again within a few instructions. */
		disassembly->at++;
		disassembly->left--;
		disassembly->address++;
	}
	return NULL;
}

void instruction__text(const cs_insn *instruction, char *out, size_t size)
{
	snprintf(out, size, "%s %s", instruction->mnemonic, instruction->op_str);
}

uint64_t instruction__memory(const cs_insn *instruction)
{
	const cs_x86 *x86;

	if (!instruction->detail)
		return 0;
	x86 = &instruction->detail->x86;
	for (uint8_t i = 0; i < x86->op_count; i++)
		if (x86->operands[i].type == X86_OP_MEM && x86->operands[i].mem.base == X86_REG_RIP)
			return instruction->address + instruction->size + (uint64_t)x86->operands[i].mem.disp;
	return 0;
}

/* The widest register that a general register is a part of; others stay as they are. */
static x86_reg whole_register(x86_reg reg)
{
	static const x86_reg parts[INSTRUCTION_REGISTERS][4] = {
		{X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL},
		{X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL},
		{X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL},
		{X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL},
		{X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL},
		{X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL},
		{X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL},
		{X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL},
		{X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B},
		{X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B},
		{X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B},
		{X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B},
		{X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B},
		{X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B},
		{X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B},
		{X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B},
	};

	for (size_t i = 0; i < INSTRUCTION_REGISTERS; i++)
		for (size_t part = 0; part < 4; part++)
			if (parts[i][part] == reg)
				return parts[i][0];
	return reg;
}

bool disassembly__writes(const struct disassembly *disassembly, const cs_insn *instruction, x86_reg reg)
{
	cs_regs read, written;
	uint8_t read_count, written_count;

	if (disassembly->capstone->regs_access(disassembly->current, instruction, read, &read_count, written,
					       &written_count))
		return true;
	for (uint8_t i = 0; i < written_count; i++)
		if (whole_register(written[i]) == reg)
			return true;
	return false;
}

/*
 * Branches with any prefix are judged as not emulated: the kernel refuses 0x66, and nobody needs the others. Multi-byte
 * nops (0f 1f) are emulated from 6.18 only.
 */
bool instruction__emulated(const uint8_t *bytes, size_t size)
{
	switch (size) {
	case 1:
		return bytes[0] == 0x90 || (bytes[0] & 0xf8) == 0x50; /* nop, push */
	case 2:
		return bytes[0] == 0xeb || (bytes[0] & 0xf0) == 0x70 || /* jmp rel8, jcc rel8 */
		       (bytes[0] == 0x41 && (bytes[1] & 0xf8) == 0x50); /* push %r8 to %r15 */
	case 5:
		return bytes[0] == 0xe8 || bytes[0] == 0xe9; /* call rel32, jmp rel32 */
	case 6:
		return bytes[0] == 0x0f && (bytes[1] & 0xf0) == 0x80; /* jcc rel32 */
	default:
		return false;
	}
}

bool instruction__is_conditional_jump(const cs_insn *instruction)
{
	return (instruction->size == 2 && (instruction->bytes[0] & 0xf0) == 0x70) ||
	       (instruction->size == 6 && instruction->bytes[0] == 0x0f && (instruction->bytes[1] & 0xf0) == 0x80);
}

/* The opcode behind legacy prefixes and REX. */
static const uint8_t *opcode(const cs_insn *instruction, size_t *left)
{
	size_t at = 0;

	while (at + 1 < instruction->size &&
	       (strchr("\xf2\xf3\x2e\x36\x3e\x26\x64\x65\x66\x67", instruction->bytes[at]) ||
		(instruction->bytes[at] & 0xf0) == 0x40))
		at++;
	*left = instruction->size - at;
	return instruction->bytes + at;
}

bool instruction__is_branch(const cs_insn *instruction)
{
	size_t left;
	const uint8_t *code = opcode(instruction, &left);

	if (code[0] == 0x0f)
		return left > 1 && (code[1] & 0xf0) == 0x80;
	if (code[0] == 0xff)
		return left > 1 && (code[1] & 0x38) >= 0x10 && (code[1] & 0x38) <= 0x28; /* /2 to /5: call, jmp */
	return (code[0] & 0xf0) == 0x70 || code[0] == 0xe8 || code[0] == 0xe9 || code[0] == 0xeb || code[0] == 0xc3 ||
	       code[0] == 0xc2 || (code[0] & 0xfc) == 0xe0; /* the last: loop, jrcxz */
}

uint64_t instruction__target(const cs_insn *instruction)
{
	uint64_t next = instruction->address + instruction->size;
	size_t left;
	const uint8_t *code = opcode(instruction, &left);
	int32_t distance;

	if (left == 2 && ((code[0] & 0xf0) == 0x70 || code[0] == 0xeb || (code[0] & 0xfc) == 0xe0))
		return next + (uint64_t)(int64_t)(int8_t)code[1];
	if (!(left == 5 && (code[0] == 0xe8 || code[0] == 0xe9)) &&
	    !(left == 6 && code[0] == 0x0f && (code[1] & 0xf0) == 0x80))
		return 0;
	memcpy(&distance, code + left - sizeof(distance), sizeof(distance));
	return next + (uint64_t)(int64_t)distance;
}
