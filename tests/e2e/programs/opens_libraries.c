/* SPDX-License-Identifier: MIT */
/* Usage: SECONDS. Opens and closes a library all the time, in two threads and a child. Exits with 0 if all went well.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double until;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void *open_and_close(void *ignored)
{
	(void)ignored;
	while (now() < until) {
		void *library = dlopen("libutil.so.1", RTLD_NOW);

		if (!library || dlclose(library))
			exit(1);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int status = 0;
	pid_t child;

	until = now() + (argc > 1 ? atof(argv[1]) : 1);
	child = fork();
	if (child < 0 || pthread_create(&thread, NULL, open_and_close, NULL))
		return 1;
	open_and_close(NULL);
	pthread_join(thread, NULL);
	if (child)
		waitpid(child, &status, 0);
	return status ? 2 : 0;
}
