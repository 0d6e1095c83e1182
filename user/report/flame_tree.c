/* SPDX-License-Identifier: MIT */
/* Folding stacks into a tree: see flame_tree.h. Nodes are made in any order, found by a hash, and put in order at the
 * end. */
#include "user/report/flame_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/flame_both.h"
#include "user/trace/trace.h"

#define NO_NODE UINT32_MAX

struct builder {
	const struct trace *trace;
	bool waiters;
	struct flame_tree *tree;
	size_t room;
	uint32_t *functions; /* of each frame: the first frame of the same function */
	uint64_t *ids;       /* of each node: what tells it from its siblings of the same level and number */
	uint32_t *places;    /* node + 1; 0: empty. At most half of them are used */
	size_t place_count;
	int side;                   /* of two traces: which one's is being added */
	size_t before_count;        /* so many of what is added are of the first */
	struct flame_weight weight; /* of the stack that is being added */
	uint32_t at;                /* the node that it has come to; NO_NODE: out of memory */
};

static const struct trace_frame unknown_stack = {.name = "[unknown stack]", .kind = FRAME_NOTE};

static int compare_texts(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

/* Frames by function, then by number. */
static int compare_frames(const void *left, const void *right, void *context)
{
	const struct stacks *stacks = context;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	const struct trace_frame *x = stacks__frame(stacks, a), *y = stacks__frame(stacks, b);
	int order = x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : compare_texts(x->name, y->name);

	if (!order)
		order = compare_texts(x->file, y->file);
	return order ? order : a < b ? -1 : a > b;
}

static bool same_function(const struct trace_frame *a, const struct trace_frame *b)
{
	return a->kind == b->kind && !compare_texts(a->name, b->name) && !compare_texts(a->file, b->file);
}

static int find_functions(struct builder *builder)
{
	struct stacks *stacks = builder->trace->stacks;
	size_t count = stacks__frame_count(stacks);
	uint32_t *sorted = calloc(count + 1, sizeof(*sorted)), first = 0;

	builder->functions = calloc(count + 1, sizeof(*builder->functions));
	if (!sorted || !builder->functions) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++)
		sorted[i] = (uint32_t)i;
	qsort_r(sorted, count, sizeof(*sorted), compare_frames, stacks);
	for (size_t i = 0; i < count; i++) {
		if (!i || !same_function(stacks__frame(stacks, first), stacks__frame(stacks, sorted[i])))
			first = sorted[i];
		builder->functions[sorted[i]] = first;
	}
	free(sorted);
	return 0;
}

static size_t hash(uint32_t parent, enum flame_level level, uint64_t id, int64_t number)
{
	uint64_t value = ((uint64_t)parent << 8 | (uint64_t)level) * 0x9e3779b97f4a7c15;

	value = (value ^ value >> 31 ^ id) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 29 ^ (uint64_t)number) * 0x94d049bb133111eb;
	return value ^ value >> 32;
}

static void enter(struct builder *builder, uint32_t number)
{
	const struct flame_node *node = &builder->tree->nodes[number];
	size_t at = hash(node->parent, node->level, builder->ids[number], node->number);

	for (at &= builder->place_count - 1; builder->places[at]; at = (at + 1) & (builder->place_count - 1))
		;
	builder->places[at] = number + 1;
}

/* Room for one more node. */
static int grow(struct builder *builder)
{
	size_t room = builder->room ? 2 * builder->room : 256;
	struct flame_node *nodes;
	uint64_t *ids;
	uint32_t *places;

	if (builder->tree->count < builder->room)
		return 0;
	if (room > UINT32_MAX / 4)
		return -ENOMEM;
	nodes = realloc(builder->tree->nodes, room * sizeof(*nodes));
	builder->tree->nodes = nodes ? nodes : builder->tree->nodes;
	ids = realloc(builder->ids, room * sizeof(*ids));
	builder->ids = ids ? ids : builder->ids;
	places = calloc(2 * room, sizeof(*places));
	if (!nodes || !ids || !places) {
		free(places);
		return -ENOMEM;
	}
	free(builder->places);
	builder->places = places;
	builder->place_count = 2 * room;
	builder->room = room;
	for (size_t i = 1; i < builder->tree->count; i++)
		enter(builder, (uint32_t)i);
	return 0;
}

