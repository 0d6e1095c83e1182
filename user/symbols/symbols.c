/* SPDX-License-Identifier: MIT */
/* Raw stacks into frames with names: see symbols.h. */
#include "user/symbols/symbols.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/symbols/cache.h"
#include "user/symbols/merge.h"
#include "user/symbols/native.h"
#include "user/symbols/system_calls.h"
#include "user/target/plan.h"
#include "user/target/runtime.h"
#include "user/trace/stacks.h"
#include "user/trace/trace.h"

#define MAX_LIVES 1024 /* processes of which something is remembered */
#define SPECIAL   3    /* frames that are neither Python nor native: the system call, the notes */

/* What is known of a process while it runs one program. */
struct life {
	uint32_t tgid, instance;
	struct cache python; /* by code object and instruction: a frame's number */
	struct cache native; /* by address: a frame's number, and its role in the upper half */
	struct native_maps maps;
};

struct symbols {
	struct stacks *stacks;
	struct trace_stack_quality *quality;
	struct native_files *files;
	struct life *lives;
	size_t count, room;
	struct frame_text text;
};

struct symbols *symbols__new(struct stacks *stacks, struct trace_stack_quality *quality)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols)
		return NULL;
	symbols->stacks = stacks;
	symbols->quality = quality;
	symbols->files = native_files__new();
	if (!symbols->files) {
		free(symbols);
		return NULL;
	}
	return symbols;
}

static void forget(struct life *life)
{
	cache__clear(&life->python);
	cache__clear(&life->native);
	native_maps__clear(&life->maps);
}

static void forget_all(struct symbols *symbols)
{
	for (size_t i = 0; i < symbols->count; i++)
		forget(&symbols->lives[i]);
	symbols->count = 0;
}

void symbols__free(struct symbols *symbols)
{
	if (!symbols)
		return;
	forget_all(symbols);
	free(symbols->lives);
	native_files__free(symbols->files);
	free(symbols);
}

void symbols__forget(struct symbols *symbols, uint32_t tgid, uint32_t instance)
{
	for (size_t i = 0; i < symbols->count; i++) {
		if (symbols->lives[i].tgid != tgid || symbols->lives[i].instance != instance)
			continue;
		forget(&symbols->lives[i]);
		symbols->lives[i] = symbols->lives[--symbols->count];
		return;
	}
}

/* NULL without memory. */
static struct life *life_of(struct symbols *symbols, const struct raw_stack *raw)
{
	for (size_t i = 0; i < symbols->count; i++)
		if (symbols->lives[i].tgid == raw->tgid && symbols->lives[i].instance == raw->instance)
			return &symbols->lives[i];
	if (symbols->count == MAX_LIVES)
		forget_all(symbols);
	if (symbols->count == symbols->room) {
		size_t room = symbols->room ? 2 * symbols->room : 4;
		struct life *grown = realloc(symbols->lives, room * sizeof(*grown));

		if (!grown)
			return NULL;
		symbols->lives = grown;
		symbols->room = room;
	}
	symbols->lives[symbols->count] = (struct life){.tgid = raw->tgid, .instance = raw->instance};
	return &symbols->lives[symbols->count++];
}

static int64_t add_frame(struct symbols *symbols, enum frame_kind kind, const char *name, const char *file,
			 uint32_t line)
{
	struct trace_frame frame = {.name = name, .file = file && *file ? file : NULL, .line = line, .kind = kind};

	return stacks__add_frame(symbols->stacks, &frame);
}

/* What can be named is remembered; what is gone may be another time's again. The frame's number, or -ENOMEM. */
static int64_t python_frame(struct symbols *symbols, struct life *life, const struct process *process,
			    const struct probe_plan *plan, const struct raw_frame *frame)
{
	uint64_t where = (uint64_t)frame->check << 32 | (frame->instruction & INSTRUCTION_MASK), known;
	int64_t number;
	int err = -ESRCH;

	if (cache__get(&life->python, frame->code, where, &known))
		return (int64_t)known;
	if (process && plan->adapter && plan->adapter->name_frame)
		err = plan->adapter->name_frame(process, plan, frame, &symbols->text);
	if (err == -ENOMEM)
		return err;
	if (err) {
		symbols->quality->frames_gone++;
		return add_frame(symbols, FRAME_NOTE, "[code object gone]", NULL, 0);
	}
	number = add_frame(symbols, FRAME_PYTHON, symbols->text.name, symbols->text.file, symbols->text.line);
	if (number >= 0)
		cache__put(&life->python, frame->code, where, (uint64_t)number);
	return number;
}

