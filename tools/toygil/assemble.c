/* SPDX-License-Identifier: MIT */
/*
 * The assembler: text into a program. One line is a directive, a label, or an instruction with at most one operand.
 * Labels of a function are patched when it ends; functions named before they are defined, when the text ends.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/toygil/natives.h"
#include "tools/toygil/program.h"

const struct instruction_shape instruction_forms[OPERATIONS] = {
#define X(enumerator, name, operand, pops, pushes) {name, operand, pops, pushes},
	INSTRUCTIONS(X)
#undef X
};

struct name {
	char text[PROGRAM_NAME_SIZE];
	uint32_t line;  /* where it is used, for a name that is looked up later */
	uint32_t value; /* of a label: the instruction; of a use: the instruction or constant to patch */
};

struct names {
	struct name *at;
	uint32_t count;
};

/* An error leaves the assembler from any depth through `bail`; what is owned hangs off this struct and is freed there.
 */
struct assembler {
	jmp_buf bail;
	const char *file;
	char *error;
	uint32_t line;
	const char *cursor, *end; /* the rest of the line */
	struct program *program;
	struct code *code; /* the function at hand, or NULL between functions */
	struct names locals, globals, labels, jumps;
	struct names functions; /* uses of @name: constants to patch */
};

static __attribute__((noreturn, format(printf, 2, 3))) void reject(struct assembler *as, const char *format, ...)
{
	int used = snprintf(as->error, PROGRAM_ERROR_SIZE, "%s:%u: ", as->file, as->line);
	va_list arguments;

	va_start(arguments, format);
	if (used > 0 && used < PROGRAM_ERROR_SIZE)
		vsnprintf(as->error + used, PROGRAM_ERROR_SIZE - (size_t)used, format, arguments);
	va_end(arguments);
	longjmp(as->bail, 1);
}

/* Room for one more element of an array that doubles: at 0, 1, 2, 4, ... elements. */
static void *grown(struct assembler *as, void *array, uint32_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	array = realloc(array, (count ? 2 * (size_t)count : 1) * size);
	if (!array)
		reject(as, "out of memory");
	return array;
}

/* Appends a zeroed element and gives its address. */
#define ADD_ELEMENT(as, array, count)                                    \
	((array) = grown(as, array, count, sizeof(*(array))), (count)++, \
	 memset(&(array)[(count)-1], 0, sizeof(*(array))))

static void add_name(struct assembler *as, struct names *names, const char *text, uint32_t value)
{
	struct name *name = ADD_ELEMENT(as, names->at, names->count);

	snprintf(name->text, sizeof(name->text), "%s", text);
	name->line = as->line;
	name->value = value;
}

static int64_t find_name(const struct names *names, const char *text)
{
	for (uint32_t i = 0; i < names->count; i++)
		if (!strcmp(names->at[i].text, text))
			return i;
	return -1;
}

/* The index of a name, which is added if it is new. */
static uint32_t intern(struct assembler *as, struct names *names, const char *text, uint32_t limit, const char *what)
{
	int64_t found = find_name(names, text);

	if (found >= 0)
		return (uint32_t)found;
	if (names->count >= limit)
		reject(as, "more than %u %s", limit, what);
	add_name(as, names, text, 0);
	return names->count - 1;
}

static void skip_blanks(struct assembler *as)
{
	while (as->cursor < as->end && isspace((unsigned char)*as->cursor))
		as->cursor++;
}

static bool at_end_of_line(struct assembler *as)
{
	skip_blanks(as);
	return as->cursor == as->end || *as->cursor == '#';
}

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '@' || c == '.' || c == '+';
}

/* A character of the text for a message, whatever it is. */
static const char *shown(char out[8], char c)
{
	snprintf(out, 8, isprint((unsigned char)c) ? "'%c'" : "\\x%02x", (unsigned char)c);
	return out;
}

