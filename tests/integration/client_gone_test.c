/* SPDX-License-Identifier: MIT */
/* Proves what happens when the daemon goes away: what is in memory stays
 * right; missing pages wait, and then give SIGBUS, never zeros, but only as
 * long as they cannot be had; when a daemon comes back in time, named segments
 * whose data file is still the same go on, also when they are refused at first
 * for a reason that passes; all others are lost at once; nothing stays attached
 * that nobody has mapped; and new regions can be mapped.  And that a daemon
 * that is there and slow is waited for. */
#include "tests/integration/client_helpers.h"
#include "common/checks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { LENGTH = 16 * 4096, SHORT_MS = 1500, LONG_MS = 60000 };

static struct fake fake;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Pages [0, 8) present, the others missing. */
static uint8_t *half_filled(struct memclient *mc, uint32_t fault_mode)
{
	uint8_t *p = map(mc, LENGTH, 0, fault_mode);

	fill(p, LENGTH / 2);
	return p;
}

static void present_pages_stay_missing_ones_give_sigbus(void **state)
{
	struct memclient *mc = open_client(&fake, SHORT_MS);
	uint8_t *p = half_filled(mc, MEMCLIENT_FAULT_THREAD);
	uint8_t *q = half_filled(mc, MEMCLIENT_FAULT_INLINE);
	uint64_t begin_ms;
	void *r = NULL;

	(void)state;
	fake_age(&fake);
	fake_kill(&fake);
	begin_ms = now_ms();
	verify(p, LENGTH / 2);
	verify(q, LENGTH / 2);
	assert_sigbus(p + LENGTH / 2);
	/* It waited for a daemon before it gave up. */
	assert_true(now_ms() - begin_ms >= SHORT_MS / 2);
	assert_sigbus(q + LENGTH / 2);
	assert_sigbus(p + LENGTH / 2);
	assert_sigbus(q + LENGTH / 2);
	assert_sigbus(p + LENGTH - 1);
	verify(p, LENGTH / 2);
	verify(q, LENGTH / 2);
	assert_int_equal(memclient_map(mc, 4096, NULL, &r), -ENOTCONN);
	assert_non_null(strstr(memclient_error(mc), fake.address + 5));
	assert_int_equal(memclient_unmap(mc, p), 0);
	memclient_close(mc);
	fake_restart(&fake);
}

/* ---- many threads wait */

enum { WAITERS = 12 };

struct waiter {
	pthread_t thread;
	const uint8_t *at;
	int code;
	uint8_t byte;
};

static void *wait_for_page(void *arg)
{
	struct waiter *w = arg;

	w->code = read_code(w->at, &w->byte);
	return NULL;
}

static void start_waiters(struct waiter *waiters, const uint8_t *p,
			  const uint8_t *q)
{
	for (unsigned i = 0; i < WAITERS; i++) {
		waiters[i] = (struct waiter){
			.at = (i % 2 ? p : q) + LENGTH / 2 + i / 4 * 4096,
			.code = -1,
		};
		assert_int_equal(pthread_create(&waiters[i].thread, NULL,
						wait_for_page, &waiters[i]),
				 0);
	}
}

static void all_that_wait_are_told(void **state)
{
	struct memclient *mc = open_client(&fake, SHORT_MS);
	uint8_t *p = half_filled(mc, MEMCLIENT_FAULT_THREAD);
	uint8_t *q = half_filled(mc, MEMCLIENT_FAULT_INLINE);
	struct waiter waiters[WAITERS];

	(void)state;
	fake_kill(&fake);
	start_waiters(waiters, p, q);
	for (unsigned i = 0; i < WAITERS; i++) {
		pthread_join(waiters[i].thread, NULL);
		assert_true(waiters[i].code > 0);
	}
	verify(p, LENGTH / 2);
	verify(q, LENGTH / 2);
	memclient_close(mc);
	fake_restart(&fake);
}

/* ---- a new daemon comes */

