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

/* What is to be charged when the thread goes to sleep again, and when it has the lock; zeros: nothing. */
static struct charge charge_blocked(struct lock *lock, struct thread *thread, uint64_t now, uint32_t holder,
				    uint64_t stack)
{
	on_blocked(lock, thread, now, holder, stack, 1);
	return thread->sleep.charged ? thread->sleep : (struct charge){0};
}

static struct charge charge_end(struct lock *lock, struct thread *thread, uint64_t now)
{
	end_wait(lock, thread, now, 1, true);
	return thread->sleep.charged ? thread->sleep : (struct charge){0};
}

/* However often a waiter wakes up in vain, what it saw of the holder is good for a moment only. */
static void test_looks_grow_stale(void **state)
{
	struct scene *s = *state;
	uint64_t looked = 1000000;

	s->lock.holder_syscall = NO_SYSCALL;
	assert_false(has_fresh_look(&s->lock, &s->b, looked, 11));
	s->b.looked_ns = looked;
	charge_blocked(&s->lock, &s->b, looked, 11, 7);
	for (uint64_t now = looked + FRESH_NS / 3; now < looked + FRESH_NS; now += FRESH_NS / 3) {
		assert_true(has_fresh_look(&s->lock, &s->b, now, 11));
		assert_false(has_fresh_look(&s->lock, &s->b, now, 13));
		charge_blocked(&s->lock, &s->b, now, 11, 7);
	}
	assert_false(has_fresh_look(&s->lock, &s->b, looked + FRESH_NS, 11));
}

/* Elsewhere than in the runtime's own mutex, which it comes to whenever a waiter looks at the lock. */
static void test_looks_end_when_holder_sleeps(void **state)
{
	struct scene *s = *state;

	s->b.looked_ns = 2000;
	charge_blocked(&s->lock, &s->b, 2000, 11, 7);
	s->lock.holder_asleep_ns = 2500;
	s->lock.holder_syscall = FUTEX;
	assert_true(has_fresh_look(&s->lock, &s->b, 3000, 11));
	s->lock.holder_syscall = 35;
	assert_false(has_fresh_look(&s->lock, &s->b, 3000, 11));
	s->lock.holder_asleep_ns = 1500; /* it slept already when it was looked at */
	assert_true(has_fresh_look(&s->lock, &s->b, 3000, 11));
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

	on_acquired(&s->lock, &s->a, 2000, 1, 1);
	charge = charge_blocked(&s->lock, &s->b, 3000, 11, 0);
	assert_false(charge.charged);
	on_waited(&s->lock, &s->b, 7990, true);
	charge = charge_blocked(&s->lock, &s->b, 8000, 11, 0);
	assert_true(charge.charged);
	assert_int_equal(charge.holder, 11);
	assert_int_equal(charge.ns, 5000);
	on_waited(&s->lock, &s->b, 7990, false);
	charge = charge_blocked(&s->lock, &s->b, 9000, 11, 0);
	assert_int_equal(charge.ns, 1000);
	on_released(&s->lock, &s->a, 9500, 1, true);
	on_waited(&s->lock, &s->b, 7990, false);
	assert_true(end_wait(&s->lock, &s->b, 9900, 1, true));
	charge = s->b.sleep;
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

	srand(3);
	for (int wait = 0; wait < 100; wait++) {
		int sleeps = 1 + rand() % 7;

		for (int i = 0; i < sleeps; i++) {
			charged += charge_blocked(&s->lock, &s->b, now, (__u32)(rand() % 4), 0).ns;
			now += 1 + (uint64_t)rand() % 100000;
		}
		charged += charge_end(&s->lock, &s->b, now).ns;
		now += 10;
	}
	assert_int_equal(charged, s->b.wait.sum_ns);
	assert_int_equal(s->b.contended, 100);
}