static void read_word(struct assembler *as, char word[PROGRAM_NAME_SIZE], const char *what)
{
	size_t length = 0;
	char text[8];

	if (at_end_of_line(as))
		reject(as, "%s is missing", what);
	while (as->cursor < as->end && in_word(*as->cursor)) {
		if (length == PROGRAM_NAME_SIZE - 1)
			reject(as, "a word of more than %d characters", PROGRAM_NAME_SIZE - 1);
		word[length++] = *as->cursor++;
	}
	word[length] = '\0';
	if (!length)
		reject(as, "%s expected, found %s", what, shown(text, *as->cursor));
}

static void read_name(struct assembler *as, char word[PROGRAM_NAME_SIZE], const char *what)
{
	read_word(as, word, what);
	if (!isalpha((unsigned char)word[0]) && word[0] != '_')
		reject(as, "%s must begin with a letter: '%s'", what, word);
	if (strpbrk(word, "@.+"))
		reject(as, "%s has letters, digits, - and _ only: '%s'", what, word);
}

static int64_t integer_of(struct assembler *as, const char *word)
{
	char *rest;
	long long value;

	errno = 0;
	value = strtoll(word, &rest, 10);
	if (rest == word || *rest)
		reject(as, "no integer: '%s'", word);
	if (errno == ERANGE)
		reject(as, "an integer of more than 64 bits: '%s'", word);
	return value;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char escaped(struct assembler *as)
{
	char c = as->cursor < as->end ? *as->cursor++ : '\0';

	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case '"':
	case '\\':
		return c;
	case 'x':
		if (as->end - as->cursor >= 2 && hex_digit(as->cursor[0]) >= 0 && hex_digit(as->cursor[1]) >= 0) {
			as->cursor += 2;
			return (char)(hex_digit(as->cursor[-2]) * 16 + hex_digit(as->cursor[-1]));
		}
		break;
	}
	reject(as, "an escape that is none of \\n \\t \\\" \\\\ \\xNN");
}

static void read_string(struct assembler *as, struct constant *constant)
{
	constant->kind = KIND_STRING;
	constant->text = malloc((size_t)(as->end - as->cursor) + 1);
	if (!constant->text)
		reject(as, "out of memory");
	for (as->cursor++;;) {
		char c;

		if (as->cursor == as->end)
			reject(as, "a string that does not end");
		c = *as->cursor++;
		if (c == '"')
			return;
		constant->text[constant->length++] = c == '\\' ? escaped(as) : c;
	}
}

static uint32_t read_constant(struct assembler *as)
{
	struct program *program = as->program;
	struct constant *constant = ADD_ELEMENT(as, program->constants, program->constant_count);
	char word[PROGRAM_NAME_SIZE];

	if (!at_end_of_line(as) && *as->cursor == '"') {
		read_string(as, constant);
		return program->constant_count - 1;
	}
	read_word(as, word, "a value");
	if (!strcmp(word, "none")) {
		constant->kind = KIND_NONE;
	} else if (!strcmp(word, "true") || !strcmp(word, "false")) {
		constant->kind = KIND_BOOLEAN;
		constant->integer = word[0] == 't';
	} else if (word[0] == '@') {
		constant->kind = KIND_FUNCTION;
		add_name(as, &as->functions, word + 1, program->constant_count - 1);
	} else {
		constant->kind = KIND_INTEGER;
		constant->integer = integer_of(as, word);
	}
	return program->constant_count - 1;
}

static int32_t read_operand(struct assembler *as, enum operand_kind kind)
{
	char word[PROGRAM_NAME_SIZE];
	int64_t value;

	switch (kind) {
	case OPERAND_NONE:
		return 0;
	case OPERAND_CONSTANT:
		return (int32_t)read_constant(as);
	case OPERAND_LOCAL:
		read_name(as, word, "the name of a local");
		return (int32_t)intern(as, &as->locals, word, PROGRAM_MAX_LOCALS, "locals in a function");
	case OPERAND_GLOBAL:
		read_name(as, word, "the name of a global");
		return (int32_t)intern(as, &as->globals, word, PROGRAM_MAX_GLOBALS, "globals");
	case OPERAND_LABEL:
		read_name(as, word, "a label");
		add_name(as, &as->jumps, word, as->code->count);
		return 0;
	case OPERAND_COUNT:
		read_word(as, word, "a count");
		value = integer_of(as, word);
		if (value < 0 || value > PROGRAM_MAX_OPERANDS)
			reject(as, "a count between 0 and %d expected, got %" PRId64, PROGRAM_MAX_OPERANDS, value);
		return (int32_t)value;
	case OPERAND_NATIVE:
		read_name(as, word, "the name of a native");
		value = native__find(word);
		if (value < 0)
			reject(as, "unknown native '%s'", word);
		return (int32_t)value;
	}
	return 0;
}