static void private_regions_are_lost_at_once(void **state)
{
	struct memclient *mc = open_client(&fake, LONG_MS);
	uint8_t *p = half_filled(mc, MEMCLIENT_FAULT_THREAD);
	uint8_t *q = half_filled(mc, MEMCLIENT_FAULT_INLINE);
	struct waiter waiters[WAITERS];
	struct memclient_stats s = { .size = sizeof(s) };
	uint64_t begin_ms = now_ms();
	uint8_t *r;

	(void)state;
	fake_kill(&fake);
	start_waiters(waiters, p, q);
	fake_restart(&fake);
	for (unsigned i = 0; i < WAITERS; i++) {
		pthread_join(waiters[i].thread, NULL);
		assert_true(waiters[i].code > 0);
	}
	assert_true(now_ms() - begin_ms < LONG_MS);
	assert_sigbus(p + LENGTH - 1);
	assert_sigbus(q + LENGTH - 1);
	verify(p, LENGTH / 2);
	verify(q, LENGTH / 2);
	r = map(mc, LENGTH, 0, MEMCLIENT_FAULT_INLINE);
	fill(r, LENGTH);
	fake_evict(&fake);
	verify(r, LENGTH);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(s.reconnects, 1);
	assert_true(s.pages_lost > 0);
	assert_int_equal(memclient_advise(mc, p, 4096,
					  MEMCLIENT_ADVICE_PAGEOUT),
			 -ENOTCONN);
	memclient_close(mc);
}

static void an_other_file_of_the_same_name_is_not_taken(void **state)
{
	struct memclient *mc = open_client(&fake, LONG_MS);
	struct memclient *other;
	uint8_t *p;

	(void)state;
	assert_int_equal(memclient_segment_create(mc, "again", LENGTH, NULL),
			 0);
	p = attach(mc, "again", 0, 0, NULL);
	fill(p, LENGTH / 2);
	fake_kill(&fake);
	fake_restart(&fake);
	/* Somebody makes a segment of that name and size in the new one. */
	other = open_client(&fake, LONG_MS);
	assert_int_equal(memclient_segment_create(other, "again", LENGTH,
						  NULL), 0);
	assert_sigbus(p + LENGTH - 1);
	verify(p, LENGTH / 2);
	memclient_close(other);
	memclient_close(mc);
}

/* ---- only the connection breaks */

/* Wait until a counter of the fake has come that far. */
static void await(const _Atomic uint64_t *counter, uint64_t least)
{
	uint64_t begin_ms = now_ms();

	while (atomic_load(counter) < least) {
		if (now_ms() - begin_ms > LONG_MS)
			fail_msg("%llu instead of %llu",
				 (unsigned long long)atomic_load(counter),
				 (unsigned long long)least);
		usleep(1000);
	}
}

/* What came before the first figures has been dealt with when they are here,
 * and what was sent because of it has come before the second. */
static void assert_attached(struct memclient *mc, uint64_t count)
{
	struct memclient_stats s = { .size = sizeof(s) };

	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(fake.control->attached, count);
}

/* A page that was late stays SIGBUS for a moment. */
static void await_readable(const uint8_t *p)
{
	uint64_t begin_ms = now_ms();

	while (read_code(p, NULL) != 0) {
		if (now_ms() - begin_ms > LONG_MS)
			fail_msg("it stays late");
		usleep(1000);
	}
}

static void drop_connections(struct memclient *mc)
{
	uint8_t *bait = map(mc, 4096, 0, MEMCLIENT_FAULT_THREAD);

	fake.control->mode = FAKE_CLOSE;
	assert_int_equal(fake.control->mode, FAKE_CLOSE);
	/* The fault makes the fake hang up; the region is private, so it is
	 * lost as soon as the library is connected again. */
	assert_sigbus(bait);
}

static void named_regions_go_on(void **state)
{
	struct memclient *mc = open_client(&fake, LONG_MS);
	struct memclient_stats s = { .size = sizeof(s) };
	uint8_t *p, *q, *r;

	(void)state;
	assert_int_equal(memclient_segment_create(mc, "on", LENGTH, NULL), 0);
	p = attach(mc, "on", MEMCLIENT_FAULT_THREAD, 0, NULL);
	q = attach(mc, "on", MEMCLIENT_FAULT_INLINE, 0, NULL);
	r = attach(mc, "on", MEMCLIENT_FAULT_THREAD, 1, NULL);
	fill(p, LENGTH);
	drop_connections(mc);
	fake.control->mode = FAKE_GOOD;
	fake_evict(&fake);
	verify(p, LENGTH);
	verify(q, LENGTH);
	verify(r, LENGTH);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_true(s.reconnects >= 1);
	assert_int_equal(memclient_advise(mc, p, LENGTH,
					  MEMCLIENT_ADVICE_PAGEOUT), 0);
	verify(q, LENGTH);
	memclient_close(mc);
}

/* More than are attached again at a time; each is asked for a page that no
 * other one has. */
