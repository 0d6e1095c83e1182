/* SPDX-License-Identifier: MIT */
/* A small library in the shape of CPython 2.7, as far as the locator looks: test_locator.c compiles it in many ways. */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

static void *interpreter_lock;

/* For the test, where it is: an alias does not change how the code below reaches it. */
extern void *at_interpreter_lock __attribute__((alias("interpreter_lock")));

void *_PyThreadState_Current;
int _Py_CheckInterval = 100;

const char *Py_GetVersion(void)
{
	static char version[100];

	snprintf(version, sizeof(version), "%.80s (%.80s)", "2.7.18+", "default");
	return version;
}

static int fix_status(int status)
{
	return status == -1 ? errno : status;
}

int PyThread_acquire_lock(void *lock, int wait)
{
	int status;

	do {
		if (wait)
			status = fix_status(sem_wait(lock));
		else
			status = fix_status(sem_trywait(lock));
	} while (status == EINTR);
	if (wait && status)
		perror("sem_wait");
	return status == 0;
}

void PyThread_release_lock(void *lock)
{
	if (sem_post(lock))
		perror("sem_post");
}

void PyEval_InitThreads(void)
{
	interpreter_lock = malloc(sizeof(sem_t));
	sem_init(interpreter_lock, 0, 1);
}

void PyEval_ReleaseLock(void)
{
	PyThread_release_lock(interpreter_lock);
}

void *PyEval_SaveThread(void)
{
	PyThread_release_lock(interpreter_lock);
	return _PyThreadState_Current;
}

void PyEval_RestoreThread(void *state)
{
	PyThread_acquire_lock(interpreter_lock, 1);
	_PyThreadState_Current = state;
}

#ifdef PROGRAM
int main(void)
{
	PyEval_InitThreads();
	PyEval_RestoreThread(NULL);
	PyEval_ReleaseLock();
	return 0;
}
#endif
