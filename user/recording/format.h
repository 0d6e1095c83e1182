/* SPDX-License-Identifier: MIT */
/*
 * What a recording is made of: docs/recording.md has it byte by byte. A file header, then chunks; a chunk of type STATE
 * holds what changed since the one before, as a protocol buffers message.
 */
#ifndef GILTRACE_RECORDING_FORMAT_H
#define GILTRACE_RECORDING_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define RECORDING_MAGIC   "\x89GILT\r\n\x1a" /* damaged by what takes it for a text */
#define RECORDING_VERSION 1

#define RECORDING_HEADER_SIZE 16 /* magic, version, CRC-32 of these */
#define CHUNK_HEADER_SIZE     20 /* type, number, stored size, plain size, CRC-32 of these and of what is stored */

#define CHUNK_STATE  0x54415453 /* "STAT" */
#define CHUNK_EVENTS 0x544e5645 /* "EVNT" */

/* What a reader takes. The tests of the reader have less. */
#ifndef RECORDING_MAX_CHUNK
#define RECORDING_MAX_CHUNK (256U << 20) /* bytes of a chunk when it is plain */
#endif
#ifndef RECORDING_MAX_MODEL
#define RECORDING_MAX_MODEL (2ULL << 30) /* bytes of memory for what all chunks tell */
#endif
#define RECORDING_MAX_TEXT  65536
#define RECORDING_MAX_DEPTH 4096 /* frames of a stack */
#define RECORDING_MAX_WORDS 64   /* names of runtimes and designs */

/* zlib's best is 1032 : 1. */
#define RECORDING_MAX_RATIO 1032

/* The numbers of the fields of each message. */
enum state_field {
	STATE_SEGMENT = 1, /* what was told before is not referred to from here on */
	STATE_WINDOW,
	STATE_FRAME, /* numbered from 0 within the segment */
	STATE_STACK, /* numbered from 1; packed numbers of frames, the leaf first */
	STATE_PROCESS,
	STATE_GIL,
	STATE_THREAD,
	STATE_BLAME,
	STATE_POINT,
	STATE_HOG,
};

enum window_field {
	WINDOW_START = 1, /* of the trace */
	WINDOW_FROM,      /* of this chunk, since that, */
	WINDOW_TO,        /* and its end */
	WINDOW_LEVEL,
	WINDOW_SCOPE,
	WINDOW_STACKS,
	WINDOW_END, /* 1 + enum trace_end, in the last chunk */
	WINDOW_COST,
	WINDOW_LONGEST,
	WINDOW_BUDGET,
	WINDOW_COVERAGE,
	WINDOW_ERROR,
	WINDOW_FACTOR,
	WINDOW_PID,
	WINDOW_PID_IN_NAMESPACE,
	WINDOW_EXE,
	WINDOW_RUNTIME,
	WINDOW_VERSION,
	WINDOW_DESIGN,
	/* From 20 on counters, and from 50 on other values. */
	WINDOW_WAITS_COVERAGE = 50,
	WINDOW_WAITS_ERROR,
	WINDOW_WAITS_FACTOR,
	WINDOW_EVENTS,
};

enum frame_field { FRAME_NAME = 1, FRAME_FILE, FRAME_LINE, FRAME_KIND_OF };

enum process_field {
	PROCESS_NUMBER = 1,
	PROCESS_PID,
	PROCESS_PID_IN_NAMESPACE,
	PROCESS_PARENT,
	PROCESS_EXE,
	PROCESS_RUNTIME,
	PROCESS_VERSION,
	PROCESS_DESIGN,
	PROCESS_START,
	PROCESS_END,
	PROCESS_FLAGS,
	PROCESS_DURATION,
};

enum process_flag { PROCESS_FROM_START = 1, PROCESS_IN_WINDOWS = 2, PROCESS_REFUTED = 4 };

/* These are the same in all messages that have them. */
enum key_field {
	KEY_PROCESS = 1,
	KEY_PID,
	KEY_GIL,
	KEY_TID, /* of a blame: the waiter */
	KEY_HOLDER,
	KEY_STACK,
	KEY_WAITER_STACK,
};

enum gil_field { GIL_INTERPRETER = 8, GIL_HANDOFF, GIL_ATTEMPTS };

enum thread_field { THREAD_NAME = 8, THREAD_ENDED, THREAD_WAIT, THREAD_HOLD };

enum hog_field { HOG_WAITERS = 8, HOG_SYSCALL };

enum distribution_field { DISTRIBUTION_MIN = 1, DISTRIBUTION_MAX, DISTRIBUTION_BUCKETS };

/* Single events; stacks are those of the segment, all else is of this payload. */
enum events_field {
	EVENTS_START = 1, /* times begin here; CLOCK_MONOTONIC ns */
	EVENTS_THREAD,    /* keys of a thread, numbered from 0 */
	EVENTS_COLUMNS,   /* the first of the columns: packed numbers, one of each event that has it */
};

/* Apart they are packed better than in rows: by what they are, they have much in common. */
enum events_column {
	COLUMN_HEAD, /* the thread and the kind */
	COLUMN_START,
	COLUMN_END,
	COLUMN_STACK,
	COLUMN_WAITER_STACK, /* of waits: this and the two that follow */
	COLUMN_HOLDER,
	COLUMN_FAILED,
	COLUMN_WAITERS, /* of holds */
	EVENTS_COLUMN_COUNT,
};

enum packed_kind { PACKED_WAIT, PACKED_HOLD, PACKED_FORCED_HOLD, PACKED_KINDS = 4 };

/* A counter of a message: 64 bits at a place in the struct that the message is of. What is told is the difference. */
struct counter {
	uint32_t field;
	size_t offset;
};

#define COUNTERS_END \
	{            \
		0, 0 \
	}

/* Each list ends with field 0. */
extern const struct counter window_counters[]; /* of struct trace */
extern const struct counter process_counters[], gil_counters[], thread_counters[];
extern const struct counter blame_counters[], point_counters[], hog_counters[];
extern const struct counter distribution_counters[];

/* The counter with this field, or NULL. */
const struct counter *counter__find(const struct counter *list, uint32_t field);

#endif
