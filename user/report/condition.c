/* SPDX-License-Identifier: MIT */
/* Asking a condition of a report: see condition.h. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "user/report/condition_parts.h"

static struct value evaluate(struct question *question, const struct node *node);

static struct value literal(const struct question *question, const struct node *node)
{
	return (struct value){.number = node->number,
			      .truth = node->truth,
			      .text = question->condition->text + node->text_begin,
			      .length = node->text_length};
}

static struct value wrong(struct question *question, const struct node *node, const char *what)
{
	question__because(question, "%s in %.*s", what, (int)(node->end - node->begin),
			  question->condition->text + node->begin);
	return (struct value){.finding = FOUND_WRONG};
}

static struct value calculate(struct question *question, const struct node *node)
{
	struct value a = evaluate(question, node->a), b = {0};

	if (a.finding == FOUND && node->b)
		b = evaluate(question, node->b);
	if (a.finding != FOUND || b.finding != FOUND)
		return a.finding != FOUND ? a : b;
	if (node->operation == OPERATION_NEGATE)
		a.number = -a.number;
	else if (node->operation == OPERATION_ADD)
		a.number += b.number;
	else if (node->operation == OPERATION_SUBTRACT)
		a.number -= b.number;
	else if (node->operation == OPERATION_MULTIPLY)
		a.number *= b.number;
	else if (b.number == 0)
		return wrong(question, node, "division by zero");
	else
		a.number /= b.number;
	return isfinite(a.number) ? a : wrong(question, node, "the result is too large");
}

static struct value evaluate(struct question *question, const struct node *node)
{
	if (node->operation == OPERATION_PATH)
		return question__look_up(question, node);
	return node->operation < OPERATION_PATH ? literal(question, node) : calculate(question, node);
}

static bool are_equal(const struct node *node, const struct value *a, const struct value *b)
{
	if (node->a->kind.sort == SORT_TEXT)
		return a->length == b->length && !memcmp(a->text, b->text, a->length);
	return node->a->kind.sort == SORT_TRUTH ? a->truth == b->truth : a->number == b->number;
}

static bool compare(const struct node *node, const struct value *a, const struct value *b)
{
	switch (node->operation) {
	case OPERATION_LESS:
		return a->number < b->number;
	case OPERATION_LESS_EQUAL:
		return a->number <= b->number;
	case OPERATION_GREATER:
		return a->number > b->number;
	case OPERATION_GREATER_EQUAL:
		return a->number >= b->number;
	case OPERATION_EQUAL:
		return are_equal(node, a, b);
	case OPERATION_DIFFERENT:
		return !are_equal(node, a, b);
	default:
		return a->truth;
	}
}

static void note_fields(struct question *question, const struct node *node)
{
	struct value value;

	if (!node || node->operation < OPERATION_PATH)
		return;
	note_fields(question, node->a);
	note_fields(question, node->b);
	if (node->operation != OPERATION_PATH)
		return;
	value = question__look_up(question, node);
	question__note(question, node, &value, node->kind);
}

static bool has_field(const struct node *node)
{
	return node && (node->operation == OPERATION_PATH || has_field(node->a) || has_field(node->b));
}

/* Notes the fields that were read for one side of a comparison, and what came of them. */
static void note_side(struct question *question, const struct node *side, const struct value *value, struct kind other)
{
	if (side->operation > OPERATION_PATH)
		note_fields(question, side);
	if (has_field(side))
		question__note(question, side, value, other);
}

static struct value ask_comparison(struct question *question, const struct node *node)
{
	struct value a = evaluate(question, node->a), b = {0};

	if (a.finding == FOUND && node->b)
		b = evaluate(question, node->b);
	if (a.finding != FOUND || b.finding != FOUND)
		return a.finding != FOUND ? a : b;
	if (compare(node, &a, &b) || !node->loops) {
		note_side(question, node->a, &a, node->b ? node->b->kind : node->a->kind);
		if (node->b)
			note_side(question, node->b, &b, node->a->kind);
	}
	return (struct value){.truth = compare(node, &a, &b)};
}

static struct value ask(struct question *question, const struct node *node);

/* What decides is true for or, false for and: then it does not matter what the other part is. */
static struct value ask_both(struct question *question, const struct node *node, bool decides)
{
	char why[CONDITION_WHY_SIZE];
	struct value a = ask(question, node->a), b;

	memcpy(why, question->why, sizeof(why));
	b = ask(question, node->b);
	if (a.finding == FOUND && a.truth == decides)
		return a;
	if (b.finding >= a.finding || (b.finding == FOUND && b.truth == decides))
		return b;
	memcpy(question->why, why, sizeof(why));
	return a;
}

static struct value ask(struct question *question, const struct node *node)
{
	struct value value;

	if (node->operation == OPERATION_AND || node->operation == OPERATION_OR)
		return ask_both(question, node, node->operation == OPERATION_OR);
	if (node->operation != OPERATION_NOT)
		return question__for_each(question, node, ask_comparison);
	value = ask(question, node->a);
	value.truth = !value.truth;
	return value;
}

int condition__ask(const struct condition *condition, const json_t *document, struct condition_answer *answer,
		   char why[CONDITION_WHY_SIZE])
{
	struct question question = {.condition = condition, .document = document, .why = why, .values = answer->values};
	struct value value;

	*answer = (struct condition_answer){0};
	*why = '\0';
	value = ask(&question, condition->root);
	answer->holds = value.finding == FOUND && value.truth;
	return value.finding > FOUND_NOTHING ? -EINVAL : 0;
}
