/* SPDX-License-Identifier: MIT */
/*
 * What CPython 3.13 and later say of their own layout: struct _Py_DebugOffsets, at the start of _PyRuntime. It consists
 * of 64-bit words, in another order in each minor version, in groups that have a structure's size first. After
 * Include/internal/pycore_debug_offsets.h (pycore_runtime.h in 3.13); read off Debian's builds of each.
 */
#include <errno.h>
#include <string.h>

#include "user/target/cpython_layout.h"
#include "user/target/elf_image.h"

#define OFFSETS_WORDS 94 /* as many as are of use in any version */

enum {
	COOKIE,
	VERSION,
	FREE_THREADED,
	RUNTIME_SIZE,
	FINALIZING,
	INTERPRETERS_HEAD,
	INTERPRETER_SIZE,
	ID,
	NEXT,
	THREADS
};

/* Within a group, where all versions agree. */
enum { SIZE };
enum { THREAD_NEXT = 2, THREAD_INTERPRETER, THREAD_FRAME };
enum { FRAME_PREVIOUS = 1, FRAME_EXECUTABLE, FRAME_INSTRUCTION, FRAME_LOCALS, FRAME_OWNER };
enum { CODE_FILE = 1, CODE_NAME, CODE_QUALIFIED_NAME, CODE_LINE_TABLE, CODE_FIRST_LINE, CODE_INSTRUCTIONS = 9 };
enum { OBJECT_TYPE = 1 };
enum { BYTES_LENGTH = 1, BYTES_DATA };
enum { TEXT_STATE = 1, TEXT_LENGTH, TEXT_ASCII };

/* Which word has what, or begins which group, where the versions differ; the latest first. */
static const struct words {
	uint32_t version;
	uint8_t count;
	uint8_t ceval_gil, gil, gil_locked, gil_holder;
	uint8_t thread, thread_id, native_thread_id;
	uint8_t frame, code, object, bytes, text;
} words[] = {
	{0x030f, 94, 15, 16, 18, 19, 22, 30, 31, 39, 47, 58, 86, 89},
	{0x030e, 81, 15, 16, 18, 19, 22, 27, 28, 31, 39, 50, 74, 77},
	{0x030d, 71, 14, 15, 17, 18, 19, 24, 25, 28, 34, 44, 64, 67},
};

#define MAX_OFFSET (16UL << 20) /* far more than any of these structures has */
#define GIL_SIZE   208          /* struct _gil_runtime_state */

static bool is_field(uint64_t offset, uint64_t size, uint64_t structure)
{
	return structure <= MAX_OFFSET && offset % size == 0 && offset <= structure && size <= structure - offset;
}

/* The same, of several words: only their start is aligned. */
static bool is_part(uint64_t offset, uint64_t size, uint64_t structure)
{
	return is_field(offset, 8, structure) && size <= structure - offset;
}

/* A field that is read from the kernel, with the first `span` bytes of its structure. */
static bool is_near(uint64_t offset, uint64_t size, uint64_t structure, uint64_t span)
{
	return is_field(offset, size, structure) && is_field(offset, size, span);
}

/* Whether what the words say can be: the lock's fields are where they are in all versions, and all lies within. */
static bool fits(const uint64_t *offsets, const struct words *at)
{
	uint64_t shift = offsets[FREE_THREADED] ? 8 : 0, interpreter = offsets[INTERPRETER_SIZE];
	const uint64_t *thread = &offsets[at->thread];
	uint64_t gil = offsets[at->gil];

	return is_part(offsets[INTERPRETERS_HEAD], 16, offsets[RUNTIME_SIZE]) &&
	       is_field(offsets[ID], 8, interpreter) && is_field(offsets[NEXT], 8, interpreter) &&
	       is_part(offsets[at->ceval_gil], 16, interpreter) && is_part(gil, GIL_SIZE + shift, interpreter) &&
	       offsets[at->gil_locked] == gil + shift + 16 && offsets[at->gil_holder] == gil + shift + 8 &&
	       is_field(thread[THREAD_INTERPRETER], 8, thread[SIZE]) &&
	       is_field(offsets[at->native_thread_id], 8, thread[SIZE]) &&
	       offsets[at->native_thread_id] == offsets[at->thread_id] + 8;
}

