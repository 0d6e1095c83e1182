/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes toygil's assembler, verifier and machine: any bytes are a program, which is assembled and, if it is one, run
 * under the design that the first byte selects, with little fuel. Nothing may crash, hang, or leave an object behind
 * but in a cycle.
 *
 * Builds as a libFuzzer target, or with -DFUZZ_STANDALONE as a program with a mutator of its own (for compilers and
 * machines without libFuzzer): fuzz_toygil SECONDS [SEED] [FILE...].
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/toygil/design.h"

#define FUEL 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct program *assemble(const uint8_t *data, size_t size)
{
	char error[PROGRAM_ERROR_SIZE] = "";
	struct program *program = program__assemble("fuzz", (const char *)data, size, error);

	if (!program && strncmp(error, "fuzz:", 5))
		abort(); /* an error names file and line */
	if (!program && strchr(error, '\n'))
		abort(); /* and is one line */
	return program;
}

static void check(const struct settings *settings, const struct outcome *outcome)
{
	if (outcome->failed && strncmp(outcome->error, "fuzz:", 5))
		abort();
	if (settings->design != &design_none && outcome->finding[0])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings settings;
	struct outcome outcome;
	const struct program *program;

	if (!size)
		return 0;
	program = assemble(data + 1, size - 1);
	if (!program)
		return 0;
	settings__init(&settings);
	settings.design = designs[data[0] % 4]; /* ticks, interval, per-interpreter, free */
	settings.interpreters = settings.design->per_interpreter && data[0] & 64 ? 2 : 1;
	settings.bias = !(data[0] & 128);
	settings.fuel = FUEL;
	settings.rounds = 3;
	settings.thread_limit = 3;
	settings.books = data[0] & 32;
	settings.quiet = true;
	runtime__run(program, &settings, &outcome);
	check(&settings, &outcome);
	program__free((struct program *)program);
	return 0;
}

#ifdef FUZZ_STANDALONE
#include <time.h>

#include "tools/toygil/programs.h"

#define MAX_INPUT 4096
#define POOL      512

struct input {
	size_t size;
	uint8_t bytes[MAX_INPUT];
};

static struct input pool[POOL], current;
static size_t pool_count;
static uint64_t state;

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static void add_input(const char *text, size_t size)
{
	struct input *input = &pool[pool_count++];

	input->size = size < MAX_INPUT - 1 ? size + 1 : MAX_INPUT;
	input->bytes[0] = (uint8_t)draw(256);
	memcpy(input->bytes + 1, text, input->size - 1);
}

/* The place of a line's beginning, so that mutations keep lines whole. */
static size_t line_start(const struct input *input)
{
	size_t at = 1 + (size_t)draw(input->size - 1);

	while (at > 1 && input->bytes[at - 1] != '\n')
		at--;
	return at;
}

static size_t line_length(const struct input *input, size_t at)
{
	const uint8_t *end = memchr(input->bytes + at, '\n', input->size - at);

	return end ? (size_t)(end - input->bytes) - at + 1 : input->size - at;
}

static void remove_bytes(struct input *input, size_t at, size_t length)
{
	memmove(input->bytes + at, input->bytes + at + length, input->size - at - length);
	input->size -= length;
}

static void insert_bytes(struct input *input, size_t at, const void *bytes, size_t length)
{
	if (input->size + length > MAX_INPUT)
		return;
	memmove(input->bytes + at + length, input->bytes + at, input->size - at);
	memcpy(input->bytes + at, bytes, length);
	input->size += length;
}

/* A line with an instruction that exists and an operand that is often right. */
static void insert_instruction(struct input *input)
{
	static const char *const operands[] = {"i",    "done",  "total",   "shared", "own",   "0",    "1",
					       "2",    "count", "round",   "over",   "sleep", "post", "census",
					       "none", "true",  "@worker", "\"k\"",  "@main", "300",  "threads"};
	char line[128];
	int length = snprintf(line, sizeof(line), "\t%s %s\n", instruction_forms[draw(OPERATIONS)].name,
			      draw(3) ? "" : operands[draw(sizeof(operands) / sizeof(*operands))]);

	insert_bytes(input, line_start(input), line, (size_t)length);
}

static void mutate(struct input *input)
{
	const struct input *other = &pool[draw(pool_count)];
	size_t at = line_start(input), from = line_start(other);
	uint8_t line[MAX_INPUT];
	size_t length;

	switch (draw(7)) {
	case 0:
		input->bytes[draw(input->size)] = (uint8_t)draw(256);
		break;
	case 1:
		remove_bytes(input, at, line_length(input, at));
		break;
	case 2:
		length = line_length(other, from);
		memcpy(line, other->bytes + from, length);
		insert_bytes(input, at, line, length);
		break;
	case 3:
		insert_instruction(input);
		break;
	case 4:
		input->bytes[1 + draw(input->size - 1)] ^= (uint8_t)(1 << draw(8));
		break;
	case 5:
		input->bytes[0] = (uint8_t)draw(256);
		break;
	case 6:
		length = line_length(input, at);
		memcpy(line, input->bytes + at, length);
		insert_bytes(input, line_start(input), line, length);
		break;
	}
	if (input->size < 2)
		*input = pool[0];
}

static void seed_pool(int count, char **files)
{
	struct shipped_program shipped;

	for (size_t i = 0; programs__find("count-up", &shipped) && (shipped = programs__at(i)).name; i++)
		add_input(shipped.text, shipped.length);
	for (int i = 0; i < count && pool_count < POOL / 2; i++) {
		FILE *file = fopen(files[i], "re");
		char text[MAX_INPUT];

		if (!file)
			continue;
		add_input(text, fread(text, 1, sizeof(text), file));
		fclose(file);
	}
}

/* Leaves the input that was running behind when it crashes. */
static void save_crash(int signal_number)
{
	FILE *file = fopen("fuzz_toygil.crash", "w");

	if (file) {
		fwrite(current.bytes, 1, current.size, file);
		fclose(file);
	}
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

int main(int argc, char **argv)
{
	uint64_t executions = 0, assembled = 0;
	time_t end = time(NULL) + (argc > 1 ? atol(argv[1]) : 10);

	state = argc > 2 ? strtoull(argv[2], NULL, 10) * 2 + 1 : 88172645463325252;
	signal(SIGSEGV, save_crash);
	signal(SIGABRT, save_crash);
	signal(SIGBUS, save_crash);
	signal(SIGFPE, save_crash);
	seed_pool(argc > 3 ? argc - 3 : 0, argv + 3);
	while (executions & 63 || time(NULL) < end) {
		struct program *program;
		char error[PROGRAM_ERROR_SIZE];

		current = pool[draw(pool_count)];
		for (uint64_t i = 1 + draw(4); i > 0; i--)
			mutate(&current);
		alarm(30); /* a hang is a crash */
		LLVMFuzzerTestOneInput(current.bytes, current.size);
		alarm(0);
		executions++;
		program = program__assemble("fuzz", (char *)current.bytes + 1, current.size - 1, error);
		assembled += program != NULL;
		if (program && !draw(8)) /* what still assembles is worth mutating further */
			pool[pool_count < POOL ? pool_count++ : POOL / 2 + draw(POOL / 2)] = current;
		program__free(program);
	}
	printf("%llu executions, %llu of them programs\n", (unsigned long long)executions,
	       (unsigned long long)assembled);
	return 0;
}
#endif
