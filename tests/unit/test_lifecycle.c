/* SPDX-License-Identifier: MIT */
/* The state machine of a lock's life, which the kernel side runs, fed with events by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/lifecycle.h"

struct scene {
	struct lock lock;
	struct thread a, b;
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	scene->lock.start_ns = 1000;
	scene->a.tid = 11;
	scene->b.tid = 12;
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void test_uncontended_cycle(void **state)
{
	struct scene *s = *state;

	assert_false(on_acquired(&s->lock, &s->a, 2000, 1, 1));
	assert_int_equal(s->lock.holder, 11);
	assert_false(on_released(&s->lock, &s->a, 2700, 1, true));
	assert_int_equal(s->a.acquisitions, 1);
	assert_int_equal(s->a.releases, 1);
	assert_int_equal(s->a.contended, 0);
	assert_int_equal(s->a.hold.count, 1);
	assert_int_equal(s->a.hold.sum_ns, 700);
	assert_int_equal(s->a.wait.count, 0); /* uncontended acquisitions are not waits */
	assert_int_equal(s->lock.holder, 0);
}

/* b waits behind a: one timeout, one stolen wake-up, then it gets the lock. */
static void test_contended_wait(void **state)
{
	struct scene *s = *state;
	struct charge charge;
	bool counts;

	on_acquired(&s->lock, &s->a, 2000, 1, 1);
	charge = on_blocked(&s->lock, &s->b, 3000, 11, 0);
	assert_false(charge.charged);
	on_waited(&s->lock, &s->b, 7990, true);
	charge = on_blocked(&s->lock, &s->b, 8000, 11, 0);
	assert_true(charge.charged);
	assert_int_equal(charge.holder, 11);
	assert_int_equal(charge.ns, 5000);
	on_waited(&s->lock, &s->b, 7990, false);
	charge = on_blocked(&s->lock, &s->b, 9000, 11, 0);
	assert_int_equal(charge.ns, 1000);
	on_released(&s->lock, &s->a, 9500, 1, true);
	on_waited(&s->lock, &s->b, 7990, false);
	charge = end_wait(&s->lock, &s->b, 9900, 1, &counts);
	assert_true(counts);
	assert_int_equal(charge.ns, 900);
	assert_false(on_acquired(&s->lock, &s->b, 9900, 1, 1));
	assert_int_equal(s->b.failed, 2);
	assert_int_equal(s->b.timeouts, 1);
	assert_int_equal(s->b.stolen, 1);
	assert_int_equal(s->b.contended, 1);
	assert_int_equal(s->b.wait.sum_ns, 6900);
	assert_int_equal(s->lock.attempts[2], 1);
	assert_int_equal(s->b.handoffs, 1);
	assert_int_equal(s->lock.handoff.sum_ns, 400);
	assert_int_equal(s->b.waiting_since, 0);
}

/* What is charged to holders over a wait must add up to the wait, exactly. */
static void test_charges_add_up(void **state)
{
	struct scene *s = *state;
	uint64_t charged = 0, now = 5000;
	bool counts;

	srand(3);
	for (int wait = 0; wait < 100; wait++) {
		int sleeps = 1 + rand() % 7;

		for (int i = 0; i < sleeps; i++) {
			charged += on_blocked(&s->lock, &s->b, now, (__u32)(rand() % 4), 0).ns;
			now += 1 + (uint64_t)rand() % 100000;
		}
		charged += end_wait(&s->lock, &s->b, now, 1, &counts).ns;
		now += 10;
	}
	assert_int_equal(charged, s->b.wait.sum_ns);
	assert_int_equal(s->b.contended, 100);
}

/* A wait that was going on at the start is counted apart: its length is unknown. */
static void test_wait_at_start(void **state)
{
	struct scene *s = *state;
	bool counts;

	on_wait_at_start(&s->b, 1000);
	assert_false(on_blocked(&s->lock, &s->b, 4000, 11, 0).charged);
	assert_int_equal(s->b.failed, 0); /* the sleep that failed began before the trace */
	on_waited(&s->lock, &s->b, 7990, true);
	assert_int_equal(on_blocked(&s->lock, &s->b, 9000, 11, 0).ns, 5000);
	assert_int_equal(s->b.failed, 1);
	end_wait(&s->lock, &s->b, 9500, 1, &counts);
	assert_false(counts);
	assert_int_equal(s->b.contended, 0);
	assert_int_equal(s->b.wait.count, 0);
	assert_int_equal(s->b.waits_at_start, 1);
	assert_int_equal(s->b.waited_at_start_ns, 8500);
	on_blocked(&s->lock, &s->b, 20000, 11, 0); /* the next wait is an ordinary one */
	end_wait(&s->lock, &s->b, 21000, 1, &counts);
	assert_true(counts);
	assert_int_equal(s->b.wait.sum_ns, 1000);
}

