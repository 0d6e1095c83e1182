/* SPDX-License-Identifier: MIT */
/* A report's file: see output.h. */
#include "user/report/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* /dev/stdout and the like may lead to a regular file, but mean the open descriptor. */
static bool is_descriptor(const char *path)
{
	return !strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6);
}

static int open_in_place(struct output *output, const char *path)
{
	output->stream = strcmp(path, "-") ? fopen(path, "we") : stdout;
	return output->stream ? 0 : -errno;
}

/* A symbolic link keeps pointing: the file that it names is replaced. */
static int resolve(struct output *output, const char *path)
{
	char real[PATH_MAX];
	const char *from = realpath(path, real) ? real : path;

	if (snprintf(output->path, sizeof(output->path), "%s", from) >= (int)sizeof(output->path) ||
	    snprintf(output->beside, sizeof(output->beside), "%s.XXXXXX", from) >= (int)sizeof(output->beside))
		return -ENAMETOOLONG;
	return 0;
}

int output__open(struct output *output, const char *path)
{
	struct stat status;
	mode_t mask;
	int fd, err;

	*output = (struct output){0};
	if (!strcmp(path, "-") || is_descriptor(path) || (!stat(path, &status) && !S_ISREG(status.st_mode)))
		return open_in_place(output, path);
	err = resolve(output, path);
	if (err)
		return err;
	fd = mkostemp(output->beside, O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		output->beside[0] = '\0';
		return err;
	}
	mask = umask(0);
	umask(mask);
	fchmod(fd, 0666 & ~mask);
	output->stream = fdopen(fd, "w");
	return output->stream ? 0 : -errno;
}

int output__publish(struct output *output)
{
	if (fflush(output->stream) || (output->beside[0] && rename(output->beside, output->path)))
		return -errno;
	output->beside[0] = '\0';
	return 0;
}

int output__commit(struct output *output)
{
	FILE *stream = output->stream;
	int err = 0;

	if (!stream)
		return -EBADF;
	errno = 0;
	if (fflush(stream) || ferror(stream) || (output->beside[0] && fsync(fileno(stream))))
		err = errno ? -errno : -EIO;
	if (stream != stdout && fclose(stream) && !err)
		err = errno ? -errno : -EIO;
	output->stream = NULL;
	if (!err && output->beside[0] && rename(output->beside, output->path))
		err = -errno;
	if (!err)
		output->beside[0] = '\0';
	output__abandon(output);
	return err;
}

void output__abandon(struct output *output)
{
	if (output->stream && output->stream != stdout)
		fclose(output->stream);
	output->stream = NULL;
	if (output->beside[0])
		unlink(output->beside);
	output->beside[0] = '\0';
}
