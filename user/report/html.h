/* SPDX-License-Identifier: MIT */
/* The whole report as one page for a browser: docs/html.md. It asks nobody for anything. */
#ifndef GILTRACE_REPORT_HTML_H
#define GILTRACE_REPORT_HTML_H

#include <stdio.h>

struct trace;

/*
 * Writes a finished trace, with its events if it has them. The verdict, the threads, what was lost and the text report
 * can be read without scripts. 0, -ENOMEM, or the -errno of a failed write (-EIO when the stream gives none).
 */
int report__html(const struct trace *trace, FILE *out);

#endif
