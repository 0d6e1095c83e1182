/* SPDX-License-Identifier: MIT */
/* The table is made of <asm/unistd_64.h> by the Makefile. */
#include "user/symbols/system_calls.h"

#include <stddef.h>

static const char *const names[] = {
#include "system_calls.inc"
};

const char *system_call__name(int32_t number)
{
	return number >= 0 && (size_t)number < sizeof(names) / sizeof(*names) ? names[number] : NULL;
}
