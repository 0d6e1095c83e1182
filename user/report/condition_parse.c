/* SPDX-License-Identifier: MIT */
/* The grammar of conditions (docs/fail-if.md), by recursive descent: a function a rule, the loosest first. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/condition_parts.h"

static struct node *parse_or(struct parser *parser);

struct node *condition__wrong(struct parser *parser, size_t at, const char *format, ...)
{
	va_list arguments;

	if (parser->failed)
		return NULL;
	parser->failed = true;
	parser->error->at = at;
	va_start(arguments, format);
	vsnprintf(parser->error->why, sizeof(parser->error->why), format, arguments);
	va_end(arguments);
	return NULL;
}

void condition__next(struct parser *parser)
{
	parser->last_end = parser->token.end;
	parser->token = condition__token(parser->condition->text, parser->token.end);
	if (parser->token.type == TOKEN_WRONG)
		condition__wrong(parser, parser->token.begin, "%s", parser->token.why);
}

bool condition__is(const struct parser *parser, const char *word)
{
	const struct token *token = &parser->token;

	return token->type == TOKEN_NAME && token->end - token->begin == strlen(word) &&
	       !strncmp(parser->condition->text + token->begin, word, strlen(word));
}

bool condition__takes_sign(struct parser *parser, char sign)
{
	if (parser->token.type != TOKEN_SIGN || parser->token.sign != sign)
		return false;
	condition__next(parser);
	return true;
}

static bool takes_word(struct parser *parser, const char *word)
{
	if (!condition__is(parser, word))
		return false;
	condition__next(parser);
	return true;
}

struct node *condition__node(struct parser *parser, enum operation operation, size_t begin)
{
	struct condition *condition = parser->condition;
	struct node *node = &condition->nodes[condition->node_count];

	if (parser->failed)
		return NULL;
	if (condition->node_count == MOST_NODES)
		return condition__wrong(parser, begin, "the condition has too many parts");
	condition->node_count++;
	*node = (struct node){.operation = operation, .begin = begin, .end = parser->last_end};
	return node;
}

static struct node *join(struct parser *parser, enum operation operation, const struct node *a, const struct node *b,
			 struct kind kind)
{
	struct node *node = condition__node(parser, operation, a->begin);

	if (!node)
		return NULL;
	node->a = a;
	node->b = b;
	node->kind = kind;
	return node;
}

static bool is_reserved(const struct parser *parser)
{
	return condition__is(parser, "and") || condition__is(parser, "or") || condition__is(parser, "not") ||
	       condition__is(parser, "any");
}

static struct node *parse_literal(struct parser *parser, enum operation operation)
{
	const struct token token = parser->token;
	struct node *node;

	condition__next(parser);
	node = condition__node(parser, operation, token.begin);
	if (!node)
		return NULL;
	node->kind = operation == OPERATION_TRUTH ? (struct kind){SORT_TRUTH, 0} : token.kind;
	node->number = token.number;
	node->truth = operation == OPERATION_TRUTH && token.end - token.begin == strlen("true");
	node->text_begin = token.text_begin;
	node->text_length = token.text_length;
	return node;
}

static struct node *parse_parentheses(struct parser *parser)
{
	size_t begin = parser->token.begin;
	struct node *node;

	condition__next(parser);
	node = parse_or(parser);
	if (!node)
		return NULL;
	if (!condition__takes_sign(parser, ')'))
		return condition__wrong(parser, parser->token.begin, "here a ) is missing");
	if (node->operation != OPERATION_PATH) { /* its text is told as it is */
		node->begin = begin;
		node->end = parser->last_end;
	}
	return node;
}

/* value = number [unit] | "text" | true | false | path | "(" condition ")" */
static struct node *parse_value(struct parser *parser)
{
	switch (parser->token.type) {
	case TOKEN_NUMBER:
		return parse_literal(parser, OPERATION_NUMBER);
	case TOKEN_TEXT:
		return parse_literal(parser, OPERATION_TEXT);
	case TOKEN_NAME:
		if (condition__is(parser, "true") || condition__is(parser, "false"))
			return parse_literal(parser, OPERATION_TRUTH);
		if (!is_reserved(parser))
			return condition__parse_path(parser);
		break;
	case TOKEN_SIGN:
		if (parser->token.sign == '(')
			return parse_parentheses(parser);
		break;
	default:
		break;
	}
	return condition__wrong(parser, parser->token.begin, "here a value is missing: a field, a number or a text");
}

