/* SPDX-License-Identifier: MIT */
/* giltrace: reads the command line and calls the subcommand. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/giltrace/commands.h"
#include "tools/giltrace/progress.h"
#include "user/report/safe_text.h"

void complain(const char *format, ...)
{
	char message[4096], safe[SAFE_TEXT_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	progress__hide();
	fprintf(stderr, "giltrace: %s\n", safe_text(safe, sizeof(safe), message)); /* it may name the target's files */
}

int status_of(int err)
{
	switch (err) {
	case -ESRCH:
	case -ENOENT:
	case -ENODATA:
		return STATUS_NO_TARGET;
	case -EPERM:
	case -EACCES:
		return STATUS_PERMISSION;
	default:
		return STATUS_FAILURE;
	}
}

static int print_all(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	progress__hide();
	return vfprintf(stderr, format, arguments);
}

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

/* A closed stdin, stdout or stderr must not become the number of a file that is opened later. */
static bool keep_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	struct options options;
	int status;

	if (!keep_standard_descriptors())
		return STATUS_FAILURE;
	signal(SIGPIPE, SIG_IGN); /* a reader that went away is a write error, told as such */
	status = options__parse(&options, argc, argv);
	if (status != -1)
		return status;
	libbpf_set_print(options.verbose ? print_all : print_nothing);
	switch (options.subcommand) {
	case COMMAND_DOCTOR:
		return command_doctor(&options);
	case COMMAND_REPORT:
		return command_report(&options);
	case COMMAND_DIFF:
		return command_diff(&options);
	case COMMAND_TOP:
		return command_top(&options);
	case COMMAND_TRACE:
	case COMMAND_RECORD:
		break;
	}
	return command_trace(&options);
}
