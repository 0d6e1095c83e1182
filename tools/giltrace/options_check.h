/* SPDX-License-Identifier: MIT */
/* Options that do not go together. For options.c; options__check_reports() is in options.h. */
#ifndef GILTRACE_OPTIONS_CHECK_H
#define GILTRACE_OPTIONS_CHECK_H

#include "tools/giltrace/options.h"

/* One line on stderr that says what is wrong. Returns STATUS_USAGE. */
__attribute__((format(printf, 1, 2))) int options__refuse(const char *format, ...);

/* -1 to go on, or STATUS_USAGE after one line. */
int options__check(const struct options *options);

#endif
