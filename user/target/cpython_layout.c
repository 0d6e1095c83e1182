/* SPDX-License-Identifier: MIT */
/* CPython's layouts: see cpython_layout.h. */
#include "user/target/cpython_layout.h"

#include <errno.h>
#include <string.h>

#include "user/target/elf_image.h"

/* The versions that say nothing about themselves. */
static const struct cpython_layout layouts[] = {
	{.version = 0x0207, .interpreter = 8, .thread_id = 144},
	{.version = 0x0306, .interpreter = 16, .thread_id = 152},
	{.version = 0x0307, .interpreter = 16, .thread_id = 176, .main_interpreter = 32},
	{.version = 0x0308, .interpreter = 16, .thread_id = 176, .main_interpreter = 40},
	{.version = 0x0309, .interpreter = 16, .thread_id = 176, .main_interpreter = 40},
	{.version = 0x030a, .interpreter = 16, .thread_id = 176, .main_interpreter = 40},
	{.version = 0x030b, .interpreter = 16, .thread_id = 152, .native_thread_id = 160, .main_interpreter = 48},
	{.version = 0x030c,
	 .interpreter = 16,
	 .thread_id = 136,
	 .native_thread_id = 144,
	 .main_interpreter = 48,
	 .interpreter_next = 0,
	 .interpreter_id = 8,
	 .interpreter_gil = 384},
};

/*
 * struct _Py_DebugOffsets, at the start of _PyRuntime: 64-bit words, in another order in each minor version. After
 * Include/internal/pycore_runtime_structs.h (pycore_runtime.h in 3.13); read off Debian's builds of each.
 */
#define OFFSETS_WORDS 73 /* 3.13's, the shortest */
#define OFFSETS_FIRST 0x030d

enum { COOKIE, VERSION, FREE_THREADED, RUNTIME_SIZE, FINALIZING, INTERPRETERS_HEAD, INTERPRETER_SIZE, ID, NEXT };

/* Which word has what, where the versions differ; the latest first. */
static const struct words {
	uint32_t version;
	uint8_t ceval_gil, gil, gil_locked, gil_holder;
	uint8_t thread_size, thread_interpreter, thread_id, native_thread_id;
} words[] = {
	{0x030f, 15, 16, 18, 19, 22, 25, 30, 31},
	{0x030e, 15, 16, 18, 19, 22, 25, 27, 28},
	{0x030d, 14, 15, 17, 18, 19, 22, 24, 25},
};

#define MAX_OFFSET (16UL << 20) /* far more than any of these structures has */
#define GIL_SIZE   208          /* struct _gil_runtime_state */

static bool is_field(uint64_t offset, uint64_t size, uint64_t structure)
{
	return structure <= MAX_OFFSET && offset % 8 == 0 && offset <= structure && size <= structure - offset;
}

/* Whether what the words say can be: the lock's fields are where they are in all versions, and all lies within. */
static bool fits(const uint64_t *offsets, const struct words *at)
{
	uint64_t shift = offsets[FREE_THREADED] ? 8 : 0, interpreter = offsets[INTERPRETER_SIZE];
	uint64_t thread = offsets[at->thread_size], gil = offsets[at->gil];

	return is_field(offsets[INTERPRETERS_HEAD], 16, offsets[RUNTIME_SIZE]) &&
	       is_field(offsets[ID], 8, interpreter) && is_field(offsets[NEXT], 8, interpreter) &&
	       is_field(offsets[at->ceval_gil], 16, interpreter) && is_field(gil, GIL_SIZE + shift, interpreter) &&
	       offsets[at->gil_locked] == gil + shift + 16 && offsets[at->gil_holder] == gil + shift + 8 &&
	       is_field(offsets[at->thread_interpreter], 8, thread) &&
	       is_field(offsets[at->native_thread_id], 8, thread) &&
	       offsets[at->native_thread_id] == offsets[at->thread_id] + 8;
}

static void take(const uint64_t *offsets, const struct words *at, uint32_t version, struct cpython_layout *out)
{
	*out = (struct cpython_layout){
		.version = version,
		.interpreter = (uint32_t)offsets[at->thread_interpreter],
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

static int read_offsets(struct elf_image *image, uint32_t version, uint64_t offsets[OFFSETS_WORDS])
{
	struct elf_symbol runtime;
	int err = elf_image__dynamic_symbol(image, "_PyRuntime", &runtime);

	err = err ? err : elf_image__read(image, runtime.address, offsets, OFFSETS_WORDS * sizeof(*offsets));
	if (err)
		return err;
	return memcmp(&offsets[COOKIE], "xdebugpy", 8) || offsets[VERSION] >> 16 != version ? -ENOENT : 0;
}

/* The version's own order of words; a version that is later than all known ones is tried with the latest order. */
static const struct words *words_of(uint32_t version)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (version >= words[i].version)
			return &words[i];
	return NULL;
}

static int find_in_file(struct elf_image *image, uint32_t version, struct cpython_layout *out, const char **reason)
{
	const struct words *order = words_of(version);
	uint64_t offsets[OFFSETS_WORDS];
	int err = read_offsets(image, version, offsets);

	if (err == -ENOENT || err == -EFAULT) {
		*reason = "does not tell its layout (no _Py_DebugOffsets)";
		return -ENOTSUP;
	}
	if (err)
		return err;
	if (!order || !fits(offsets, order)) {
		*reason = "has a layout that giltrace does not know";
		return -ENOTSUP;
	}
	take(offsets, order, version, out);
	return 0;
}

int cpython_layout__find(struct elf_image *image, uint32_t version, struct cpython_layout *out, const char **reason)
{
	if (version >= OFFSETS_FIRST)
		return find_in_file(image, version, out, reason);
	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		if (layouts[i].version == version) {
			*out = layouts[i];
			return 0;
		}
	*reason = "is not supported; 2.7, 3.6 and later are";
	return -ENOTSUP;
}
