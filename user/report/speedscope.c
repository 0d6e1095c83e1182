/* SPDX-License-Identifier: MIT */
/* Speedscope's own file format: see speedscope.h. A frame is a function, or one line of it where the time was spent. */
#include "user/report/speedscope.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/json_parts.h"
#include "user/report/safe_text.h"
#include "user/trace/trace.h"

/* By which importers know the format; nobody asks for it. */
#define SCHEMA "https://www.speedscope.app/file-format-schema.json"

/* The table of frames, each once. */
struct table {
	json_t *frames, *numbers; /* numbers: from what tells a frame to its place */
};

static const char *const titles[FLAME_KINDS] = {
	[FLAME_BLAME] = "blame: who had the lock while others waited",
	[FLAME_WAIT] = "wait: who waited",
	[FLAME_HOLD] = "hold: who had the lock",
};

/* A node that is no function has no file, and its number in the name. */
static void format_name_of(char *out, size_t size, const struct flame_node *node)
{
	safe_text(out, size, *node->name ? node->name : "(no name)");
	if (node->level == FLAME_PROCESS)
		snprintf(out + strlen(out), size - strlen(out), " (pid %" PRId64 ")", node->number);
	else if (node->level == FLAME_INTERPRETER)
		snprintf(out + strlen(out), size - strlen(out), " %" PRId64, node->number);
}

static json_t *make_frame(const struct flame_node *node, const char *name, int64_t line)
{
	json_t *frame = json_object();

	json_object_set_new(frame, "name", json_string(name));
	if (node->file && *node->file)
		json_object_set_new(frame, "file", json__text(node->file));
	if (line)
		json_object_set_new(frame, "line", json_integer(line));
	return frame;
}

/* The place of a frame in the table; it is put there if it is new. */
static json_t *number_of(struct table *table, const struct flame_node *node, int64_t line)
{
	char name[SAFE_TEXT_SIZE + 32], file[SAFE_TEXT_SIZE] = "", key[2 * SAFE_TEXT_SIZE + 64];
	json_t *number;

	format_name_of(name, sizeof(name), node);
	if (node->file)
		safe_text(file, sizeof(file), node->file);
	snprintf(key, sizeof(key), "%d\n%" PRId64 "\n%s\n%s", (int)node->kind, line, file, name);
	number = json_object_get(table->numbers, key);
	if (!number) {
		number = json_integer((json_int_t)json_array_size(table->frames));
		json_array_append_new(table->frames, make_frame(node, name, line));
		json_object_set_new(table->numbers, key, number);
	}
	return json_incref(number);
}

/* From the root to the node; a line is told with its function. */
static json_t *make_sample(struct table *table, const struct flame_tree *tree, uint32_t leaf)
{
	json_t *sample = json_array();
	int64_t line = 0;

	for (uint32_t at = leaf; at; at = tree->nodes[at].parent) {
		const struct flame_node *node = &tree->nodes[at];

		if (node->level == FLAME_LINE) {
			line = node->number;
			continue;
		}
		json_array_insert_new(sample, 0, number_of(table, node, line));
		line = 0;
	}
	return sample;
}

static json_t *make_profile(struct table *table, const struct flame_tree *tree)
{
	json_t *samples = json_array(), *weights = json_array();

	for (uint32_t i = 1; i < tree->count; i++) {
		if (!tree->nodes[i].self.ns)
			continue;
		json_array_append_new(samples, make_sample(table, tree, i));
		json_array_append_new(weights, json__number(tree->nodes[i].self.ns));
	}
	return json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:o}", "type", "sampled", "name", titles[tree->kind], "unit",
			 "nanoseconds", "startValue", 0, "endValue", json__number(tree->nodes[0].total.ns), "samples",
			 samples, "weights", weights);
}

static int make_profiles(const struct trace *trace, struct table *table, json_t *profiles)
{
	struct flame_tree tree;
	int err = 0;

	for (enum flame_kind kind = 0; !err && kind < FLAME_KINDS; kind++) {
		err = flame_tree__fold(trace, kind, false, &tree);
		if (err)
			break;
		json_array_append_new(profiles, make_profile(table, &tree));
		flame_tree__free(&tree);
	}
	return err;
}

static int write_document(const struct trace *trace, struct table *table, json_t *profiles, enum flame_kind kind,
			  FILE *out)
{
	const char *base = strrchr(trace->target.exe, '/');
	json_t *root =
		json_pack("{s:s, s:s, s:i, s:{s:O}, s:O}", "$schema", SCHEMA, "exporter", "giltrace " GILTRACE_VERSION,
			  "activeProfileIndex", (int)kind, "shared", "frames", table->frames, "profiles", profiles);
	int failed;

	if (!root)
		return -ENOMEM;
	json_object_set_new(root, "name",
			    json__text(*trace->target.exe ? (base ? base + 1 : trace->target.exe) : "giltrace"));
	errno = 0;
	failed = json_dumpf(root, out, JSON_COMPACT);
	json_decref(root);
	if (failed || fputc('\n', out) == EOF || fflush(out))
		return errno ? -errno : -EIO;
	return 0;
}

int report__speedscope(const struct trace *trace, enum flame_kind kind, FILE *out)
{
	struct table table = {json_array(), json_object()};
	json_t *profiles = json_array();
	int err = make_profiles(trace, &table, profiles);

	if (!err)
		err = write_document(trace, &table, profiles, kind, out);
	json_decref(table.frames);
	json_decref(table.numbers);
	json_decref(profiles);
	return err;
}
