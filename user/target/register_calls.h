/* SPDX-License-Identifier: MIT */
/* Calls through a register that was loaded from a slot of the global offset table: clang's, with -fno-plt. */
#ifndef GILTRACE_TARGET_REGISTER_CALLS_H
#define GILTRACE_TARGET_REGISTER_CALLS_H

#include <stdbool.h>
#include <stddef.h>

#include "user/target/call_sites.h"

/*
 * Finds the calls and jumps through what `load`, a CALL_BY_REGISTER, loads: those that follow it in its function while
 * the register, or a copy of it, is not overwritten. Adds them to `out`, to which `load` must not point. *escapes says
 * whether there may be more: the value was stored, or kept over a jump to another fragment. 0, or as call_sites__add()
 * and disassembly__start().
 */
int register_calls__find(struct disassembly *disassembly, const struct call_site *load, struct call_sites *out,
			 bool *escapes);

#endif
