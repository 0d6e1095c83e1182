/* SPDX-License-Identifier: MIT */
/* The values of a condition: found in the document by their paths, and told in readable units. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "user/report/condition_parts.h"
#include "user/report/format.h"

#define NOTE_SIZE 256

void question__because(struct question *question, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(question->why, CONDITION_WHY_SIZE, format, arguments);
	va_end(arguments);
}

/* Where null says that there is none, and not that it is unknown. */
static bool means_none(const json_t *object, const char *key)
{
	static const char *const keys[] = {"parent", "syscall", "syscall_name", "syscall_ns", "convoy_score"};
	const json_t *count = json_object_get(object, "count");

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return json_is_integer(count) && !json_integer_value(count); /* of a histogram without values */
}

static const json_t *element(struct question *question, const json_t *list, size_t index, enum finding *finding)
{
	if (index >= json_array_size(list)) {
		question__because(question, "there is no [%zu]: the list has %zu", index, json_array_size(list));
		*finding = FOUND_WRONG;
	}
	return json_array_get(list, index);
}

/* One step on; NULL: *finding tells what is there instead. */
static const json_t *go(struct question *question, const json_t *at, const struct step *step, enum finding *finding)
{
	const json_t *next;

	if (step->type == STEP_INDEX)
		return element(question, at, step->index, finding);
	if (step->type != STEP_KEY)
		return element(question, at, question->element[step->loop], finding);
	next = json_object_get(at, step->key);
	if (next && !json_is_null(next))
		return next;
	*finding = next && means_none(at, step->key) ? FOUND_NOTHING : FOUND_UNKNOWN;
	question__because(question, "\"%s\" is unknown", step->key);
	return NULL;
}

const json_t *question__find(struct question *question, const struct node *path, enum finding *finding)
{
	const struct step *steps = &question->condition->steps[path->first_step];
	const json_t *at = question->document;
	enum finding ignored;

	finding = finding ? finding : &ignored;
	*finding = FOUND;
	if (path->of_main_lock && !json_array_size(json_object_get(at, "gils"))) {
		*finding = FOUND_NOTHING; /* it was never used */
		return NULL;
	}
	for (size_t i = 0; at && i < path->steps && steps[i].type != STEP_COUNT; i++)
		at = go(question, at, &steps[i], finding);
	return at;
}

struct value question__look_up(struct question *question, const struct node *path)
{
	struct value value = {0};
	const json_t *found = question__find(question, path, &value.finding);

	if (!found)
		return value;
	if (json_is_number(found))
		value.number = json_number_value(found) / (path->kind.sort == SORT_PERCENT ? 100 : 1);
	else if (json_is_array(found))
		value.number = (double)json_array_size(found);
	value.truth = json_is_true(found);
	value.text = json_string_value(found);
	value.length = json_string_length(found);
	if ((path->kind.sort == SORT_TEXT) == !value.text ||
	    (path->kind.sort == SORT_TRUTH) != json_is_boolean(found)) {
		question__because(question, "%.*s is not %s in this report", (int)(path->end - path->begin),
				  question->condition->text + path->begin, kind__name(path->kind));
		value.finding = FOUND_WRONG;
	}
	return value;
}

static void tell_number(char *out, size_t size, double number, struct kind kind, struct kind other)
{
	char time[FORMAT_SIZE];
	bool percent = kind.sort == SORT_PERCENT || (kind.sort == SORT_RATIO && other.sort == SORT_PERCENT);

	if (percent)
		snprintf(out, size, "%.4g %%", number * 100);
	else if (kind.power == 1 && fabs(number) < 1e18)
		snprintf(out, size, "%s%s", number < 0 ? "-" : "", format_time(time, (uint64_t)(fabs(number) + 0.5)));
	else if (kind.power == -1)
		snprintf(out, size, "%.4g / s", number * 1e9);
	else if (kind.power)
		snprintf(out, size, "%.4g ns^%d", number, kind.power);
	else if (number == floor(number) && fabs(number) < 1e15)
		snprintf(out, size, "%.0f", number);
	else
		snprintf(out, size, "%.4g", number);
}

/* A path as it was written; where any element could be meant, with the one that it is. */
static void tell_path(const struct question *question, const struct node *path, char out[NOTE_SIZE])
{
	const struct condition *condition = question->condition;
	const struct step *steps = &condition->steps[path->first_step];
	size_t length = 0;
	bool any = false;

	for (size_t i = 0; i < path->steps; i++)
		any |= steps[i].type == STEP_ANY;
	if (!any) {
		snprintf(out, NOTE_SIZE, "%.*s", (int)(path->end - path->begin), condition->text + path->begin);
		return;
	}
	for (size_t i = 0; i < path->steps && length < NOTE_SIZE - KEY_SIZE; i++) {
		char *end = out + length;
		size_t room = NOTE_SIZE - length;

		if (steps[i].type == STEP_KEY)
			length += (size_t)snprintf(end, room, "%s%s", i ? "." : "", steps[i].key);
		else if (steps[i].type == STEP_COUNT)
			length += (size_t)snprintf(end, room, ".count");
		else
			length += (size_t)snprintf(end, room, "[%zu]",
						   steps[i].type == STEP_INDEX ? steps[i].index
									       : question->element[steps[i].loop]);
	}
}

/* Of the innermost element that is meant by any: what it is called. */
static const char *name_of(struct question *question, const struct node *path)
{
	const struct step *steps = &question->condition->steps[path->first_step];
	struct node element_path = *path;

	for (size_t i = path->steps; i-- > 0;) {
		if (steps[i].type != STEP_ANY)
			continue;
		element_path.steps = i + 1;
		return json_string_value(json_object_get(question__find(question, &element_path, NULL), "name"));
	}
	return NULL;
}

void question__note(struct question *question, const struct node *part, const struct value *value, struct kind other)
{
	char what[NOTE_SIZE], is[NOTE_SIZE], note[2 * NOTE_SIZE + 64];
	const char *name = part->operation == OPERATION_PATH ? name_of(question, part) : NULL;
	size_t length = strlen(question->values);

	if (part->operation == OPERATION_PATH)
		tell_path(question, part, what);
	else
		snprintf(what, sizeof(what), "%.*s", (int)(part->end - part->begin),
			 question->condition->text + part->begin);
	if (part->kind.sort == SORT_TEXT)
		snprintf(is, sizeof(is), "\"%s\"", value->text);
	else if (part->kind.sort == SORT_TRUTH)
		snprintf(is, sizeof(is), "%s", value->truth ? "true" : "false");
	else
		tell_number(is, sizeof(is), value->number, part->kind, other);
	snprintf(note, sizeof(note), "%s%s%s%s = %s", what, name ? " (" : "", name ? name : "", name ? ")" : "", is);
	if (strstr(question->values, note) || length + strlen(note) + 3 > CONDITION_VALUES)
		return;
	snprintf(question->values + length, CONDITION_VALUES - length, "%s%s", length ? ", " : "", note);
}