/* The frame's number, with its role in the upper half, or -ENOMEM. All but the leaf are at return addresses. */
static int64_t native_frame(struct symbols *symbols, struct life *life, const struct process *process,
			    const struct probe_plan *plan, uint64_t pointer, bool leaf)
{
	uint64_t address = pointer - !leaf;
	enum native_role role = NATIVE_FUNCTION;
	struct native_name name;
	uint64_t known;
	int64_t number;

	if (cache__get(&life->native, address, leaf, &known))
		return (int64_t)known;
	if (!native__name(symbols->files, &life->maps, process, address, &name)) {
		number = add_frame(symbols, FRAME_NATIVE, "[unknown]", NULL, 0);
		return number < 0 ? number : number | (int64_t)NATIVE_NOWHERE << 32;
	}
	if (!leaf && !native__follows_call(process, pointer))
		role = NATIVE_NOWHERE;
	else if (plan->adapter && plan->adapter->evaluates && plan->adapter->evaluates(plan, name.name))
		role = NATIVE_EVALUATION;
	number = add_frame(symbols, FRAME_NATIVE, name.name, name.file, 0);
	if (number < 0)
		return number;
	number |= (int64_t)role << 32;
	cache__put(&life->native, address, leaf, (uint64_t)number);
	return number;
}

/* One stack while it is resolved: numbers of frames, the leaf first. */
struct resolution {
	struct symbols *symbols;
	uint32_t native[NATIVE_DEPTH], python[PYTHON_DEPTH];
	enum native_role roles[NATIVE_DEPTH];
	bool entries[PYTHON_DEPTH];
	size_t native_count, python_count;
	uint32_t frames[NATIVE_DEPTH + PYTHON_DEPTH + SPECIAL];
	size_t count;
};

static int name_natives(struct resolution *resolution, struct life *life, const struct process *process,
			const struct probe_plan *plan, const struct raw_stack *raw)
{
	for (size_t i = 0; i < resolution->native_count; i++) {
		int64_t number = native_frame(resolution->symbols, life, process, plan, raw->native[i], i == 0);

		if (number < 0)
			return (int)number;
		resolution->native[i] = (uint32_t)number;
		resolution->roles[i] = (enum native_role)(number >> 32);
	}
	return 0;
}

static int name_pythons(struct resolution *resolution, struct life *life, const struct process *process,
			const struct probe_plan *plan, const struct raw_stack *raw)
{
	/* Where each frame is an object that is numbered by instructions (CPython until 3.10), each is called by C. */
	bool all_entries = plan->frames.instruction_form == INSTRUCTION_INDEX;

	for (size_t i = 0; i < resolution->python_count; i++) {
		int64_t number = python_frame(resolution->symbols, life, process, plan, &raw->python[i]);

		if (number < 0)
			return (int)number;
		resolution->python[i] = (uint32_t)number;
		resolution->entries[i] = all_entries || raw->python[i].instruction & FRAME_ENTRY;
	}
	return 0;
}

static void append(struct resolution *resolution, uint32_t frame)
{
	resolution->frames[resolution->count++] = frame;
}

/* Several lost frames in a row are one note. */
static bool is_repeated_note(const struct resolution *resolution, uint32_t frame)
{
	return resolution->count && resolution->frames[resolution->count - 1] == frame &&
	       stacks__frame(resolution->symbols->stacks, frame)->kind == FRAME_NOTE;
}

static void append_merged(struct resolution *resolution, bool cut)
{
	struct merged_frame merged[NATIVE_DEPTH + PYTHON_DEPTH];
	size_t count = merge__frames(resolution->roles, resolution->native_count, resolution->entries,
				     resolution->python_count, cut, merged);

	for (size_t i = 0; i < count; i++) {
		uint32_t index = merged[i].index;
		uint32_t frame = merged[i].native ? resolution->native[index] : resolution->python[index];

		if (!is_repeated_note(resolution, frame))
			append(resolution, frame);
	}
}

static int append_new(struct resolution *resolution, enum frame_kind kind, const char *name)
{
	int64_t number = add_frame(resolution->symbols, kind, name, NULL, 0);

	if (number < 0)
		return (int)number;
	append(resolution, (uint32_t)number);
	return 0;
}

static int append_system_call(struct resolution *resolution, int32_t number)
{
	const char *name = system_call__name(number);
	char unknown[32];

	if (number < 0)
		return 0;
	snprintf(unknown, sizeof(unknown), "system call %d", (int)number);
	return append_new(resolution, FRAME_KERNEL, name ? name : unknown);
}

int64_t symbols__resolve(struct symbols *symbols, const struct process *process, const struct probe_plan *plan,
			 const struct raw_stack *raw)
{
	struct resolution resolution = {
		.symbols = symbols,
		.native_count = raw->native_count < NATIVE_DEPTH ? raw->native_count : NATIVE_DEPTH,
		.python_count = raw->python_count < PYTHON_DEPTH ? raw->python_count : PYTHON_DEPTH,
	};
	struct life *life = life_of(symbols, raw);
	int err = life ? 0 : -ENOMEM;

	err = err ? err : name_natives(&resolution, life, process, plan, raw);
	err = err ? err : name_pythons(&resolution, life, process, plan, raw);
	err = err ? err : append_system_call(&resolution, raw->syscall);
	if (err)
		return err;
	append_merged(&resolution, raw->cut);
	if (raw->no_python && !resolution.native_count)
		err = append_new(&resolution, FRAME_NOTE, "[no Python code]");
	else if (raw->cut)
		err = append_new(&resolution, FRAME_NOTE, "[deeper frames cut]");
	return err ? err : stacks__add(symbols->stacks, resolution.frames, resolution.count);
}
