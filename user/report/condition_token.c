/* SPDX-License-Identifier: MIT */
/* The words of a condition: names, numbers with units, quoted texts, signs. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/condition_parts.h"

#define DIGITS_SIZE 64

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct token wrong(size_t at, const char *why)
{
	return (struct token){.type = TOKEN_WRONG, .begin = at, .end = at, .why = why};
}

static size_t skip_digits(const char *text, size_t at)
{
	while (is_digit(text[at]))
		at++;
	return at;
}

/* The end of a number without its unit: digits, a fraction, an exponent. */
static size_t number_end(const char *text, size_t at)
{
	at = skip_digits(text, at);
	if (text[at] == '.' && is_digit(text[at + 1]))
		at = skip_digits(text, at + 1);
	if (text[at] == 'e' || text[at] == 'E') {
		size_t sign = text[at + 1] == '+' || text[at + 1] == '-';

		if (is_digit(text[at + 1 + sign]))
			at = skip_digits(text, at + 1 + sign);
	}
	return at;
}

/* A unit, next to the number or behind blanks; where a word stands there that is none ("and"), it has none. */
static bool take_unit(const char *text, struct token *token)
{
	static const struct {
		const char *name;
		double factor;
		struct kind kind;
	} units[] = {
		{"ns", 1, {SORT_NUMBER, 1}},   {"us", 1e3, {SORT_NUMBER, 1}}, {"\xc2\xb5s", 1e3, {SORT_NUMBER, 1}},
		{"ms", 1e6, {SORT_NUMBER, 1}}, {"s", 1e9, {SORT_NUMBER, 1}},  {"%", 0.01, {SORT_PERCENT, 0}},
	};
	size_t at = token->end;

	while (isspace((unsigned char)text[at]))
		at++;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		size_t length = strlen(units[i].name);
		char next;

		if (strncmp(text + at, units[i].name, length) != 0)
			continue;
		next = text[at + length];
		if (units[i].factor != 0.01 && (is_letter(next) || is_digit(next)))
			continue;
		token->number *= units[i].factor;
		token->kind = units[i].kind;
		token->end = at + length;
		return true;
	}
	return at > token->end || !is_letter(text[at]);
}

static struct token take_number(const char *text, size_t at)
{
	struct token token = {.type = TOKEN_NUMBER, .begin = at, .end = number_end(text, at)};
	char digits[DIGITS_SIZE];

	if (token.end - at >= sizeof(digits))
		return wrong(at, "too many digits");
	memcpy(digits, text + at, token.end - at);
	digits[token.end - at] = '\0';
	token.number = strtod(digits, NULL); /* LC_NUMERIC is "C": nobody called setlocale() */
	token.kind = (struct kind){token.number == 0 ? SORT_ZERO : SORT_NUMBER, 0};
	if (!take_unit(text, &token))
		return wrong(token.end, "no such unit: there are ns, us, ms, s and %");
	if (!isfinite(token.number))
		return wrong(at, "the number is too large");
	return token;
}

/* What stands between the quotes is taken as it is. */
static struct token take_text(const char *text, size_t at)
{
	const char *end = strchr(text + at + 1, text[at]);

	if (!end)
		return wrong(at, "the quote does not end");
	return (struct token){.type = TOKEN_TEXT,
			      .begin = at,
			      .end = (size_t)(end - text) + 1,
			      .text_begin = at + 1,
			      .text_length = (size_t)(end - text) - at - 1,
			      .kind = {SORT_TEXT, 0}};
}

static struct token take_name(const char *text, size_t at)
{
	struct token token = {.type = TOKEN_NAME, .begin = at, .end = at};

	while (is_letter(text[token.end]) || is_digit(text[token.end]))
		token.end++;
	return token;
}

static struct token take_comparison(const char *text, size_t at)
{
	static const struct {
		const char *sign;
		enum operation operation;
	} signs[] = {
		{"<=", OPERATION_LESS_EQUAL}, {">=", OPERATION_GREATER_EQUAL}, {"==", OPERATION_EQUAL},
		{"!=", OPERATION_DIFFERENT},  {"<", OPERATION_LESS},           {">", OPERATION_GREATER},
	};

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (!strncmp(text + at, signs[i].sign, strlen(signs[i].sign)))
			return (struct token){.type = TOKEN_COMPARISON,
					      .begin = at,
					      .end = at + strlen(signs[i].sign),
					      .comparison = signs[i].operation};
	return wrong(at, text[at] == '=' ? "equal is ==" : "not is written as a word: not");
}

struct token condition__token(const char *text, size_t at)
{
	char c;

	while (isspace((unsigned char)text[at]))
		at++;
	c = text[at];
	if (!c)
		return (struct token){.type = TOKEN_END, .begin = at, .end = at};
	if (is_digit(c))
		return take_number(text, at);
	if (is_letter(c))
		return take_name(text, at);
	if (c == '"' || c == '\'')
		return take_text(text, at);
	if (strchr("<>=!", c))
		return take_comparison(text, at);
	if (strchr("+-*/()[].", c))
		return (struct token){.type = TOKEN_SIGN, .begin = at, .end = at + 1, .sign = c};
	if (c == '&' || c == '|')
		return wrong(at, c == '&' ? "and is written as a word: and" : "or is written as a word: or");
	return wrong(at, "this character has no meaning here");
}