static void test_hold_at_start(void **state)
{
	struct scene *s = *state;

	assert_false(on_released(&s->lock, &s->a, 6000, 1, true));
	assert_int_equal(s->a.holds_at_start, 1);
	assert_int_equal(s->a.held_at_start_ns, 5000);
	assert_int_equal(s->a.hold.count, 0);
	assert_int_equal(s->a.releases, 1);
}

/* A missed hit must show as such and not as a hold that never was. */
static void test_senseless(void **state)
{
	struct scene *s = *state;

	assert_false(on_acquired(&s->lock, &s->a, 2000, 1, 1));
	assert_true(on_acquired(&s->lock, &s->b, 3000, 1, 1)); /* a's release was missed */
	assert_true(on_released(&s->lock, &s->a, 4000, 1, true));
	assert_int_equal(s->a.hold.count, 0);
	assert_true(on_released(&s->lock, &s->b, 5000, 1, true));
}

static void test_off_cpu(void **state)
{
	struct scene *s = *state;

	on_off_cpu(&s->a, 1500, true, -1); /* not holding: of no interest */
	on_cpu_again(&s->a, 1600);
	on_acquired(&s->lock, &s->a, 2000, 1, 1);
	on_off_cpu(&s->a, 2100, false, -1);
	on_cpu_again(&s->a, 2400);
	on_off_cpu(&s->a, 2500, true, -1);
	on_cpu_again(&s->a, 3500);
	on_released(&s->lock, &s->a, 4000, 1, true);
	assert_int_equal(s->a.held_runnable_ns, 300);
	assert_int_equal(s->a.held_blocked_ns, 1000);
	assert_int_equal(s->a.hold.sum_ns, 2000);
	on_off_cpu(&s->a, 4100, true, -1);
	on_acquired(&s->lock, &s->a, 5000, 1, 1);
	on_released(&s->lock, &s->a, 6000, 1, true);
	assert_int_equal(s->a.held_blocked_ns, 1000); /* sleep outside of holds does not count */
}

/* A release is forced when a waiter's interval passed while the lock stayed with one thread, and only then. */
static void test_forced_release(void **state)
{
	struct scene *s = *state;
	bool counts;

	on_acquired(&s->lock, &s->a, 2000, 1, 1);
	on_blocked(&s->lock, &s->b, 3000, 11, 0);
	on_waited(&s->lock, &s->b, 7990, true);
	on_blocked(&s->lock, &s->b, 8000, 11, 0);
	on_released(&s->lock, &s->a, 8100, 1, true);
	assert_int_equal(s->a.releases_forced, 1);
	on_waited(&s->lock, &s->b, 7990, false);
	end_wait(&s->lock, &s->b, 8200, 1, &counts);
	on_acquired(&s->lock, &s->b, 8200, 1, 1);
	on_released(&s->lock, &s->b, 8300, 1, true); /* nobody asked for this one */
	assert_int_equal(s->b.releases_forced, 0);
	assert_int_equal(s->a.releases, 1);
}

/* The lock changed hands while the waiter slept: the runtime gives the new holder a whole interval. */
static void test_timeout_after_switch(void **state)
{
	struct scene *s = *state;
	struct thread c = {.tid = 13};

	on_acquired(&s->lock, &s->a, 2000, 1, 1);
	on_blocked(&s->lock, &s->b, 3000, 11, 0);
	on_released(&s->lock, &s->a, 4000, 1, true);
	on_acquired(&s->lock, &c, 4100, 1, 1);
	on_waited(&s->lock, &s->b, 7990, true);
	on_released(&s->lock, &c, 8100, 1, true);
	assert_int_equal(c.releases_forced, 0);
}

/* The interval passed just as the holder let go by itself: there is nobody to ask. */
static void test_timeout_when_free(void **state)
{
	struct scene *s = *state;
	bool counts;

	on_acquired(&s->lock, &s->a, 2000, 1, 1);
	on_blocked(&s->lock, &s->b, 3000, 11, 0);
	on_released(&s->lock, &s->a, 8000, 1, true);
	on_waited(&s->lock, &s->b, 7990, true);
	end_wait(&s->lock, &s->b, 8100, 1, &counts);
	on_acquired(&s->lock, &s->b, 8100, 1, 1);
	on_released(&s->lock, &s->b, 8200, 1, true);
	assert_int_equal(s->a.releases_forced, 0);
	assert_int_equal(s->b.releases_forced, 0);
}

/*
 * The time in which anybody waited is shared by those who do: b waits alone for 1000, then b and c for 2000, then c
 * alone for 500. Together they are charged 3500.
 */
