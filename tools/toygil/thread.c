/* SPDX-License-Identifier: MIT */
/* The life of a thread of the toy runtime, and the objects that it makes: see thread.h. */
#include "tools/toygil/thread.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tools/toygil/books.h"
#include "tools/toygil/design.h"

void thread__fail(struct thread *thread, const char *format, ...)
{
	va_list arguments;

	if (thread->error[0])
		return;
	va_start(arguments, format);
	vsnprintf(thread->error, sizeof(thread->error), format, arguments);
	va_end(arguments);
}

struct object *thread__no_memory(struct thread *thread)
{
	thread__fail(thread, "out of memory");
	return NULL;
}

struct pool_store *thread__store(struct thread *thread)
{
	return &thread->runtime->store;
}

struct object *thread__new_string(struct thread *thread, const char *bytes, size_t length)
{
	struct bytes *storage = length <= THREAD_MAX_STRING ? malloc(sizeof(*storage) + length) : NULL;
	struct object *object = storage ? thread__new_object(thread, KIND_STRING) : NULL;

	if (!object) {
		free(storage);
		return thread__no_memory(thread);
	}
	storage->length = length;
	if (bytes && length)
		memcpy(storage->at, bytes, length);
	((struct string *)object)->bytes = storage;
	return object;
}

struct object *thread__new_list(struct thread *thread, size_t capacity)
{
	struct items *items = NULL;
	struct object *object;

	if (capacity) {
		items = calloc(1, sizeof(*items) + capacity * sizeof(*items->at));
		if (!items)
			return thread__no_memory(thread);
		items->capacity = capacity;
	}
	object = thread__new_object(thread, KIND_LIST);
	if (!object) {
		free(items);
		return NULL;
	}
	((struct list *)object)->length = 0;
	((struct list *)object)->items = items;
	return object;
}

struct object *thread__new_dict(struct thread *thread)
{
	struct object *object = thread__new_object(thread, KIND_DICT);

	if (object) {
		((struct dict *)object)->length = 0;
		((struct dict *)object)->table = NULL;
	}
	return object;
}

void thread__free(struct thread *thread)
{
	if (!thread)
		return;
	books__free(thread->books);
	free(thread->queued);
	free(thread->stack);
	free(thread->frames);
	free(thread);
}

/* Puts the thread into its interpreter's table. Under its mutex. */
static bool enter_table(struct interpreter *interpreter, struct thread *thread)
{
	struct runtime *runtime = interpreter->runtime;
	uint32_t count = interpreter->thread_count;

	if (!(count & (count - 1))) {
		struct thread **grown = realloc(interpreter->threads, (count ? 2 * (size_t)count : 1) * sizeof(*grown));

		if (!grown)
			return false;
		interpreter->threads = grown;
	}
	thread->number = count;
	if (runtime__stopping(runtime))
		thread->eval_breaker |= BREAKER_STOP;
	interpreter->threads[count] = thread;
	interpreter->thread_count = count + 1;
	return true;
}

struct thread *thread__new(struct interpreter *interpreter, const struct code *code)
{
	struct runtime *runtime = interpreter->runtime;
	const struct settings *settings = runtime->settings;
	struct thread *thread = calloc(1, sizeof(*thread));
	bool entered;

	if (!thread)
		return NULL;
	thread->runtime = runtime;
	thread->interpreter = interpreter;
	thread->code = code;
	thread->id = __atomic_add_fetch(&runtime->next_thread_id, 1, __ATOMIC_RELAXED);
	thread->birth_local = 1;
	thread->fuel = settings->fuel;
	thread->eval_breaker = settings->fuel ? BREAKER_FUEL : 0;
	thread->stack = calloc(THREAD_STACK_SLOTS, sizeof(*thread->stack));
	thread->frames = calloc(THREAD_MAX_CALLS, sizeof(*thread->frames));
	thread->books = settings->books ? books__new() : NULL;
	if (!thread->stack || !thread->frames || (settings->books && !thread->books)) {
		thread__free(thread);
		return NULL;
	}
	pthread_mutex_lock(&interpreter->mutex);
	entered = enter_table(interpreter, thread);
	pthread_mutex_unlock(&interpreter->mutex);
	if (!entered) {
		thread__free(thread);
		return NULL;
	}
	thread->random =
		settings->seed + 0x9e3779b97f4a7c15 * (thread->number + 1 + 4096 * (uint64_t)interpreter->number);
	return thread;
}

