/* SPDX-License-Identifier: MIT */
/* The natives that a page holds; open, receive, send, close are in echo.c, matmul in matmul.c. */
#include "tools/toygil/natives.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tools/toygil/clock.h"
#include "tools/toygil/copy.h"
#include "tools/toygil/design.h"
#include "tools/toygil/values.h"

#define MAX_MICROSECONDS 3600000000 /* an hour */

int native__integer(struct thread *thread, const char *name, struct object *argument, int64_t low, int64_t high,
		    int64_t *value)
{
	if (argument->kind != KIND_INTEGER) {
		thread__fail(thread, "%s: expects an integer, got %s", name, object__kind_name(argument));
		return false;
	}
	*value = object__integer(argument);
	if (*value >= low && *value <= high)
		return true;
	thread__fail(thread, "%s: %lld is not between %lld and %lld", name, (long long)*value, (long long)low,
		     (long long)high);
	return false;
}

/* Whether there is another round to do: until the time is over, or until so many are done. */
static struct object *again(struct thread *thread, struct object **arguments)
{
	const struct runtime *runtime = thread->runtime;
	int64_t done;
	bool more;

	if (!native__integer(thread, "again", arguments[0], 0, INT64_MAX, &done))
		return NULL;
	more = runtime->deadline_ns ? clock__now() < runtime->deadline_ns : done < runtime->rounds;
	thread->rounds += more;
	return object__boolean(more);
}

static struct object *census(struct thread *thread, struct object **arguments)
{
	(void)arguments;
	return thread__new_integer(thread, (int64_t)thread->runtime->design->count_live(thread));
}

static struct object *clock_ns(struct thread *thread, struct object **arguments)
{
	(void)arguments;
	return thread__new_integer(thread, (int64_t)(clock__now() - thread->runtime->started_ns));
}

static struct object *fetch(struct thread *thread, struct object **arguments)
{
	struct runtime *runtime = thread->runtime;
	struct parcel *parcel;
	struct object *value;
	int64_t box;

	if (!native__integer(thread, "fetch", arguments[0], 0, MAILBOX_BOXES - 1, &box))
		return NULL;
	if (runtime->settings->fuel) {
		parcel = mailbox__fetch_now(&runtime->mailbox, (uint32_t)box);
		if (!parcel)
			thread__fail(thread, "fetch: box %lld is empty", (long long)box);
	} else {
		runtime->design->detach(thread);
		parcel = mailbox__fetch(&runtime->mailbox, (uint32_t)box, &runtime->stopping);
		runtime->design->attach(thread);
	}
	if (!parcel)
		return NULL;
	value = copy__unpack(thread, parcel);
	parcel__free(parcel);
	return value;
}

/* Keeps a CPU and the lock, as C code does that does not let go of it. */
static struct object *hog(struct thread *thread, struct object **arguments)
{
	const struct runtime *runtime = thread->runtime;
	int64_t microseconds;
	uint64_t end;

	if (!native__integer(thread, "hog", arguments[0], 0, MAX_MICROSECONDS, &microseconds))
		return NULL;
	end = clock__now() + (runtime->settings->fuel ? 0 : (uint64_t)microseconds * 1000);
	while (clock__now() < end && !runtime__stopping(runtime))
		;
	return &object_none;
}

static struct object *interpreter_number(struct thread *thread, struct object **arguments)
{
	(void)arguments;
	return thread__new_integer(thread, thread->interpreter->number);
}

static struct object *post(struct thread *thread, struct object **arguments)
{
	struct parcel *parcel;
	int64_t box;

	if (!native__integer(thread, "post", arguments[0], 0, MAILBOX_BOXES - 1, &box))
		return NULL;
	parcel = copy__pack(thread, arguments[1]);
	if (!parcel)
		return NULL;
	mailbox__post(&thread->runtime->mailbox, (uint32_t)box, parcel);
	return &object_none;
}

