/* SPDX-License-Identifier: MIT */
/* A run from its beginning to its end: see runtime.h. */
#include "tools/toygil/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/toygil/books.h"
#include "tools/toygil/clock.h"
#include "tools/toygil/copy.h"
#include "tools/toygil/design.h"
#include "tools/toygil/echo.h"
#include "tools/toygil/tracer_symbols.h"
#include "tools/toygil/values.h"

static void stop_interpreter(struct interpreter *interpreter)
{
	__atomic_fetch_or(&interpreter->eval_breaker, BREAKER_STOP, __ATOMIC_RELAXED);
	pthread_mutex_lock(&interpreter->mutex);
	for (uint32_t i = 0; i < interpreter->thread_count; i++)
		__atomic_fetch_or(&interpreter->threads[i]->eval_breaker, BREAKER_STOP, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&interpreter->ended);
	pthread_mutex_unlock(&interpreter->mutex);
}

void runtime__stop(struct runtime *runtime, const char *error)
{
	uint64_t one = 1;
	bool first;

	pthread_mutex_lock(&runtime->error_mutex);
	first = !runtime->stopping;
	if (first && error)
		snprintf(runtime->error, sizeof(runtime->error), "%s", error);
	__atomic_store_n(&runtime->stopping, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&runtime->error_mutex);
	if (!first)
		return;
	for (uint32_t i = 0; i < runtime->interpreter_count; i++)
		stop_interpreter(&runtime->interpreters[i]);
	mailbox__wake(&runtime->mailbox);
	echo__stop(runtime);
	if (write(runtime->stop_event, &one, sizeof(one)) < 0)
		return; /* it was set before */
}

bool runtime__go_on(struct thread *thread, uint32_t breaker)
{
	if (runtime__stopping(thread->runtime))
		return false;
	if (!(breaker & BREAKER_FUEL) || --thread->fuel)
		return true;
	thread->fuel = 1;
	thread__fail(thread, "out of fuel");
	return false;
}

int runtime__open_own_locks(struct runtime *runtime)
{
	for (uint32_t i = 0; i < runtime->interpreter_count; i++) {
		struct interpreter *interpreter = &runtime->interpreters[i];

		lock__init(&interpreter->own_lock, runtime->settings->interval_us);
		interpreter->lock = &interpreter->own_lock;
		interpreter->owns_lock = 1;
	}
	return 0;
}

void runtime__close_own_locks(struct runtime *runtime)
{
	for (uint32_t i = 0; i < runtime->interpreter_count; i++)
		lock__destroy(&runtime->interpreters[i].own_lock);
}

uint64_t runtime__live_objects(struct interpreter *interpreter)
{
	uint64_t live = 0;

	pthread_mutex_lock(&interpreter->mutex);
	for (uint32_t i = 0; i < interpreter->thread_count; i++)
		live += interpreter->threads[i]->made - interpreter->threads[i]->freed;
	pthread_mutex_unlock(&interpreter->mutex);
	return live;
}

static struct object *new_immortal(struct interpreter *interpreter, enum kind kind)
{
	struct object *object = calloc(1, pool__slot_size(kind));

	if (object) {
		object->kind = (uint8_t)kind;
		object->ref_local = IMMORTAL;
		interpreter->immortal++;
	}
	return object;
}

static struct object *immortal_string(struct interpreter *interpreter, const struct constant *constant)
{
	struct string *string = (struct string *)new_immortal(interpreter, KIND_STRING);

	if (!string)
		return NULL;
	string->bytes = malloc(sizeof(*string->bytes) + constant->length);
	if (!string->bytes) {
		free(string);
		return NULL;
	}
	string->bytes->length = constant->length;
	memcpy(string->bytes->at, constant->text, constant->length);
	return &string->header;
}

/* This interpreter's object of a literal; NULL without memory. */
static struct object *constant_object(struct interpreter *interpreter, const struct constant *constant)
{
	struct object *object;

	switch (constant->kind) {
	case KIND_BOOLEAN:
		return object__boolean(constant->integer);
	case KIND_INTEGER:
		if (constant->integer >= SMALL_LOWEST && constant->integer <= SMALL_HIGHEST)
			return &object_small[constant->integer - SMALL_LOWEST].header;
		object = new_immortal(interpreter, KIND_INTEGER);
		if (object)
			((struct integer *)object)->value = constant->integer;
		return object;
	case KIND_STRING:
		return immortal_string(interpreter, constant);
	case KIND_FUNCTION:
		object = new_immortal(interpreter, KIND_FUNCTION);
		if (object)
			((struct function *)object)->code = &interpreter->runtime->program->codes[constant->integer];
		return object;
	default:
		return &object_none;
	}
}

static bool is_built_in(const struct object *object)
{
	return object == &object_none || object == &object_true.header || object == &object_false.header ||
	       (object >= &object_small[0].header && object <= &object_small[SMALL_COUNT - 1].header);
}