static uint32_t find(const struct builder *builder, uint32_t parent, enum flame_level level, uint64_t id,
		     int64_t number)
{
	size_t at = hash(parent, level, id, number);

	for (at &= builder->place_count - 1; builder->places[at]; at = (at + 1) & (builder->place_count - 1)) {
		uint32_t found = builder->places[at] - 1;
		const struct flame_node *node = &builder->tree->nodes[found];

		if (node->parent == parent && node->level == level && builder->ids[found] == id &&
		    node->number == number)
			return found;
	}
	return NO_NODE;
}

static void add_weight(struct flame_weight *into, const struct flame_weight *from)
{
	into->ns += from->ns;
	into->wall_ns += from->wall_ns;
	into->count += from->count;
}

/* One step from the node that was come to: to its child of this kind, made if it has none. */
static void step(struct builder *builder, enum flame_level level, uint64_t id, int64_t number,
		 const struct trace_frame *frame)
{
	struct flame_tree *tree = builder->tree;
	uint32_t parent = builder->at, child;

	if (parent == NO_NODE)
		return;
	child = find(builder, parent, level, id, number);
	if (child == NO_NODE && !grow(builder)) {
		child = (uint32_t)tree->count++;
		builder->ids[child] = id;
		tree->nodes[child] = (struct flame_node){.parent = parent,
							 .depth = tree->nodes[parent].depth + 1,
							 .level = level,
							 .kind = frame->kind,
							 .name = frame->name,
							 .file = frame->file,
							 .number = number,
							 .line = frame->line};
		enter(builder, child);
	}
	builder->at = child;
	if (child == NO_NODE)
		return;
	add_weight(&tree->nodes[child].total, &builder->weight);
	tree->nodes[child].sides[builder->side] += builder->weight.ns;
	if (tree->nodes[child].line != frame->line)
		tree->nodes[child].line = 0; /* several */
}

static const char *program_of(const struct trace_process *process)
{
	const char *base = process->exe ? strrchr(process->exe, '/') : NULL;

	return base ? base + 1 : process->exe ? process->exe : "?";
}

/* The process, and the interpreter, where there are several. */
static void step_to_lock(struct builder *builder, uint32_t number, uint64_t address)
{
	const struct trace *trace = builder->trace;
	const struct trace_process *process = trace__find_process(trace, number);
	struct trace_frame frame = {.kind = FRAME_NOTE};

	if (process && (trace->process_count > 1 || trace->scope == TRACE_EVERYTHING)) {
		frame.name = program_of(process);
		step(builder, FLAME_PROCESS, number, process->pid, &frame);
	}
	if (!process || process->gils < 2)
		return;
	for (size_t i = 0; i < trace->gil_count; i++) {
		const struct trace_gil *gil = &trace->gils[i];

		if (gil->process == number && gil->address == address) {
			frame.name = "interpreter";
			step(builder, FLAME_INTERPRETER, address, gil->interpreter, &frame);
		}
	}
}

/* The innermost Python frame, or 0, the leaf. */
static size_t find_python(const struct stacks *stacks, const uint32_t *frames, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (stacks__frame(stacks, frames[i])->kind == FRAME_PYTHON)
			return i;
	return 0;
}

static void step_through_stack(struct builder *builder, uint32_t stack)
{
	const struct stacks *stacks = builder->trace->stacks;
	size_t count, python;
	const uint32_t *frames = stacks__frames(stacks, stack, &count);

	if (!count) {
		step(builder, FLAME_FRAME, UINT64_MAX, 0, &unknown_stack);
		return;
	}
	python = find_python(stacks, frames, count);
	for (size_t i = count; i-- > 0;) {
		const struct trace_frame *frame = stacks__frame(stacks, frames[i]);

		step(builder, FLAME_FRAME, builder->functions[frames[i]], 0, frame);
		if (frame->line && (i == python || !i))
			step(builder, FLAME_LINE, 0, frame->line, frame);
	}
}

/* From the waiter's leaf, which met the lock, to the thread. */
static void step_through_waiter(struct builder *builder, const struct trace_blame *pair)
{
	const struct stacks *stacks = builder->trace->stacks;
	struct trace_frame frame = {.name = "waited for by", .kind = FRAME_NOTE};
	size_t count;
	const uint32_t *frames = stacks__frames(stacks, pair->waiter_stack, &count);

	step(builder, FLAME_WAITED_BY, 0, 0, &frame);
	if (!count)
		step(builder, FLAME_WAITER_FRAME, UINT64_MAX, 0, &unknown_stack);
	for (size_t i = 0; i < count; i++) {
		const struct trace_frame *one = stacks__frame(stacks, frames[i]);

		step(builder, FLAME_WAITER_FRAME, builder->functions[frames[i]], i ? 0 : one->line, one);
	}
	frame.name = trace__thread_name(builder->trace, pair->process, pair->waiter);
	step(builder, FLAME_WAITER, pair->process, pair->waiter, &frame);
}

