/* SPDX-License-Identifier: MIT */
/* Names from the target, which may be crafted, made safe for a terminal and for UTF-8 formats. */
#ifndef GILTRACE_REPORT_SAFE_TEXT_H
#define GILTRACE_REPORT_SAFE_TEXT_H

#include <stddef.h>

/* Room for a path of PATH_MAX bytes, each of them escaped. */
#define SAFE_TEXT_SIZE (4096 * 4 + 1)

/*
 * Copies `name` into `out` (of `size` > 0 bytes, always terminated, cut at a whole character), with every byte that
 * is a control character (C0, DEL, and C1 in UTF-8) or no valid UTF-8 written as \xNN. Characters that change the
 * direction of text or hide, and those that XML does not take, are escaped too. Returns `out`.
 */
const char *safe_text(char *out, size_t size, const char *name);

#endif
