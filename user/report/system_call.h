/* SPDX-License-Identifier: MIT */
/* The names of system calls. */
#ifndef GILTRACE_REPORT_SYSTEM_CALL_H
#define GILTRACE_REPORT_SYSTEM_CALL_H

#include <stdint.h>

/* The name of the system call with this number, static; NULL: it has none that is known here. */
const char *system_call_name(int32_t number);

#endif
