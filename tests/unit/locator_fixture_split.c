/* SPDX-License-Identifier: MIT */
/*
 * take_gil and drop_gil as a compiler splits them (gcc -O2): what is marked as cold goes to a fragment of its own,
 * take_gil.cold. With COLD_WAIT that is the wait for the lock, as after training with one thread; with COLD_DROP the
 * release of a thread that must exit, which gets the lock and lets it go within take_gil.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

const unsigned long Py_Version = 0x030a04f0;

struct gil {
	unsigned long interval;
	void *last_holder;
	volatile int locked;
	unsigned long switch_number;
	pthread_cond_t cond;
	pthread_mutex_t mutex;
	pthread_cond_t switch_cond;
	pthread_mutex_t switch_mutex;
};

struct {
	long head[16];
	struct gil gil;
} _PyRuntime;

volatile int must_exit, timeouts;

/* What leads to the call of a cold function is cold. */
#ifdef COLD_WAIT
__attribute__((cold, noinline)) void wait_is_rare(void)
{
	timeouts = 0;
}
#else
#define wait_is_rare()
#endif
#ifdef COLD_DROP
__attribute__((cold, noinline)) void exit_is_rare(void)
{
	must_exit = 2;
}
#else
#define exit_is_rare()
#endif

const char *Py_GetVersion(void)
{
	return "nothing to be found here";
}

static inline __attribute__((always_inline)) void drop_gil(struct gil *gil)
{
	pthread_mutex_lock(&gil->mutex);
	gil->locked = 0;
	pthread_cond_signal(&gil->cond);
	pthread_mutex_unlock(&gil->mutex);
}

__attribute__((noinline)) static void take_gil(struct gil *gil, void *state)
{
	struct timespec deadline = {0};

	pthread_mutex_lock(&gil->mutex);
	if (gil->locked)
		goto wait;
go_on:
	pthread_mutex_lock(&gil->switch_mutex);
	gil->locked = 1;
	gil->last_holder = state;
	pthread_cond_signal(&gil->switch_cond);
	pthread_mutex_unlock(&gil->switch_mutex);
	pthread_mutex_unlock(&gil->mutex);
	if (must_exit)
		goto leave;
	return;
wait:
	wait_is_rare();
	do {
		if (pthread_cond_timedwait(&gil->cond, &gil->mutex, &deadline) == ETIMEDOUT)
			timeouts++;
	} while (gil->locked);
	goto go_on;
leave:
	exit_is_rare();
	drop_gil(gil);
	pthread_exit(NULL);
}

void PyEval_SaveThread(struct gil *gil)
{
	drop_gil(gil);
	pthread_mutex_lock(&gil->switch_mutex);
	pthread_cond_wait(&gil->switch_cond, &gil->switch_mutex);
	pthread_mutex_unlock(&gil->switch_mutex);
}

void PyEval_RestoreThread(void *state)
{
	take_gil(&_PyRuntime.gil, state);
}

#ifdef PROGRAM
int main(void)
{
	return 0;
}
#endif
