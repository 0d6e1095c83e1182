/* SPDX-License-Identifier: MIT */
/* The JSON report before it is written, its parts that fill a file of their own, and the values that they share. */
#ifndef GILTRACE_REPORT_JSON_PARTS_H
#define GILTRACE_REPORT_JSON_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct trace;

/* The whole document, a new reference; NULL without memory. */
json_t *json__document(const struct trace *trace);

json_t *json__number(uint64_t value);
json_t *json__known(bool is_known, uint64_t value); /* else null */
json_t *json__address(uint64_t value);
json_t *json__text(const char *value); /* a name of the target: any bytes, made safe. NULL and "" are null */

/* What is told of code: "blame", "release_points", "hogs" and "stacks". */
void json__add_code(json_t *root, const struct trace *trace);

#endif
