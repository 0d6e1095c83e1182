/* SPDX-License-Identifier: MIT */
/* Folding stacks into a tree, what is written on its nodes, and the wire format of protocol buffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fabricated/traces.h"
#include "user/protobuf/writer.h"
#include "user/report/flame_label.h"
#include "user/report/flame_tree.h"
#include "user/report/format.h"
#include "user/report/safe_text.h"
#include "user/report/text_parts.h"
#include "user/trace/trace.h"

static struct flame_weight sum_of(const struct trace *trace, enum flame_kind kind)
{
	struct flame_weight sum = {0};

	if (kind == FLAME_HOLD) {
		for (size_t i = 0; i < trace->point_count; i++) {
			sum.ns += trace->points[i].held_ns;
			sum.count += trace->points[i].releases;
		}
		return sum;
	}
	for (size_t i = 0; i < trace->blame_count; i++) {
		sum.ns += trace->blame[i].wait_ns;
		sum.wall_ns += trace->blame[i].wall_ns;
		sum.count += trace->blame[i].waits;
	}
	return sum;
}

static void assert_same_weight(const struct flame_weight *a, const struct flame_weight *b)
{
	assert_int_equal(a->ns, b->ns);
	assert_int_equal(a->wall_ns, b->wall_ns);
	assert_int_equal(a->count, b->count);
}

/* Each node holds its own time and its children's, to the nanosecond; parents stand before children, siblings by size.
 */
static void check_tree(const struct flame_tree *tree)
{
	struct flame_weight *sums = calloc(tree->count, sizeof(*sums));
	uint32_t *last = calloc(tree->count, sizeof(*last));

	for (uint32_t i = 1; i < tree->count; i++) {
		const struct flame_node *node = &tree->nodes[i], *parent = &tree->nodes[node->parent];
		struct flame_weight *sum = &sums[node->parent];

		assert_true(node->parent < i);
		assert_true(i < node->end && node->end <= parent->end);
		assert_int_equal(node->depth, parent->depth + 1);
		if (last[node->parent]) {
			assert_int_equal(tree->nodes[last[node->parent]].end, i);
			assert_true(tree->nodes[last[node->parent]].total.ns >= node->total.ns);
		}
		last[node->parent] = i;
		*sum = (struct flame_weight){sum->ns + node->total.ns, sum->wall_ns + node->total.wall_ns,
					     sum->count + node->total.count};
	}
	for (uint32_t i = 0; i < tree->count; i++) {
		sums[i].ns += tree->nodes[i].self.ns;
		sums[i].wall_ns += tree->nodes[i].self.wall_ns;
		sums[i].count += tree->nodes[i].self.count;
		assert_same_weight(&sums[i], &tree->nodes[i].total);
	}
	assert_int_equal(tree->nodes[0].end, tree->count);
	free(sums);
	free(last);
}

/* The tree must hold all that was waited or held, whatever has no stack: else the blame would not add up to the waits.
 */
static void test_sums_are_exact(void **state)
{
	static const char *const names[] = {"shop", "empty", "several", "hostile", "frames-3000"};
	struct flame_tree tree;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct trace *trace = fabricated__make(names[i]);

		for (enum flame_kind kind = 0; kind < FLAME_KINDS; kind++) {
			for (int waiters = 0; waiters < 2; waiters++) {
				struct flame_weight sum = sum_of(trace, kind);

				assert_int_equal(flame_tree__fold(trace, kind, waiters, &tree), 0);
				assert_same_weight(&tree.nodes[0].total, &sum);
				check_tree(&tree);
				flame_tree__free(&tree);
			}
		}
		trace__free(trace);
	}
}

/* The first node that is labelled so. */
static uint32_t find(const struct flame_tree *tree, const char *wanted)
{
	char label[FLAME_LABEL_SIZE];

	for (uint32_t i = 0; i < tree->count; i++)
		if (!strcmp(flame_label(label, tree, i), wanted))
			return i;
	fail_msg("no node \"%s\"", wanted);
	return 0;
}

static uint64_t ms_of(const struct flame_tree *tree, const char *label)
{
	return tree->nodes[find(tree, label)].total.ns / 1000000;
}

