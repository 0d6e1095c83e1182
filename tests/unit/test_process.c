/* SPDX-License-Identifier: MIT */
/* process.h against real processes: this one, children, threads, zombies, the gone and the forbidden. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka.h needs the ones above */
#include <cmocka.h>

#include "user/target/plan.h"
#include "user/target/process.h"
#include "user/target/runtime.h"

/* A child that sleeps until it is killed. */
static pid_t start_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_self(void **state)
{
	struct process *process;
	char exe[4096];
	uint64_t word = 0x1122334455667788, copy = 0;
	ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	(void)state;
	assert_true(length > 0);
	exe[length] = '\0';
	assert_int_equal(process__open(getpid(), &process), 0);
	assert_int_equal(process__pid(process), getpid());
	assert_string_equal(process__exe(process), exe);
	assert_true(process__alive(process));
	assert_true(process__threads(process) >= 1); /* a sanitizer may have one of its own */
	assert_int_equal(process__read(process, (uintptr_t)&word, &copy, sizeof(copy)), 0);
	assert_int_equal(copy, word);
	assert_int_equal(process__read(process, 8, &copy, sizeof(copy)), -EFAULT);
	process__close(process);
}

/* A read that begins in mapped memory and runs out of it must fail as a whole. */
static void test_read_across_the_end(void **state)
{
	struct process *process;
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), copy[16];

	(void)state;
	assert_true(pages != MAP_FAILED);
	munmap(pages + 4096, 4096);
	assert_int_equal(process__open(getpid(), &process), 0);
	assert_int_equal(process__read(process, (uintptr_t)pages + 4096 - 16, copy, sizeof(copy)), 0);
	assert_int_equal(process__read(process, (uintptr_t)pages + 4096 - 8, copy, sizeof(copy)), -EFAULT);
	process__close(process);
	munmap(pages, 4096);
}

static void test_child_that_ends(void **state)
{
	pid_t pid = start_child();
	struct process *process;
	struct mapping *files;
	struct pollfd wait = {.events = POLLIN};
	char byte;

	(void)state;
	assert_int_equal(process__open(pid, &process), 0);
	assert_true(process__alive(process));
	kill(pid, SIGKILL);
	wait.fd = process__pidfd(process);
	assert_int_equal(poll(&wait, 1, 5000), 1);
	assert_false(process__alive(process)); /* a zombie */
	assert_int_equal(process__threads(process), 0);
	waitpid(pid, NULL, 0);
	assert_false(process__alive(process)); /* gone */
	assert_int_equal(process__threads(process), 0);
	assert_int_equal(process__executable_files(process, &files), -ESRCH);
	assert_int_equal(process__read(process, (uintptr_t)&byte, &byte, 1), -ESRCH);
	process__close(process);
}

static void test_zombie(void **state)
{
	struct process *process;
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(process__open(pid, &process), -ESRCH);
	waitpid(pid, NULL, 0);
	assert_int_equal(process__open(pid, &process), -ESRCH);
}

static void test_no_process(void **state)
{
	struct process *process;

	(void)state;
	assert_int_equal(process__open(0, &process), -ESRCH);
	assert_int_equal(process__open(-1, &process), -ESRCH);
	assert_int_equal(process__open(0x3fffffff, &process), -ESRCH); /* above any pid_max */
}

struct sleeper {
	pthread_barrier_t barrier;
	pid_t tid;
};

static void *run_thread(void *context)
{
	struct sleeper *thread = context;

	thread->tid = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&thread->barrier);
	pthread_barrier_wait(&thread->barrier);
	return NULL;
}

/* A thread's number is in /proc and can be given, but is no process. */
static void test_thread(void **state)
{
	struct sleeper thread;
	pthread_t handle;
	struct process *process;
	uint64_t before;

	(void)state;
	assert_int_equal(process__open(getpid(), &process), 0);
	before = process__threads(process);
	pthread_barrier_init(&thread.barrier, NULL, 2);
	assert_int_equal(pthread_create(&handle, NULL, run_thread, &thread), 0);
	pthread_barrier_wait(&thread.barrier);
	assert_int_equal(process__threads(process), before + 1);
	assert_int_equal(process__thread(process, (uint64_t)thread.tid), thread.tid);
	assert_int_equal(process__thread(process, 0), 0);
	assert_int_equal(process__thread(process, 1), 0); /* another process's */
	assert_int_equal(process__thread(process, (1ULL << 32) + (uint64_t)thread.tid), 0);
	process__close(process);
	assert_int_equal(process__open(thread.tid, &process), -ESRCH);
	pthread_barrier_wait(&thread.barrier);
	pthread_join(handle, NULL);
	pthread_barrier_destroy(&thread.barrier);
}