static struct object *print(struct thread *thread, struct object **arguments)
{
	const struct bytes *bytes;
	char *text = NULL;
	size_t length = 0;
	FILE *line = open_memstream(&text, &length);

	if (!line)
		return thread__no_memory(thread);
	if (arguments[0]->kind == KIND_STRING && (bytes = ((struct string *)arguments[0])->bytes))
		fwrite(bytes->at, 1, bytes->length, line);
	else
		value__print(thread, line, arguments[0]);
	fclose(line);
	if (!thread->runtime->settings->quiet)
		fprintf(settings__output(thread->runtime->settings), "%.*s\n", (int)length, text ? text : "");
	free(text);
	return &object_none;
}

/* xorshift64*, one sequence for each thread, begun from --seed. */
static struct object *random_below(struct thread *thread, struct object **arguments)
{
	uint64_t x = thread->random ? thread->random : 1;
	int64_t limit;

	if (!native__integer(thread, "random", arguments[0], 1, INT64_MAX, &limit))
		return NULL;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	thread->random = x;
	return thread__new_integer(thread, (int64_t)((x * 0x2545f4914f6cdd1d >> 1) % (uint64_t)limit));
}

/* The integer square root, rounded down, by Newton's method. */
static struct object *root(struct thread *thread, struct object **arguments)
{
	int64_t value, guess, next;

	if (!native__integer(thread, "root", arguments[0], 0, INT64_MAX, &value))
		return NULL;
	for (guess = value, next = value / 2 + (value & 1); next < guess; next = (guess + value / guess) / 2)
		guess = next;
	return thread__new_integer(thread, guess);
}

static struct object *sleep_for(struct thread *thread, struct object **arguments)
{
	struct runtime *runtime = thread->runtime;
	struct pollfd stop = {.fd = runtime->stop_event, .events = POLLIN};
	struct timespec time = {0};
	int64_t microseconds;

	if (!native__integer(thread, "sleep", arguments[0], 0, MAX_MICROSECONDS, &microseconds))
		return NULL;
	if (!runtime->settings->fuel) {
		time.tv_sec = microseconds / 1000000;
		time.tv_nsec = microseconds % 1000000 * 1000;
	}
	runtime->design->detach(thread);
	ppoll(&stop, 1, &time, NULL);
	runtime->design->attach(thread);
	return &object_none;
}

static struct object *threads(struct thread *thread, struct object **arguments)
{
	(void)arguments;
	return thread__new_integer(thread, thread->runtime->settings->threads);
}

const struct native natives[] = {
	{"again", 1, again, "rounds done -> whether there is another one to do (--size, --duration)"},
	{"census", 0, census, "-> objects alive in this interpreter; `free` stops the world for it"},
	{"clock", 0, clock_ns, "-> ns since the run began"},
	{"close", 1, native__close, "connection -> none"},
	{"fetch", 1, fetch, "box -> a copy of the value posted there first; waits without the lock"},
	{"hog", 1, hog, "us -> none; spins and keeps the lock"},
	{"interpreter", 0, interpreter_number, "-> the number of this interpreter"},
	{"matmul", 1, native__matmul, "n -> trace of the product of two n x n matrices; without the lock"},
	{"open", 0, native__open, "-> connection to a client that sends a byte and waits for the answer"},
	{"post", 2, post, "box, value -> none; any interpreter can fetch a copy"},
	{"print", 1, print, "value -> none; a line on stdout"},
	{"random", 1, random_below, "n -> an integer from 0 to n - 1; the same for the same --seed"},
	{"receive", 1, native__receive, "connection -> a byte, or -1 at its end; waits without the lock"},
	{"root", 1, root, "n -> its integer square root"},
	{"send", 2, native__send, "connection, byte -> whether it went; without the lock"},
	{"sleep", 1, sleep_for, "us -> none; without the lock"},
	{"threads", 0, threads, "-> --threads"},
	{0},
};

int64_t native__find(const char *name)
{
	for (int64_t i = 0; natives[i].name; i++)
		if (!strcmp(natives[i].name, name))
			return i;
	return -1;
}
