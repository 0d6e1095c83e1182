/* SPDX-License-Identifier: MIT */
/* Steps through the instructions of a function of an ELF file, and knows which of them the kernel emulates. */
#ifndef GILTRACE_TARGET_DISASSEMBLY_H
#define GILTRACE_TARGET_DISASSEMBLY_H

#include <capstone/capstone.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/target/elf_image.h"

struct disassembly;

/* `image` stays the caller's. 0 and *out (freed with disassembly__close, which takes NULL), or -ENOMEM. */
int disassembly__open(struct elf_image *image, struct disassembly **out);
void disassembly__close(struct disassembly *disassembly);

/*
 * Begins at the range's start; with `operands` each instruction's detail is filled in, which costs twice the time.
 * Reads a function of up to 2 MiB, and 8 MiB in all: -E2BIG beyond. -EFAULT when the range is not in the file.
 */
int disassembly__start(struct disassembly *disassembly, const struct address_range *range, bool operands);

/* The next instruction, good until the next call; NULL at the end. Bytes that are none are passed over. */
const cs_insn *disassembly__next(struct disassembly *disassembly);

/* Whether it writes a 64-bit general register or a part of it. Only after a start with `operands`. */
bool disassembly__writes(const struct disassembly *disassembly, const cs_insn *instruction, x86_reg reg);

/* "call 0x41f5b0", Intel syntax, cut at `size`. */
void instruction__text(const cs_insn *instruction, char *out, size_t size);

/* The address of an instruction's RIP-relative operand, 0 when it has none. */
uint64_t instruction__memory(const cs_insn *instruction);

/*
 * Whether a uprobe on these bytes is emulated on every kernel from 5.10 (about 1 us a hit) and not single-stepped out
 * of line (about 15 us), after branch_setup_xol_ops() and push_setup_xol_ops() in Linux' arch/x86/kernel/uprobes.c.
 */
bool instruction__emulated(const uint8_t *bytes, size_t size);

/* Forms of branches, told from the bytes; a branch's target where it is direct. */
bool instruction__is_conditional_jump(const cs_insn *instruction);
bool instruction__is_branch(const cs_insn *instruction);  /* any jump, call or return */
uint64_t instruction__target(const cs_insn *instruction); /* of a direct jump or call, else 0 */

#endif
