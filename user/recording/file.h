/* SPDX-License-Identifier: MIT */
/*
 * The file of a recording while it is written: whole chunks, one after the other. With a greatest size the oldest
 * segments are left out, so that it never is larger; what is under the name is readable at every moment.
 */
#ifndef GILTRACE_RECORDING_FILE_H
#define GILTRACE_RECORDING_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/protobuf/writer.h"

#define RECORDING_MIN_SIZE (64U << 10) /* the least greatest size, in bytes */

struct recording_file;

/*
 * Opens a file that is to become the recording `path`: beside it until the first chunk is written. "-" is stdout; what
 * exists and is no regular file is written in place. `max_size` in bytes; 0: none. 0 or -errno; -EINVAL: a greatest
 * size of what is no regular file.
 */
int recording_file__open(const char *path, uint64_t max_size, struct recording_file **out);

/* Whether the next chunk should begin a segment, so that those before it can be left out. */
bool recording_file__wants_segment(const struct recording_file *file);

/*
 * Appends a chunk (chunk.h), or two of which none should be without the other; the first begins a segment. 0, or -errno
 * with the file as it was before, so that the same can be tried again. -EFBIG: it is larger than the greatest size.
 */
int recording_file__append(struct recording_file *file, const struct bytes *chunk, bool begins_segment);

/* Bytes that it has now. */
uint64_t recording_file__size(const struct recording_file *file);

/* Makes sure that it is on the disk. 0 or -errno. */
int recording_file__sync(struct recording_file *file);

/* Removes the file and closes it. */
void recording_file__discard(struct recording_file *file);

/* Removes what has no chunk yet. Takes NULL. */
void recording_file__close(struct recording_file *file);

#endif
