/* SPDX-License-Identifier: MIT */
/* Proves what happens when the daemon goes away: what is in memory stays
 * right; missing pages wait, and then give SIGBUS, never zeros; when a daemon
 * comes back in time, named segments whose data file is still the same go on,
 * all others are lost at once, and new regions can be mapped. */
#include "tests/integration/client_helpers.h"

#include <pthread.h>
#include <stdatomic.h>

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
	memclient_close(mc);
}

/* ---- a daemon that is there and does not answer */

static void silence_ends_in_sigbus(void **state)
{
	struct memclient *mc = open_client(&fake, SHORT_MS);
	uint8_t *p = half_filled(mc, MEMCLIENT_FAULT_THREAD);
	uint8_t *q = half_filled(mc, MEMCLIENT_FAULT_INLINE);

	(void)state;
	fake.control->mode = FAKE_SILENT;
	assert_sigbus(p + LENGTH / 2);
	assert_sigbus(q + LENGTH / 2);
	verify(p, LENGTH / 2);
	verify(q, LENGTH / 2);
	fake.control->mode = FAKE_GOOD;
	assert_int_equal(p[LENGTH - 1], 0);
	assert_int_equal(q[LENGTH - 1], 0);
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
		CLIENT_TEST(&fake, silence_ends_in_sigbus),
		CLIENT_TEST(&fake, age_brings_a_poisoned_page_back),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
