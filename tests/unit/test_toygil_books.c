/* SPDX-License-Identifier: MIT */
/*
 * The books against sequences of events that are known: were one of these wrong, the tracer would be held against a
 * wrong truth.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tools/toygil/books.h"
#include "tools/toygil/clock.h"
#include "tools/toygil/lock.h"
#include "tools/toygil/thread.h"

static struct thread holder = {.tid = 7}, other = {.tid = 8};

static void pass_time(void)
{
	const struct timespec millisecond = {.tv_nsec = 1000000};

	nanosleep(&millisecond, NULL);
}

static void uncontended(void **state)
{
	struct books *books = books__new();
	struct lock lock = {0};

	(void)state;
	books__acquired(books, &lock, clock__now());
	pass_time();
	books__released(books, &lock, false, clock__now());
	assert_int_equal(books->counts.acquisitions, 1);
	assert_int_equal(books->counts.contended, 0);
	assert_int_equal(books->counts.handoffs, 0);
	assert_int_equal(books->wait.count, 0);
	assert_int_equal(books->hold.count, 1);
	assert_true(books->counts.held_ns >= 1000000);
	assert_int_equal(books->counts.held_ns, books->hold.sum_ns);
	assert_int_equal(books->counts.releases_voluntary, 1);
	books__free(books);
}

/* Times out, is robbed of a wake-up, and gets it: two failures of two kinds, one wait, one hand-off. */
static void failures(void **state)
{
	struct books *books = books__new();
	struct lock lock = {.last_holder = &holder, .released_ns = 1};

	(void)state;
	books__blocked(books, &lock, clock__now());
	pass_time();
	books__waited(books, ETIMEDOUT);
	books__blocked(books, &lock, clock__now());
	books__waited(books, 0);
	lock.last_holder = &other;
	books__blocked(books, &lock, clock__now());
	pass_time();
	books__waited(books, 0);
	books__acquired(books, &lock, clock__now());
	assert_int_equal(books->counts.failed, 2);
	assert_int_equal(books->counts.timeouts, 1);
	assert_int_equal(books->counts.stolen, 1);
	assert_int_equal(books->counts.contended, 1);
	assert_int_equal(books->counts.handoffs, 1);
	assert_int_equal(books->wait.count, 1);
	assert_int_equal(books->attempts[2], 1);
	assert_true(books->counts.waited_ns >= 2000000);
	books__free(books);
}

/* Each attempt is charged to who held the lock when it began; the wait is counted for the first of them. */
static void blame(void **state)
{
	struct books *books = books__new();
	struct lock lock = {.last_holder = &holder};

	(void)state;
	books__blocked(books, &lock, clock__now());
	books__waited(books, ETIMEDOUT);
	lock.last_holder = &other;
	books__blocked(books, &lock, clock__now());
	pass_time();
	books__waited(books, 0);
	books__acquired(books, &lock, clock__now());
	assert_int_equal(books->blamed_count, 2);
	assert_int_equal(books->blamed[0].holder, 7);
	assert_int_equal(books->blamed[0].waits, 1);
	assert_int_equal(books->blamed[1].holder, 8);
	assert_int_equal(books->blamed[1].waits, 0);
	assert_true(books->blamed[1].wait_ns >= 1000000);
	assert_int_equal(books->blamed[0].wait_ns + books->blamed[1].wait_ns, books->counts.waited_ns);
	books__free(books);
}

static void forced_release(void **state)
{
	struct books *books = books__new();
	struct lock lock = {0};

	(void)state;
	books__acquired(books, &lock, clock__now());
	books__released(books, &lock, true, clock__now());
	assert_int_equal(books->counts.releases_forced, 1);
	assert_int_equal(books->counts.releases_voluntary, 0);
	books__free(books);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uncontended),
		cmocka_unit_test(failures),
		cmocka_unit_test(blame),
		cmocka_unit_test(forced_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
