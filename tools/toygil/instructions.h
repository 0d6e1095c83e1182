/* SPDX-License-Identifier: MIT */
/*
 * The instruction set, as one table: name, what its operand is, how many values it pops and pushes. docs/toygil.md is
 * the same table in words. DEPENDS_ON_OPERAND: pops as many as the operand says (CALLED: and the function beneath
 * them).
 */
#ifndef TOYGIL_INSTRUCTIONS_H
#define TOYGIL_INSTRUCTIONS_H

enum operand_kind {
	OPERAND_NONE,
	OPERAND_CONSTANT, /* none, true, false, an integer, a "string", an @function */
	OPERAND_LOCAL,
	OPERAND_GLOBAL,
	OPERAND_LABEL,
	OPERAND_COUNT,
	OPERAND_NATIVE,
};

#define DEPENDS_ON_OPERAND (-1)
#define CALLED             (-2)

/* clang-format off */
#define INSTRUCTIONS(X) \
	/* enumerator     name           operand           pops pushes */ \
	X(CONSTANT,    "constant",    OPERAND_CONSTANT, 0, 1) \
	X(LOAD,        "load",        OPERAND_LOCAL,    0, 1) \
	X(STORE,       "store",       OPERAND_LOCAL,    1, 0) \
	X(GET,         "get",         OPERAND_GLOBAL,   0, 1) \
	X(SET,         "set",         OPERAND_GLOBAL,   1, 0) \
	X(POP,         "pop",         OPERAND_NONE,     1, 0) \
	X(DUPLICATE,   "duplicate",   OPERAND_NONE,     1, 2) \
	X(SWAP,        "swap",        OPERAND_NONE,     2, 2) \
	X(ADD,         "add",         OPERAND_NONE,     2, 1) \
	X(SUBTRACT,    "subtract",    OPERAND_NONE,     2, 1) \
	X(MULTIPLY,    "multiply",    OPERAND_NONE,     2, 1) \
	X(DIVIDE,      "divide",      OPERAND_NONE,     2, 1) \
	X(REMAINDER,   "remainder",   OPERAND_NONE,     2, 1) \
	X(LESS,        "less",        OPERAND_NONE,     2, 1) \
	X(EQUAL,       "equal",       OPERAND_NONE,     2, 1) \
	X(NOT,         "not",         OPERAND_NONE,     1, 1) \
	X(JUMP,        "jump",        OPERAND_LABEL,    0, 0) \
	X(JUMP_IF,     "jump-if",     OPERAND_LABEL,    1, 0) \
	X(JUMP_UNLESS, "jump-unless", OPERAND_LABEL,    1, 0) \
	X(CALL,        "call",        OPERAND_COUNT,    CALLED, 1) \
	X(RETURN,      "return",      OPERAND_NONE,     1, 0) \
	X(LIST,        "list",        OPERAND_COUNT,    DEPENDS_ON_OPERAND, 1) \
	X(DICT,        "dict",        OPERAND_NONE,     0, 1) \
	X(APPEND,      "append",      OPERAND_NONE,     2, 0) \
	X(EXTEND,      "extend",      OPERAND_NONE,     2, 0) \
	X(TAKE_LAST,   "take-last",   OPERAND_NONE,     1, 1) \
	X(ITEM,        "item",        OPERAND_NONE,     2, 1) \
	X(SET_ITEM,    "set-item",    OPERAND_NONE,     3, 0) \
	X(HAS,         "has",         OPERAND_NONE,     2, 1) \
	X(LENGTH,      "length",      OPERAND_NONE,     1, 1) \
	X(SPAWN,       "spawn",       OPERAND_COUNT,    CALLED, 1) \
	X(JOIN,        "join",        OPERAND_NONE,     1, 1) \
	X(NATIVE,      "native",      OPERAND_NATIVE,   DEPENDS_ON_OPERAND, 1)
/* clang-format on */

enum operation {
#define X(enumerator, name, operand, pops, pushes) OPERATION_##enumerator,
	INSTRUCTIONS(X)
#undef X
		OPERATIONS,
};

struct instruction_shape {
	const char *name;
	enum operand_kind operand;
	int pops, pushes;
};

extern const struct instruction_shape instruction_forms[OPERATIONS];

#endif