static void begin_stack(struct builder *builder, struct flame_weight weight)
{
	builder->weight = weight;
	builder->at = 0;
	add_weight(&builder->tree->nodes[0].total, &weight);
	builder->tree->nodes[0].sides[builder->side] += weight.ns;
}

static int end_stack(struct builder *builder)
{
	if (builder->at == NO_NODE)
		return -ENOMEM;
	add_weight(&builder->tree->nodes[builder->at].self, &builder->weight);
	builder->tree->nodes[builder->at].self_sides[builder->side] += builder->weight.ns;
	return 0;
}

static int add_blame(struct builder *builder, const struct trace_blame *pair)
{
	bool blame = builder->tree->kind == FLAME_BLAME;

	if (!pair->wait_ns && !pair->waits)
		return 0;
	builder->tree->has_wall |= pair->wall_ns > 0;
	begin_stack(builder, (struct flame_weight){pair->wait_ns, pair->wall_ns, pair->waits});
	step_to_lock(builder, pair->process, pair->gil);
	step_through_stack(builder, blame ? pair->stack : pair->waiter_stack);
	if (blame && builder->waiters)
		step_through_waiter(builder, pair);
	return end_stack(builder);
}

static int add_point(struct builder *builder, const struct trace_release_point *point)
{
	if (!point->held_ns && !point->releases)
		return 0;
	begin_stack(builder, (struct flame_weight){.ns = point->held_ns, .count = point->releases});
	step_to_lock(builder, point->process, point->gil);
	step_through_stack(builder, point->stack);
	return end_stack(builder);
}

static int add_all(struct builder *builder)
{
	const struct trace *trace = builder->trace;
	int err = 0;

	if (builder->tree->kind == FLAME_HOLD)
		for (size_t i = 0; !err && i < trace->point_count; i++)
			err = add_point(builder, &trace->points[i]);
	else
		for (size_t i = 0; !err && i < trace->blame_count; i++)
			err = add_blame(builder, &trace->blame[i]);
	return err;
}

/* Siblings: the greatest first; ties by what can be read, so that the order does not depend on the order of adding. */
static int compare_siblings(const void *left, const void *right, void *context)
{
	const struct flame_node *nodes = context;
	const struct flame_node *a = &nodes[*(const uint32_t *)left], *b = &nodes[*(const uint32_t *)right];
	int order;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	if (a->total.ns != b->total.ns)
		return a->total.ns > b->total.ns ? -1 : 1;
	if (a->total.wall_ns != b->total.wall_ns)
		return a->total.wall_ns > b->total.wall_ns ? -1 : 1;
	order = compare_texts(a->name, b->name);
	if (!order)
		order = compare_texts(a->file, b->file);
	if (order)
		return order;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return *(const uint32_t *)left < *(const uint32_t *)right ? -1 : 1;
}

/* Where each node's children begin in `sorted`, which is ordered by parent. */
static void find_children(const struct flame_tree *tree, const uint32_t *sorted, uint32_t *first)
{
	for (size_t i = tree->count; i-- > 1;)
		first[tree->nodes[sorted[i]].parent] = (uint32_t)i;
}

/*
 * Puts the nodes so that each stands before its children. From a node the next one is its first child, else its own
 * next sibling or that of the nearest ancestor that has one; so no stack is needed, however deep the tree is.
 */
static void put_in_order(struct flame_tree *tree, const uint32_t *sorted, const uint32_t *first, uint32_t *position,
			 uint32_t *number, struct flame_node *ordered)
{
	uint32_t old = 0, count = 0;

	for (;;) {
		number[old] = count;
		ordered[count] = tree->nodes[old];
		ordered[count].parent = number[tree->nodes[old].parent];
		count++;
		if (first[old]) {
			position[sorted[first[old]]] = first[old];
			old = sorted[first[old]];
			continue;
		}
		for (;; old = tree->nodes[old].parent) {
			uint32_t next = position[old] + 1;

			ordered[number[old]].end = count;
			if (!old)
				return;
			if (next < tree->count && tree->nodes[sorted[next]].parent == tree->nodes[old].parent) {
				position[sorted[next]] = next;
				old = sorted[next];
				break;
			}
		}
	}
}

