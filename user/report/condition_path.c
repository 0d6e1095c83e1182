/* SPDX-License-Identifier: MIT */
/*
 * Paths of a condition: gils[0].wait.p99. They are read beside a document that has everything (condition_specimen.c),
 * so that what no report has is told before there is one.
 */
#include <stdio.h>
#include <string.h>

#include "user/report/condition_parts.h"

/* A path as far as it was read. */
struct place {
	struct node *node;
	const json_t *all, *known;
	char key[KEY_SIZE]; /* the last one */
};

static struct step *add_step(struct parser *parser, struct place *place, enum step_type type)
{
	struct condition *condition = parser->condition;
	struct step *step = &condition->steps[condition->step_count];

	if (condition->step_count == MOST_STEPS) {
		condition__wrong(parser, place->node->begin, "the condition has too many parts");
		return NULL;
	}
	condition->step_count++;
	place->node->steps++;
	*step = (struct step){.type = type};
	return step;
}

/* Goes on to a value, which may not be known in the scope. */
static bool enter(struct parser *parser, struct place *place, const json_t *all, const json_t *known)
{
	place->all = all;
	place->known = known;
	if (!json_is_null(known))
		return true;
	condition__wrong(parser, place->node->begin, "\"%.*s\" is not known with --probes=%s%s",
			 (int)(parser->last_end - place->node->begin), parser->condition->text + place->node->begin,
			 trace__level_name(parser->scope.level),
			 parser->scope.stacks == TRACE_STACKS_NONE ? " --stacks=none" : "");
	return false;
}

static bool add_key(struct parser *parser, struct place *place, const char *key)
{
	struct step *step = add_step(parser, place, STEP_KEY);

	if (!step)
		return false;
	snprintf(step->key, sizeof(step->key), "%s", key);
	snprintf(place->key, sizeof(place->key), "%s", key);
	return enter(parser, place, json_object_get(place->all, key), json_object_get(place->known, key));
}

static bool add_index(struct parser *parser, struct place *place, size_t index)
{
	struct step *step = add_step(parser, place, STEP_INDEX);

	if (!step)
		return false;
	step->index = index;
	return true;
}

/* The key that is meant by a name, which may leave out "_ns" or "_pct". */
static bool find_key(const json_t *object, const char *name, char key[KEY_SIZE])
{
	static const char *const ends[] = {"", "_ns", "_pct"};

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (snprintf(key, KEY_SIZE, "%s%s", name, ends[i]) < KEY_SIZE && json_object_get(object, key))
			return true;
	return false;
}

/* The name that the parser is at. A name that is too long is none. */
static void copy_name(const struct parser *parser, char name[KEY_SIZE])
{
	const struct token *token = &parser->token;

	snprintf(name, KEY_SIZE, "%.*s", (int)(token->end - token->begin), parser->condition->text + token->begin);
	if (token->end - token->begin >= KEY_SIZE)
		*name = '\0';
}

/* "count, sum_ns, min_ns" */
static const char *list_keys(const json_t *object, char *out, size_t size)
{
	size_t length = 0;
	const char *key;
	json_t *value;

	*out = '\0';
	json_object_foreach((json_t *)object, key, value)
	{
		if (length + strlen(key) + 8 > size) {
			strcpy(out + length, ", ...");
			break;
		}
		length += (size_t)snprintf(out + length, size - length, "%s%s", length ? ", " : "", key);
	}
	return out;
}

static bool no_such_key(struct parser *parser, const json_t *object)
{
	char keys[CONDITION_WHY_SIZE / 2];

	condition__wrong(parser, parser->token.begin, "there is no \"%.*s\" here, but %s",
			 (int)(parser->token.end - parser->token.begin), parser->condition->text + parser->token.begin,
			 list_keys(object, keys, sizeof(keys)));
	return false;
}

static bool no_such_name(struct parser *parser, const json_t *lock)
{
	char keys[CONDITION_WHY_SIZE / 2], lock_keys[CONDITION_WHY_SIZE / 2];

	condition__wrong(parser, parser->token.begin, "the report has no \"%.*s\", but %s; and its main lock %s",
			 (int)(parser->token.end - parser->token.begin), parser->condition->text + parser->token.begin,
			 list_keys(parser->all, keys, sizeof(keys)), list_keys(lock, lock_keys, sizeof(lock_keys)));
	return false;
}

static bool enter_main_lock(struct parser *parser, struct place *place)
{
	place->node->of_main_lock = true;
	return add_key(parser, place, "gils") && add_index(parser, place, 0) &&
	       enter(parser, place, json_array_get(place->all, 0), json_array_get(place->known, 0));
}

/* The first name: a field of the document, or of its main lock, or a short name. */
static bool parse_first(struct parser *parser, struct place *place)
{
	static const char *const lists[][2] = {{"thread", "threads"}, {"process", "processes"}, {"gil", "gils"}};
	const json_t *lock = json_array_get(json_object_get(parser->all, "gils"), 0);
	char name[KEY_SIZE], key[KEY_SIZE];

	copy_name(parser, name);
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (!strcmp(name, lists[i][0]))
			snprintf(name, sizeof(name), "%s", lists[i][1]);
	if (find_key(parser->all, name, key)) {
		condition__next(parser);
		return add_key(parser, place, key);
	}
	if (!strcmp(name, "duration")) {
		condition__next(parser);
		return add_key(parser, place, "window") && add_key(parser, place, "duration_ns");
	}
	if (!find_key(lock, name, key))
		return no_such_name(parser, lock);
	if (!enter_main_lock(parser, place))
		return false;
	condition__next(parser);
	return add_key(parser, place, key);
}

