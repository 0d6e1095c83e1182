/* SPDX-License-Identifier: MIT */
/* What toygil tells of its functions, beside what the kernel side reads (bpf/frame_layout.h). */
#ifndef GILTRACE_TARGET_TOYGIL_LAYOUT_H
#define GILTRACE_TARGET_TOYGIL_LAYOUT_H

#include <stdint.h>

/* Offsets within a code object, in bytes. Its file's name is a terminated text behind frame_layout's `file`. */
struct toygil_code_layout {
	uint32_t name, name_size;  /* characters, terminated */
	uint32_t count;            /* 32 bits: how many instructions it has */
	uint32_t lines;            /* a pointer to the line of each, 32 bits */
	uint32_t instruction_size; /* bytes */
};

#endif
