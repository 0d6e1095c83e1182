/* SPDX-License-Identifier: MIT */
/*
 * The events of a lock's life (docs/design.md): for each a USDT probe of provider `gil`, and an entry in the books.
 *
 * The probes' arguments are in fixed registers, so that a tracer needs no argument parser: the lock's address in %rdi,
 * the struct thread in %rbx (not at `switched`), and at `waited` the result of the sleep in %eax, where CPython's
 * compiled code has it, too. A probe is a one-byte
 * nop, which the kernel's uprobes emulate, and a note in .note.stapsdt; untraced it costs nothing else. The notes are
 * written here by hand: <sys/sdt.h> lets the compiler choose where an argument is.
 */
#ifndef TOYGIL_EVENTS_H
#define TOYGIL_EVENTS_H

#include "tools/toygil/books.h"
#include "tools/toygil/clock.h"
#include "tools/toygil/lock.h"
#include "tools/toygil/thread.h"

#if defined(__x86_64__)
#define EVENT_NOTE(name, arguments)                                                          \
	"990:	nop\n"                                                                         \
	"	.pushsection .note.stapsdt,\"?\",\"note\"\n"                                       \
	"	.balign 4\n"                                                                       \
	"	.4byte 992f-991f, 994f-993f, 3\n" /* lengths of name and descriptor, type */ \
	"991:	.asciz \"stapsdt\"\n"                                                          \
	"992:	.balign 4\n"                                                                   \
	"993:	.8byte 990b\n"           /* the nop */                                       \
	"	.8byte _.stapsdt.base\n" /* tells how far prelink moved it */                \
	"	.8byte 0\n"              /* no semaphore */                                  \
	"	.asciz \"gil\"\n"                                                                  \
	"	.asciz \"" name "\"\n"                                                       \
	"	.asciz \"" arguments "\"\n"                                                  \
	"994:	.balign 4\n"                                                                   \
	"	.popsection\n"                                                                     \
	".ifndef _.stapsdt.base\n"                                                           \
	"	.pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"             \
	"	.weak _.stapsdt.base\n"                                                            \
	"	.hidden _.stapsdt.base\n"                                                          \
	"_.stapsdt.base: .space 1\n"                                                         \
	"	.size _.stapsdt.base, 1\n"                                                         \
	"	.popsection\n"                                                                     \
	".endif\n"

/* "memory": what the runtime wrote before the event is in place when a tracer looks. */
#define EVENT(name, lock) __asm__ volatile(EVENT_NOTE(name, "8@%%rdi") : : "D"(lock) : "memory")
#define EVENT_OF(name, lock, thread) \
	__asm__ volatile(EVENT_NOTE(name, "8@%%rdi 8@%%rbx") : : "D"(lock), "b"(thread) : "memory")
#define EVENT_MUTEX(name, lock, thread)                                \
	__asm__ volatile(EVENT_NOTE(name, "8@%%rdi 8@%%rbx 8@%%rsi")   \
			 :                                             \
			 : "D"(lock), "b"(thread), "S"(&(lock)->mutex) \
			 : "memory")
#define EVENT_RESULT(name, lock, thread, result)                      \
	__asm__ volatile(EVENT_NOTE(name, "8@%%rdi 8@%%rbx -4@%%eax") \
			 :                                            \
			 : "D"(lock), "b"(thread), "a"(result)        \
			 : "memory")
#else
#define EVENT(name, lock)                        ((void)(lock))
#define EVENT_OF(name, lock, thread)             ((void)(lock), (void)(thread))
#define EVENT_MUTEX(name, lock, thread)          ((void)(lock), (void)(thread))
#define EVENT_RESULT(name, lock, thread, result) ((void)(lock), (void)(thread), (void)(result))
#endif

#define BOOKS_KEPT(thread) __builtin_expect((thread)->books != NULL, 0)

/*
 * The time of an event is the middle of its probe: a tracer looks at the clock somewhere within, and the probe itself
 * takes time once it is traced. What the books make of it comes after.
 */
static inline __attribute__((always_inline)) uint64_t before_event(const struct thread *thread)
{
	return BOOKS_KEPT(thread) ? clock__now() : 0;
}

static inline uint64_t middle_of_event(struct books *books, uint64_t before)
{
	uint64_t took = clock__now() - before;

	books->probe_ns += took;
	if (took > books->longest_probe_ns)
		books->longest_probe_ns = took;
	return before + took / 2;
}

/* An attempt to take the lock found it held, and the thread goes to sleep. */
static inline __attribute__((always_inline)) void event__blocked(struct lock *lock, struct thread *thread)
{
	uint64_t before = before_event(thread);

	EVENT_MUTEX("blocked", lock, thread);
	if (BOOKS_KEPT(thread))
		books__blocked(thread->books, lock, middle_of_event(thread->books, before));
}

/* The sleep ended: 0 or ETIMEDOUT. */
static inline __attribute__((always_inline)) void event__waited(struct lock *lock, struct thread *thread, int result)
{
	EVENT_RESULT("waited", lock, thread, result);
	if (BOOKS_KEPT(thread))
		books__waited(thread->books, result);
}

/* The thread has the lock. */
static inline __attribute__((always_inline)) void event__acquired(struct lock *lock, struct thread *thread)
{
	uint64_t before = before_event(thread);

	EVENT_OF("acquired", lock, thread);
	if (BOOKS_KEPT(thread))
		books__acquired(thread->books, lock, middle_of_event(thread->books, before));
}

/* The thread let go; `forced`: because it was asked to. */
static inline __attribute__((always_inline)) void event__released(struct lock *lock, struct thread *thread, bool forced)
{
	uint64_t before = before_event(thread);

	EVENT_OF("released", lock, thread);
	if (BOOKS_KEPT(thread))
		books__released(thread->books, lock, forced, middle_of_event(thread->books, before));
}

/* After a forced release that nobody has answered yet: the thread sleeps until another has taken the lock. */
static inline __attribute__((always_inline)) void event__switched(struct lock *lock)
{
	EVENT("switched", lock);
}

#endif
