/* SPDX-License-Identifier: MIT */
/* What the files of a condition share: its tree, the kinds of values, paths. */
#ifndef GILTRACE_REPORT_CONDITION_PARTS_H
#define GILTRACE_REPORT_CONDITION_PARTS_H

#include <jansson.h>

#include "user/report/condition.h"

#define MOST_NODES 256
#define MOST_STEPS 512
#define MOST_LOOPS 16
#define MOST_DEPTH 32 /* of parentheses, signs and "not" */
#define MOST_POWER 4
#define KEY_SIZE   32

enum sort {
	SORT_ZERO,    /* the 0 that is written without a unit: of every unit */
	SORT_NUMBER,  /* a count, or with a power of time */
	SORT_PERCENT, /* written with %, or a field in percent */
	SORT_RATIO,   /* a quotient: goes with numbers and with percent */
	SORT_TEXT,
	SORT_TRUTH,
};

/* What a value is, known before there is a report. power: of ns; 1 is a time, 0 is no time. */
struct kind {
	enum sort sort;
	int power;
};

enum operation {
	OPERATION_NUMBER,
	OPERATION_TEXT,
	OPERATION_TRUTH,
	OPERATION_PATH,
	OPERATION_NEGATE,
	OPERATION_ADD,
	OPERATION_SUBTRACT,
	OPERATION_MULTIPLY,
	OPERATION_DIVIDE,
	OPERATION_IS_TRUE, /* of a path or a literal; the first of the comparisons */
	OPERATION_LESS,
	OPERATION_LESS_EQUAL,
	OPERATION_GREATER,
	OPERATION_GREATER_EQUAL,
	OPERATION_EQUAL,
	OPERATION_DIFFERENT, /* the last of them */
	OPERATION_NOT,
	OPERATION_AND,
	OPERATION_OR,
};

/* Nodes stand behind their parts. */
struct node {
	enum operation operation;
	struct kind kind;
	size_t begin, end;              /* in the text */
	const struct node *a, *b;       /* its parts */
	double number;                  /* of a literal: in ns where it is a time */
	bool truth;                     /* of a literal */
	size_t text_begin, text_length; /* of a literal */
	bool of_main_lock;              /* a path: written without gils[0] */
	size_t first_step, steps;       /* of a path */
	size_t first_loop, loops;       /* of a comparison */
};

enum step_type { STEP_KEY, STEP_INDEX, STEP_NAMED, STEP_ANY, STEP_COUNT };

/* One part of a path, with the key as it is in the document. */
struct step {
	enum step_type type;
	char key[KEY_SIZE];   /* of STEP_KEY; of STEP_NAMED: the key that the text is compared with */
	size_t index;         /* of STEP_INDEX */
	size_t begin, length; /* of STEP_NAMED: the text */
	size_t loop;          /* of STEP_NAMED and STEP_ANY */
};

/* A comparison is asked for each element of a list: the path to it, up to the step that says so. */
struct loop {
	size_t first_step, steps;
};

struct condition {
	const char *text;
	size_t node_count, step_count, loop_count;
	const struct node *root;
	struct node nodes[MOST_NODES];
	struct step steps[MOST_STEPS];
	struct loop loops[MOST_LOOPS];
};

enum token_type {
	TOKEN_END,
	TOKEN_NUMBER,
	TOKEN_TEXT,
	TOKEN_NAME,
	TOKEN_SIGN, /* one of + - * / ( ) [ ] . */
	TOKEN_COMPARISON,
	TOKEN_WRONG, /* `why` says what is wrong */
};

struct token {
	enum token_type type;
	size_t begin, end;
	char sign;
	enum operation comparison;
	double number; /* in ns where it is a time */
	struct kind kind;
	size_t text_begin, text_length; /* between the quotes */
	const char *why;
};

/* The token that begins at or behind `at`. */
struct token condition__token(const char *text, size_t at);

struct parser {
	struct condition *condition;
	struct token token;  /* the next one */
	size_t last_end;     /* of the one before */
	const json_t *all;   /* a document that knows everything, with one element in each list */
	const json_t *known; /* the same with what is known in the scope */
	struct condition_scope scope;
	struct condition_error *error;
	bool failed;
	int depth;
};

/* The first error counts. Returns NULL. */
__attribute__((format(printf, 3, 4))) struct node *condition__wrong(struct parser *parser, size_t at,
								    const char *format, ...);
void condition__next(struct parser *parser);
bool condition__takes_sign(struct parser *parser, char sign);
struct node *condition__node(struct parser *parser, enum operation operation, size_t begin);
bool condition__is(const struct parser *parser, const char *word); /* whether the next token is this name */

/* A path, at whose first name the parser is. NULL: wrong. */
struct node *condition__parse_path(struct parser *parser);

/* Makes the comparison, whose parts begin with the first node, ask for each element that [any] and ["name"] stand for
 * in it. Returns it, or NULL: wrong. */
struct node *condition__bind_loops(struct parser *parser, struct node *comparison, size_t first_node);

/* The kind of a result, or false: these two do not go together. */
bool kind__of_sum(struct kind a, struct kind b, struct kind *out);
bool kind__of_product(struct kind a, struct kind b, bool divided, struct kind *out);
bool kind__is_numeric(struct kind kind);
const char *kind__name(struct kind kind); /* "a time" */

/* The kind of a field by its key and its value in a document that knows everything. False: it has none. */
bool kind__of_field(const char *key, const json_t *value, struct kind *out);

/* A document with one element in each list, and null for what is not known in the scope. NULL: no memory. */
json_t *condition__specimen(struct condition_scope scope);

/* The scope in which everything is known. */
#define SCOPE_OF_ALL ((struct condition_scope){TRACE_AUTO, TRACE_STACKS_BOTH})

/* condition__parse() with these documents. */
int condition__parse_beside(const char *text, const json_t *all, const json_t *known, struct condition_scope scope,
			    struct condition **out, struct condition_error *error);

/* What came of a value or of a comparison. Later ones are worse. */
enum finding {
	FOUND,
	FOUND_NOTHING, /* there is none: a percentile where nothing was counted */
	FOUND_UNKNOWN, /* null */
	FOUND_WRONG,   /* a division by zero, no such element */
};

struct value {
	enum finding finding;
	double number;
	const char *text;
	size_t length;
	bool truth;
};

/* A condition that is being asked of a document. */
struct question {
	const struct condition *condition;
	const json_t *document;
	size_t element[MOST_LOOPS]; /* at which each loop is */
	size_t visited;             /* elements of lists, so far */
	char *why;                  /* of CONDITION_WHY_SIZE; what made the last finding that was not FOUND */
	char *values;               /* of CONDITION_VALUES */
};

__attribute__((format(printf, 2, 3))) void question__because(struct question *question, const char *format, ...);

/* What is at the path, with the loops bound as they are; NULL: *finding (may be NULL) tells what there is instead. */
const json_t *question__find(struct question *question, const struct node *path, enum finding *finding);
struct value question__look_up(struct question *question, const struct node *path);

/*
 * Asks `ask` of the comparison for each element that its loops stand for, until one holds. With FOUND, `truth` is
 * whether one did.
 */
typedef struct value (*ask_function)(struct question *question, const struct node *comparison);
struct value question__for_each(struct question *question, const struct node *comparison, ask_function ask);

/* Notes "hold.p99 = 14.2 ms" for what a comparison read. */
void question__note(struct question *question, const struct node *part, const struct value *value, struct kind other);

#endif
