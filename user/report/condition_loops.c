/* SPDX-License-Identifier: MIT */
/*
 * [any] and ["name"] in a comparison: it is asked for each element that they stand for, and holds if it does for one.
 * The same list is the same element in all of a comparison.
 */
#include <stdio.h>
#include <string.h>

#include "user/report/condition_parts.h"

/* Elements. Two long lists in one comparison are more than anybody means. */
#define MOST_VISITED 20000000

static bool is_same_step(const struct condition *condition, const struct step *a, const struct step *b)
{
	return a->type == b->type && !strcmp(a->key, b->key) && a->index == b->index && a->length == b->length &&
	       !memcmp(condition->text + a->begin, condition->text + b->begin, a->length);
}

/* The number of a comparison's loop over this list, made if there is none. Within a comparison, threads[any] is one. */
static size_t find_loop(struct condition *condition, size_t first, size_t first_step, size_t steps)
{
	size_t i, j;

	for (i = first; i < condition->loop_count; i++) {
		const struct loop *loop = &condition->loops[i];

		for (j = 0; loop->steps == steps && j < steps; j++)
			if (!is_same_step(condition, &condition->steps[loop->first_step + j],
					  &condition->steps[first_step + j]))
				break;
		if (j == steps && loop->steps == steps)
			return i;
	}
	if (i < MOST_LOOPS)
		condition->loops[condition->loop_count++] = (struct loop){first_step, steps};
	return i;
}

/* Makes the comparison ask for each element that [any] and ["name"] stand for in it. */
struct node *condition__bind_loops(struct parser *parser, struct node *comparison, size_t first_node)
{
	struct condition *condition = parser->condition;

	if (!comparison)
		return NULL;
	comparison->first_loop = condition->loop_count;
	for (size_t i = first_node; i < condition->node_count; i++) {
		struct node *path = &condition->nodes[i];

		for (size_t j = 0; path->operation == OPERATION_PATH && j < path->steps; j++) {
			struct step *step = &condition->steps[path->first_step + j];

			if (step->type != STEP_NAMED && step->type != STEP_ANY)
				continue;
			step->loop = find_loop(condition, comparison->first_loop, path->first_step, j + 1);
			if (step->loop == MOST_LOOPS)
				return condition__wrong(parser, path->begin, "the condition has too many lists");
		}
	}
	comparison->loops = condition->loop_count - comparison->first_loop;
	return comparison;
}

/* What came of the elements so far. */
struct tally {
	bool holds;
	size_t denied;
	enum finding worst;
	char why[CONDITION_WHY_SIZE];
};

static void count(struct question *question, struct tally *tally, const struct value *value)
{
	tally->holds = value->finding == FOUND && value->truth;
	tally->denied += value->finding == FOUND && !value->truth;
	if (value->finding <= tally->worst)
		return;
	tally->worst = value->finding;
	memcpy(tally->why, question->why, sizeof(tally->why));
}

/* The list that a loop runs over, where those before it are. NULL: there is none here. */
static const json_t *list_of(struct question *question, const struct loop *loop)
{
	const struct node path = {
		.operation = OPERATION_PATH, .first_step = loop->first_step, .steps = loop->steps - 1};

	return question__find(question, &path, NULL);
}

/* The one that says [any] or ["name"]. */
static const struct step *last_step(const struct question *question, const struct loop *loop)
{
	return &question->condition->steps[loop->first_step + loop->steps - 1];
}

static bool is_meant(const struct question *question, const struct step *step, const json_t *element)
{
	const char *name = json_string_value(json_object_get(element, step->key)), *end;
	const char *wanted = question->condition->text + step->begin;

	if (step->type == STEP_ANY)
		return true;
	if (!name)
		return false;
	end = strrchr(name, '/'); /* a program is also called by the last part of its path */
	return (strlen(name) == step->length && !memcmp(name, wanted, step->length)) ||
	       (end && !strcmp(step->key, "exe") && strlen(end + 1) == step->length &&
		!memcmp(end + 1, wanted, step->length));
}

