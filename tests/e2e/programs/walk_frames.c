/* SPDX-License-Identifier: MIT */
/*
 * Walks the stacks of a standing process from outside, with the frame layout and the naming that a trace uses, and
 * prints what it finds: test_frames.py compares it with what the process says of itself.
 *
 *     thread THREAD_ID             the pthread_t
 *     frame LINE NAME FILE         hexadecimal; the leaf first
 *
 * With a lock's address as the second argument, only the thread that took it last, as of toygil.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/target/plan.h"
#include "user/target/process.h"
#include "user/target/runtime.h"

#define MAX_THREADS 1000
#define MAX_DEPTH   5000

static struct process *process;
static struct probe_plan plan;

static void fail(const char *what, uint64_t at, int err)
{
	fprintf(stderr, "walk_frames: %s at 0x%llx: %s\n", what, (unsigned long long)at, strerror(-err));
	exit(1);
}

static void read_at(uint64_t address, void *out, size_t size, const char *what)
{
	int err = process__read(process, address, out, size);

	if (err)
		fail(what, address, err);
}

static uint64_t word_at(uint64_t address, const char *what)
{
	uint64_t word;

	read_at(address, &word, sizeof(word), what);
	return word;
}

/* CPython before 3.7 has no pointer to its main interpreter that is exported, but to the thread that has the lock. */
static uint64_t find_interpreter(void)
{
	const struct cpython_layout *layout = &plan.cpython;
	uint64_t holder;

	if (layout->main_interpreter)
		return word_at(plan.load_bias + plan.root + layout->main_interpreter, "_PyRuntime");
	if (layout->current_thread)
		holder = word_at(plan.load_bias + layout->current_thread, "_PyThreadState_Current");
	else
		holder = word_at(plan.load_bias + plan.root + (uint64_t)plan.layout.last_holder, "gil_last_holder");
	return word_at(holder + layout->interpreter, "a thread state");
}

static void print_hex(const char *text)
{
	putchar(' ');
	for (; *text; text++)
		printf("%02x", (unsigned char)*text);
}

/* What would misname a frame must be refused. */
static void check_refusals(const struct raw_frame *frame)
{
	static struct frame_text text;
	const struct raw_frame others[] = {{frame->code, frame->instruction, frame->check + 1},
					   {frame->code + 16, frame->instruction, frame->check},
					   {0, frame->instruction, frame->check},
					   {UINT64_MAX - 15, frame->instruction, frame->check}};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		int err = plan.adapter->name_frame(process, &plan, &others[i], &text);

		if (err != -ESTALE)
			fail("another code object was named", frame->code, err);
	}
}

static void show_frame(uint64_t code, uint64_t address)
{
	const struct frame_layout *layout = &plan.frames;
	static struct frame_text text;
	struct raw_frame frame = {.code = code};
	uint32_t first_line, index;
	int err;

	read_at(code + layout->first_line, &first_line, sizeof(first_line), "a code object");
	frame.check =
		code_check(word_at(code + layout->name, "a name"), word_at(code + layout->file, "a file"), first_line);
	if (layout->instruction_form == INSTRUCTION_INDEX) {
		read_at(address + layout->instruction, &index, sizeof(index), "a frame");
		frame.instruction = index & INSTRUCTION_MASK;
	} else {
		uint64_t pointer = word_at(address + layout->instruction, "a frame");
		uint64_t start = layout->instruction_form == INSTRUCTION_IN_CODE
					 ? code + layout->instructions
					 : word_at(code + layout->instructions, "a code object");

		frame.instruction = (uint32_t)(pointer - start) & INSTRUCTION_MASK;
	}
	check_refusals(&frame);
	err = plan.adapter->name_frame(process, &plan, &frame, &text);
	if (err)
		fail("a frame cannot be named", code, err);
	printf("frame %u", text.line);
	print_hex(text.name);
	print_hex(text.file);
	putchar('\n');
}

static bool is_function(uint64_t frame, uint64_t code)
{
	const struct frame_layout *layout = &plan.frames;
	uint8_t owner;

	if (layout->owner != NO_FIELD) {
		read_at(frame + layout->owner, &owner, sizeof(owner), "a frame");
		if (owner >= layout->foreign_owner)
			return false;
	}
	return !layout->code_type ||
	       word_at(code + layout->code_has_type, "a code object") == layout->code_type + plan.load_bias;
}

static void walk(uint64_t thread)
{
	const struct frame_layout *layout = &plan.frames;
	uint64_t frame = word_at(thread + layout->top, "a thread state");

	if (frame && layout->top_within != NO_FIELD)
		frame = word_at(frame + layout->top_within, "a C frame");
	for (int depth = 0; frame && depth < MAX_DEPTH; depth++) {
		uint64_t code = word_at(frame + layout->code, "a frame") & ~7ULL; /* from 3.14 on it may be tagged */

		if (is_function(frame, code))
			show_frame(code, frame);
		frame = word_at(frame + layout->previous, "a frame");
	}
}

static void show_thread(uint64_t thread)
{
	printf("thread %llu\n",
	       (unsigned long long)word_at(thread + (uint64_t)plan.layout.thread_id, "a thread state"));
	walk(thread);
}

static void show_all_threads(void)
{
	uint64_t thread = word_at(find_interpreter() + plan.frames.threads, "an interpreter");

	for (int i = 0; thread && i < MAX_THREADS; i++) {
		show_thread(thread);
		thread = word_at(thread + plan.frames.next_thread, "a thread state");
	}
}

int main(int argc, char **argv)
{
	char why[512];
	int err = argc == 2 || argc == 3 ? process__open(atoi(argv[1]), &process) : -EINVAL;

	if (err)
		fail("no process", 0, err);
	err = runtime__plan(process, &plan, why, sizeof(why));
	if (err)
		fail(why, 0, err);
	if (!plan.frames.top || !plan.adapter->name_frame)
		fail("how frames lie is not known", 0, -ENOTSUP);
	if (argc == 3)
		show_thread(word_at(strtoull(argv[2], NULL, 16) + (uint64_t)plan.layout.last_holder, "a lock"));
	else
		show_all_threads();
	process__close(process);
	return 0;
}