/* The same of frames: where threads have them, and what is read of one. */
static bool frames_fit(const uint64_t *offsets, const struct words *at)
{
	const uint64_t *thread = &offsets[at->thread], *frame = &offsets[at->frame];

	return is_field(offsets[THREADS], 8, offsets[INTERPRETER_SIZE]) &&
	       is_field(thread[THREAD_NEXT], 8, thread[SIZE]) && is_field(thread[THREAD_FRAME], 8, thread[SIZE]) &&
	       thread[THREAD_FRAME] && is_near(frame[FRAME_PREVIOUS], 8, frame[SIZE], FRAME_SPAN) &&
	       is_near(frame[FRAME_EXECUTABLE], 8, frame[SIZE], FRAME_SPAN) &&
	       is_near(frame[FRAME_INSTRUCTION], 8, frame[SIZE], FRAME_SPAN) &&
	       is_near(frame[FRAME_OWNER], 1, frame[SIZE], FRAME_SPAN) &&
	       frame[FRAME_PREVIOUS] != frame[FRAME_EXECUTABLE] && frame[FRAME_PREVIOUS] != frame[FRAME_INSTRUCTION] &&
	       frame[FRAME_EXECUTABLE] != frame[FRAME_INSTRUCTION];
}

static bool code_fits(const uint64_t *offsets, const struct words *at)
{
	const uint64_t *code = &offsets[at->code];

	return is_near(code[CODE_FILE], 8, code[SIZE], CODE_SPAN) &&
	       is_near(code[CODE_NAME], 8, code[SIZE], CODE_SPAN) &&
	       is_near(code[CODE_QUALIFIED_NAME], 8, code[SIZE], CODE_SPAN) &&
	       is_near(code[CODE_LINE_TABLE], 8, code[SIZE], CODE_SPAN) &&
	       is_near(code[CODE_FIRST_LINE], 4, code[SIZE], CODE_SPAN) &&
	       is_near(code[CODE_INSTRUCTIONS], 1, code[SIZE], CODE_SPAN) && code[CODE_INSTRUCTIONS] % 2 == 0;
}

/* Objects begin with the same words in all versions; there is one more in free-threaded builds. */
static bool objects_fit(const uint64_t *offsets, const struct words *at)
{
	const uint64_t *object = &offsets[at->object], *bytes = &offsets[at->bytes], *text = &offsets[at->text];
	uint64_t header = offsets[FREE_THREADED] ? 32 : 16;

	return object[SIZE] == header && object[OBJECT_TYPE] == header - 8 && bytes[BYTES_LENGTH] == header &&
	       bytes[BYTES_DATA] == header + 16 && text[TEXT_LENGTH] == header && text[TEXT_STATE] == header + 16 &&
	       text[TEXT_ASCII] == header + 24 && text[SIZE] == header + 48;
}

static void take(const uint64_t *offsets, const struct words *at, uint32_t version, struct cpython_layout *out)
{
	*out = (struct cpython_layout){
		.version = version,
		.interpreter = (uint32_t)offsets[at->thread + THREAD_INTERPRETER],
		.thread_id = (uint32_t)offsets[at->thread_id],
		.native_thread_id = (uint32_t)offsets[at->native_thread_id],
		.main_interpreter = (uint32_t)offsets[INTERPRETERS_HEAD] + 8,
		.interpreter_next = (uint32_t)offsets[NEXT],
		.interpreter_id = (uint32_t)offsets[ID],
		.interpreter_gil = (uint32_t)offsets[at->ceval_gil],
		.gil_shift = offsets[FREE_THREADED] ? 8 : 0,
		.free_threaded = offsets[FREE_THREADED] != 0,
		.guessed = at->version != version,
	};
}