static void many_named_regions_go_on(void **state)
{
	enum { MANY = 40, BYTES = MANY * 4096 };
	struct memclient *mc = open_client(&fake, LONG_MS);
	uint8_t *p[MANY];

	(void)state;
	assert_int_equal(memclient_segment_create(mc, "many", BYTES, NULL), 0);
	for (uint32_t i = 0; i < MANY; i++)
		p[i] = attach(mc, "many", i % 2, 0, NULL);
	fill(p[0], BYTES);
	drop_connections(mc);
	fake.control->mode = FAKE_GOOD;
	fake_evict(&fake);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(p[i][i * 4096], byte_at(i * 4096));
	memclient_close(mc);
}

static void named_regions_with_another_file_are_lost(void **state)
{
	struct memclient *mc = open_client(&fake, LONG_MS);
	uint8_t *p;

	(void)state;
	assert_int_equal(memclient_segment_create(mc, "off", LENGTH, NULL), 0);
	p = attach(mc, "off", MEMCLIENT_FAULT_THREAD, 0, NULL);
	fill(p, LENGTH);
	fake.control->new_files = 1;
	drop_connections(mc);
	fake.control->mode = FAKE_GOOD;
	fake_evict(&fake);
	assert_sigbus(p);
	fake.control->new_files = 0;
	assert_attached(mc, 0);
	memclient_close(mc);
}

/* ---- what is unmapped while it is attached again */

/* Break the connections; the regions' SegmentAttach get no answer yet. */
static void hold_rejoins(uint64_t count)
{
	fake.control->hold_attach = 1;
	fake_hang_up(&fake);
	await(&fake.control->held, count);
}

static void answer_rejoins(void)
{
	fake.control->hold_attach = 0;
	fake_answer_held(&fake);
}

static void unmap_before_the_answer(bool is_place_taken)
{
	struct memclient *mc = open_client(&fake, LONG_MS);
	uint8_t *p, *q, *r = NULL;

	assert_int_equal(memclient_segment_create(mc, "left", LENGTH, NULL),
			 0);
	p = attach(mc, "left", MEMCLIENT_FAULT_THREAD, 0, NULL);
	q = attach(mc, "left", MEMCLIENT_FAULT_INLINE, 0, NULL);
	fill(p, LENGTH);
	hold_rejoins(2);
	assert_int_equal(memclient_unmap(mc, p), 0);
	if (is_place_taken)
		r = map(mc, LENGTH, 0, MEMCLIENT_FAULT_THREAD);
	answer_rejoins();
	assert_attached(mc, is_place_taken ? 2 : 1);
	if (is_place_taken)
		fill(r, LENGTH);
	fake_evict(&fake);
	verify(q, LENGTH);
	if (is_place_taken)
		verify(r, LENGTH);
	assert_int_equal(memclient_unmap(mc, q), 0);
	assert_attached(mc, is_place_taken ? 1 : 0);
	memclient_close(mc);
}

static void what_is_unmapped_meanwhile_is_detached(void **state)
{
	(void)state;
	unmap_before_the_answer(false);
}

static void what_took_its_place_is_let_alone(void **state)
{
	(void)state;
	unmap_before_the_answer(true);
}

/* ---- refusals */

/* A named region, all of it out of memory, with the connection broken and its
 * segment refused. */
static uint8_t *refused(struct memclient *mc, const char *name,
			uint32_t fault_mode, int error)
{
	uint8_t *p;

	assert_int_equal(memclient_segment_create(mc, name, LENGTH, NULL), 0);
	p = attach(mc, name, fault_mode, 0, NULL);
	fill(p, LENGTH);
	fake_evict(&fake);
	fake.control->refused = 0;
	fake.control->refuse_attach = (uint32_t)error;
	fake_hang_up(&fake);
	await(&fake.control->refused, 1);
	return p;
}

static void go_on_after(int error, uint32_t fault_mode)
{
	struct memclient *mc = open_client(&fake, LONG_MS);
	uint8_t *p = refused(mc, "passing", fault_mode, error);

	await(&fake.control->refused, 3);
	fake.control->refuse_attach = 0;
	verify(p, LENGTH);
	assert_attached(mc, 1);
	memclient_close(mc);
}

static void a_refusal_that_passes_is_no_loss(void **state)
{
	static const int errors[] = { EMFILE, ENFILE, ENOMEM, EAGAIN, EBUSY };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		go_on_after(errors[i], MEMCLIENT_FAULT_THREAD);
		go_on_after(errors[i], MEMCLIENT_FAULT_INLINE);
	}
}