static void test_wall_clock_is_shared(void **state)
{
	struct scene *s = *state;
	struct thread c = {.tid = 13};
	struct charge charge;
	bool counts;

	on_acquired(&s->lock, &s->a, 1000, 1, 1);
	on_blocked(&s->lock, &s->b, 2000, 11, 0);
	on_blocked(&s->lock, &c, 3000, 11, 0);
	assert_int_equal(s->lock.waiters, 2);
	on_released(&s->lock, &s->a, 4900, 1, true);
	charge = end_wait(&s->lock, &s->b, 5000, 1, &counts);
	assert_int_equal(charge.ns, 3000);
	assert_int_equal(charge.wall_ns, 1000 + 2000 / 2);
	on_acquired(&s->lock, &s->b, 5000, 1, 1);
	charge = end_wait(&s->lock, &c, 5500, 1, &counts);
	assert_int_equal(charge.ns, 2500);
	assert_int_equal(charge.wall_ns, 2000 / 2 + 500);
	assert_int_equal(s->lock.waiters, 0);
	assert_int_equal(s->lock.most_waiters, 1); /* in b's hold; it was 2 in a's */
}

/* Random waiters that come and go: what they are charged adds up to the time in which anybody waited. */
static void test_wall_clock_adds_up(void **state)
{
	struct scene *s = *state;
	struct thread waiters[5] = {0};
	uint64_t now = 1000, anybody = 0, charged = 0;
	unsigned int waiting = 0;
	bool counts;

	srand(7);
	for (int i = 0; i < 2000; i++) {
		struct thread *thread = &waiters[rand() % 5];
		uint64_t passes = 1 + (uint64_t)rand() % 1000;

		if (thread->waiting_since && rand() % 2) {
			charged += end_wait(&s->lock, thread, now, 1, &counts).wall_ns;
			waiting--;
		} else {
			waiting += !thread->waiting_since;
			charged += on_blocked(&s->lock, thread, now, 1, 0).wall_ns;
		}
		assert_int_equal(s->lock.waiters, waiting);
		anybody += waiting ? passes : 0;
		now += passes;
	}
	for (int i = 0; i < 5; i++)
		if (waiters[i].waiting_since)
			charged += end_wait(&s->lock, &waiters[i], now, 1, &counts).wall_ns;
	assert_true(charged <= anybody);
	assert_true(anybody - charged <= 2000 * 5); /* each division rounds down, for each who waits */
}

/* Which look at the holder's stack a sleep is charged to. */
static void test_stack_of_a_sleep(void **state)
{
	struct scene *s = *state;
	bool counts;

	on_acquired(&s->lock, &s->a, 1000, 1, 1);
	on_blocked(&s->lock, &s->b, 2000, 11, 0xa);
	/* The same hold goes on: what runs at the end of the sleep counts more than what ran at its beginning. */
	assert_int_equal(on_blocked(&s->lock, &s->b, 7000, 11, 0xb).stack, 0xb);
	/* A look of the timer counts the most. */
	add_sample(&s->lock, 9000, 11, 0xc);
	look_back(&s->lock, &s->b, 12000);
	assert_int_equal(on_blocked(&s->lock, &s->b, 12000, 11, 0xd).stack, 0xc);
	/* One from before the sleep, or of another thread, does not count. */
	look_back(&s->lock, &s->b, 17000);
	assert_int_equal(on_blocked(&s->lock, &s->b, 17000, 11, 0xe).stack, 0xe);
	add_sample(&s->lock, 18000, 14, 0x11);
	look_back(&s->lock, &s->b, 19000);
	assert_int_equal(end_wait(&s->lock, &s->b, 19000, 1, &counts).stack, 0xe);
	/* Of several within a sleep each counts for the time until the next; one before it does not, nor another's. */
	add_sample(&s->lock, 20000, 11, 0x20);
	add_sample(&s->lock, 30000, 11, 0x21);
	add_sample(&s->lock, 31000, 11, 0x22);
	for (uint32_t random = 0; random < 256; random++) {
		uint64_t stack = pick_sample(&s->lock, 11, 25000, 41000, random), moment = 25000 + 62 * random;

		assert_int_equal(stack, moment >= 31000 ? 0x22 : 0x21);
		assert_int_equal(pick_sample(&s->lock, 11, 31000, 41000, random), 0);
		assert_int_equal(pick_sample(&s->lock, 12, 1, 41000, random), 0);
	}
	/* The lock changed hands meanwhile: the look at the end is at another hold. */
	on_released(&s->lock, &s->a, 20000, 1, true);
	on_acquired(&s->lock, &s->a, 20100, 1, 1);
	on_blocked(&s->lock, &s->b, 21000, 11, 0xf);
	s->lock.switches++;
	assert_int_equal(on_blocked(&s->lock, &s->b, 26000, 14, 0x10).stack, 0xf);
}

