/* SPDX-License-Identifier: MIT */
/* Proves what becomes of requests when the connection or the server fails: what
 * was confirmed is not sent again, what had no answer is; what the server has
 * lost is an error, and only that; a server that has no room or no time is
 * waited for; nobody believes a forged answer.  All this with everything at
 * once: remote_random_test.c. */
#include "tests/store/remote_fixture.h"
#include "tests/tier.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* After the connection broke only what had no answer is sent again. */
static void test_confirmed_is_not_sent_again(void **state)
{
	struct remote_server_counts before, after;
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	write_version(&fx, 0, 40, 1);
	wait_until_confirmed(&fx);
	before = counts_of(&fx);
	fixture_plan(&fx, &behave);
	wait_until_down(&fx);
	wait_until_up(&fx);
	expect_version(&fx, 0, 40, 1);
	after = counts_of(&fx);
	assert_int_equal(after.writes, before.writes);
	assert_int_equal(after.resumed, 1);
	fixture_fini(&fx);
}

static void test_unanswered_is_sent_again(void **state)
{
	static const struct remote_server_plan silent = { .is_silent = true };
	struct remote_server_counts before, after;
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	write_version(&fx, 0, 40, 1);
	wait_until_confirmed(&fx);
	before = counts_of(&fx);
	fixture_plan(&fx, &silent);
	wait_until_down(&fx);
	wait_until_up(&fx);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(fixture_submit(&fx, false, 10 * i, 1), 0);
	for (uint32_t i = 0; i < 4; i++)
		pattern_fill(fixture_slot(&fx, 100 + 10 * i), 100 + 10 * i, 2,
			     2);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(fixture_submit(&fx, true, 100 + 10 * i, 2), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(store_wait_one(fx.st).is_write);
	fixture_plan(&fx, &behave);
	for (uint32_t i = 0; i < 4; i++) {
		struct swap_done done = store_wait_one(fx.st);
		uint32_t slot = (uint32_t)done.cookie;

		assert_int_equal(done.result, 0);
		assert_true(pattern_is(fixture_slot(&fx, slot), slot, 1, 1));
	}
	wait_until_confirmed(&fx);
	after = counts_of(&fx);
	assert_int_equal(after.reads, before.reads + 4);
	assert_int_equal(after.writes, before.writes + 4);
	assert_int_equal(after.written_slots, before.written_slots + 8);
	assert_int_equal(after.opened, before.opened);
	assert_true(status_of(&fx).reconnects >= 2);
	for (uint32_t i = 0; i < 4; i++)
		expect_version(&fx, 100 + 10 * i, 2, 2);
	fixture_fini(&fx);
}

/* Slots 0-9 are lost; 10-19 still were in the buffer; 20-29 were never
 * written; 30-39 were discarded. */
static void test_loss(void **state)
{
	static const struct remote_server_plan closed = { .is_closed = true };
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	write_version(&fx, 0, 10, 1);
	write_version(&fx, 30, 10, 1);
	wait_until_confirmed(&fx);
	swapstore_discard(fx.st, 30, 10);
	fixture_plan(&fx, &closed);
	wait_until_down(&fx);
	assert_true(status_of(&fx).reason[0] != '\0');
	write_version(&fx, 9, 11, 2);
	expect_version(&fx, 9, 11, 2);		/* with nobody there */
	remote_server_forget(fx.server);
	fixture_plan(&fx, &behave);
	wait_until_up(&fx);
	assert_int_equal(status_of(&fx).epoch, 2);
	assert_int_equal(status_of(&fx).lost_slots, 9);
	for (uint32_t slot = 0; slot < 9; slot++)
		assert_int_equal(store_do(fx.st, false, slot, 1, fx.buffer),
				 -SWAP_ELOST);
	assert_int_equal(store_do(fx.st, false, 8, 2, fx.buffer),
			 -SWAP_ELOST);
	expect_version(&fx, 9, 11, 2);
	for (uint32_t slot = 20; slot < 40; slot++)
		assert_int_equal(store_do(fx.st, false, slot, 1, fx.buffer), 0);
	write_version(&fx, 0, 4, 3);
	expect_version(&fx, 0, 4, 3);
	wait_until_confirmed(&fx);
	expect_version(&fx, 0, 4, 3);
	expect_version(&fx, 9, 11, 2);
	assert_int_equal(store_do(fx.st, false, 4, 1, fx.buffer),
			 -SWAP_ELOST);
	assert_true(swapstore_has_lost(fx.st, 4));
	assert_false(swapstore_has_lost(fx.st, 3));
	assert_false(swapstore_has_lost(fx.st, 9));
	swapstore_discard(fx.st, 4, 1);
	assert_false(swapstore_has_lost(fx.st, 4));
	assert_int_equal(store_do(fx.st, false, 4, 1, fx.buffer), 0);
	fixture_fini(&fx);
}

/* A read that waits while its slots get lost ends with an error, one that
 * waits for others goes on. */
static void test_loss_under_waiting_reads(void **state)
{
	static const struct remote_server_plan silent = { .is_silent = true };
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	write_version(&fx, 0, 10, 1);
	wait_until_confirmed(&fx);
	fixture_plan(&fx, &silent);
	wait_until_down(&fx);
	wait_until_up(&fx);
	assert_int_equal(fixture_submit(&fx, false, 0, 10), 0);
	assert_int_equal(fixture_submit(&fx, false, 20, 10), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	remote_server_forget(fx.server);
	fixture_plan(&fx, &behave);
	for (int i = 0; i < 2; i++) {
		struct swap_done done = store_wait_one(fx.st);

		assert_int_equal(done.result, done.cookie == 0 ?
				 -SWAP_ELOST : 0);
	}
	fixture_fini(&fx);
}

/* The server is full, or too busy, for a while: all waits, nothing is lost. */
static void test_server_without_room(void **state)
{
	static const struct remote_server_plan full = {
		.write_error = ENOSPC, .read_error = EBUSY,
	};
	static const struct remote_server_plan quota = {
		.open_error = EDQUOT,
	};
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	write_version(&fx, 200, 5, 1);
	wait_until_confirmed(&fx);
	remote_server_plan_set(fx.server, &full, false);
	write_version(&fx, 0, 60, 2);
	assert_int_equal(fixture_submit(&fx, false, 200, 5), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	while (counts_of(&fx).writes < 12)
		fixture_turn(&fx);
	assert_true(status_of(&fx).is_up);
	remote_server_plan_set(fx.server, &behave, false);
	assert_int_equal(store_wait_one(fx.st).result, 0);
	wait_until_confirmed(&fx);
	expect_version(&fx, 0, 60, 2);

	fixture_plan(&fx, &quota);
	wait_until_down(&fx);
	while (strcmp(status_of(&fx).reason,
		      "it says: the test?says so") != 0)
		fixture_turn(&fx);
	fixture_plan(&fx, &behave);
	expect_version(&fx, 0, 60, 2);
	assert_int_equal(status_of(&fx).lost_slots, 0);
	assert_int_equal(status_of(&fx).epoch, 1);
	fixture_fini(&fx);
}

/* The server's own swap file fails. */
static void test_server_loses_a_slot(void **state)
{
	static const struct remote_server_plan bad_disk = {
		.write_error = EIO, .read_error = EIO,
	};
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	write_version(&fx, 0, 4, 1);
	wait_until_confirmed(&fx);
	remote_server_plan_set(fx.server, &bad_disk, false);
	assert_int_equal(store_do(fx.st, false, 0, 4, fx.buffer),
			 -SWAP_ELOST);
	write_version(&fx, 2, 4, 2);
	wait_until_confirmed(&fx);
	remote_server_plan_set(fx.server, &behave, false);
	expect_version(&fx, 0, 2, 1);
	for (uint32_t slot = 2; slot < 6; slot++)
		assert_int_equal(store_do(fx.st, false, slot, 1, fx.buffer),
				 -SWAP_ELOST);
	assert_int_equal(status_of(&fx).lost_slots, 4);
	write_version(&fx, 2, 4, 3);
	wait_until_confirmed(&fx);
	expect_version(&fx, 2, 4, 3);
	fixture_fini(&fx);
}

/* Everything that is answered is nonsense; nobody believes any of it. */
static void test_forged_answers(void **state)
{
	struct remote_server_plan forge = { .garbage_rate = 65536 };
	const uint64_t seeds = 40;	/* one in four, but at night */
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	write_version(&fx, 0, 20, 1);
	wait_until_confirmed(&fx);
	for (forge.seed = 1; forge.seed <= seeds; forge.seed++) {
		uint64_t spoilt = counts_of(&fx).garbage;

		if (!tier_takes(forge.seed, 4))
			continue;
		fixture_plan(&fx, &forge);
		assert_int_equal(fixture_submit(&fx, false, 0, 20), 0);
		assert_int_equal(swapstore_flush(fx.st), 0);
		while (counts_of(&fx).garbage < spoilt + 3)
			fixture_turn(&fx);
		if (fx.st->in_flight != 1)
			fail_msg("answered by nonsense of seed %ju",
				 (uintmax_t)forge.seed);
		fixture_plan(&fx, &behave);
		assert_int_equal(store_wait_one(fx.st).result, 0);
		assert_true(pattern_is(fx.buffer, 0, 20, 1));
	}
	fixture_fini(&fx);
}

static uint64_t own_cpu_ms(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Discards that were to go out a little later ring no alarm while it waits for
 * the server to answer its goodbye, which can take as long as it does not
 * answer here. */
static void test_goodbye_sleeps(void **state)
{
	static const struct remote_server_plan silent = { .is_silent = true };
	struct fixture fx;
	uint64_t before;

	(void)state;
	fixture_init(&fx);
	write_version(&fx, 0, 10, 1);
	wait_until_confirmed(&fx);
	remote_server_plan_set(fx.server, &silent, false);
	swapstore_discard(fx.st, 0, 10);
	before = own_cpu_ms();
	swapstore_destroy(fx.st);
	fx.st = NULL;
	assert_true(own_cpu_ms() - before < 300);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_confirmed_is_not_sent_again),
		cmocka_unit_test(test_unanswered_is_sent_again),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_loss_under_waiting_reads),
		cmocka_unit_test(test_server_without_room),
		cmocka_unit_test(test_server_loses_a_slot),
		cmocka_unit_test(test_forged_answers),
		cmocka_unit_test(test_goodbye_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
