/* SPDX-License-Identifier: MIT */
/*
 * Conditions on a report: `hold.p99 > 10ms`, `thread["io-1"].waited / duration > 5%`. They are asked of the JSON
 * document, so that each of its fields can be. docs/fail-if.md has the grammar.
 */
#ifndef GILTRACE_REPORT_CONDITION_H
#define GILTRACE_REPORT_CONDITION_H

#include <stdbool.h>
#include <stddef.h>

#include "user/trace/trace.h"

#define CONDITION_MAX_LENGTH 1024 /* bytes */
#define CONDITION_WHY_SIZE   512
#define CONDITION_VALUES     1024

struct condition;
struct json_t;

/* What is known in the reports of a trace. */
struct condition_scope {
	enum trace_level level;
	enum trace_stacks stacks;
};

/* What is wrong with a condition; `why` is one line, with names from the condition as they were written. */
struct condition_error {
	size_t at; /* the byte, from 0 */
	char why[CONDITION_WHY_SIZE];
};

/*
 * Reads a condition that is to be asked of such reports. 0, -ENOMEM, or -EINVAL: it cannot be asked: wrong
 * grammar, a field that no report has or that these do not know, or units that do not go together. The text must
 * live as long as the condition, which is freed with condition__free() (takes NULL).
 */
int condition__parse(const char *text, struct condition_scope scope, struct condition **out,
		     struct condition_error *error);
void condition__free(struct condition *condition);

struct condition_answer {
	bool holds;
	char values[CONDITION_VALUES]; /* what was compared: "hold.p99 = 14.2 ms, duration = 3.04 s" */
};

/*
 * Asks it of a report's document. 0, or -EINVAL and in `why` one line: a value is unknown, a division by zero, no
 * thread of that name. Names in `values` and `why` come from the document, which has them safe.
 */
int condition__ask(const struct condition *condition, const struct json_t *document, struct condition_answer *answer,
		   char why[CONDITION_WHY_SIZE]);

#endif
