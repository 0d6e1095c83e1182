/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: conditions (--fail-if). Any bytes are one; what can be parsed is asked of two reports, one with
 * everything and one with nothing but nulls and empty lists. Nothing may crash, hang, or leave a line unsaid.
 *
 *   make fuzz-fail-if [FUZZ_RUNS=10000000]
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/condition_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same fields, all unknown. */
static json_t *without_values(const json_t *value)
{
	const char *key;
	json_t *part, *copy;

	if (json_is_array(value))
		return json_array();
	if (!json_is_object(value))
		return json_null();
	copy = json_object();
	json_object_foreach((json_t *)value, key, part) json_object_set_new(copy, key, without_values(part));
	return copy;
}

static void ask(const struct condition *condition, const json_t *document)
{
	struct condition_answer answer;
	char why[CONDITION_WHY_SIZE];
	int err = condition__ask(condition, document, &answer, why);

	if (err && (err != -EINVAL || !*why || answer.holds))
		abort();
	if (strnlen(why, sizeof(why)) == sizeof(why) ||
	    strnlen(answer.values, sizeof(answer.values)) == sizeof(answer.values))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static json_t *full, *waits, *empty;
	const struct condition_scope scope = {TRACE_WAITS, TRACE_STACKS_NONE};
	struct condition_error error;
	struct condition *condition;
	char *text = malloc(size + 1);
	int err;

	if (!full) {
		full = condition__specimen(SCOPE_OF_ALL);
		waits = condition__specimen(scope);
		empty = without_values(full);
	}
	memcpy(text, data, size);
	text[size] = '\0';
	err = condition__parse_beside(text, full, size % 2 ? full : waits, scope, &condition, &error);
	if (!err) {
		ask(condition, full);
		ask(condition, empty);
	} else if (err != -EINVAL || error.at > strlen(text) || !*error.why ||
		   strnlen(error.why, sizeof(error.why)) == sizeof(error.why)) {
		abort();
	}
	condition__free(condition);
	free(text);
	return 0;
}
