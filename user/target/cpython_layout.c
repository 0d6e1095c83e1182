/* SPDX-License-Identifier: MIT */
/* CPython's layouts: see cpython_layout.h. */
#include "user/target/cpython_layout.h"

static const struct cpython_layout layouts[] = {
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
	{.version = 0x030d,
	 .interpreter = 16,
	 .thread_id = 152,
	 .native_thread_id = 160,
	 .main_interpreter = 640,
	 .interpreter_next = 7264,
	 .interpreter_id = 7272,
	 .interpreter_gil = 16},
};

const struct cpython_layout *cpython_layout__find(uint32_t major_minor)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		if (layouts[i].version == major_minor)
			return &layouts[i];
	return NULL;
}