/* A wait that was going on at the start is counted apart: its length is unknown. */
static void test_wait_at_start(void **state)
{
	struct scene *s = *state;

	on_wait_at_start(&s->b, 1000);
	assert_false(charge_blocked(&s->lock, &s->b, 4000, 11, 0).charged);
	assert_int_equal(s->b.failed, 0); /* the sleep that failed began before the trace */
	on_waited(&s->lock, &s->b, 7990, true);
	assert_int_equal(charge_blocked(&s->lock, &s->b, 9000, 11, 0).ns, 5000);
	assert_int_equal(s->b.failed, 1);
	assert_false(end_wait(&s->lock, &s->b, 9500, 1, true));
	assert_int_equal(s->b.contended, 0);
	assert_int_equal(s->b.wait.count, 0);
	assert_int_equal(s->b.waits_at_start, 1);
	assert_int_equal(s->b.waited_at_start_ns, 8500);
	on_blocked(&s->lock, &s->b, 20000, 11, 0, 1); /* the next wait is an ordinary one */
	assert_true(end_wait(&s->lock, &s->b, 21000, 1, true));
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

	on_acquired(&s->lock, &s->a, 2000, 1, 1);
	on_blocked(&s->lock, &s->b, 3000, 11, 0, 1);
	on_waited(&s->lock, &s->b, 7990, true);
	on_blocked(&s->lock, &s->b, 8000, 11, 0, 1);
	on_released(&s->lock, &s->a, 8100, 1, true);
	assert_int_equal(s->a.releases_forced, 1);
	on_waited(&s->lock, &s->b, 7990, false);
	end_wait(&s->lock, &s->b, 8200, 1, true);
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
	on_blocked(&s->lock, &s->b, 3000, 11, 0, 1);
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

	on_acquired(&s->lock, &s->a, 2000, 1, 1);
	on_blocked(&s->lock, &s->b, 3000, 11, 0, 1);
	on_released(&s->lock, &s->a, 8000, 1, true);
	on_waited(&s->lock, &s->b, 7990, true);
	end_wait(&s->lock, &s->b, 8100, 1, true);
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

	on_acquired(&s->lock, &s->a, 1000, 1, 1);
	on_blocked(&s->lock, &s->b, 2000, 11, 0, 1);
	on_blocked(&s->lock, &c, 3000, 11, 0, 1);
	assert_int_equal(s->lock.waiters, 2);
	on_released(&s->lock, &s->a, 4900, 1, true);
	charge = charge_end(&s->lock, &s->b, 5000);
	assert_int_equal(charge.ns, 3000);
	assert_int_equal(charge.wall_ns, 1000 + 2000 / 2);
	on_acquired(&s->lock, &s->b, 5000, 1, 1);
	charge = charge_end(&s->lock, &c, 5500);
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

	srand(7);
	for (int i = 0; i < 2000; i++) {
		struct thread *thread = &waiters[rand() % 5];
		uint64_t passes = 1 + (uint64_t)rand() % 1000;

		if (thread->waiting_since && rand() % 2) {
			charged += charge_end(&s->lock, thread, now).wall_ns;
			waiting--;
		} else {
			waiting += !thread->waiting_since;
			charged += charge_blocked(&s->lock, thread, now, 1, 0).wall_ns;
		}
		assert_int_equal(s->lock.waiters, waiting);
		anybody += waiting ? passes : 0;
		now += passes;
	}
	for (int i = 0; i < 5; i++)
		if (waiters[i].waiting_since)
			charged += charge_end(&s->lock, &waiters[i], now).wall_ns;
	assert_true(charged <= anybody);
	assert_true(anybody - charged <= 2000 * 5); /* each division rounds down, for each who waits */
}

/* Which look at the holder's stack a sleep is charged to where there are none of the timer. */
static void test_stack_of_a_sleep(void **state)
{
	struct scene *s = *state;

	on_acquired(&s->lock, &s->a, 1000, 1, 1);
	assert_false(charge_blocked(&s->lock, &s->b, 2000, 11, 0xa).charged);
	/* The same hold goes on: what runs at the end of the sleep counts more than what ran at its beginning. */
	assert_int_equal(charge_blocked(&s->lock, &s->b, 7000, 11, 0xb).stack, 0xb);
	/* The lock changed hands meanwhile: the look at the end is at another hold. */
	on_released(&s->lock, &s->a, 20000, 1, true);
	on_acquired(&s->lock, &s->a, 20100, 1, 1);
	charge_blocked(&s->lock, &s->b, 21000, 11, 0xf);
	s->lock.switches++;
	assert_int_equal(charge_blocked(&s->lock, &s->b, 26000, 14, 0x10).stack, 0xf);
}

static uint64_t find_longest(const struct lock *lock, uint32_t tid, uint64_t since, uint64_t now)
{
	struct longest longest = {0};

	for (uint32_t i = 0; i < SAMPLES; i++)
		weigh_look(lock, tid, since, i, &longest);
	return longest_stack(&longest, now);
}