static void close_interpreter(struct interpreter *interpreter)
{
	const struct program *program = interpreter->runtime->program;

	for (uint32_t i = 0; i < interpreter->thread_count; i++)
		thread__free(interpreter->threads[i]);
	free(interpreter->threads);
	for (uint32_t i = 0; interpreter->constants && i < program->constant_count; i++) {
		struct object *object = interpreter->constants[i];

		if (!object || is_built_in(object))
			continue;
		if (object->kind == KIND_STRING)
			free(((struct string *)object)->bytes);
		free(object);
	}
	free(interpreter->constants);
	free(interpreter->globals);
	pthread_cond_destroy(&interpreter->ended);
	pthread_mutex_destroy(&interpreter->mutex);
}

static int open_interpreter(struct runtime *runtime, uint32_t number)
{
	struct interpreter *interpreter = &runtime->interpreters[number];
	const struct program *program = runtime->program;

	interpreter->runtime = runtime;
	interpreter->number = number;
	interpreter->eval_breaker = runtime->settings->fuel ? BREAKER_FUEL : 0;
	pthread_mutex_init(&interpreter->mutex, NULL);
	pthread_cond_init(&interpreter->ended, NULL);
	interpreter->globals = calloc(program->global_count + 1, sizeof(*interpreter->globals));
	interpreter->constants = calloc(program->constant_count + 1, sizeof(*interpreter->constants));
	if (!interpreter->globals || !interpreter->constants)
		return -ENOMEM;
	for (uint32_t i = 0; i < program->constant_count; i++) {
		interpreter->constants[i] = constant_object(interpreter, &program->constants[i]);
		if (!interpreter->constants[i])
			return -ENOMEM;
	}
	return thread__new(interpreter, &program->codes[program->entry]) ? 0 : -ENOMEM;
}

static void close_run(struct runtime *runtime)
{
	pool__close_store(&runtime->store);
	for (uint32_t i = 0; runtime->interpreters && i < runtime->interpreter_count; i++)
		close_interpreter(&runtime->interpreters[i]);
	free(runtime->interpreters);
	echo__close_all(runtime);
	mailbox__close(&runtime->mailbox);
	pthread_mutex_destroy(&runtime->findings.mutex);
	pthread_mutex_destroy(&runtime->error_mutex);
	if (runtime->stop_event >= 0)
		close(runtime->stop_event);
}

static int open_run(struct runtime *runtime)
{
	const struct settings *settings = runtime->settings;

	object__init_immortals();
	pthread_mutex_init(&runtime->error_mutex, NULL);
	pthread_mutex_init(&runtime->findings.mutex, NULL);
	pool__open_store(&runtime->store);
	mailbox__open(&runtime->mailbox);
	runtime->interpreter_count = (uint32_t)settings->interpreters;
	runtime->stop_event = eventfd(0, EFD_CLOEXEC);
	if (runtime->stop_event < 0)
		return -errno;
	runtime->interpreters = calloc(runtime->interpreter_count, sizeof(*runtime->interpreters));
	if (!runtime->interpreters)
		return -ENOMEM;
	for (uint32_t i = 0; i < runtime->interpreter_count; i++) {
		int err = open_interpreter(runtime, i);

		if (err) {
			runtime->interpreter_count = i + 1;
			return err;
		}
	}
	return 0;
}

/* What the command line says goes before what the program says. */
static void set_size(struct runtime *runtime)
{
	const struct settings *settings = runtime->settings;
	uint64_t duration = settings->duration_ns;

	if (!duration && settings->rounds < 0)
		duration = runtime->program->duration_ns;
	runtime->rounds = settings->rounds >= 0 ? settings->rounds : runtime->program->rounds;
	runtime->started_ns = clock__now();
	runtime->deadline_ns = duration ? runtime->started_ns + duration : 0;
}

/* The results of the other interpreters' mains, each a copy, in a list behind the first one's own. */
static struct object *gather(struct thread *thread, struct object *result)
{
	struct runtime *runtime = thread->runtime;
	struct list *list = (struct list *)thread__new_list(thread, runtime->interpreter_count);

	if (!list) {
		runtime->design->release(thread, result);
		return NULL;
	}
	list->items->at[list->length++] = result;
	while (list->length < runtime->interpreter_count) {
		struct parcel *parcel;

		runtime->design->detach(thread);
		parcel = mailbox__fetch(&runtime->mailbox, MAILBOX_RESULTS, &runtime->stopping);
		runtime->design->attach(thread);
		if (!parcel)
			break;
		list->items->at[list->length] = copy__unpack(thread, parcel);
		list->length += list->items->at[list->length] != NULL;
		parcel__free(parcel);
	}
	return &list->header;
}

static void tell_result(struct thread *thread, struct object *result)
{
	struct outcome *outcome = thread->runtime->outcome;
	FILE *text = fmemopen(outcome->result, sizeof(outcome->result), "w");

	if (!text)
		return;
	setbuf(text, NULL); /* so that a result that is too long is cut, and not lost */
	value__print(thread, text, result);
	fclose(text);
	outcome->result[sizeof(outcome->result) - 1] = '\0';
}

