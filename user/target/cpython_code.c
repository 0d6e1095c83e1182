/* SPDX-License-Identifier: MIT */
/*
 * What a frame of a running CPython is: its code object's name, file and line. The process runs on while it is read,
 * and may free the object and put another one there: what identifies it is compared before and after.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/target/cpython.h"
#include "user/target/cpython_layout.h"
#include "user/target/cpython_lines.h"
#include "user/target/cpython_text.h"
#include "user/target/plan.h"
#include "user/target/runtime.h"

#define FIRST_TABLE_PART 4096
#define MAX_TABLE        (1UL << 20) /* bytes; a function of a hundred thousand lines has less */
#define NOT_BEGUN        0x7fffff00  /* instructions from here on were negative before the mark's bit was cut off */

/* The fields of a code object that are of use. */
struct code {
	uint64_t type, name, file, line_table;
	int32_t first_line;
};

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* Reads it at one go: no more of it than is needed, for memory may end behind it. */
static int read_code(const struct process *process, const struct probe_plan *plan, uint64_t address, struct code *code)
{
	const struct frame_layout *frames = &plan->frames;
	uint32_t line_table = plan->cpython.line_table;
	uint32_t last = larger(larger(frames->name, frames->file), larger(frames->first_line, line_table));
	char bytes[CODE_SPAN + 8];
	int err;

	if (!frames->top || last > CODE_SPAN || frames->code_has_type > CODE_SPAN)
		return -EFAULT;
	err = process__read(process, address, bytes, larger(last, frames->code_has_type) + 8);
	if (err)
		return err == -EFAULT ? -ESTALE : err;
	memcpy(&code->type, bytes + frames->code_has_type, sizeof(code->type));
	memcpy(&code->name, bytes + frames->name, sizeof(code->name));
	memcpy(&code->file, bytes + frames->file, sizeof(code->file));
	memcpy(&code->line_table, bytes + line_table, sizeof(code->line_table));
	memcpy(&code->first_line, bytes + frames->first_line, sizeof(code->first_line));
	return 0;
}

/* Whether it is the code object that the walk saw. */
static bool is_seen(const struct probe_plan *plan, const struct code *code, const struct raw_frame *frame)
{
	if (plan->frames.code_type && code->type != plan->frames.code_type + plan->load_bias)
		return false;
	return code_check(code->name, code->file, (uint32_t)code->first_line) == frame->check;
}

static int read_bytes_text(const struct process *process, const struct cpython_objects *objects, uint64_t address,
			   char out[FRAME_TEXT_SIZE])
{
	char bytes[FRAME_TEXT_SIZE];
	uint64_t length;
	int err = process__read(process, address + objects->bytes_length, &length, sizeof(length));
	size_t read = length < sizeof(bytes) ? (size_t)length : sizeof(bytes);

	err = err ? err : process__read(process, address + objects->bytes, bytes, read);
	if (!err)
		cpython_text__encode(TEXT_BYTES, bytes, read, length > read, out, FRAME_TEXT_SIZE);
	return err;
}

/* Where the characters of a str are, and how. -EFAULT: what its header says cannot be. */
static int find_characters(const struct process *process, const struct cpython_objects *objects, uint64_t address,
			   enum text_kind *kind, uint64_t *characters)
{
	uint32_t state, compact, ascii;
	int err = process__read(process, address + objects->text_state, &state, sizeof(state));

	if (err)
		return err;
	*kind = state >> objects->text_kind & 7;
	compact = state >> (objects->text_kind + 3) & 1;
	ascii = state >> (objects->text_kind + 4) & 1;
	if (*kind != TEXT_1 && *kind != TEXT_2 && *kind != TEXT_4)
		return -EFAULT; /* 0 is one that is not ready: never a name */
	*characters = address + (compact && ascii ? objects->text_ascii : objects->text_compact);
	return compact ? 0 : process__read(process, *characters, characters, sizeof(*characters));
}

static int read_text(const struct process *process, const struct cpython_objects *objects, uint64_t address,
		     char out[FRAME_TEXT_SIZE])
{
	char bytes[FRAME_TEXT_SIZE * TEXT_4];
	enum text_kind kind = TEXT_1;
	uint64_t length, characters;
	size_t read;
	int err;

	if (!objects->text_length)
		return read_bytes_text(process, objects, address, out);
	err = process__read(process, address + objects->text_length, &length, sizeof(length));
	err = err ? err : find_characters(process, objects, address, &kind, &characters);
	if (err)
		return err;
	read = length < FRAME_TEXT_SIZE ? (size_t)length : FRAME_TEXT_SIZE;
	err = process__read(process, characters, bytes, read * kind);
	if (!err)
		cpython_text__encode(kind, bytes, read, length > read, out, FRAME_TEXT_SIZE);
	return err;
}

/* A long table is read only as far as the instruction is. */
static int read_line(const struct process *process, const struct probe_plan *plan, const struct code *code,
		     uint32_t instruction, uint32_t *line)
{
	const struct cpython_objects *objects = &plan->cpython.objects;
	enum line_form form = cpython_lines__form(plan->cpython.version);
	int64_t at = instruction >= NOT_BEGUN ? -1 : (int64_t)instruction;
	uint64_t length;
	uint8_t *table;
	int err = process__read(process, code->line_table + objects->bytes_length, &length, sizeof(length));

	if (err)
		return err;
	if (length > MAX_TABLE)
		length = MAX_TABLE;
	table = malloc(length + 1);
	if (!table)
		return -ENOMEM;
	for (size_t part = FIRST_TABLE_PART;; part *= 4) {
		size_t size = part < length ? part : length;

		err = process__read(process, code->line_table + objects->bytes, table, size);
		err = err ? err : cpython_lines__find(form, table, size, code->first_line, at, line);
		if (err != -EAGAIN || size == length)
			break;
	}
	free(table);
	return err == -EAGAIN ? 0 : err;
}

static bool is_same(const struct code *a, const struct code *b)
{
	return a->type == b->type && a->name == b->name && a->file == b->file && a->line_table == b->line_table &&
	       a->first_line == b->first_line;
}

int cpython__name_frame(const struct process *process, const struct probe_plan *plan, const struct raw_frame *frame,
			struct frame_text *out)
{
	const struct cpython_objects *objects = &plan->cpython.objects;
	struct code code, again;
	int err = read_code(process, plan, frame->code, &code), changed;

	if (err)
		return err;
	if (!is_seen(plan, &code, frame))
		return -ESTALE;
	err = read_text(process, objects, code.name, out->name);
	err = err ? err : read_text(process, objects, code.file, out->file);
	err = err ? err : read_line(process, plan, &code, frame->instruction & INSTRUCTION_MASK, &out->line);
	changed = read_code(process, plan, frame->code, &again);
	if (changed)
		return changed;
	return is_same(&code, &again) ? err : -ESTALE;
}

/* The compiler names parts of a function after it: "_PyEval_EvalFrameDefault.cold". */
bool cpython__evaluates(const struct probe_plan *plan, const char *function)
{
	const char *name = plan->cpython.version < 0x0300 ? "PyEval_EvalFrameEx" : "_PyEval_EvalFrameDefault";
	size_t length = strlen(name);

	return !strncmp(function, name, length) && (!function[length] || function[length] == '.');
}