/* Calls from two lines are one function's; the innermost Python function tells its lines. */
static void test_functions_and_lines(void **state)
{
	struct trace *trace = fabricated__make("shop");
	struct flame_tree tree;
	uint32_t match, email;

	(void)state;
	assert_int_equal(flame_tree__fold(trace, FLAME_BLAME, false, &tree), 0);
	email = find(&tree, "is_email (validation.py)"); /* at lines 17 and 19: no line for both */
	assert_int_equal(tree.nodes[email].total.ns / 1000000, 5230 + 2110 + 480);
	assert_int_equal(ms_of(&tree, "line 19"), 480);
	assert_int_equal(tree.nodes[find(&tree, "line 19")].parent, email);
	match = find(&tree, "match (__init__.py:166)"); /* one line: told with the function */
	assert_true(flame_tree__is_one_line(&tree, match));
	assert_int_equal(tree.nodes[match].total.ns / 1000000, 5230 + 2110);
	assert_int_equal(tree.nodes[find(&tree, "sre_ucs1_match (python3.11)")].parent, match + 1);
	assert_int_equal(ms_of(&tree, "[unknown stack]"), 33);
	assert_int_equal(ms_of(&tree, "Worker.run (worker.py)"), 5230 + 2110 + 480 + 1890 + 1333 + 702 + 180);
	flame_tree__free(&tree);
	trace__free(trace);
}

/* Above the holder's leaf stands who waited for it: from the waiter's leaf to its thread. */
static void test_waiters_stand_above(void **state)
{
	struct trace *trace = fabricated__make("shop");
	struct flame_tree tree;
	uint32_t waited, leaf, thread;

	(void)state;
	assert_int_equal(flame_tree__fold(trace, FLAME_BLAME, true, &tree), 0);
	waited = find(&tree, "waited for by");
	assert_string_equal(tree.nodes[tree.nodes[waited].parent].name, "sre_charset");
	leaf = waited + 1;
	assert_string_equal(tree.nodes[leaf].name, "sock_recv_impl");
	thread = find(&tree, "io-1 (thread 4245)");
	assert_int_equal(tree.nodes[thread].end, thread + 1);
	assert_string_equal(tree.nodes[tree.nodes[thread].parent].name, "Thread._bootstrap");
	assert_int_equal(tree.nodes[thread].total.ns / 1000000, 5230);
	flame_tree__free(&tree);
	trace__free(trace);
}

/* The same function in two processes or interpreters is two nodes, each below its own. */
static void test_processes_and_interpreters(void **state)
{
	struct trace *trace = fabricated__make("several");
	struct flame_tree tree;
	uint32_t python, uwsgi;

	(void)state;
	assert_int_equal(flame_tree__fold(trace, FLAME_BLAME, false, &tree), 0);
	python = find(&tree, "python3.12 (pid 10)");
	uwsgi = find(&tree, "uwsgi (pid 20)");
	assert_int_equal(tree.nodes[python].parent, 0);
	assert_int_equal(tree.nodes[uwsgi].parent, 0);
	assert_int_equal(tree.nodes[python].total.ns, 500000000);
	assert_int_equal(tree.nodes[find(&tree, "interpreter 3")].parent, python);
	assert_int_equal(ms_of(&tree, "interpreter 3"), 200);
	assert_string_equal(tree.nodes[uwsgi + 1].name, "<module>"); /* it has one lock: no level for it */
	flame_tree__free(&tree);
	trace__free(trace);
}

/* Two runs that saw the same in another order must give the same report. */
static void test_order_does_not_matter(void **state)
{
	struct trace *trace = fabricated__make("shop");
	char label[FLAME_LABEL_SIZE], other_label[FLAME_LABEL_SIZE];
	struct flame_tree tree, other;

	(void)state;
	assert_int_equal(flame_tree__fold(trace, FLAME_BLAME, true, &tree), 0);
	for (size_t i = 0; i < trace->blame_count / 2; i++) {
		struct trace_blame swapped = trace->blame[i];

		trace->blame[i] = trace->blame[trace->blame_count - 1 - i];
		trace->blame[trace->blame_count - 1 - i] = swapped;
	}
	assert_int_equal(flame_tree__fold(trace, FLAME_BLAME, true, &other), 0);
	assert_int_equal(tree.count, other.count);
	for (uint32_t i = 0; i < tree.count; i++) {
		assert_string_equal(flame_label(label, &tree, i), flame_label(other_label, &other, i));
		assert_int_equal(tree.nodes[i].total.ns, other.nodes[i].total.ns);
	}
	flame_tree__free(&tree);
	flame_tree__free(&other);
	trace__free(trace);
}