static void begin_function(struct assembler *as)
{
	struct program *program = as->program;
	char word[PROGRAM_NAME_SIZE];

	if (as->code)
		reject(as, "function '%s' has no end", as->code->name);
	read_name(as, word, "the name of a function");
	for (uint32_t i = 0; i < program->code_count; i++)
		if (!strcmp(program->codes[i].name, word))
			reject(as, "function '%s' is already defined on line %u", word, program->codes[i].line);
	if (program->code_count == PROGRAM_MAX_CODES)
		reject(as, "more than %d functions", PROGRAM_MAX_CODES);
	as->code = ADD_ELEMENT(as, program->codes, program->code_count);
	memcpy(as->code->name, word, sizeof(word));
	as->code->file = program->file;
	as->code->line = as->line;
	as->locals.count = as->labels.count = as->jumps.count = 0;
	while (!at_end_of_line(as)) {
		read_name(as, word, "the name of an argument");
		if (find_name(&as->locals, word) >= 0)
			reject(as, "argument '%s' is named twice", word);
		if (as->locals.count == PROGRAM_MAX_OPERANDS)
			reject(as, "more than %d arguments", PROGRAM_MAX_OPERANDS);
		add_name(as, &as->locals, word, 0);
	}
	as->code->arguments = as->locals.count;
}

/* A jump's operand counts from the instruction behind it, so one that is negative closes a loop. */
static void patch_jumps(struct assembler *as)
{
	for (uint32_t i = 0; i < as->jumps.count; i++) {
		const struct name *jump = &as->jumps.at[i];
		int64_t label = find_name(&as->labels, jump->text);

		as->line = jump->line;
		if (label < 0)
			reject(as, "no label '%s' in function '%s' to jump to", jump->text, as->code->name);
		as->code->instructions[jump->value].operand =
			(int32_t)((int64_t)as->labels.at[label].value - jump->value - 1);
	}
}

static void end_function(struct assembler *as)
{
	uint32_t end_line = as->line;
	char reason[PROGRAM_ERROR_SIZE];
	int err;

	if (!as->code)
		reject(as, "an end without a function");
	patch_jumps(as);
	as->code->locals = as->locals.count;
	err = program__verify(as->code, &as->line, reason, sizeof(reason));
	if (err)
		reject(as, "%s", err == -ENOMEM ? "out of memory" : reason);
	as->line = end_line;
	as->code = NULL;
}

static void add_instruction(struct assembler *as, const char *word)
{
	struct code *code = as->code;
	struct instruction instruction = {.operation = 0};

	while (instruction.operation < OPERATIONS && strcmp(instruction_forms[instruction.operation].name, word))
		instruction.operation++;
	if (instruction.operation == OPERATIONS)
		reject(as, "unknown instruction '%s'", word);
	if (!code)
		reject(as, "an instruction outside of a function: '%s'", word);
	instruction.operand = read_operand(as, instruction_forms[instruction.operation].operand);
	code->lines = grown(as, code->lines, code->count, sizeof(*code->lines));
	code->instructions = grown(as, code->instructions, code->count, sizeof(*code->instructions));
	code->lines[code->count] = as->line;
	code->instructions[code->count++] = instruction;
}

static void add_label(struct assembler *as, const char *word)
{
	if (!as->code)
		reject(as, "a label outside of a function: '%s'", word);
	if (find_name(&as->labels, word) >= 0)
		reject(as, "label '%s' is already set in function '%s'", word, as->code->name);
	add_name(as, &as->labels, word, as->code->count);
	as->cursor++; /* the colon */
}