static void test_mappings(void **state)
{
	struct process *process;
	struct mapping *files;
	ssize_t count;
	bool found_self = false;

	(void)state;
	assert_int_equal(process__open(getpid(), &process), 0);
	count = process__executable_files(process, &files);
	assert_true(count >= 2); /* this program and libc */
	for (ssize_t i = 0; i < count; i++) {
		char path[64];
		struct stat status;

		process__mapping_path(process, &files[i], path, sizeof(path));
		if (stat(path, &status) && (errno == EPERM || errno == EACCES))
			skip(); /* map_files wants privilege */
		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(status.st_ino, files[i].inode);
		assert_int_equal(status.st_dev, files[i].device);
		assert_true(files[i].start < files[i].end);
		assert_true(!i || files[i].start > files[i - 1].start);
		found_self |= !strcmp(files[i].path, process__exe(process));
		for (ssize_t j = 0; j < i; j++)
			assert_true(files[i].inode != files[j].inode || files[i].device != files[j].device);
	}
	assert_true(found_self);
	free(files);
	process__close(process);
}

/* Copies a file, with the right to execute it. */
static void copy_file(const char *from, const char *to)
{
	char buffer[65536];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	ssize_t size;

	assert_true(in >= 0 && out >= 0);
	while ((size = read(in, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(out, buffer, (size_t)size), size);
	assert_int_equal(fchmod(out, 0700), 0);
	close(in);
	close(out);
}

/* A program that was deleted since it was started opens through its mapping, whatever took its name. */
static void test_deleted_program(void **state)
{
	char name[] = "/tmp/test-process-XXXXXX", path[64];
	int placeholder = mkstemp(name), ready[2], fd;
	struct process *process;
	struct mapping *files;
	struct stat status;
	ino_t inode;
	ssize_t count;
	pid_t pid;

	(void)state;
	assert_true(placeholder >= 0);
	close(placeholder);
	copy_file("/bin/sleep", name);
	assert_int_equal(stat(name, &status), 0);
	inode = status.st_ino;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		execl(name, name, "60", (char *)NULL);
		_exit(127);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], path, 1), 0); /* closed by the exec */
	close(ready[0]);
	unlink(name);
	assert_int_equal(process__open(pid, &process), 0);
	count = process__executable_files(process, &files);
	assert_true(count >= 1);
	assert_string_equal(files[0].path, name);
	assert_true(files[0].deleted);
	process__mapping_path(process, &files[0], path, sizeof(path));
	fd = open(path, O_RDONLY);
	if (fd >= 0) { /* wants privilege */
		assert_int_equal(fstat(fd, &status), 0);
		assert_int_equal(status.st_ino, inode);
		close(fd);
	}
	free(files);
	process__close(process);
	end_child(pid);
}