/* .name; of a list there is .count */
static bool parse_member(struct parser *parser, struct place *place)
{
	char name[KEY_SIZE], key[KEY_SIZE];

	condition__next(parser);
	if (parser->token.type != TOKEN_NAME) {
		condition__wrong(parser, parser->token.begin, "a field's name is missing");
		return false;
	}
	copy_name(parser, name);
	if (json_is_array(place->all) && !strcmp(name, "count")) {
		condition__next(parser);
		snprintf(place->key, sizeof(place->key), "count");
		place->all = place->known = NULL;
		return add_step(parser, place, STEP_COUNT) != NULL;
	}
	if (json_is_array(place->all)) {
		condition__wrong(parser, parser->token.begin,
				 "this is a list: take [any] of it, [0] or [\"name\"], or .count");
		return false;
	}
	if (!json_is_object(place->all)) {
		condition__wrong(parser, parser->token.begin, "what stands before has no fields");
		return false;
	}
	if (!find_key(place->all, name, key))
		return no_such_key(parser, place->all);
	condition__next(parser);
	return add_key(parser, place, key);
}

/* What elements of a list are called by: their name, or program, or lock. */
static const char *naming_key(const json_t *element)
{
	static const char *const keys[] = {"name", "exe", "gil"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (json_object_get(element, keys[i]))
			return keys[i];
	return NULL;
}

static bool parse_which(struct parser *parser, struct place *place, const json_t *element)
{
	const struct token *token = &parser->token;
	const char *naming = naming_key(element);
	struct step *step;

	if (condition__is(parser, "any"))
		return add_step(parser, place, STEP_ANY) != NULL;
	if (token->type == TOKEN_NUMBER && token->kind.power == 0 && token->kind.sort != SORT_PERCENT &&
	    token->number <= UINT32_MAX && token->number == (double)(uint32_t)token->number)
		return add_index(parser, place, (size_t)token->number);
	if (token->type != TOKEN_TEXT || !naming) {
		condition__wrong(parser, token->begin, "in [] stands %san index from 0, or any",
				 naming ? "a name in quotes, " : "");
		return false;
	}
	step = add_step(parser, place, STEP_NAMED);
	if (!step)
		return false;
	snprintf(step->key, sizeof(step->key), "%s", naming);
	step->begin = token->text_begin;
	step->length = token->text_length;
	return true;
}

static bool parse_element(struct parser *parser, struct place *place)
{
	const json_t *element = json_array_get(place->all, 0);

	if (!element) {
		condition__wrong(parser, parser->token.begin, "[] can only stand behind a list");
		return false;
	}
	condition__next(parser);
	if (!parse_which(parser, place, element))
		return false;
	condition__next(parser);
	if (!condition__takes_sign(parser, ']')) {
		condition__wrong(parser, parser->token.begin, "here a ] is missing");
		return false;
	}
	snprintf(place->key, sizeof(place->key), "%s", "");
	return enter(parser, place, element, json_array_get(place->known, 0));
}

static bool parse_rest(struct parser *parser, struct place *place)
{
	while (parser->token.type == TOKEN_SIGN) {
		if (parser->token.sign == '.') {
			if (!parse_member(parser, place))
				return false;
		} else if (parser->token.sign == '[') {
			if (!parse_element(parser, place))
				return false;
		} else {
			break;
		}
	}
	return !parser->failed;
}

/* What is no value itself has some. */
static struct node *not_a_value(struct parser *parser, const struct place *place)
{
	char keys[CONDITION_WHY_SIZE / 2];
	size_t begin = place->node->begin, length = parser->last_end - begin;
	const char *text = parser->condition->text + begin;

	if (json_is_array(place->all))
		return condition__wrong(parser, begin,
					"\"%.*s\" is a list: take [any] of it, [0] or [\"name\"], or .count",
					(int)length, text);
	return condition__wrong(parser, begin, "\"%.*s\" is no single value: it has %s", (int)length, text,
				list_keys(place->all, keys, sizeof(keys)));
}

struct node *condition__parse_path(struct parser *parser)
{
	struct place place = {.all = parser->all, .known = parser->known};

	place.node = condition__node(parser, OPERATION_PATH, parser->token.begin);
	if (!place.node)
		return NULL;
	place.node->first_step = parser->condition->step_count;
	if (!parse_first(parser, &place) || !parse_rest(parser, &place))
		return NULL;
	place.node->end = parser->last_end;
	place.node->kind = (struct kind){SORT_NUMBER, 0}; /* of .count */
	if (place.all && !kind__of_field(place.key, place.all, &place.node->kind))
		return not_a_value(parser, &place);
	return place.node;
}