/* Takes its names: the kernel shows this thread as "worker-1"; the first one stays "toygil". */
static void introduce(struct thread *thread)
{
	char name[PROGRAM_NAME_SIZE + 16];

	thread->self = pthread_self();
	thread->tid = (uint32_t)gettid();
	if (thread->number || thread->interpreter->number) {
		snprintf(name, sizeof(name), "%.8s-%u", thread->code->name, thread->number);
		name[THREAD_NAME_SIZE - 1] = '\0';
		prctl(PR_SET_NAME, name);
	}
	prctl(PR_GET_NAME, thread->name);
}

void thread__run(struct thread *thread, void (*finish)(struct thread *thread, struct object *result))
{
	const struct design *design = thread->runtime->design;
	struct interpreter *interpreter = thread->interpreter;

	introduce(thread);
	design->begin(thread);
	finish(thread, design->run(thread, thread->code, thread->arguments));
	design->end(thread);
	pool__hand_over(thread->pools, &thread->runtime->store);
	free(thread->stack);
	free(thread->frames);
	thread->stack = NULL;
	thread->frames = NULL;
	pthread_mutex_lock(&interpreter->mutex);
	thread->done = true;
	pthread_cond_broadcast(&interpreter->ended);
	pthread_mutex_unlock(&interpreter->mutex);
}

static void keep_result(struct thread *thread, struct object *result)
{
	thread->result = result;
}

static void *start(void *argument)
{
	thread__run(argument, keep_result);
	return NULL;
}

int64_t thread__spawn(struct thread *parent, const struct code *code, struct object **arguments, uint32_t count)
{
	struct interpreter *interpreter = parent->interpreter;
	struct thread *thread;
	int err;

	pthread_mutex_lock(&interpreter->mutex);
	err = interpreter->thread_count > parent->runtime->settings->thread_limit;
	pthread_mutex_unlock(&interpreter->mutex);
	if (err) {
		thread__fail(parent, "spawn: more than %u threads", parent->runtime->settings->thread_limit);
		return -1;
	}
	thread = thread__new(interpreter, code);
	if (!thread) {
		thread__no_memory(parent);
		return -1;
	}
	for (uint32_t i = 0; i < count; i++)
		thread->arguments[i] = arguments[i];
	err = pthread_create(&thread->handle, NULL, start, thread);
	pthread_mutex_lock(&interpreter->mutex);
	if (err)
		thread->done = thread->joined = true;
	else
		thread->started = true;
	pthread_mutex_unlock(&interpreter->mutex);
	if (!err)
		return thread->number;
	thread__fail(parent, "spawn: no more threads: %s", strerror(err));
	return -1;
}

/* The thread with this number, marked as joined; NULL after thread__fail(). Under the interpreter's mutex. */
static struct thread *to_join(struct thread *thread, int64_t number)
{
	struct interpreter *interpreter = thread->interpreter;
	struct thread *other;

	if (number < 1 || number >= interpreter->thread_count) {
		thread__fail(thread, "join: there is no thread %lld", (long long)number);
		return NULL;
	}
	other = interpreter->threads[number];
	if (other->joined) {
		thread__fail(thread, "join: thread %lld has been joined before", (long long)number);
		return NULL;
	}
	for (struct thread *next = other; next; next = next->joining) {
		if (next == thread) {
			thread__fail(thread, "join: thread %lld waits for this one to end", (long long)number);
			return NULL;
		}
	}
	other->joined = true;
	return other;
}

struct object *thread__join(struct thread *thread, int64_t number)
{
	const struct design *design = thread->runtime->design;
	struct interpreter *interpreter = thread->interpreter;
	struct object *result = NULL;
	struct thread *other;

	design->detach(thread);
	pthread_mutex_lock(&interpreter->mutex);
	other = to_join(thread, number);
	if (other) {
		thread->joining = other;
		while (!other->done && !runtime__stopping(thread->runtime))
			pthread_cond_wait(&interpreter->ended, &interpreter->mutex);
		thread->joining = NULL;
		if (other->done) {
			result = other->result;
			other->result = NULL;
		}
	}
	pthread_mutex_unlock(&interpreter->mutex);
	design->attach(thread);
	return result;
}

void thread__join_all(struct thread *main_thread)
{
	const struct design *design = main_thread->runtime->design;
	struct interpreter *interpreter = main_thread->interpreter;

	design->detach(main_thread);
	pthread_mutex_lock(&interpreter->mutex);
	for (uint32_t i = 1; i < interpreter->thread_count; i++) {
		struct thread *thread = interpreter->threads[i];

		while (!thread->done)
			pthread_cond_wait(&interpreter->ended, &interpreter->mutex);
		if (!thread->started)
			continue;
		thread->started = false;
		pthread_mutex_unlock(&interpreter->mutex);
		pthread_join(thread->handle, NULL);
		pthread_mutex_lock(&interpreter->mutex);
	}
	pthread_mutex_unlock(&interpreter->mutex);
	design->attach(main_thread);
}