static int order(struct flame_tree *tree)
{
	uint32_t *scratch = calloc(4 * tree->count, sizeof(*scratch));
	struct flame_node *ordered = calloc(tree->count, sizeof(*ordered));
	uint32_t *sorted = scratch;

	if (!scratch || !ordered) {
		free(scratch);
		free(ordered);
		return -ENOMEM;
	}
	for (size_t i = 0; i < tree->count; i++)
		sorted[i] = (uint32_t)i;
	qsort_r(sorted + 1, tree->count - 1, sizeof(*sorted), compare_siblings, tree->nodes);
	find_children(tree, sorted, scratch + tree->count);
	put_in_order(tree, sorted, scratch + tree->count, scratch + 2 * tree->count, scratch + 3 * tree->count,
		     ordered);
	free(scratch);
	free(tree->nodes);
	tree->nodes = ordered;
	return 0;
}

/* Everything of the trace that the builder has. */
static int fold(struct builder *builder, int (*add)(struct builder *builder))
{
	struct flame_tree *tree = builder->tree;
	int err = find_functions(builder);

	if (!err)
		err = grow(builder);
	if (!err) {
		tree->nodes[tree->count++] =
			(struct flame_node){.level = FLAME_ROOT, .kind = FRAME_NOTE, .name = "all"};
		builder->ids[0] = 0;
		err = add(builder);
	}
	if (!err)
		err = order(tree);
	free(builder->functions);
	free(builder->ids);
	free(builder->places);
	if (err)
		flame_tree__free(tree);
	return err;
}

int flame_tree__fold(const struct trace *trace, enum flame_kind kind, bool waiters, struct flame_tree *tree)
{
	struct builder builder = {.trace = trace, .waiters = waiters, .tree = tree};

	*tree = (struct flame_tree){.kind = kind};
	return fold(&builder, add_all);
}

/* What nodes have is the greater of what they have in the two; children come after their parents. */
static void weigh_sides(struct flame_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		struct flame_node *node = &tree->nodes[i];

		node->self = (struct flame_weight){.ns = node->self_sides[node->self_sides[1] > node->self_sides[0]]};
		node->total = node->self;
	}
	for (size_t i = tree->count; i-- > 1;)
		tree->nodes[tree->nodes[i].parent].total.ns += tree->nodes[i].total.ns;
}

static int add_both(struct builder *builder)
{
	const struct trace *both = builder->trace;
	int err = 0;

	if (builder->tree->kind == FLAME_HOLD) {
		for (size_t i = 0; !err && i < both->point_count; i++) {
			builder->side = i >= builder->before_count;
			err = add_point(builder, &both->points[i]);
		}
	} else {
		for (size_t i = 0; !err && i < both->blame_count; i++) {
			builder->side = i >= builder->before_count;
			err = add_blame(builder, &both->blame[i]);
		}
	}
	weigh_sides(builder->tree);
	return err;
}

int flame_tree__fold_two(const struct trace *before, const struct trace *after, enum flame_kind kind,
			 struct trace *both, struct flame_tree *tree)
{
	struct builder builder = {.trace = both,
				  .tree = tree,
				  .before_count = kind == FLAME_HOLD ? before->point_count : before->blame_count};
	int err = flame_both__fill(both, before, after);

	*tree = (struct flame_tree){.kind = kind, .of_two = true};
	return err ? err : fold(&builder, add_both);
}

void flame_tree__free(struct flame_tree *tree)
{
	free(tree->nodes);
	tree->nodes = NULL;
	tree->count = 0;
}

bool flame_tree__is_one_line(const struct flame_tree *tree, uint32_t node)
{
	const struct flame_node *at = &tree->nodes[node], *child = at + 1;

	return at->level == FLAME_FRAME && at->end > node + 1 && child->level == FLAME_LINE && child->end == at->end &&
	       !at->self.ns && !at->self.count;
}

const char *flame_kind_name(enum flame_kind kind)
{
	static const char *const names[FLAME_KINDS] = {
		[FLAME_BLAME] = "blame", [FLAME_WAIT] = "wait", [FLAME_HOLD] = "hold"};

	return names[kind];
}
