/* SPDX-License-Identifier: MIT */
/* The file of a recording: see file.h. */
#include "user/recording/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/recording/chunk.h"
#include "user/report/output.h"

#define SEGMENTS_OF_SIZE 8 /* a segment has the greatest size's 8th part, about; half of all at least is kept */
#define COPY_SIZE        65536

struct recording_file {
	struct output output;
	bool in_place;     /* no regular file: written on and on */
	bool is_broken;    /* a part of a chunk was written in place: nothing can come after it */
	uint64_t max_size; /* 0: none */
	uint64_t size;
	size_t segment_count;
	uint64_t *segments; /* where they begin */
};

/* Writes all; at an offset, or at the end of a pipe. What came before an error is told in *written. */
static int write_all(int fd, const unsigned char *data, size_t size, bool in_place, uint64_t offset, size_t *written)
{
	for (*written = 0; *written < size;) {
		ssize_t done = in_place ? write(fd, data + *written, size - *written)
					: pwrite(fd, data + *written, size - *written, (off_t)(offset + *written));

		if (done < 0 && errno != EINTR)
			return -errno;
		*written += done > 0 ? (size_t)done : 0;
	}
	return 0;
}

static int descriptor_of(const struct recording_file *file)
{
	return fileno(file->output.stream);
}

/* Writes at the end; nothing of it stays after an error. */
static int write_at_end(struct recording_file *file, const void *data, size_t size)
{
	size_t written;
	int err;

	if (file->is_broken)
		return -EPIPE;
	err = write_all(descriptor_of(file), data, size, file->in_place, file->size, &written);
	if (err && file->in_place)
		file->is_broken = written > 0;
	else if (err && ftruncate(descriptor_of(file), (off_t)file->size))
		file->is_broken = true;
	if (!err)
		file->size += size;
	return err;
}

static int write_header(struct recording_file *file)
{
	unsigned char header[RECORDING_HEADER_SIZE];

	chunk__write_header(header);
	return write_at_end(file, header, sizeof(header));
}

int recording_file__open(const char *path, uint64_t max_size, struct recording_file **out)
{
	struct recording_file *file = calloc(1, sizeof(*file));
	int err = file ? output__open(&file->output, path) : -ENOMEM;

	if (err) {
		free(file);
		return err;
	}
	file->in_place = !file->output.beside[0];
	file->max_size = max_size;
	if (max_size && file->in_place)
		err = -EINVAL;
	if (err) {
		recording_file__close(file);
		return err;
	}
	*out = file;
	return 0;
}

/* The first segment that stays when there must be room for `more` bytes: those before it make place. */
static size_t first_to_keep(const struct recording_file *file, uint64_t more)
{
	size_t last = file->segment_count - 1;

	for (size_t i = 0; i < last; i++)
		if (file->size - file->segments[i] + RECORDING_HEADER_SIZE + more <= file->max_size / 2)
			return i;
	return last;
}

static int copy_rest(const struct recording_file *from, uint64_t offset, struct recording_file *to)
{
	unsigned char buffer[COPY_SIZE];

	while (offset < from->size) {
		size_t wanted = from->size - offset < COPY_SIZE ? (size_t)(from->size - offset) : COPY_SIZE;
		ssize_t got = pread(descriptor_of(from), buffer, wanted, (off_t)offset);
		int err;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		err = write_at_end(to, buffer, (size_t)got);
		if (err)
			return err;
		offset += (uint64_t)got;
	}
	return 0;
}

/* Leaves out the segments before `first`: what stays is copied beside and takes the place of the file. */
static int leave_out(struct recording_file *file, size_t first)
{
	struct recording_file kept = {.max_size = file->max_size};
	uint64_t offset = file->segments[first];
	int err = output__open(&kept.output, file->output.path);

	if (!err)
		err = write_header(&kept);
	if (!err)
		err = copy_rest(file, offset, &kept);
	if (!err)
		err = output__publish(&kept.output);
	if (err) {
		output__abandon(&kept.output);
		return err;
	}
	fclose(file->output.stream);
	file->output = kept.output;
	file->size = kept.size;
	file->segment_count -= first;
	for (size_t i = 0; i < file->segment_count; i++)
		file->segments[i] = file->segments[first + i] - offset + RECORDING_HEADER_SIZE;
	return 0;
}

bool recording_file__wants_segment(const struct recording_file *file)
{
	return file->max_size && file->segment_count &&
	       file->size - file->segments[file->segment_count - 1] >= file->max_size / SEGMENTS_OF_SIZE;
}

/* Leaves out segments until `more` bytes have room. The last one is needed by what comes. */
static int make_room(struct recording_file *file, uint64_t more)
{
	size_t first = first_to_keep(file, more);

	if (file->size - file->segments[first] + RECORDING_HEADER_SIZE + more > file->max_size)
		return -EFBIG;
	return leave_out(file, first);
}

/* A segment that begins with the next chunk. */
static int begin_segment(struct recording_file *file)
{
	uint64_t *grown = realloc(file->segments, (file->segment_count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	file->segments = grown;
	file->segments[file->segment_count++] = file->size;
	return 0;
}

int recording_file__append(struct recording_file *file, const struct bytes *chunk, bool begins_segment)
{
	int err = file->size ? 0 : write_header(file);
	uint64_t before;

	if (!err && begins_segment)
		err = begin_segment(file);
	if (err)
		return err;
	if (file->max_size && file->size + chunk->size > file->max_size)
		err = make_room(file, chunk->size);
	before = file->size;
	if (!err)
		err = write_at_end(file, chunk->data, chunk->size);
	if (!err && file->output.beside[0])
		err = output__publish(&file->output);
	if (err) {
		file->size = before;
		file->segment_count -= begins_segment;
	}
	return err;
}

uint64_t recording_file__size(const struct recording_file *file)
{
	return file->size;
}

int recording_file__sync(struct recording_file *file)
{
	return file->in_place || !fsync(descriptor_of(file)) ? 0 : -errno;
}

void recording_file__discard(struct recording_file *file)
{
	if (!file->in_place && !file->output.beside[0])
		unlink(file->output.path);
	recording_file__close(file);
}

void recording_file__close(struct recording_file *file)
{
	if (!file)
		return;
	output__abandon(&file->output);
	free(file->segments);
	free(file);
}
