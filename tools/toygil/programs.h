/* SPDX-License-Identifier: MIT */
/* The programs that ship inside toygil, by name, so that it runs from anywhere. */
#ifndef TOYGIL_PROGRAMS_H
#define TOYGIL_PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>

struct shipped_program {
	const char *name;
	const char *summary;
	const char *text;
	size_t length;
	bool listed; /* the others are for `toygil bench` */
};

/* The program at this place, or one whose name is NULL behind the last. */
struct shipped_program programs__at(size_t index);

/* Whether there is one with this name, and then which. */
bool programs__find(const char *name, struct shipped_program *found);

#endif