/* What the looks of the timer say of a time: each counts from when it was to the next, equal ones in a row are one. */
static void test_looks(void **state)
{
	struct scene *s = *state;
	struct lock *lock = &s->lock;
	uint64_t begins[SAMPLES] = {0};
	struct sample look;
	__u64 begin;
	unsigned int count = 0;

	add_sample(lock, 1000, 1000, 11, 0x1);
	add_sample(lock, 9000, 9000, 11, 0x2);
	add_sample(lock, 11000, 11000, 11, 0x2);
	add_sample(lock, 12000, 12000, 14, 0x3);
	add_sample(lock, 13000, 15000, 11, 0x4);
	for (uint32_t i = 0; i < SAMPLES; i++) {
		if (find_look(lock, 11, 10000, i, &look, &begin))
			begins[count++] = begin;
	}
	assert_int_equal(count, 2); /* 0x1 is from before, 0x3 another thread's */
	assert_int_equal(begins[0], 10000);
	assert_int_equal(begins[1], 13000);
	assert_int_equal(look.stack, 0x4);
	assert_true(find_look(lock, 0, 10000, SAMPLES - 2, &look, &begin)); /* at any thread */
	assert_int_equal(look.tid, 14);
	assert_int_equal(find_longest(lock, 11, 10000, 15500), 0x2);
	assert_int_equal(find_longest(lock, 11, 10000, 17000), 0x4);
	assert_int_equal(find_longest(lock, 12, 1, 17000), 0);
	/* The first look at a hold counts from the hold's beginning, and is another than that of the hold before. */
	on_acquired(lock, &s->a, 16000, 1, 1);
	add_sample(lock, 17000, 17000, 11, 0x4);
	assert_true(find_look(lock, 11, 15500, SAMPLES - 1, &look, &begin));
	assert_int_equal(begin, 16000);
	/* More than are remembered: the last ones. */
	for (uint32_t i = 0; i < 3 * SAMPLES; i++)
		add_sample(lock, 20000 + i, 20000 + i, 11, i);
	for (uint32_t i = 0; i < SAMPLES; i++) {
		assert_true(find_look(lock, 11, 10000, i, &look, &begin));
		assert_int_equal(begin, 20000 + 2 * SAMPLES + i);
		assert_int_equal(look.stack, 2 * SAMPLES + i);
	}
}

/* Parts in proportion, which add up to the whole exactly; with the time before the first look shared as the rest is. */
static void test_parts_of_a_sleep(void **state)
{
	struct charge left = {.ns = 10000, .wall_ns = 5000}, part;

	(void)state;
	part = take_part(&left, 2000, 4000, 10000); /* a quarter */
	assert_int_equal(part.ns, 2500);
	assert_int_equal(part.wall_ns, 1250);
	part = take_part(&left, 4000, 7000, 10000); /* half of the rest */
	assert_int_equal(part.ns, 3750);
	assert_int_equal(left.ns, 3750);
	assert_int_equal(left.wall_ns, 1875);
	/* Looks that another CPU wrote meanwhile make no sense: nothing goes to them. */
	assert_int_equal(take_part(&left, 7000, 6000, 10000).ns, 0);
	assert_int_equal(take_part(&left, 7000, 12000, 10000).ns, 0);
	assert_int_equal(left.ns, 3750);
	srand(3);
	for (int i = 0; i < 1000; i++) {
		uint64_t begin = (uint64_t)rand() % 1000, end = begin + (uint64_t)rand() % 1000;
		uint64_t now = end + (uint64_t)rand() % 1000, before;

		left.ns = (uint64_t)rand() << 16;
		before = left.ns;
		part = take_part(&left, begin, end, now);
		assert_int_equal(part.ns + left.ns, before);
	}
}

/* 2.7's waiter can find nobody who holds the lock: it waited for the thread that let go next. */
static void test_holder_unknown(void **state)
{
	struct scene *s = *state;

	on_acquired(&s->lock, &s->a, 1000, 1, 1);
	on_blocked(&s->lock, &s->b, 2000, 0, 0, 1);
	adopt_releaser(&s->lock, &s->b, 0xa);
	assert_int_equal(s->b.attempt_holder, 0); /* it has not let go */
	on_released(&s->lock, &s->a, 3000, 1, true);
	adopt_releaser(&s->lock, &s->b, 0xa);
	end_wait(&s->lock, &s->b, 3100, 1, true);
	assert_int_equal(s->b.sleep.holder, 11);
	assert_int_equal(s->b.sleep.stack, 0xa);
	assert_int_equal(s->b.first_holder, 11);
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
	on_blocked(&s->lock, &s->b, 20000, 11, 0, 1);
	on_waited(&s->lock, &s->b, 25000, true);
	on_blocked(&s->lock, &s->b, 25010, 11, 0, 1);
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
	on_blocked(&s->lock, &s->b, 10200, 11, 0, 1);
	assert_false(on_released(&s->lock, &s->a, 10400, 2, false));
	end_wait(&s->lock, &s->b, 10500, 2, true);
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
	on_blocked(&s->lock, &s->a, 20000, 0, 0, 1);
	end_wait(&s->lock, &s->a, 20100, 3, true);
	assert_int_equal(s->lock.handoff.count, 40);
	assert_false(on_acquired(&s->lock, &s->a, 20100, 7, 3));
	assert_int_equal(s->a.acquisitions, 49);
}

