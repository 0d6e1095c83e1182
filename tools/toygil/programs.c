/* SPDX-License-Identifier: MIT */
/* The texts of tools/toygil/programs/, taken into the binary by the assembler: see programs.h. */
#include "tools/toygil/programs.h"

#include <string.h>

/* clang-format off */
#define PROGRAMS(X) \
	X(count_up, "count-up", true, "sums a range: nothing but instructions") \
	X(sqrt, "sqrt", true, "integer square roots: short calls into C that keep the lock") \
	X(sleep, "sleep", true, "I/O of 10 ms: sleeps without the lock") \
	X(echo, "echo", true, "answers a client's bytes: system calls of a microsecond without the lock") \
	X(matmul, "matmul", true, "multiplies matrices in C without the lock") \
	X(hog, "hog", true, "C code that keeps the lock for 20 ms, beside counting threads") \
	X(refcount, "refcount", true, "all threads count one shared object up and down") \
	X(containers, "containers", true, "appends to shared and to own lists and dicts") \
	X(race, "race", true, "counter += 1 without a lock of the program's own: loses updates") \
	X(mixed, "mixed", true, "one I/O thread beside counting threads: the convoy") \
	X(own_counts, "own-counts", false, "each thread counts an object of its own up and down")
/* clang-format on */

#define X(symbol, file, listed, summary)                           \
	__asm__(".pushsection .rodata\n"                           \
		"toygil_program_" #symbol ":\n"                    \
		".incbin \"tools/toygil/programs/" file ".toy\"\n" \
		"toygil_program_" #symbol "_end:\n"                \
		".byte 0\n"                                        \
		".popsection\n");                                  \
	extern const char toygil_program_##symbol[], toygil_program_##symbol##_end[];
PROGRAMS(X)
#undef X

struct shipped_program programs__at(size_t index)
{
#define X(symbol, name, listed, summary)                                                                            \
	{name, summary, toygil_program_##symbol, (size_t)(toygil_program_##symbol##_end - toygil_program_##symbol), \
	 listed},
	const struct shipped_program programs[] = {PROGRAMS(X){0}};
#undef X

	return index < sizeof(programs) / sizeof(*programs) ? programs[index] : (struct shipped_program){0};
}

bool programs__find(const char *name, struct shipped_program *found)
{
	for (size_t i = 0; (*found = programs__at(i)).name; i++)
		if (!strcmp(found->name, name))
			return true;
	return false;
}