/* signed = "-" signed | value */
static struct node *parse_signed(struct parser *parser)
{
	size_t begin = parser->token.begin;
	struct node *node, *part;

	if (parser->failed)
		return NULL;
	if (++parser->depth > MOST_DEPTH)
		return condition__wrong(parser, begin, "the condition is nested too deeply");
	if (!condition__takes_sign(parser, '-')) {
		node = parse_value(parser);
	} else {
		part = parse_signed(parser);
		if (!part)
			return NULL;
		if (!kind__is_numeric(part->kind))
			return condition__wrong(parser, part->begin, "%s has no sign", kind__name(part->kind));
		node = join(parser, OPERATION_NEGATE, part, NULL, part->kind);
		if (node)
			node->begin = begin;
	}
	parser->depth--;
	return node;
}

/* product = signed { ("*" | "/") signed } */
static struct node *parse_product(struct parser *parser)
{
	struct node *a = parse_signed(parser), *b;
	struct kind kind;

	while (a && parser->token.type == TOKEN_SIGN && strchr("*/", parser->token.sign)) {
		size_t at = parser->token.begin;
		bool divided = parser->token.sign == '/';

		condition__next(parser);
		b = parse_signed(parser);
		if (!b)
			return NULL;
		if (!kind__of_product(a->kind, b->kind, divided, &kind))
			return condition__wrong(parser, at, "%s and %s cannot be %s", kind__name(a->kind),
						kind__name(b->kind), divided ? "divided" : "multiplied");
		a = join(parser, divided ? OPERATION_DIVIDE : OPERATION_MULTIPLY, a, b, kind);
	}
	return a;
}

/* sum = product { ("+" | "-") product } */
static struct node *parse_sum(struct parser *parser)
{
	struct node *a = parse_product(parser), *b;
	struct kind kind;

	while (a && parser->token.type == TOKEN_SIGN && strchr("+-", parser->token.sign)) {
		size_t at = parser->token.begin;
		bool added = parser->token.sign == '+';

		condition__next(parser);
		b = parse_product(parser);
		if (!b)
			return NULL;
		if (!kind__is_numeric(a->kind) || !kind__of_sum(a->kind, b->kind, &kind))
			return condition__wrong(parser, at, "%s and %s cannot be added", kind__name(a->kind),
						kind__name(b->kind));
		a = join(parser, added ? OPERATION_ADD : OPERATION_SUBTRACT, a, b, kind);
	}
	return a;
}

static bool is_ordered(enum operation operation)
{
	return operation != OPERATION_EQUAL && operation != OPERATION_DIFFERENT;
}

static struct node *check_operands(struct parser *parser, const struct token *sign, const struct node *a,
				   const struct node *b)
{
	struct kind kind;

	if (a->operation >= OPERATION_IS_TRUE || b->operation >= OPERATION_IS_TRUE)
		return condition__wrong(parser, sign->begin, "a condition cannot be compared: use and, or, not");
	if (!kind__of_sum(a->kind, b->kind, &kind))
		return condition__wrong(parser, sign->begin, "%s cannot be compared with %s", kind__name(a->kind),
					kind__name(b->kind));
	if (is_ordered(sign->comparison) && !kind__is_numeric(a->kind))
		return condition__wrong(parser, sign->begin, "%s has no order: == and != compare it",
					kind__name(a->kind));
	return (struct node *)a;
}

/* comparison = sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=") sum ] */
static struct node *parse_comparison(struct parser *parser)
{
	const struct token begin = parser->token;
	size_t first_node = parser->condition->node_count;
	struct node *a = parse_sum(parser), *b;
	const struct token sign = parser->token;

