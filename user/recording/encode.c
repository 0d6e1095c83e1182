/* SPDX-License-Identifier: MIT */
/* Traces into what changed: see encode.h. */
#include "user/recording/encode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/recording/encode_parts.h"
#include "user/recording/events.h"
#include "user/recording/format.h"
#include "user/trace/keys.h"
#include "user/trace/trace.h"

/* What was told last of an element. */
struct told_process {
	struct trace_process last; /* owns its `exe` */
	uint32_t segment;          /* in which all of it was told */
};

struct told_gil {
	struct trace_gil last;
	uint32_t segment;
};

struct told_thread {
	struct trace_thread last;
	uint32_t segment;
};

/* Elements, each found by its key. */
struct told_list {
	struct keys keys;
	size_t count;
	void *list;
};

struct encoder {
	uint32_t segment;  /* the number of the present one; the first is 1 */
	bool told;         /* something was told in it */
	struct trace last; /* the figures of all, and what does not change; owns nothing */
	struct told_list processes, gils, threads;
	struct names names;
	struct event_encoder *events;
	struct bytes body, message, part;
};

struct encoder *encoder__new(void)
{
	struct encoder *encoder = calloc(1, sizeof(*encoder));

	if (!encoder)
		return NULL;
	encoder->segment = 1;
	encoder->events = event_encoder__new();
	if (!encoder->events) {
		free(encoder);
		return NULL;
	}
	return encoder;
}

void encoder__free(struct encoder *encoder)
{
	if (!encoder)
		return;
	for (size_t i = 0; i < encoder->processes.count; i++)
		free(((struct told_process *)encoder->processes.list)[i].last.exe);
	for (size_t i = 0; i < encoder->gils.count; i++)
		distribution__clear(&((struct told_gil *)encoder->gils.list)[i].last.handoff);
	for (size_t i = 0; i < encoder->threads.count; i++) {
		distribution__clear(&((struct told_thread *)encoder->threads.list)[i].last.wait);
		distribution__clear(&((struct told_thread *)encoder->threads.list)[i].last.hold);
	}
	free(encoder->processes.list);
	free(encoder->gils.list);
	free(encoder->threads.list);
	keys__clear(&encoder->processes.keys);
	keys__clear(&encoder->gils.keys);
	keys__clear(&encoder->threads.keys);
	names__clear(&encoder->names);
	event_encoder__free(encoder->events);
	bytes__free(&encoder->body);
	bytes__free(&encoder->message);
	bytes__free(&encoder->part);
	free(encoder);
}

void encoder__begin_segment(struct encoder *encoder)
{
	encoder->segment++;
	encoder->told = false;
	names__forget(&encoder->names);
}

