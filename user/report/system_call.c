/* SPDX-License-Identifier: MIT */
/* The names of system calls: see system_call.h. */
#include "user/report/system_call.h"

#include <stddef.h>

const char *system_call_name(int32_t number)
{
	(void)number;
	return NULL;
}
