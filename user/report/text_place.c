/* SPDX-License-Identifier: MIT */
/* A place in the target's code, in a few words: see text_parts.h. */
#include <inttypes.h>
#include <string.h>

#include "user/report/format.h"
#include "user/report/safe_text.h"
#include "user/report/text_parts.h"
#include "user/trace/trace.h"

#define LEAST_OF_NAME 12 /* columns: what a name keeps beside its file */

const struct trace_frame *text__culprit(const struct stacks *stacks, uint32_t stack)
{
	int64_t frame = stacks__culprit(stacks, stack);

	return frame < 0 ? NULL : stacks__frame(stacks, (uint32_t)frame);
}

/* The last `parts` of a path. */
static const char *tail(const char *path, int parts)
{
	const char *at = path + strlen(path);

	while (at > path && !(at[-1] == '/' && !--parts))
		at--;
	return at;
}

/* "(orders/model.py:41)", or with the file's own name only where it is too wide. */
static void format_source(char *out, size_t size, const struct trace_frame *frame, size_t width)
{
	char safe[SAFE_TEXT_SIZE], line[16] = "";

	if (frame->line)
		snprintf(line, sizeof(line), ":%" PRIu32, frame->line);
	for (int parts = 2; parts > 0; parts--) {
		snprintf(out, size, " (%s%s)", format_name(safe, sizeof(safe), tail(frame->file, parts), 120), line);
		if (format_columns(out) <= width)
			return;
	}
}

const char *text__place(char out[TEXT_PLACE_SIZE], const struct trace_frame *frame, size_t width)
{
	char source[TEXT_PLACE_SIZE / 2] = "", name[SAFE_TEXT_SIZE];
	size_t room = width;

	format_name(name, sizeof(name), frame ? frame->name : "[unknown stack]", 200);
	if (!*name)
		strcpy(name, "(no name)");
	if (frame && frame->file) {
		size_t wanted = format_columns(name);

		format_source(source, sizeof(source) - 4, frame, wanted < width ? width - wanted : 0);
		if (format_columns(source) + LEAST_OF_NAME > width)
			format_cut(source, width > 2 * LEAST_OF_NAME ? width - LEAST_OF_NAME : LEAST_OF_NAME, "~");
		room = width - format_columns(source) > 1 && format_columns(source) < width
			       ? width - format_columns(source)
			       : 1;
	}
	format_cut(name, room, "~");
	snprintf(out, TEXT_PLACE_SIZE, "%.*s%s", (int)(TEXT_PLACE_SIZE - sizeof(source)), name, source);
	return out;
}
