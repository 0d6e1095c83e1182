/* SPDX-License-Identifier: MIT */
/* CPython's layouts: see cpython_layout.h. Here are those of the versions that say nothing about themselves. */
#include "user/target/cpython_layout.h"

#include <errno.h>
#include <stddef.h>

#include "user/target/elf_image.h"

/* str: Objects/stringobject.h */
#define OBJECTS_2                                          \
	{                                                  \
		.type = 8, .bytes_length = 16, .bytes = 36 \
	}

/* bytes and str; until 3.11 with the wchar_t copy that 3.12 did away with */
#define OBJECTS_3(ascii)                                                                                         \
	{                                                                                                        \
		.type = 8, .bytes_length = 16, .bytes = 32, .text_length = 16, .text_state = 32, .text_kind = 2, \
		.text_ascii = (ascii), .text_compact = (ascii) == 48 ? 72 : 56                                   \
	}

/* PyFrameObject and PyCodeObject until 3.10: each frame is an object of its own, with a number of its instruction. */
#define FRAME_OBJECTS(next, first_frame, last_instruction, file_name, function_name, line)                             \
	{                                                                                                              \
		.code_has_type = 8, .threads = 8, .next_thread = (next), .top = (first_frame), .top_within = NO_FIELD, \
		.previous = 24, .code = 32, .instruction = (last_instruction), .owner = NO_FIELD,                      \
		.instruction_form = INSTRUCTION_INDEX, .instructions = NO_FIELD, .name = (function_name),              \
		.file = (file_name), .first_line = (line)                                                              \
	}

static const struct {
	struct cpython_layout layout;
	struct frame_layout frames;
} versions[] = {
	{{.version = 0x0207, .interpreter = 8, .thread_id = 144, .line_table = 104, .objects = OBJECTS_2},
	 FRAME_OBJECTS(0, 16, 120, 80, 88, 96)},
	{{.version = 0x0306, .interpreter = 16, .thread_id = 152, .line_table = 112, .objects = OBJECTS_3(48)},
	 FRAME_OBJECTS(8, 24, 120, 96, 104, 36)},
	{{.version = 0x0307,
	  .interpreter = 16,
	  .thread_id = 176,
	  .main_interpreter = 32,
	  .line_table = 112,
	  .objects = OBJECTS_3(48)},
	 FRAME_OBJECTS(8, 24, 104, 96, 104, 36)},
	{{.version = 0x0308,
	  .interpreter = 16,
	  .thread_id = 176,
	  .main_interpreter = 40,
	  .line_table = 120,
	  .objects = OBJECTS_3(48)},
	 FRAME_OBJECTS(8, 24, 104, 104, 112, 40)},
	{{.version = 0x0309,
	  .interpreter = 16,
	  .thread_id = 176,
	  .main_interpreter = 40,
	  .line_table = 120,
	  .objects = OBJECTS_3(48)},
	 FRAME_OBJECTS(8, 24, 104, 104, 112, 40)},
	{{.version = 0x030a,
	  .interpreter = 16,
	  .thread_id = 176,
	  .main_interpreter = 40,
	  .line_table = 120,
	  .objects = OBJECTS_3(48)},
	 FRAME_OBJECTS(8, 24, 96, 104, 112, 40)},
	{{.version = 0x030b,
	  .interpreter = 16,
	  .thread_id = 152,
	  .native_thread_id = 160,
	  .main_interpreter = 48,
	  .line_table = 136,
	  .objects = OBJECTS_3(48)},
	 /* _PyInterpreterFrame; the thread state points to the C frame, which points to it. No frame is foreign. */
	 {.code_has_type = 8,
	  .threads = 16,
	  .next_thread = 8,
	  .top = 56,
	  .top_within = 8,
	  .previous = 48,
	  .code = 32,
	  .instruction = 56,
	  .owner = NO_FIELD,
	  .instruction_form = INSTRUCTION_IN_CODE,
	  .instructions = 184,
	  .name = 128,
	  .file = 112,
	  .first_line = 72}},
	{{.version = 0x030c,
	  .interpreter = 16,
	  .thread_id = 136,
	  .native_thread_id = 144,
	  .main_interpreter = 48,
	  .interpreter_next = 0,
	  .interpreter_id = 8,
	  .interpreter_gil = 384,
	  .line_table = 136,
	  .objects = OBJECTS_3(40)},
	 {.code_has_type = 8,
	  .threads = 72,
	  .next_thread = 8,
	  .top = 56,
	  .top_within = 0,
	  .previous = 8,
	  .code = 0,
	  .instruction = 56,
	  .owner = 70,
	  .foreign_owner = 3, /* FRAME_OWNED_BY_CSTACK */
	  .instruction_form = INSTRUCTION_IN_CODE,
	  .instructions = 192,
	  .name = 128,
	  .file = 112,
	  .first_line = 68}},
};

int cpython_layout__find(struct elf_image *image, uint32_t version, struct cpython_layout *out,
			 struct frame_layout *frames, const char **reason)
{
	struct elf_symbol type;
	int err = -ENOTSUP;

	*frames = (struct frame_layout){0};
	*reason = "is not supported; 2.7, 3.6 and later are";
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++)
		if (versions[i].layout.version == version) {
			*out = versions[i].layout;
			*frames = versions[i].frames;
			err = 0;
		}
	if (version >= CPYTHON_OFFSETS_FIRST)
		err = cpython_offsets__find(image, version, out, frames, reason);
	if (!err && frames->top && !elf_image__dynamic_symbol(image, "PyCode_Type", &type))
		frames->code_type = type.address;
	return err;
}
