/* SPDX-License-Identifier: MIT */
/* Conditions on the report: see conditions.h. */
#include "tools/giltrace/conditions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/giltrace/commands.h"
#include "user/report/condition.h"
#include "user/report/json_parts.h"

/* Counted from 1, as people do, in UTF-8. */
static size_t character(const char *text, size_t byte)
{
	size_t number = 1;

	for (size_t i = 0; i < byte; i++)
		number += ((unsigned char)text[i + 1] & 0xc0) != 0x80;
	return number;
}

int conditions__check(const struct condition_texts *texts, enum trace_level level, enum trace_stacks stacks)
{
	const struct condition_scope scope = {level, stacks};
	struct condition_error error;
	struct condition *condition;

	for (size_t i = 0; i < texts->count; i++) {
		int err = condition__parse(texts->of[i], scope, &condition, &error);

		condition__free(condition);
		if (err == -EINVAL)
			complain("--fail-if='%.1024s': at character %zu: %s (man giltrace has the grammar)",
				 texts->of[i], character(texts->of[i], error.at), error.why);
		else if (err)
			complain("--fail-if: %s", strerror(-err));
		if (err)
			return err == -EINVAL ? STATUS_USAGE : STATUS_FAILURE;
	}
	return -1;
}

static int ask(const char *text, struct condition_scope scope, const json_t *document)
{
	struct condition_answer answer = {0};
	char why[CONDITION_WHY_SIZE];
	struct condition_error error;
	struct condition *condition;
	int err = condition__parse(text, scope, &condition, &error);

	if (err)
		snprintf(why, sizeof(why), "%s", err == -EINVAL ? error.why : strerror(-err));
	else
		err = condition__ask(condition, document, &answer, why);
	condition__free(condition);
	if (err)
		complain("--fail-if='%s' cannot be told: %s", text, why);
	else if (answer.holds)
		complain("--fail-if='%s' holds%s%s", text, *answer.values ? ": " : "", answer.values);
	return err ? STATUS_FAILURE : answer.holds ? STATUS_CONDITION : STATUS_OK;
}

int conditions__ask(const struct condition_texts *texts, const struct trace *trace)
{
	json_t *document = texts->count ? json__document(trace) : NULL;
	const struct condition_scope scope = {trace->level, trace->stack_level};
	int status = STATUS_OK;

	if (texts->count && !document) {
		complain("--fail-if: %s", strerror(ENOMEM));
		return STATUS_FAILURE;
	}
	for (size_t i = 0; i < texts->count; i++) {
		int one = ask(texts->of[i], scope, document);

		if (status == STATUS_OK || one == STATUS_CONDITION)
			status = one;
	}
	json_decref(document);
	return status;
}