/* Long before anybody's time is over. */
static void any_other_refusal_is_a_loss_at_once(void **state)
{
	static const int errors[] = { ENOENT, EACCES, EIO, EDQUOT, EPROTO };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct memclient *mc = open_client(&fake, LONG_MS);
		uint8_t *p = refused(mc, "final", i % 2, errors[i]);

		assert_sigbus(p);
		assert_int_equal(fake.control->refused, 1);
		fake.control->refuse_attach = 0;
		memclient_close(mc);
	}
}

static void who_waits_for_it_has_a_deadline(void **state)
{
	struct memclient *mc = open_client(&fake, SHORT_MS);
	uint8_t *p = refused(mc, "slow", MEMCLIENT_FAULT_THREAD, EMFILE);

	(void)state;
	assert_sigbus(p);
	fake.control->refuse_attach = 0;
	await(&fake.control->attached, 1);
	/* It was late, not lost. */
	await_readable(p);
	verify(p, LENGTH);
	memclient_close(mc);
}

/* This process had no room for the descriptor. */
static void a_descriptor_that_got_lost_is_asked_for_again(void **state)
{
	struct memclient *mc = open_client(&fake, LONG_MS);
	uint64_t detaches;
	uint8_t *p;

	(void)state;
	assert_int_equal(memclient_segment_create(mc, "lost", LENGTH, NULL),
			 0);
	p = attach(mc, "lost", MEMCLIENT_FAULT_THREAD, 0, NULL);
	fill(p, LENGTH);
	detaches = fake.control->detaches;
	fake.control->file = FAKE_FILE_NONE;
	fake_hang_up(&fake);
	await(&fake.control->detaches, detaches + 3);
	fake.control->file = FAKE_FILE_GOOD;
	fake_evict(&fake);
	verify(p, LENGTH);
	assert_attached(mc, 1);
	memclient_close(mc);
}

/* All are refused, several times; never are more asked for at a time than
 * memd sends descriptors for. */
static void many_that_are_refused_go_on(void **state)
{
	enum { MANY = 40, BYTES = MANY * 4096, AT_A_TIME = 8 };
	struct memclient *mc = open_client(&fake, LONG_MS);
	struct memclient_stats s = { .size = sizeof(s) };
	uint8_t *p[MANY];

	(void)state;
	assert_int_equal(memclient_segment_create(mc, "crowd", BYTES, NULL),
			 0);
	for (uint32_t i = 0; i < MANY; i++)
		p[i] = attach(mc, "crowd", i % 2, 0, NULL);
	fill(p[0], BYTES);
	fake_evict(&fake);
	fake.control->refused = 0;
	fake.control->refuse_attach = EMFILE;
	hold_rejoins(AT_A_TIME);
	/* Half of those that are asked for go while they are. */
	for (size_t i = 0; i < MANY; i += 2)
		assert_int_equal(memclient_unmap(mc, p[i]), 0);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(fake.control->held, AT_A_TIME);
	answer_rejoins();
	await(&fake.control->refused, MANY * 3);
	fake.control->hold_attach = 1;
	await(&fake.control->held, AT_A_TIME);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(fake.control->held, AT_A_TIME);
	fake.control->refuse_attach = 0;
	answer_rejoins();
	for (size_t i = 1; i < MANY; i += 2)
		assert_int_equal(p[i][i * 4096], byte_at(i * 4096));
	assert_attached(mc, MANY / 2);
	memclient_close(mc);
}

/* ---- a daemon that is there and does not answer */

static void silence_ends_in_sigbus(void **state)
{
	struct memclient *mc = open_client(&fake, SHORT_MS);
	struct memclient_stats s = { .size = sizeof(s) };
	uint8_t *p = half_filled(mc, MEMCLIENT_FAULT_THREAD);
	uint8_t *q = half_filled(mc, MEMCLIENT_FAULT_INLINE);

	(void)state;
	fake.control->mode = FAKE_SILENT;
	assert_sigbus(p + LENGTH / 2);
	assert_sigbus(q + LENGTH / 2);
	verify(p, LENGTH / 2);
	verify(q, LENGTH / 2);
	/* It is asked again each time. */
	assert_sigbus(q + LENGTH / 2);
	fake.control->mode = FAKE_GOOD;
	assert_int_equal(p[LENGTH - 1], 0);
	assert_int_equal(q[LENGTH - 1], 0);
	await_readable(p + LENGTH / 2);
	await_readable(q + LENGTH / 2);
	assert_int_equal(p[LENGTH / 2], 0);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(s.pages_lost, 0);
	memclient_close(mc);
}