static void read_rounds(struct assembler *as)
{
	char word[PROGRAM_NAME_SIZE];

	read_word(as, word, "a number of rounds");
	as->program->rounds = integer_of(as, word);
	if (as->program->rounds < 0)
		reject(as, "a number of rounds below 0");
}

static void read_milliseconds(struct assembler *as)
{
	char word[PROGRAM_NAME_SIZE];
	int64_t value;

	read_word(as, word, "a number of milliseconds");
	value = integer_of(as, word);
	if (value < 1 || value > 86400000)
		reject(as, "between 1 and 86400000 milliseconds (a day) expected, got %" PRId64, value);
	as->program->duration_ns = (uint64_t)value * 1000000;
}

static void read_line(struct assembler *as)
{
	char word[PROGRAM_NAME_SIZE], text[8];

	if (at_end_of_line(as))
		return;
	read_name(as, word, "an instruction, a label or a directive");
	if (as->cursor < as->end && *as->cursor == ':')
		add_label(as, word);
	else if (!strcmp(word, "function"))
		begin_function(as);
	else if (!strcmp(word, "end"))
		end_function(as);
	else if (!strcmp(word, "rounds"))
		read_rounds(as);
	else if (!strcmp(word, "milliseconds"))
		read_milliseconds(as);
	else
		add_instruction(as, word);
	if (!at_end_of_line(as))
		reject(as, "something follows where the line should end: %s", shown(text, *as->cursor));
}

static int64_t find_code(const struct program *program, const char *name)
{
	for (uint32_t i = 0; i < program->code_count; i++)
		if (!strcmp(program->codes[i].name, name))
			return i;
	return -1;
}

static void resolve_functions(struct assembler *as)
{
	struct program *program = as->program;
	uint32_t last_line = as->line;
	int64_t entry;

	for (uint32_t i = 0; i < as->functions.count; i++) {
		const struct name *use = &as->functions.at[i];
		int64_t found = find_code(program, use->text);

		as->line = use->line;
		if (found < 0)
			reject(as, "no function '%s'", use->text);
		program->constants[use->value].integer = found;
	}
	as->line = last_line;
	entry = find_code(program, "main");
	if (entry < 0)
		reject(as, "no function 'main' to begin with");
	if (program->codes[entry].arguments) {
		as->line = program->codes[entry].line;
		reject(as, "main takes no arguments");
	}
	program->entry = (uint32_t)entry;
	program->global_count = as->globals.count;
}

static void read_text(struct assembler *as, const char *text, size_t length)
{
	const char *end = text + length;

	as->line = 1;
	if (length > PROGRAM_MAX_BYTES)
		reject(as, "more than %d bytes", PROGRAM_MAX_BYTES);
	for (; text < end; as->line++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		as->cursor = text;
		as->end = newline ? newline : end;
		read_line(as);
		text = as->end + 1;
		if (!newline)
			break;
	}
	if (as->code)
		reject(as, "function '%s' has no end", as->code->name);
	resolve_functions(as);
}

static bool assembled(struct assembler *as, const char *text, size_t length)
{
	if (setjmp(as->bail))
		return false;
	read_text(as, text, length);
	return true;
}

struct program *program__assemble(const char *file, const char *text, size_t length, char error[PROGRAM_ERROR_SIZE])
{
	struct assembler as = {.file = file, .error = error};
	struct program *program = calloc(1, sizeof(*program));
	bool done;

	if (!program || !(program->file = strdup(file))) {
		free(program);
		snprintf(error, PROGRAM_ERROR_SIZE, "%s: out of memory", file);
		return NULL;
	}
	as.program = program;
	done = assembled(&as, text, length);
	free(as.locals.at);
	free(as.globals.at);
	free(as.labels.at);
	free(as.jumps.at);
	free(as.functions.at);
	if (done)
		return program;
	program__free(program);
	return NULL;
}

void program__free(struct program *program)
{
	if (!program)
		return;
	for (uint32_t i = 0; i < program->code_count; i++) {
		free(program->codes[i].instructions);
		free(program->codes[i].lines);
	}
	for (uint32_t i = 0; i < program->constant_count; i++)
		free(program->constants[i].text);
	free(program->codes);
	free(program->constants);
	free(program->file);
	free(program);
}