/* The system call in which a holder slept the longest, and how a hold that was asked for is known. */
static void test_holder_asleep(void **state)
{
	struct scene *s = *state;

	on_acquired(&s->lock, &s->a, 1000, 1, 1);
	assert_int_equal(s->a.hold_syscall, -1);
	on_off_cpu(&s->a, 2000, true, 230);
	on_cpu_again(&s->a, 5000);
	on_off_cpu(&s->a, 6000, true, 0);
	on_cpu_again(&s->a, 7000);
	on_off_cpu(&s->a, 8000, false, -1); /* preempted: in none */
	on_cpu_again(&s->a, 20000);
	assert_int_equal(s->a.hold_syscall, 230);
	assert_int_equal(s->a.hold_syscall_ns, 3000);
	assert_int_equal(s->a.hold_blocked, 4000);
	assert_int_equal(s->a.hold_runnable, 12000);
	on_blocked(&s->lock, &s->b, 20000, 11, 0);
	on_waited(&s->lock, &s->b, 25000, true);
	on_blocked(&s->lock, &s->b, 25010, 11, 0);
	on_waited(&s->lock, &s->b, 30000, true);
	assert_int_equal(s->lock.requested_ns, 25000); /* the first request */
	on_released(&s->lock, &s->a, 31000, 1, true);
	on_acquired(&s->lock, &s->a, 32000, 1, 1);
	assert_int_equal(s->lock.requested_ns, 0);
	assert_int_equal(s->a.hold_syscall, -1);
}

/* Holds probed in windows: what was opened stands for many, what was not is nobody's, and none makes no sense. */
static void test_windows(void **state)
{
	struct scene *s = *state;
	bool counts;

	assert_false(on_acquired(&s->lock, &s->a, 2000, 1, 1));
	assert_false(on_released(&s->lock, &s->a, 2100, 1, true));
	/* The first window is over, the probes still hit: a hold that it did not open ends. */
	assert_false(on_released(&s->lock, &s->b, 2300, 1, false));
	assert_int_equal(s->b.releases, 0);
	/* One that it opened ends, too. */
	on_acquired(&s->lock, &s->a, 2400, 1, 1);
	assert_false(on_released(&s->lock, &s->a, 2900, 1, false));
	assert_int_equal(s->a.hold.count, 2);
	/* In the second one, each stands for 40; the first release is of a hold from before. */
	assert_false(on_released(&s->lock, &s->b, 10000, 2, false));
	assert_int_equal(s->b.hold.count, 0);
	assert_false(on_acquired(&s->lock, &s->a, 10100, 40, 2));
	assert_int_equal(seen_holder(&s->lock, 2), 11);
	on_blocked(&s->lock, &s->b, 10200, 11, 0);
	assert_false(on_released(&s->lock, &s->a, 10400, 2, false));
	end_wait(&s->lock, &s->b, 10500, 2, &counts);
	assert_int_equal(s->a.acquisitions, 42);
	assert_int_equal(s->a.releases, 42);
	assert_int_equal(s->a.hold.count, 42);
	assert_int_equal(s->a.hold.sum_ns, 600 + 40 * 300);
	assert_int_equal(s->b.contended, 1); /* waits are exact */
	assert_int_equal(s->b.wait.sum_ns, 300);
	assert_int_equal(s->lock.handoff.count, 40);
	assert_int_equal(s->lock.handoff.sum_ns, 40 * 100);
	/* The probes go while b holds the lock: who has it then is not known, and its acquisition is no miss. */
	on_acquired(&s->lock, &s->b, 10500, 40, 2);
	assert_int_equal(seen_holder(&s->lock, 3), 0);
	on_blocked(&s->lock, &s->a, 20000, 0, 0);
	end_wait(&s->lock, &s->a, 20100, 3, &counts);
	assert_int_equal(s->lock.handoff.count, 40);
	assert_false(on_acquired(&s->lock, &s->a, 20100, 7, 3));
	assert_int_equal(s->a.acquisitions, 49);
}

int main(void)
{
#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		SCENE(test_uncontended_cycle), SCENE(test_contended_wait),       SCENE(test_charges_add_up),
		SCENE(test_wait_at_start),     SCENE(test_hold_at_start),        SCENE(test_senseless),
		SCENE(test_off_cpu),           SCENE(test_forced_release),       SCENE(test_timeout_after_switch),
		SCENE(test_timeout_when_free), SCENE(test_wall_clock_is_shared), SCENE(test_wall_clock_adds_up),
		SCENE(test_stack_of_a_sleep),  SCENE(test_holder_asleep),        SCENE(test_windows),
	};

	return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