static void release_globals(struct thread *thread)
{
	struct interpreter *interpreter = thread->interpreter;
	const struct design *design = thread->runtime->design;

	for (uint32_t i = 0; i < thread->runtime->program->global_count; i++) {
		struct object *value = interpreter->globals[i];

		interpreter->globals[i] = NULL;
		if (value)
			design->release(thread, value);
	}
	for (uint32_t i = 0; i < interpreter->thread_count; i++) {
		struct object *result = interpreter->threads[i]->result;

		interpreter->threads[i]->result = NULL;
		if (result)
			design->release(thread, result);
	}
}

/* The end of an interpreter's main thread: still attached, and soon the last of its threads. */
static void finish_main(struct thread *thread, struct object *result)
{
	struct runtime *runtime = thread->runtime;
	struct parcel *parcel;

	thread__join_all(thread);
	if (result && thread->interpreter->number) {
		parcel = copy__pack(thread, result);
		if (parcel)
			mailbox__post(&runtime->mailbox, MAILBOX_RESULTS, parcel);
		else
			runtime__stop(runtime, thread->error);
	} else if (result) {
		runtime->outcome->number = result->kind == KIND_INTEGER ? object__integer(result) : 0;
		if (runtime->interpreter_count > 1)
			result = gather(thread, result);
		if (result)
			tell_result(thread, result);
	}
	if (result)
		runtime->design->release(thread, result);
	release_globals(thread);
}

static void *start_interpreter(void *argument)
{
	struct interpreter *interpreter = argument;

	thread__run(interpreter->threads[0], finish_main);
	return NULL;
}

/* Runs the first interpreter on this thread, and each other one on one of its own. */
static void run_interpreters(struct runtime *runtime)
{
	uint32_t started = 1;

	for (; started < runtime->interpreter_count; started++) {
		struct interpreter *interpreter = &runtime->interpreters[started];
		int err = pthread_create(&interpreter->threads[0]->handle, NULL, start_interpreter, interpreter);

		if (err) {
			runtime__stop(runtime, "toygil: no more threads for another interpreter");
			break;
		}
	}
	thread__run(runtime->interpreters[0].threads[0], finish_main);
	for (uint32_t i = 1; i < started; i++)
		pthread_join(runtime->interpreters[i].threads[0]->handle, NULL);
	runtime->ended_ns = clock__now();
}

static void count_thread(struct outcome *outcome, const struct thread *thread)
{
	outcome->rounds += thread->rounds;
	outcome->made += thread->made;
	outcome->left += thread->made - thread->freed;
	if (thread->books) {
		outcome->contended += thread->books->counts.contended;
		outcome->failed_acquisitions += thread->books->counts.failed;
		outcome->handoffs += thread->books->counts.handoffs;
	}
}

static void sum_up(const struct runtime *runtime, struct outcome *outcome)
{
	const struct findings *findings = &runtime->findings;

	outcome->elapsed_ns = runtime->ended_ns - runtime->started_ns;
	outcome->immortal = IMMORTAL_BUILT_IN;
	for (uint32_t i = 0; i < runtime->interpreter_count; i++) {
		outcome->immortal += runtime->interpreters[i].immortal;
		for (uint32_t j = 0; j < runtime->interpreters[i].thread_count; j++)
			count_thread(outcome, runtime->interpreters[i].threads[j]);
	}
	outcome->lost_increments = findings->lost_increments;
	outcome->lost_decrements = findings->lost_decrements;
	snprintf(outcome->finding, sizeof(outcome->finding), "%s", findings->use_after_free);
	if (runtime->error[0]) {
		outcome->failed = true;
		snprintf(outcome->error, sizeof(outcome->error), "%s", runtime->error);
	}
}

int runtime__run(const struct program *program, const struct settings *settings, struct outcome *outcome)
{
	struct runtime runtime = {
		.settings = settings, .design = settings->design, .program = program, .outcome = outcome};
	int err;

	*outcome = (struct outcome){0};
	snprintf(toygil_design, sizeof(toygil_design), "%s", settings->design->name);
	err = open_run(&runtime);
	if (!err)
		err = runtime.design->open(&runtime);
	if (err) {
		outcome->failed = true;
		snprintf(outcome->error, sizeof(outcome->error), "toygil: the run cannot begin: %s", strerror(-err));
		close_run(&runtime);
		return err;
	}
	set_size(&runtime);
	run_interpreters(&runtime);
	sum_up(&runtime, outcome);
	if (settings->truth)
		err = books__write(&runtime, settings->truth);
	runtime.design->close(&runtime);
	close_run(&runtime);
	if (err) {
		outcome->failed = true;
		snprintf(outcome->error, sizeof(outcome->error), "toygil: cannot write %s: %s", settings->truth,
			 strerror(-err));
	}
	return err;
}