static void ask_once(struct question *question, const struct node *comparison, struct tally *tally, ask_function ask)
{
	struct value value = ask(question, comparison);

	count(question, tally, &value);
}

/* Ends all of it when it takes too long. */
static bool is_too_long(struct question *question, struct tally *tally)
{
	const struct value value = {.finding = FOUND_WRONG};

	if (++question->visited <= MOST_VISITED)
		return false;
	question__because(question, "the lists are too long to be compared with each other");
	count(question, tally, &value);
	return true;
}

/* Through the elements of the comparison's loops from this one on. True: that was enough. */
static bool go_through(struct question *question, const struct node *comparison, size_t number, struct tally *tally,
		       ask_function ask)
{
	const json_t *list, *element;
	const struct loop *loop;
	size_t i;

	if (number == comparison->loops) {
		ask_once(question, comparison, tally, ask);
		return tally->holds;
	}
	loop = &question->condition->loops[comparison->first_loop + number];
	list = list_of(question, loop);
	json_array_foreach((json_t *)list, i, element)
	{
		if (is_too_long(question, tally))
			return true;
		question->element[comparison->first_loop + number] = i;
		if (is_meant(question, last_step(question, loop), element) &&
		    go_through(question, comparison, number + 1, tally, ask))
			return true;
	}
	return false;
}

/* Names that there are, for who asked for another. */
static void tell_names(struct question *question, const struct loop *loop, const struct step *step)
{
	const json_t *list = list_of(question, loop), *element;
	char names[CONDITION_WHY_SIZE / 2] = "";
	size_t length = 0, i;

	json_array_foreach((json_t *)list, i, element)
	{
		const char *name = json_string_value(json_object_get(element, step->key));

		if (!name || strstr(names, name))
			continue;
		if (length + strlen(name) + 8 > sizeof(names)) {
			strcpy(names + length, ", ...");
			break;
		}
		length +=
			(size_t)snprintf(names + length, sizeof(names) - length, "%s\"%s\"", length ? ", " : "", name);
	}
	question__because(question, "nothing is called \"%.*s\" there%s%s", (int)step->length,
			  question->condition->text + step->begin, *names ? ", but " : "", names);
}

/* A name that is not in the first list is a mistake; in a list that is looked at for each of another, it need not be.
 */
static bool is_missing(struct question *question, const struct node *comparison)
{
	for (size_t i = 0; i < comparison->loops; i++) {
		const struct loop *loop = &question->condition->loops[comparison->first_loop + i];
		const struct step *step = last_step(question, loop);
		const json_t *list, *element;
		bool found = step->type == STEP_ANY;
		size_t j;

		for (j = 0; j + 1 < loop->steps; j++)
			found |= question->condition->steps[loop->first_step + j].type == STEP_ANY ||
				 question->condition->steps[loop->first_step + j].type == STEP_NAMED;
		list = found ? NULL : list_of(question, loop);
		json_array_foreach((json_t *)list, j, element) found |= is_meant(question, step, element);
		if (found)
			continue;
		tell_names(question, loop, step);
		return true;
	}
	return false;
}

/* Where it could be told of some elements, those of which there is nothing or nothing is known do not count. */
struct value question__for_each(struct question *question, const struct node *comparison, ask_function ask)
{
	struct tally tally = {.worst = FOUND};
	struct value result = {0};

	if (is_missing(question, comparison)) {
		result.finding = FOUND_WRONG;
		return result;
	}
	go_through(question, comparison, 0, &tally, ask);
	result.truth = tally.holds;
	if (tally.holds || tally.worst == FOUND)
		return result;
	if (tally.worst == FOUND_WRONG || !tally.denied) {
		result.finding = tally.worst;
		memcpy(question->why, tally.why, CONDITION_WHY_SIZE);
	}
	return result;
}
