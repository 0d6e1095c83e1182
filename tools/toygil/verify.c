/* SPDX-License-Identifier: MIT */
/* The proof that a function keeps its stack in order, by following every path once: see program__verify(). */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/toygil/natives.h"
#include "tools/toygil/program.h"

#define UNSEEN (-1)

struct walk {
	struct code *code;
	int32_t *depths;   /* before each instruction; UNSEEN */
	uint32_t *pending; /* instructions whose successors are still to be visited */
	uint32_t pending_count;
	uint32_t *line;
	char *reason;
	size_t size;
};

static int wrong(struct walk *walk, uint32_t at, const char *format, ...)
{
	va_list arguments;

	*walk->line = walk->code->lines[at];
	va_start(arguments, format);
	vsnprintf(walk->reason, walk->size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int32_t pops(const struct instruction *instruction)
{
	const struct instruction_shape *form = &instruction_forms[instruction->operation];

	if (form->operand == OPERAND_NATIVE)
		return natives[instruction->operand].arguments;
	if (form->pops == CALLED)
		return instruction->operand + 1;
	return form->pops == DEPENDS_ON_OPERAND ? instruction->operand : form->pops;
}

/* Control reaches `to`, coming from `from`, with `depth` values on the stack. */
static int reach(struct walk *walk, uint32_t from, int64_t to, int32_t depth)
{
	if (to >= walk->code->count)
		return wrong(walk, from, "function '%s' runs past its end: it needs a return", walk->code->name);
	if (walk->depths[to] == UNSEEN) {
		walk->depths[to] = depth;
		walk->pending[walk->pending_count++] = (uint32_t)to;
	} else if (walk->depths[to] != depth) {
		return wrong(walk, from, "line %u is reached with %d values on the stack, and with %d",
			     walk->code->lines[to], walk->depths[to], depth);
	}
	return 0;
}

static int follow(struct walk *walk, uint32_t at)
{
	const struct instruction *instruction = &walk->code->instructions[at];
	const struct instruction_shape *form = &instruction_forms[instruction->operation];
	int32_t depth = walk->depths[at], need = pops(instruction);

	if (depth < need)
		return wrong(walk, at, "stack underflow: %s takes %d, the stack has %d", form->name, need, depth);
	depth += form->pushes - need;
	if (depth > PROGRAM_MAX_STACK)
		return wrong(walk, at, "more than %d values on the stack", PROGRAM_MAX_STACK);
	if ((uint32_t)depth > walk->code->stack)
		walk->code->stack = (uint32_t)depth;
	if (instruction->operation == OPERATION_RETURN)
		return 0;
	if (form->operand == OPERAND_LABEL) {
		int err = reach(walk, at, (int64_t)at + 1 + instruction->operand, depth);

		if (err || instruction->operation == OPERATION_JUMP)
			return err;
	}
	return reach(walk, at, (int64_t)at + 1, depth);
}

int program__verify(struct code *code, uint32_t *line, char *reason, size_t size)
{
	struct walk walk = {.code = code, .line = line, .reason = reason, .size = size};
	int err = 0;

	*line = code->line;
	if (!code->count) {
		snprintf(reason, size, "function '%s' is empty: it needs a return", code->name);
		return -EINVAL;
	}
	walk.depths = malloc(code->count * sizeof(*walk.depths));
	walk.pending = malloc(code->count * sizeof(*walk.pending));
	if (!walk.depths || !walk.pending) {
		err = -ENOMEM;
		goto out;
	}
	for (uint32_t i = 0; i < code->count; i++)
		walk.depths[i] = UNSEEN;
	code->stack = 0;
	err = reach(&walk, 0, 0, 0);
	while (!err && walk.pending_count)
		err = follow(&walk, walk.pending[--walk.pending_count]);
out:
	free(walk.depths);
	free(walk.pending);
	return err;
}
