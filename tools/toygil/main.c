/* SPDX-License-Identifier: MIT */
/* toygil: runs a toy program under a GIL design, and says how it went. docs/toygil.md is its manual. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/toygil/bench.h"
#include "tools/toygil/design.h"
#include "tools/toygil/natives.h"
#include "tools/toygil/programs.h"
#include "tools/toygil/tracer_symbols.h"

enum exit_status { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

static struct program *assemble_file(const char *path, char error[PROGRAM_ERROR_SIZE])
{
	FILE *file = fopen(path, "re");
	struct program *program = NULL;
	char *text = malloc(PROGRAM_MAX_BYTES + 1);
	size_t length;

	if (!file) {
		snprintf(error, PROGRAM_ERROR_SIZE, "%s: %s (no such program either: `toygil list` shows them)", path,
			 strerror(errno));
		free(text);
		return NULL;
	}
	length = text ? fread(text, 1, PROGRAM_MAX_BYTES + 1, file) : 0;
	if (!text || ferror(file))
		snprintf(error, PROGRAM_ERROR_SIZE, "%s: cannot read it: %s", path, strerror(errno));
	else
		program = program__assemble(path, text, length, error);
	fclose(file);
	free(text);
	return program;
}

static struct program *assemble(const char *name, char error[PROGRAM_ERROR_SIZE])
{
	struct shipped_program shipped;

	if (!programs__find(name, &shipped))
		return assemble_file(name, error);
	return program__assemble(name, shipped.text, shipped.length, error);
}

static void tell_findings(FILE *out, const struct outcome *outcome)
{
	if (outcome->lost_increments || outcome->lost_decrements)
		fprintf(out, "lost counts: %" PRIu64 " increments, %" PRIu64 " decrements\n", outcome->lost_increments,
			outcome->lost_decrements);
	if (outcome->finding[0])
		fprintf(out, "%s\n", outcome->finding);
}

static void tell_objects(FILE *out, const struct settings *settings, const struct outcome *outcome)
{
	bool whole = !outcome->failed && !outcome->finding[0];

	if (settings->verbose)
		fprintf(out, "objects: %" PRIu64 " made, %" PRIu64 " freed, %" PRIu64 " left; %" PRIu64 " immortal\n",
			outcome->made, outcome->made - outcome->left, outcome->left, outcome->immortal);
	else if (whole && outcome->left)
		fprintf(stderr, "toygil: %" PRIu64 " objects were never freed: a cycle of lists or dicts%s\n",
			outcome->left, settings->design == &design_none ? ", or lost counts" : "");
}

static int tell(const struct settings *settings, const struct outcome *outcome)
{
	FILE *out = settings__output(settings);
	double seconds = (double)outcome->elapsed_ns / 1e9;

	if (!outcome->failed) {
		fprintf(out, "%s: %s, %d thread%s: %" PRIu64 " rounds in %.3f s, %.1f a second; result %s\n",
			settings->program, settings->design->name, settings->threads, settings->threads == 1 ? "" : "s",
			outcome->rounds, seconds, seconds > 0 ? (double)outcome->rounds / seconds : 0,
			outcome->result[0] ? outcome->result : "none");
	}
	tell_findings(out, outcome);
	tell_objects(out, settings, outcome);
	fflush(out);
	if (outcome->failed)
		fprintf(stderr, "%s\n", outcome->error);
	return outcome->failed || outcome->finding[0] ? EXIT_FAILED : EXIT_OK;
}

static int run_once(const struct program *program, const struct settings *settings)
{
	struct outcome outcome;

	runtime__run(program, settings, &outcome);
	return tell(settings, &outcome);
}

/* In the child: its truth has the number of the process behind the file's name. */
static int run_as_child(const struct program *program, const struct settings *settings, int number)
{
	struct settings own = *settings;
	char truth[4096];

	if (settings->truth) {
		snprintf(truth, sizeof(truth), "%s.%d", settings->truth, number);
		own.truth = truth;
	}
	return run_once(program, &own);
}

/* Each process has an interpreter and a lock of its own; the parent only waits. */
static int run_processes(const struct program *program, const struct settings *settings)
{
	int status, result = EXIT_OK;

	fflush(stdout);
	for (int i = 1; i <= settings->processes; i++) {
		pid_t pid = fork();

		if (!pid)
			exit(run_as_child(program, settings, i));
		if (pid < 0) {
			fprintf(stderr, "toygil: no process %d: %s\n", i, strerror(errno));
			result = EXIT_FAILED;
			break;
		}
	}
	while (wait(&status) > 0)
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			result = EXIT_FAILED;
	return result;
}

static int run(const struct settings *settings)
{
	char error[PROGRAM_ERROR_SIZE];
	struct program *program = assemble(settings->program, error);
	int status;

	if (!program) {
		fprintf(stderr, "%s\n", error);
		return EXIT_FAILED;
	}
	status = settings->processes > 1 ? run_processes(program, settings) : run_once(program, settings);
	program__free(program);
	return status;
}

static void list(void)
{
	struct shipped_program program;

	printf("programs:\n");
	for (size_t i = 0; (program = programs__at(i)).name; i++)
		if (program.listed)
			printf("  %-16s %s\n", program.name, program.summary);
	printf("\ndesigns (--gil):\n");
	for (size_t i = 0; designs[i]; i++)
		printf("  %-16s %s\n", designs[i]->name, designs[i]->summary);
	printf("\nnatives:\n");
	for (size_t i = 0; natives[i].name; i++)
		printf("  %-16s %s\n", natives[i].name, natives[i].summary);
}

int main(int argc, char **argv)
{
	struct settings settings;

	settings__init(&settings);
	switch (settings__parse(&settings, argc, argv)) {
	case SETTINGS_RUN:
		return run(&settings);
	case SETTINGS_BENCH:
		return bench__run() ? EXIT_FAILED : EXIT_OK;
	case SETTINGS_LIST:
		list();
		return EXIT_OK;
	case SETTINGS_HELP:
		settings__help();
		return EXIT_OK;
	case SETTINGS_VERSION:
		printf("toygil %s\n", toygil_version);
		return EXIT_OK;
	case SETTINGS_WRONG:
		break;
	}
	return EXIT_USAGE;
}