/* Touched by a thread of its own, which would be killed by a SIGBUS. */
static void *read_slowly(void *arg)
{
	(void)*(volatile uint8_t *)arg;
	return NULL;
}

/* Longer than any deadline that is not moved on. */
static void slow_is_not_silent(void **state)
{
	struct memclient *mc = open_client(&fake, SHORT_MS);
	uint8_t *p[] = { half_filled(mc, MEMCLIENT_FAULT_THREAD),
			 half_filled(mc, MEMCLIENT_FAULT_INLINE) };
	struct memclient_stats s = { .size = sizeof(s) };
	pthread_t thread[2];

	(void)state;
	fake.control->mode = FAKE_SLOW;
	fake.control->probes = 0;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, read_slowly,
						p[i] + LENGTH / 2), 0);
	/* Each is a quarter of the time after the one before. */
	while (fake.control->probes < 16)
		usleep(1000);
	assert_int_equal(pthread_tryjoin_np(thread[0], NULL), EBUSY);
	assert_int_equal(pthread_tryjoin_np(thread[1], NULL), EBUSY);
	fake.control->mode = FAKE_GOOD;
	fake_answer_held(&fake);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(s.pages_lost, 0);
	memclient_close(mc);
}

/* Nor is one that had said of the page that it is there, when it had left again
 * already. */
static void slow_after_an_answer_is_not_silent(void **state)
{
	struct memclient *mc = open_client(&fake, SHORT_MS);
	uint8_t *p = half_filled(mc, MEMCLIENT_FAULT_THREAD);
	struct memclient_stats s = { .size = sizeof(s) };
	pthread_t thread;

	(void)state;
	fake.control->mode = FAKE_LIE;
	assert_int_equal(pthread_create(&thread, NULL, read_slowly,
					p + LENGTH / 2), 0);
	usleep(SHORT_MS * 1000 / 8);
	fake.control->mode = FAKE_SLOW;
	fake.control->probes = 0;
	while (fake.control->probes < 16)
		usleep(1000);
	assert_int_equal(pthread_tryjoin_np(thread, NULL), EBUSY);
	fake.control->mode = FAKE_GOOD;
	fake_answer_held(&fake);
	pthread_join(thread, NULL);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(s.pages_lost, 0);
	memclient_close(mc);
}

static void age_brings_a_poisoned_page_back(void **state)
{
	struct memclient *mc = open_client(&fake, SHORT_MS);
	struct memclient_stats s = { .size = sizeof(s) };
	uint8_t *p = half_filled(mc, MEMCLIENT_FAULT_THREAD);

	(void)state;
	fill(p, LENGTH);
	fake_evict(&fake);
	fake.control->mode = FAKE_SILENT;
	assert_sigbus(p);
	fake.control->mode = FAKE_GOOD;
	/* Its bytes, not zeros. */
	fake_age(&fake);
	assert_int_equal(memclient_stats(mc, &s), 0);
	verify(p, LENGTH);
	memclient_close(mc);
}

static int begin(void **state)
{
	(void)state;
	fake_start(&fake);
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_stop(&fake);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(&fake, present_pages_stay_missing_ones_give_sigbus),
		CLIENT_TEST(&fake, all_that_wait_are_told),
		CLIENT_TEST(&fake, private_regions_are_lost_at_once),
		CLIENT_TEST(&fake, an_other_file_of_the_same_name_is_not_taken),
		CLIENT_TEST(&fake, named_regions_go_on),
		CLIENT_TEST(&fake, many_named_regions_go_on),
		CLIENT_TEST(&fake, named_regions_with_another_file_are_lost),
		CLIENT_TEST(&fake, what_is_unmapped_meanwhile_is_detached),
		CLIENT_TEST(&fake, what_took_its_place_is_let_alone),
		CLIENT_TEST(&fake, a_refusal_that_passes_is_no_loss),
		CLIENT_TEST(&fake, any_other_refusal_is_a_loss_at_once),
		CLIENT_TEST(&fake, who_waits_for_it_has_a_deadline),
		CLIENT_TEST(&fake,
			    a_descriptor_that_got_lost_is_asked_for_again),
		CLIENT_TEST(&fake, many_that_are_refused_go_on),
		CLIENT_TEST(&fake, silence_ends_in_sigbus),
		CLIENT_TEST(&fake, slow_is_not_silent),
		CLIENT_TEST(&fake, slow_after_an_answer_is_not_silent),
		CLIENT_TEST(&fake, age_brings_a_poisoned_page_back),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
