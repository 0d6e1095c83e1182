/* SPDX-License-Identifier: MIT */
/* The list of the designs, and what a tracer finds by name in the program: which design runs, and where its lock is. */
#include "tools/toygil/design.h"

#include <string.h>

#include "bpf/lock_layout.h"
#include "tools/toygil/tracer_symbols.h"

const struct design *const designs[] = {
	&design_ticks, &design_interval, &design_per_interpreter, &design_free, &design_none, NULL,
};

const struct design *design__find(const char *name)
{
	for (size_t i = 0; designs[i]; i++)
		if (!strcmp(designs[i]->name, name))
			return designs[i];
	return NULL;
}

/* The probes' %rdi is the lock itself, so nothing has to be subtracted; they pass no mutex. */
const struct lock_layout toygil_lock_layout = {
	.cond = 0,
	.switch_cond = 0,
	.mutex = offsetof(struct lock, mutex),
	.locked = offsetof(struct lock, locked),
	.last_holder = offsetof(struct lock, last_holder),
	.thread_id = offsetof(struct thread, self),
	.interpreter = offsetof(struct thread, interpreter),
	.interpreter_id = offsetof(struct interpreter, number),
	.interpreter_gil = offsetof(struct interpreter, lock),
};

/* A function is told from others by its instructions, which are its own; its name is no single word. */
const struct frame_layout toygil_frame_layout = {
	.code_type = 0,
	.code_has_type = NO_FIELD,
	.threads = NO_FIELD,
	.next_thread = NO_FIELD,
	.top = offsetof(struct thread, top),
	.top_within = NO_FIELD,
	.previous = offsetof(struct frame, previous),
	.code = offsetof(struct frame, code),
	.instruction = offsetof(struct frame, at),
	.owner = NO_FIELD,
	.instruction_form = INSTRUCTION_BEHIND_POINTER,
	.instructions = offsetof(struct code, instructions),
	.name = offsetof(struct code, instructions),
	.file = offsetof(struct code, file),
	.first_line = offsetof(struct code, line),
	.interpreter = NO_FIELD,
};

const struct toygil_code_layout toygil_code_layout = {
	.name = offsetof(struct code, name),
	.name_size = PROGRAM_NAME_SIZE,
	.count = offsetof(struct code, count),
	.lines = offsetof(struct code, lines),
	.instruction_size = sizeof(struct instruction),
};

_Static_assert(offsetof(struct interpreter, owns_lock) == offsetof(struct interpreter, lock) + sizeof(void *),
	       "a tracer reads both at once");

const char toygil_version[16] = TOYGIL_VERSION;
char toygil_design[32];
