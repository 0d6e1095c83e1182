/* SPDX-License-Identifier: MIT */
/* A program: functions of instructions, assembled from text and verified, so that running it needs no checks of form.
 */
#ifndef TOYGIL_PROGRAM_H
#define TOYGIL_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "tools/toygil/instructions.h"
#include "tools/toygil/object.h"

#define PROGRAM_NAME_SIZE    64
#define PROGRAM_ERROR_SIZE   512
#define PROGRAM_MAX_BYTES    (1 << 20)
#define PROGRAM_MAX_CODES    1024
#define PROGRAM_MAX_LOCALS   256
#define PROGRAM_MAX_GLOBALS  1024
#define PROGRAM_MAX_OPERANDS 64 /* values that one call, spawn or list may take */
#define PROGRAM_MAX_STACK    4096

/* The operand is the index of a constant, local, global or native, a count, or the way a jump goes from the next one.
 */
struct instruction {
	uint32_t operation;
	int32_t operand;
};

struct code {
	char name[PROGRAM_NAME_SIZE];
	uint32_t line;              /* of its definition */
	uint32_t arguments, locals; /* locals counts the arguments */
	uint32_t stack;             /* most values that it has on the stack at once, found by program__verify() */
	uint32_t count;
	struct instruction *instructions;
	uint32_t *lines;  /* of each instruction */
	const char *file; /* the program's */
};

/* A literal. Every interpreter makes its own objects of them. */
struct constant {
	enum kind kind;
	int64_t integer; /* also of a boolean; of a function, its index in `codes` */
	char *text;
	size_t length;
};

struct program {
	char *file; /* as messages name it */
	struct code *codes;
	struct constant *constants;
	uint32_t code_count, constant_count, global_count;
	uint32_t entry; /* the function `main` */
	int64_t rounds; /* what the file says that a run is, unless the command line does: 0, or rounds a thread */
	uint64_t duration_ns; /* 0, or a time */
};

/*
 * Assembles and verifies `length` bytes of text; `file` is for messages. NULL when it is no program (or memory ran
 * out): `error` then says, in one line, which file and line, and why. Freed with program__free(), which takes NULL.
 */
struct program *program__assemble(const char *file, const char *text, size_t length, char error[PROGRAM_ERROR_SIZE]);
void program__free(struct program *program);

/*
 * Proves that no path through a function takes a value from an empty stack or runs past its end, that a place is
 * always reached with the same depth, and finds that depth's maximum. 0, or -EINVAL with *line and `reason`; -ENOMEM.
 */
int program__verify(struct code *code, uint32_t *line, char *reason, size_t size);

#endif
