/* SPDX-License-Identifier: MIT */
/*
 * What general registers hold, as far as can be told while the instructions of a function are stepped through in the
 * order in which they are written: constant addresses, and distances from what nobody knows.
 */
#ifndef GILTRACE_TARGET_REGISTER_VALUES_H
#define GILTRACE_TARGET_REGISTER_VALUES_H

#include <capstone/capstone.h>
#include <stdint.h>

#include "user/target/disassembly.h"

enum value_kind {
	VALUE_UNKNOWN,
	VALUE_ADDRESS, /* the address itself */
	VALUE_OFFSET,  /* the distance from a pointer: 32 after lea 32(%rbx),%rdi */
};

struct register_value {
	enum value_kind kind;
	uint64_t value;
};

/* All unknown when zeroed. */
struct register_values {
	struct register_value of[X86_REG_ENDING]; /* of 64-bit registers */
};

/* Takes in what one instruction does. The disassembly must have been started with operands. */
void register_values__follow(struct register_values *values, const struct disassembly *disassembly,
			     const cs_insn *instruction);

/* The constant address that an instruction computes: lea disp(%rip), or mov $address of a non-PIE executable; or 0. */
uint64_t instruction__constant(const cs_insn *instruction);

#endif
