/* SPDX-License-Identifier: MIT */
/* Names of x86-64's system calls, as of the headers that this was built with. */
#ifndef GILTRACE_SYMBOLS_SYSTEM_CALLS_H
#define GILTRACE_SYMBOLS_SYSTEM_CALLS_H

#include <stdint.h>

/* "read"; NULL: the number was not known then. */
const char *system_call__name(int32_t number);

#endif
