/* SPDX-License-Identifier: MIT */
/* The adapter for toygil, the toy GIL runtime of this project. */
#ifndef GILTRACE_TARGET_TOYGIL_H
#define GILTRACE_TARGET_TOYGIL_H

struct runtime_adapter;

extern const struct runtime_adapter toygil_adapter;

#endif