static void take_objects(const uint64_t *offsets, const struct words *at, struct cpython_layout *out)
{
	const uint64_t *bytes = &offsets[at->bytes], *text = &offsets[at->text];

	out->line_table = (uint32_t)offsets[at->code + CODE_LINE_TABLE];
	out->objects = (struct cpython_objects){
		.type = (uint32_t)offsets[at->object + OBJECT_TYPE],
		.bytes_length = (uint32_t)bytes[BYTES_LENGTH],
		.bytes = (uint32_t)bytes[BYTES_DATA],
		.text_length = (uint32_t)text[TEXT_LENGTH],
		.text_state = (uint32_t)text[TEXT_STATE],
		/* `interned` is a byte of its own in free-threaded builds from 3.14 on */
		.text_kind = out->free_threaded && out->version >= 0x030e ? 8 : 2,
		.text_ascii = (uint32_t)text[TEXT_ASCII],
		.text_compact = (uint32_t)text[TEXT_ASCII] + 16, /* the length in UTF-8, and a pointer */
	};
}

static void take_frames(const uint64_t *offsets, const struct words *at, struct frame_layout *out)
{
	const uint64_t *thread = &offsets[at->thread], *frame = &offsets[at->frame], *code = &offsets[at->code];

	*out = (struct frame_layout){
		.code_has_type = (uint32_t)offsets[at->object + OBJECT_TYPE],
		.threads = (uint32_t)offsets[THREADS],
		.next_thread = (uint32_t)thread[THREAD_NEXT],
		.top = (uint32_t)thread[THREAD_FRAME],
		.top_within = NO_FIELD,
		.previous = (uint32_t)frame[FRAME_PREVIOUS],
		.code = (uint32_t)frame[FRAME_EXECUTABLE],
		.instruction = (uint32_t)frame[FRAME_INSTRUCTION],
		.owner = (uint32_t)frame[FRAME_OWNER],
		.foreign_owner = 3, /* FRAME_OWNED_BY_CSTACK in 3.13, _INTERPRETER and above from 3.14 on */
		.instruction_form = INSTRUCTION_IN_CODE,
		.instructions = (uint32_t)code[CODE_INSTRUCTIONS],
		.name = (uint32_t)code[CODE_QUALIFIED_NAME],
		.file = (uint32_t)code[CODE_FILE],
		.first_line = (uint32_t)code[CODE_FIRST_LINE],
	};
}

static int read_offsets(struct elf_image *image, const struct words *order, uint32_t version,
			uint64_t offsets[OFFSETS_WORDS])
{
	struct elf_symbol runtime;
	int err = elf_image__dynamic_symbol(image, "_PyRuntime", &runtime);

	err = err ? err : elf_image__read(image, runtime.address, offsets, order->count * sizeof(*offsets));
	if (err)
		return err;
	return memcmp(&offsets[COOKIE], "xdebugpy", 8) || offsets[VERSION] >> 16 != version ? -ENOENT : 0;
}

/* The version's own order of words; a version that is later than all known ones is tried with the latest order. */
static const struct words *words_of(uint32_t version)
{
	const struct words *order = words;

	while (version < order->version && order->version > CPYTHON_OFFSETS_FIRST)
		order++;
	return order;
}

int cpython_offsets__find(struct elf_image *image, uint32_t version, struct cpython_layout *out,
			  struct frame_layout *frames, const char **reason)
{
	const struct words *order = words_of(version);
	uint64_t offsets[OFFSETS_WORDS];
	int err = read_offsets(image, order, version, offsets);

	*frames = (struct frame_layout){0};
	if (err == -ENOENT || err == -EFAULT) {
		*reason = "does not tell its layout (no _Py_DebugOffsets)";
		return -ENOTSUP;
	}
	if (err)
		return err;
	if (!fits(offsets, order)) {
		*reason = "has a layout that giltrace does not know";
		return -ENOTSUP;
	}
	take(offsets, order, version, out);
	if (frames_fit(offsets, order) && code_fits(offsets, order) && objects_fit(offsets, order)) {
		take_objects(offsets, order, out);
		take_frames(offsets, order, frames);
	}
	return 0;
}