/* A look that was put off is of its own wait only, however that ends. */
static void test_look_put_off(void **state)
{
	struct scene *s = *state;

	s->b.waiter_stack = s->b.call_site = 77; /* of the wait before */
	put_look_off(&s->b);
	on_blocked(&s->lock, &s->b, 2000, 11, 0, 1);
	assert_int_equal(s->b.waiter_stack, 0);
	assert_int_equal(s->b.call_site, 0);
	end_wait(&s->lock, &s->b, 2500, 1, true);
	assert_int_equal(s->b.look_due, 0);
	put_look_off(&s->b);
	on_blocked(&s->lock, &s->b, 3000, 11, 0, 1);
	forget_wait(&s->lock, &s->b, 3500);
	assert_int_equal(s->b.look_due, 0);
	assert_int_equal(s->b.waiting_since, 0);
	assert_int_equal(s->lock.waiters, 0);
	assert_int_equal(s->b.contended, 1);
}

/* The scheduler is trusted to tell of sleeps only when those that began before it was seen to are over. */
static void test_when_sleeps_are_told(void **state)
{
	struct traced_process process = {0};
	uint64_t seen = 5000000;

	(void)state;
	assert_false(tells_sleeps(&process, seen + 2 * SLEEPS_TELL_NS)); /* it never was */
	process.sleeps_ns = seen;
	assert_false(tells_sleeps(&process, seen));
	assert_false(tells_sleeps(&process, seen + SLEEPS_TELL_NS));
	assert_true(tells_sleeps(&process, seen + SLEEPS_TELL_NS + 1));
	assert_false(tells_sleeps(&process, seen - 1));
}

/* Of any lock of the process, at the same distance; the C library sleeps for two words in turn. */
static void test_where_sleeps_are(void **state)
{
	struct traced_process process = {.sleep_offset = 76};

	(void)state;
	assert_int_equal(slept_for(&process, 0x1000 + 76), 0); /* nothing is known */
	process.sleeps_ns = 1;
	for (int learnt = 72; learnt <= 76; learnt += 4) {
		process.sleep_offset = learnt;
		assert_int_equal(slept_for(&process, 0x1000 + 76), 0x1000);
		assert_int_equal(slept_for(&process, 0x1000 + 72), 0x1000);
		assert_int_equal(slept_for(&process, 0x2000 + 76), 0x2000);
		assert_int_not_equal(slept_for(&process, 0x1000 + 80), 0x1000);
		assert_int_not_equal(slept_for(&process, 0x1000 + 68), 0x1000);
	}
}

/* From where a thread finds the lock held to where it comes back from that; not before, between, or after. */
static void test_open_attempt(void **state)
{
	struct scene *s = *state;

	assert_false(is_attempt_open(&s->b));
	on_blocked(&s->lock, &s->b, 2000, 11, 0, 1);
	assert_true(is_attempt_open(&s->b));
	on_waited(&s->lock, &s->b, 3000, true);
	assert_false(is_attempt_open(&s->b));
	on_blocked(&s->lock, &s->b, 3100, 11, 0, 1);
	assert_true(is_attempt_open(&s->b));
	on_waited(&s->lock, &s->b, 4000, false);
	assert_false(is_attempt_open(&s->b));
	end_wait(&s->lock, &s->b, 4000, 1, true);
	assert_false(is_attempt_open(&s->b));
	on_wait_at_start(&s->b, 1000);
	assert_false(is_attempt_open(&s->b)); /* nothing is known of its first attempt */
}

