/* SPDX-License-Identifier: MIT */
/*
 * Usage: THREADS CYCLES. A program in the shape of a free-threaded CPython 3.14: its lock has `enabled` before its
 * other fields, and is taken and released by each thread CYCLES times; with PYTHON_GIL=1 only. The real thing's words
 * of _Py_DebugOffsets, structures of its sizes, and take_gil() and drop_gil() of its shape.
 *
 * With OTHER_SHAPE it is a version to come whose lock keeps its mutex elsewhere, which its words do not tell.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct gil {
	int enabled;
	unsigned long interval;
	void *last_holder;
	int locked;
	unsigned long switch_number;
	pthread_cond_t cond;
#ifdef OTHER_SHAPE
	long new_field;
#endif
	pthread_mutex_t mutex;
	pthread_cond_t switch_cond;
	pthread_mutex_t switch_mutex;
};

struct interpreter {
	uint64_t pad;
	uint64_t limit;
	struct gil *gil; /* 16 */
	int own_gil;
	char until_next[7272 - 32];
	struct interpreter *next; /* 7272 */
	int64_t id;
	char until_gil[7808 - 7288];
	struct gil own;
	char rest[249976 - 7808 - sizeof(struct gil)];
};

struct thread_state {
	struct thread_state *prev, *next_state;
	struct interpreter *interpreter; /* 16 */
	char until_ids[152 - 24];
	unsigned long thread_id, native_thread_id;
	char rest[832 - 168];
};

#ifdef OTHER_SHAPE
#define VERSION 0x031100f0
#else
#define VERSION 0x030e00f0
#endif

const unsigned long Py_Version = VERSION;

struct {
	uint64_t offsets[101];
	struct interpreter *head, *main; /* 808 */
	char rest[365624 - 824];
} _PyRuntime = {.offsets = {0x7970677562656478 /* "xdebugpy" */, VERSION, 1, 365624, 784, 808, 249976, 7280,
			    7272, [15] = 16, 7808, 0, 7832, 7824, [22] = 832, [25] = 16,
#ifdef OTHER_SHAPE
			    [30] = 152, 160}
#else
			    [27] = 152, 160}
#endif
};

static struct interpreter interpreter = {.gil = &interpreter.own, .own_gil = 1};
static pthread_mutex_t *const mutex = &interpreter.own.mutex;

const char *Py_GetVersion(void)
{
	return "3.14.0";
}

__attribute__((noinline)) static void take_gil(struct thread_state *state)
{
	struct gil *gil = state->interpreter->gil;

	if (!gil->enabled)
		return;
	pthread_mutex_lock(mutex);
	while (gil->locked) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 5000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		if (pthread_cond_timedwait(&gil->cond, mutex, &until) == ETIMEDOUT)
			__asm__ volatile("" ::: "memory");
	}
	pthread_mutex_lock(&gil->switch_mutex);
	gil->locked = 1;
	if (gil->last_holder != state) {
		gil->last_holder = state;
		gil->switch_number++;
	}
	pthread_cond_signal(&gil->switch_cond);
	pthread_mutex_unlock(&gil->switch_mutex);
	pthread_mutex_unlock(mutex);
}

__attribute__((noinline)) static void drop_gil(struct thread_state *state)
{
	struct gil *gil = state->interpreter->gil;

	if (!gil->enabled)
		return;
	pthread_mutex_lock(mutex);
	gil->last_holder = state;
	gil->locked = 0;
	pthread_cond_signal(&gil->cond);
	pthread_mutex_unlock(mutex);
}

void *PyEval_SaveThread(void)
{
	return NULL;
}

void PyEval_RestoreThread(struct thread_state *state)
{
	take_gil(state);
}

static int cycles;

static void *work(void *argument)
{
	struct thread_state *state = calloc(1, sizeof(*state));

	(void)argument;
	state->interpreter = &interpreter;
	state->thread_id = (unsigned long)pthread_self();
	state->native_thread_id = (unsigned long)syscall(SYS_gettid);
	for (int i = 0; i < cycles; i++) {
		take_gil(state);
		for (volatile int j = 0; j < 200; j++)
			;
		drop_gil(state);
	}
	return NULL; /* the state stays, as the lock names it */
}

int main(int argc, char **argv)
{
	const char *gil = getenv("PYTHON_GIL");
	int threads = argc > 2 ? atoi(argv[1]) : 1;
	pthread_t started[64];
	char line[16];

	cycles = argc > 2 ? atoi(argv[2]) : 1;
	interpreter.own.enabled = gil && *gil == '1';
	interpreter.own.interval = 5000;
	pthread_mutex_init(mutex, NULL);
	_PyRuntime.head = _PyRuntime.main = &interpreter;
	if (argc > 3 && (write(1, "ready\n", 6) < 0 || read(0, line, sizeof(line)) < 0))
		return 1;
	for (int i = 0; i < threads; i++)
		pthread_create(&started[i], NULL, work, NULL);
	for (int i = 0; i < threads; i++)
		pthread_join(started[i], NULL);
	return 0;
}