	if (!a)
		return NULL;
	if (sign.type != TOKEN_COMPARISON) {
		if (a->kind.sort != SORT_TRUTH || a->operation >= OPERATION_IS_TRUE)
			return a;
		return condition__bind_loops(parser, join(parser, OPERATION_IS_TRUE, a, NULL, a->kind), first_node);
	}
	condition__next(parser);
	b = parse_sum(parser);
	if (!b || !check_operands(parser, &sign, a, b))
		return NULL;
	if (parser->token.type == TOKEN_COMPARISON)
		return condition__wrong(parser, parser->token.begin,
					"a condition cannot be compared: use and, or, not");
	a = join(parser, sign.comparison, a, b, (struct kind){SORT_TRUTH, 0});
	if (a)
		a->begin = begin.begin;
	return condition__bind_loops(parser, a, first_node);
}

static struct node *require_condition(struct parser *parser, struct node *node)
{
	if (!node || node->kind.sort == SORT_TRUTH)
		return node;
	return condition__wrong(parser, parser->token.begin, "here a comparison is missing, such as > 10ms: this is %s",
				kind__name(node->kind));
}

/* negation = "not" negation | comparison */
static struct node *parse_not(struct parser *parser)
{
	size_t begin = parser->token.begin;
	struct node *node, *part;

	if (parser->failed)
		return NULL;
	if (++parser->depth > MOST_DEPTH)
		return condition__wrong(parser, begin, "the condition is nested too deeply");
	if (!takes_word(parser, "not")) {
		node = parse_comparison(parser);
	} else {
		part = require_condition(parser, parse_not(parser));
		node = part ? join(parser, OPERATION_NOT, part, NULL, part->kind) : NULL;
		if (node)
			node->begin = begin;
	}
	parser->depth--;
	return node;
}

/* conjunction = negation { "and" negation } */
static struct node *parse_and(struct parser *parser)
{
	struct node *a = parse_not(parser), *b;

	while (a && condition__is(parser, "and")) {
		if (!require_condition(parser, a))
			return NULL;
		condition__next(parser);
		b = require_condition(parser, parse_not(parser));
		a = b ? join(parser, OPERATION_AND, a, b, a->kind) : NULL;
	}
	return a;
}

/* condition = conjunction { "or" conjunction } */
static struct node *parse_or(struct parser *parser)
{
	struct node *a = parse_and(parser), *b;

	while (a && condition__is(parser, "or")) {
		if (!require_condition(parser, a))
			return NULL;
		condition__next(parser);
		b = require_condition(parser, parse_and(parser));
		a = b ? join(parser, OPERATION_OR, a, b, a->kind) : NULL;
	}
	return a;
}

static void parse_all(struct parser *parser)
{
	struct node *root;

	if (strlen(parser->condition->text) > CONDITION_MAX_LENGTH) {
		condition__wrong(parser, CONDITION_MAX_LENGTH, "a condition has at most %d bytes",
				 CONDITION_MAX_LENGTH);
		return;
	}
	condition__next(parser);
	root = require_condition(parser, parse_or(parser));
	if (root && parser->token.type != TOKEN_END)
		condition__wrong(parser, parser->token.begin, "this does not belong here");
	parser->condition->root = root;
}

int condition__parse_beside(const char *text, const json_t *all, const json_t *known, struct condition_scope scope,
			    struct condition **out, struct condition_error *error)
{
	struct condition *condition = calloc(1, sizeof(*condition));
	struct parser parser = {.condition = condition, .all = all, .known = known, .scope = scope, .error = error};

	*error = (struct condition_error){0};
	*out = NULL;
	if (!condition)
		return -ENOMEM;
	condition->text = text;
	parse_all(&parser);
	if (parser.failed)
		condition__free(condition);
	else
		*out = condition;
	return parser.failed ? -EINVAL : 0;
}

int condition__parse(const char *text, struct condition_scope scope, struct condition **out,
		     struct condition_error *error)
{
	json_t *all = condition__specimen(SCOPE_OF_ALL), *known = condition__specimen(scope);
	int err = -ENOMEM;

	*out = NULL;
	if (all && known)
		err = condition__parse_beside(text, all, known, scope, out, error);
	json_decref(all);
	json_decref(known);
	return err;
}

void condition__free(struct condition *condition)
{
	free(condition);
}