/* Who does not come to sleep makes do with what it saw of the same holder, for longer than a sleeper would. */
static void test_kept_look(void **state)
{
	struct scene *s = *state;
	uint64_t looked = 1000000;

	assert_false(has_kept_look(&s->b, looked, 11));
	s->b.looked_ns = looked;
	on_blocked(&s->lock, &s->b, looked, 11, 7, 1);
	end_wait(&s->lock, &s->b, looked + 100, 1, true);
	assert_true(has_kept_look(&s->b, looked + KEPT_NS - 1, 11));
	assert_false(has_kept_look(&s->b, looked + KEPT_NS, 11));
	assert_false(has_kept_look(&s->b, looked + 200, 13));
	on_blocked(&s->lock, &s->b, looked + 300, 11, 0, 1); /* this look found nothing */
	assert_false(has_kept_look(&s->b, looked + 300, 11));
}

/* A look at the end of a sleep tells what the holder ran in it when it is in the same hold still, and only then. */
static void test_look_at_end_of_sleep(void **state)
{
	struct scene *s = *state;

	on_acquired(&s->lock, &s->a, 2000, 1, 1);
	charge_blocked(&s->lock, &s->b, 3000, 11, 7);
	on_waited(&s->lock, &s->b, 8000, true);
	assert_int_equal(charge_blocked(&s->lock, &s->b, 8000, 11, 8).stack, 8);
	on_released(&s->lock, &s->a, 9000, 1, true);
	on_acquired(&s->lock, &s->a, 9100, 1, 1);
	on_waited(&s->lock, &s->b, 9200, false);
	assert_int_equal(charge_blocked(&s->lock, &s->b, 9200, 11, 9).stack, 8);
}

/* A wait without a sleep is seen at its end alone: it counts, with no length, and so do its attempt and hand-off. */
static void test_wait_without_sleep(void **state)
{
	struct scene *s = *state;

	on_acquired(&s->lock, &s->a, 2000, 1, 1);
	on_released(&s->lock, &s->a, 2900, 1, true);
	on_blocked(&s->lock, &s->b, 3000, 11, 7, 1);
	on_waited(&s->lock, &s->b, 3000, false);
	assert_true(end_wait(&s->lock, &s->b, 3000, 1, true));
	assert_true(s->b.sleep.charged);
	assert_int_equal(s->b.sleep.holder, 11);
	assert_int_equal(s->b.sleep.ns, 0);
	assert_int_equal(s->b.contended, 1);
	assert_int_equal(s->b.failed, 0);
	assert_int_equal(s->b.wait.count, 1);
	assert_int_equal(s->b.wait.max_ns, 0);
	assert_int_equal(s->lock.handoff.count, 1);
	assert_int_equal(s->lock.handoff.sum_ns, 100);
	/* The last release that was seen is not the last, when they are not probed at the moment. */
	on_blocked(&s->lock, &s->b, 3200, 11, 7, 1);
	on_waited(&s->lock, &s->b, 3200, false);
	end_wait(&s->lock, &s->b, 3200, 1, false);
	assert_int_equal(s->lock.handoff.count, 1);
	/* One that slept has no hand-off from a release before its sleep. */
	on_blocked(&s->lock, &s->b, 3500, 11, 7, 1);
	on_waited(&s->lock, &s->b, 3600, false);
	end_wait(&s->lock, &s->b, 3600, 1, true);
	assert_int_equal(s->lock.handoff.count, 1);
	assert_int_equal(s->lock.waiters, 0);
}

int main(void)
{
#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		SCENE(test_looks_grow_stale),
		SCENE(test_looks_end_when_holder_sleeps),
		SCENE(test_look_at_end_of_sleep),
		SCENE(test_uncontended_cycle),
		SCENE(test_contended_wait),
		SCENE(test_charges_add_up),
		SCENE(test_wait_at_start),
		SCENE(test_hold_at_start),
		SCENE(test_senseless),
		SCENE(test_off_cpu),
		SCENE(test_forced_release),
		SCENE(test_timeout_after_switch),
		SCENE(test_timeout_when_free),
		SCENE(test_wall_clock_is_shared),
		SCENE(test_wall_clock_adds_up),
		SCENE(test_stack_of_a_sleep),
		SCENE(test_looks),
		SCENE(test_parts_of_a_sleep),
		SCENE(test_holder_unknown),
		SCENE(test_holder_asleep),
		SCENE(test_windows),
		SCENE(test_look_put_off),
		SCENE(test_when_sleeps_are_told),
		SCENE(test_where_sleeps_are),
		SCENE(test_open_attempt),
		SCENE(test_kept_look),
		SCENE(test_wait_without_sleep),
	};

	return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