/* An ordinary user may not look at root's process, and is told so, not that there is none. */
static void test_forbidden(void **state)
{
	pid_t target, looker;
	int status;

	(void)state;
	if (geteuid())
		skip();
	target = start_child();
	looker = fork();
	assert_true(looker >= 0);
	if (!looker) {
		struct process *process;
		int err;

		if (setgid(65534) || setuid(65534))
			_exit(2);
		err = process__open(target, &process);
		_exit(err == -EPERM || err == -EACCES ? 0 : 1);
	}
	assert_int_equal(waitpid(looker, &status, 0), looker);
	end_child(target);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_no_runtime(void **state)
{
	static struct probe_plan plan;
	struct process *process;
	pid_t pid = start_child();
	char why[512], expected[64];

	(void)state;
	assert_int_equal(process__open(pid, &process), 0);
	assert_int_equal(runtime__plan(process, &plan, why, sizeof(why)), geteuid() ? -EPERM : -ENOENT);
	snprintf(expected, sizeof(expected), "process %d", (int)pid);
	assert_non_null(strstr(why, expected));
	assert_null(strchr(why, '\n'));
	end_child(pid);
	assert_int_equal(runtime__plan(process, &plan, why, sizeof(why)), -ESRCH);
	assert_non_null(strstr(why, "ended"));
	process__close(process);
}

/* Starts a Python that prints a line once it runs two threads; 0: there is none. */
static pid_t start_python(const char *python)
{
	static const char program[] = "import threading, time\n"
				      "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
				      "print(flush=True)\n"
				      "time.sleep(60)\n";
	int output[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(output[1], 1);
		execl(python, python, "-S", "-c", program, (char *)NULL);
		_exit(127);
	}
	close(output[1]);
	if (read(output[0], &byte, 1) != 1) {
		end_child(pid);
		pid = 0;
	}
	close(output[0]);
	return pid;
}

/* A live interpreter: its plan's sites are in its memory as they are in its file, and its lock is found and makes
 * sense. */
static void test_python(void **state)
{
	static struct probe_plan plan;
	const char *python = *state;
	struct process *process;
	pid_t pid = start_python(python);
	char why[512], line[256];
	uint64_t lock;

	if (!pid)
		skip();
	assert_int_equal(process__open(pid, &process), 0);
	if (runtime__plan(process, &plan, why, sizeof(why))) {
		print_message("# %s\n", why);
		end_child(pid);
		process__close(process);
		if (geteuid())
			skip();
		fail();
	}
	assert_string_equal(plan.runtime, "cpython");
	for (size_t i = 0; i < plan.site_count; i++) {
		unsigned char opcode;

		assert_int_equal(process__read(process, plan.load_bias + plan.sites[i].address, &opcode, 1), 0);
		if (plan.sites[i].event != PROBE_WAITED)
			assert_true(opcode == 0xe8 || opcode == 0xe9);
	}
	assert_int_equal(plan.adapter->main_lock(process, &plan, &lock), 0);
	assert_int_equal(plan.adapter->describe(process, &plan, lock, line, sizeof(line)), 0);
	print_message("# %s %s: %s\n", python, plan.version, line);
	assert_non_null(strstr(line, "held by thread")); /* "free, last held by" while all sleep */
	if (strncmp(plan.version, "3.6.", 4))            /* there it is a variable of its own */
		assert_non_null(strstr(line, "interval 5 ms"));
	assert_int_equal(plan.adapter->interpreter(process, &plan, lock), 0);
	process__close(process);
	end_child(pid);
}

#define MAX_PYTHONS 16

/* The interpreters at hand: the system's and pyenv's. */
static size_t find_pythons(char paths[MAX_PYTHONS][256])
{
	static const char *const versions[] = {"3.6.15",  "3.7.16", "3.8.18", "3.9.18",
					       "3.10.13", "3.11.7", "3.12.1", "3.13.0"};
	const char *root = getenv("PYENV_ROOT"), *home = getenv("HOME");
	size_t count = 0;

	snprintf(paths[count++], 256, "/usr/bin/python3.11");
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++)
		snprintf(paths[count++], 256, "%s%s/versions/%s/bin/python3",
			 root   ? root
			 : home ? home
				: "",
			 root ? "" : "/.pyenv", versions[i]);
	return count;
}

int main(void)
{
	static char pythons[MAX_PYTHONS][256];
	static struct CMUnitTest tests[MAX_PYTHONS + 16];
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_read_across_the_end),
		cmocka_unit_test(test_child_that_ends),
		cmocka_unit_test(test_zombie),
		cmocka_unit_test(test_no_process),
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_mappings),
		cmocka_unit_test(test_deleted_program),
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_no_runtime),
	};
	size_t count = 0, python_count = find_pythons(pythons);

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		tests[count++] = others[i];
	for (size_t i = 0; i < python_count; i++)
		tests[count++] =
			(struct CMUnitTest){.name = pythons[i], .test_func = test_python, .initial_state = pythons[i]};
	return _cmocka_run_group_tests("process", tests, count, NULL, NULL);
}
