/* SPDX-License-Identifier: MIT */
/* Text within XML. */
#ifndef GILTRACE_REPORT_XML_H
#define GILTRACE_REPORT_XML_H

#include <stdio.h>

/* Writes text between tags or within an attribute in double quotes. What XML cannot hold must be gone already
 * (safe_text.h). */
void xml__write(const char *text, FILE *out);

#endif