/* What was told of the element with this key; zeros if nothing was. NULL without memory. */
static void *told_of(struct told_list *told, size_t size, uint64_t first, uint64_t second)
{
	uint32_t *number = keys__get(&told->keys, first, second);

	if (!number)
		return NULL;
	if (*number == KEYS_NONE) {
		if (!(told->count & (told->count - 1))) { /* room for one more at each power of two */
			void *grown = realloc(told->list, (told->count ? 2 * told->count : 1) * size);

			if (!grown)
				return NULL;
			told->list = grown;
		}
		memset((char *)told->list + told->count * size, 0, size);
		*number = (uint32_t)told->count++;
	}
	return (char *)told->list + *number * size;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool is_described_as(const struct trace_process *a, const struct trace_process *b)
{
	return a->pid == b->pid && a->pid_in_namespace == b->pid_in_namespace && a->parent == b->parent &&
	       same_text(a->exe, b->exe) && same_text(a->runtime, b->runtime) && same_text(a->version, b->version) &&
	       same_text(a->design, b->design) && a->start_ns == b->start_ns && a->end == b->end &&
	       encode__process_flags(a) == encode__process_flags(b);
}

static int encode_process(struct encoder *encoder, struct trace_process *process)
{
	struct told_process *told = told_of(&encoder->processes, sizeof(*told), process->number, 0);
	struct bytes *message = &encoder->message;
	bool describe;
	char *exe;

	if (!told)
		return -ENOMEM;
	describe = !told->segment || !is_described_as(&told->last, process);
	if (!describe && told->last.duration_ns == process->duration_ns)
		return 0; /* it has ended, which was told: what comes later does without it */
	describe |= told->segment != encoder->segment;
	bytes__clear(message);
	protobuf__integer(message, PROCESS_NUMBER, process->number);
	if (describe)
		encode__process(message, process);
	encode__counters(message, process_counters, process, &told->last);
	protobuf__message(&encoder->body, STATE_PROCESS, message);
	exe = process->exe;
	process->exe = told->last.exe; /* freed with `now` */
	told->last = *process;
	told->last.exe = exe;
	told->segment = encoder->segment;
	return 0;
}

/* Whether a process is among those of this segment: it has not ended before. */
static bool is_of_segment(struct encoder *encoder, uint32_t process)
{
	const struct told_process *told = told_of(&encoder->processes, sizeof(*told), process, 0);

	return !told || told->segment == encoder->segment;
}

static int encode_gil(struct encoder *encoder, struct trace_gil *gil)
{
	struct told_gil *told = told_of(&encoder->gils, sizeof(*told), gil->process, gil->address);
	struct bytes *message = &encoder->message;
	size_t empty;

	if (!told)
		return -ENOMEM;
	bytes__clear(message);
	protobuf__integer(message, KEY_PROCESS, gil->process);
	protobuf__integer(message, KEY_GIL, gil->address);
	empty = message->size;
	if ((told->segment != encoder->segment && is_of_segment(encoder, gil->process)) ||
	    told->last.interpreter != gil->interpreter) {
		protobuf__integer(message, KEY_PID, gil->pid);
		protobuf__signed(message, GIL_INTERPRETER, gil->interpreter);
	}
	encode__distribution(message, &encoder->part, GIL_HANDOFF, &gil->handoff, &told->last.handoff);
	encode__attempts(message, &encoder->part, gil->attempts, told->last.attempts);
	encode__counters(message, gil_counters, gil, &told->last);
	if (message->size == empty)
		return 0;
	protobuf__message(&encoder->body, STATE_GIL, message);
	distribution__clear(&told->last.handoff);
	told->last = *gil;
	gil->handoff = (struct distribution){0};
	told->segment = encoder->segment;
	return 0;
}

/* After its end another thread may have its number: that one begins at zero. */
static int encode_thread(struct encoder *encoder, struct trace_thread *thread)
{
	struct told_thread *told =
		told_of(&encoder->threads, sizeof(*told), (uint64_t)thread->process << 32 | thread->tid, thread->gil);
	struct bytes *message = &encoder->message;
	size_t empty;

	if (!told)
		return -ENOMEM;
	bytes__clear(message);
	protobuf__integer(message, KEY_PROCESS, thread->process);
	protobuf__integer(message, KEY_GIL, thread->gil);
	protobuf__integer(message, KEY_TID, thread->tid);
	empty = message->size;
	if (told->segment != encoder->segment || strcmp(told->last.name, thread->name) != 0) {
		protobuf__integer(message, KEY_PID, thread->pid);
		protobuf__bytes(message, THREAD_NAME, thread->name, strlen(thread->name));
	}
	encode__counters(message, thread_counters, thread, &told->last);
	encode__distribution(message, &encoder->part, THREAD_WAIT, &thread->wait, &told->last.wait);
	encode__distribution(message, &encoder->part, THREAD_HOLD, &thread->hold, &told->last.hold);
	if (thread->ended)
		protobuf__integer(message, THREAD_ENDED, 1);
	if (message->size == empty)
		return 0;
	protobuf__message(&encoder->body, STATE_THREAD, message);
	distribution__clear(&told->last.wait);
	distribution__clear(&told->last.hold);
	*told = (struct told_thread){0};
	if (thread->ended)
		return 0;
	told->last = *thread;
	thread->wait = thread->hold = (struct distribution){0};
	told->segment = encoder->segment;
	return 0;
}

static int encode_blame(struct encoder *encoder, const struct trace_blame *blame, const struct stacks *stacks)
{
	static const struct trace_blame nothing;
	struct bytes *message = &encoder->message;
	int64_t stack = names__tell(&encoder->names, stacks, blame->stack);
	int64_t waiter_stack = names__tell(&encoder->names, stacks, blame->waiter_stack);

	if (stack < 0 || waiter_stack < 0)
		return -ENOMEM;
	bytes__clear(message);
	protobuf__integer(message, KEY_PROCESS, blame->process);
	protobuf__integer(message, KEY_PID, blame->pid);
	protobuf__integer(message, KEY_GIL, blame->gil);
	protobuf__integer(message, KEY_TID, blame->waiter);
	protobuf__integer(message, KEY_HOLDER, blame->holder);
	protobuf__integer(message, KEY_STACK, (uint64_t)stack);
	protobuf__integer(message, KEY_WAITER_STACK, (uint64_t)waiter_stack);
	encode__counters(message, blame_counters, blame, &nothing);
	protobuf__message(&encoder->body, STATE_BLAME, message);
	return 0;
}

static int encode_point(struct encoder *encoder, const struct trace_release_point *point, const struct stacks *stacks)
{
	static const struct trace_release_point nothing;
	struct bytes *message = &encoder->message;
	int64_t stack = names__tell(&encoder->names, stacks, point->stack);

	if (stack < 0)
		return -ENOMEM;
	bytes__clear(message);
	protobuf__integer(message, KEY_PROCESS, point->process);
	protobuf__integer(message, KEY_PID, point->pid);
	protobuf__integer(message, KEY_GIL, point->gil);
	protobuf__integer(message, KEY_TID, point->tid);
	protobuf__integer(message, KEY_STACK, (uint64_t)stack);
	encode__counters(message, point_counters, point, &nothing);
	protobuf__message(&encoder->body, STATE_POINT, message);
	return 0;
}

static int encode_hog(struct encoder *encoder, const struct trace_hog *hog, const struct stacks *stacks)
{
	static const struct trace_hog nothing;
	struct bytes *message = &encoder->message;
	int64_t stack = names__tell(&encoder->names, stacks, hog->stack);

	if (stack < 0)
		return -ENOMEM;
	bytes__clear(message);
	protobuf__integer(message, KEY_PROCESS, hog->process);
	protobuf__integer(message, KEY_PID, hog->pid);
	protobuf__integer(message, KEY_GIL, hog->gil);
	protobuf__integer(message, KEY_TID, hog->tid);
	protobuf__integer(message, KEY_STACK, (uint64_t)stack);
	protobuf__integer(message, HOG_WAITERS, hog->waiters);
	protobuf__signed(message, HOG_SYSCALL, hog->syscall);
	encode__counters(message, hog_counters, hog, &nothing);
	protobuf__message(&encoder->body, STATE_HOG, message);
	return 0;
}

static int encode_body(struct encoder *encoder, struct trace *now, const struct stacks *stacks)
{
	int err = 0;

	bytes__clear(&encoder->body);
	for (size_t i = 0; !err && i < now->process_count; i++)
		err = encode_process(encoder, &now->processes[i]);
	for (size_t i = 0; !err && i < now->gil_count; i++)
		err = encode_gil(encoder, &now->gils[i]);
	for (size_t i = 0; !err && i < now->thread_count; i++)
		err = encode_thread(encoder, &now->threads[i]);
	for (size_t i = 0; !err && i < now->blame_count; i++)
		err = encode_blame(encoder, &now->blame[i], stacks);
	for (size_t i = 0; !err && i < now->point_count; i++)
		err = encode_point(encoder, &now->points[i], stacks);
	for (size_t i = 0; !err && i < now->hog_count; i++)
		err = encode_hog(encoder, &now->hogs[i], stacks);
	return err;
}

int encoder__encode(struct encoder *encoder, struct trace *now, const struct stacks *stacks, bool last,
		    struct bytes *payload, struct bytes *events)
{
	struct bytes *names = &encoder->names.told, *message = &encoder->message;
	int err;

	bytes__clear(payload);
	bytes__clear(names);
	err = encode_body(encoder, now, stacks);
	if (!err)
		err = event_encoder__encode(encoder->events, now, stacks, &encoder->names, events);
	if (err)
		return err;
	if (!encoder->told)
		protobuf__integer(payload, STATE_SEGMENT, 1);
	now->hogs_seen += encoder->last.hogs_seen; /* they come since the last time */
	bytes__clear(message);
	encode__window(message, now, &encoder->last, !encoder->told, last);
	protobuf__message(payload, STATE_WINDOW, message);
	bytes__add(payload, names->data, names->size);
	bytes__add(payload, encoder->body.data, encoder->body.size);
	encode__remember_window(&encoder->last, now);
	encoder->told = true;
	return payload->failed || names->failed || encoder->body.failed || encoder->part.failed ? -ENOMEM : 0;
}