static void assert_place(const struct trace_frame *frame, size_t width, const char *wanted)
{
	char text[TEXT_PLACE_SIZE];

	assert_string_equal(text__place(text, frame, width), wanted);
	assert_true(format_columns(text) <= width);
}

/* Where there is little room, the directory goes first, then the end of the name; the line stays. */
static void test_places_are_shortened(void **state)
{
	const struct trace_frame frame = {"Order.validate_everything", "/srv/shop/orders/model.py", 41, FRAME_PYTHON};
	const struct trace_frame wide = {"\xe5\x87\xbd\xe6\x95\xb0\xe5\x87\xbd\xe6\x95\xb0", NULL, 0, FRAME_PYTHON};
	const struct trace_frame native = {"list_sort", "/usr/lib/libpython3.11.so.1.0", 0, FRAME_NATIVE};
	const struct trace_frame nameless = {"", NULL, 0, FRAME_PYTHON};

	(void)state;
	assert_place(&frame, 60, "Order.validate_everything (orders/model.py:41)");
	assert_place(&frame, 40, "Order.validate_everything (model.py:41)");
	assert_place(&frame, 30, "Order.validate_~ (model.py:41)");
	assert_place(&native, 60, "list_sort (lib/libpython3.11.so.1.0)");
	assert_place(&wide, 5, "\xe5\x87\xbd\xe6\x95\xb0~");
	assert_place(&nameless, 20, "(no name)");
	assert_place(NULL, 20, "[unknown stack]");
}

/* Whatever the width and the names, a line of the report must not be wider than asked for. */
static void test_places_fit(void **state)
{
	struct trace *trace = fabricated__make("hostile");
	char text[TEXT_PLACE_SIZE];

	(void)state;
	for (uint32_t i = 0; i < stacks__frame_count(trace->stacks); i++)
		for (size_t width = 28; width < 90; width++)
			assert_true(format_columns(text__place(text, stacks__frame(trace->stacks, i), width)) <= width);
	trace__free(trace);
}

/* XML has no way to write these characters, and others hide or turn the text around. */
static void test_harmful_characters(void **state)
{
	char safe[SAFE_TEXT_SIZE];

	(void)state;
	assert_string_equal(safe_text(safe, sizeof(safe), "a\xef\xbf\xbe\xef\xbf\xbfz"),
			    "a\\xef\\xbf\\xbe\\xef\\xbf\\xbfz");
	assert_string_equal(safe_text(safe, sizeof(safe), "\xf0\x9f\xbf\xbf"), "\\xf0\\x9f\\xbf\\xbf");
	assert_string_equal(safe_text(safe, sizeof(safe), "\xd8\x9c\xe2\x80\x8b"), "\\xd8\\x9c\\xe2\\x80\\x8b");
	assert_string_equal(safe_text(safe, sizeof(safe), "\xf0\x9f\x90\x8d \xc3\xbc"), "\xf0\x9f\x90\x8d \xc3\xbc");
}

/* The example of the documentation: 150 is 96 01; and field 2 with "testing" is 12 07 and the text. */
static void test_wire_format(void **state)
{
	static const unsigned char wanted[] = {0x08, 0x96, 0x01, 0x12, 0x07, 't',  'e',  's',  't',  'i',  'n', 'g',
					       0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
	struct bytes bytes = {0};

	(void)state;
	protobuf__integer(&bytes, 1, 150);
	protobuf__bytes(&bytes, 2, "testing", 7);
	protobuf__integer(&bytes, 3, UINT64_MAX);
	assert_false(bytes.failed);
	assert_int_equal(bytes.size, sizeof(wanted));
	assert_memory_equal(bytes.data, wanted, sizeof(wanted));
	bytes__free(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_are_exact),
		cmocka_unit_test(test_functions_and_lines),
		cmocka_unit_test(test_waiters_stand_above),
		cmocka_unit_test(test_processes_and_interpreters),
		cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_places_are_shortened),
		cmocka_unit_test(test_places_fit),
		cmocka_unit_test(test_harmful_characters),
		cmocka_unit_test(test_wire_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
