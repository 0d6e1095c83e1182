/* SPDX-License-Identifier: MIT */
/*
 * A small library in the shape of a CPython, as far as the locator looks: test_locator.c compiles it in many ways.
 * With SPLIT_VARIABLES the GIL is separate static variables, as in 3.6, and the version is a format's argument.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

struct thread_state {
	long id;
};

#ifdef SPLIT_VARIABLES
static pthread_mutex_t switch_mutex, mutex;
static pthread_cond_t switch_cond, cond;
static struct thread_state *volatile last_holder;
static volatile int locked = -1;

/* For the test, where they are: aliases do not change how the code below reaches them. */
extern pthread_mutex_t at_mutex __attribute__((alias("mutex")));
extern pthread_cond_t at_switch_cond __attribute__((alias("switch_cond")));
extern pthread_cond_t at_cond __attribute__((alias("cond")));
extern struct thread_state *volatile at_last_holder __attribute__((alias("last_holder")));
extern volatile int at_locked __attribute__((alias("locked")));

const char *Py_GetVersion(void)
{
	static char version[100];

	snprintf(version, sizeof(version), "%.80s (%.80s)", "3.6.7+", "default");
	return version;
}
#else
const unsigned long Py_Version = 0x030a04f0;

struct {
	long head[16];
	unsigned long interval;
	struct thread_state *volatile last_holder;
	volatile int locked;
	unsigned long switch_number;
	pthread_cond_t cond;
	pthread_mutex_t mutex;
	pthread_cond_t switch_cond;
	pthread_mutex_t switch_mutex;
} _PyRuntime = {.interval = 5000, .locked = -1};

#define locked       _PyRuntime.locked
#define last_holder  _PyRuntime.last_holder
#define cond         _PyRuntime.cond
#define mutex        _PyRuntime.mutex
#define switch_cond  _PyRuntime.switch_cond
#define switch_mutex _PyRuntime.switch_mutex

const char *Py_GetVersion(void)
{
	return "nothing to be found here";
}
#endif

static __attribute__((noinline)) void take_gil(struct thread_state *state)
{
	static volatile int timeouts;
	struct timespec deadline = {0};

	pthread_mutex_lock(&mutex);
	while (locked) {
		if (pthread_cond_timedwait(&cond, &mutex, &deadline) == ETIMEDOUT)
			timeouts++;
	}
	pthread_mutex_lock(&switch_mutex);
	locked = 1;
	last_holder = state;
	pthread_cond_signal(&switch_cond);
	pthread_mutex_unlock(&switch_mutex);
	pthread_mutex_unlock(&mutex);
}

void PyEval_SaveThread(void)
{
	pthread_mutex_lock(&mutex);
	locked = 0;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&mutex);
	pthread_mutex_lock(&switch_mutex);
	pthread_cond_wait(&switch_cond, &switch_mutex);
	pthread_mutex_unlock(&switch_mutex);
}

void PyEval_ReleaseThread(void)
{
	pthread_mutex_lock(&mutex);
	locked = 0;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&mutex);
}

void PyEval_RestoreThread(struct thread_state *state)
{
	take_gil(state);
}

#ifdef PROGRAM
int main(void)
{
	return 0;
}
#endif
