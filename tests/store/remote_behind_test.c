/* SPDX-License-Identifier: MIT */
/* Proves that writes wait in a buffer of a fixed size, which reads overtake and
 * are answered from, with newer bytes in the place of older ones; that demand
 * reads go out before readahead and that before writes, though these do not
 * wait for ever; and that what is discarded is not sent. */
#include "tests/store/remote_fixture.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

/* Nothing is confirmed: the buffer takes what fits, and not a slot more. */
static void test_write_behind_is_bounded(void **state)
{
	static const struct remote_server_plan silent = { .is_silent = true };
	struct swap_done done;
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	fixture_plan(&fx, &silent);
	wait_until_down(&fx);
	write_version(&fx, 0, BEHIND_SLOTS - 2, 1);
	pattern_fill(fixture_slot(&fx, 100), 100, 200, 2);
	assert_int_equal(fixture_submit(&fx, true, 100, 200), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(swapstore_reap(fx.st, &done, 1), 0);
	assert_int_equal(status_of(&fx).behind_bytes,
			 BEHIND_SLOTS * SWAP_SLOT_BYTES);
	fixture_plan(&fx, &behave);
	done = store_wait_one(fx.st);
	assert_int_equal(done.cookie, 100);
	assert_int_equal(done.result, 0);
	expect_version(&fx, 0, BEHIND_SLOTS - 2, 1);
	expect_version(&fx, 100, 200, 2);
	wait_until_confirmed(&fx);
	expect_version(&fx, 100, 200, 2);
	fixture_fini(&fx);
}

/* What is written again before it went out goes out once, as it is last. */
static void test_newer_bytes_replace(void **state)
{
	static const struct remote_server_plan closed = { .is_closed = true };
	struct remote_server_counts before, after;
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	fixture_plan(&fx, &closed);
	wait_until_down(&fx);
	before = counts_of(&fx);
	for (uint32_t version = 1; version <= 100; version++) {
		write_version(&fx, 7, 3, version);
		write_version(&fx, 8, 1, version + 1000);
		expect_version(&fx, 7, 1, version);
		expect_version(&fx, 8, 1, version + 1000);
	}
	assert_int_equal(status_of(&fx).behind_bytes, 3 * SWAP_SLOT_BYTES);
	fixture_plan(&fx, &behave);
	wait_until_confirmed(&fx);
	after = counts_of(&fx);
	assert_int_equal(after.written_slots, before.written_slots + 3);
	expect_version(&fx, 7, 1, 100);
	expect_version(&fx, 8, 1, 1100);
	expect_version(&fx, 9, 1, 100);
	fixture_fini(&fx);
}

/* A read of slots of which the buffer has every second one. */
static void test_reads_are_put_together(void **state)
{
	static const struct remote_server_plan silent = { .is_silent = true };
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	write_version(&fx, 0, 100, 1);
	wait_until_confirmed(&fx);
	fixture_plan(&fx, &silent);
	wait_until_down(&fx);
	for (uint32_t slot = 1; slot < 100; slot += 2)
		write_version(&fx, slot, 1, 2);
	remote_server_plan_set(fx.server, &behave, true);
	memset(fx.buffer, 0xee, 100 * SWAP_SLOT_BYTES);
	assert_int_equal(fixture_submit(&fx, false, 0, 100), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	assert_int_equal(store_wait_one(fx.st).result, 0);
	for (uint32_t slot = 0; slot < 100; slot++)
		assert_true(pattern_is(fixture_slot(&fx, slot), slot, 1,
				       1 + slot % 2));
	fixture_fini(&fx);
}

static void test_reads_overtake_writes(void **state)
{
	static const struct remote_server_plan closed = { .is_closed = true };
	struct remote_server_counts counts;
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	write_version(&fx, 500, 4, 1);
	wait_until_confirmed(&fx);
	fixture_plan(&fx, &behave);
	wait_until_down(&fx);
	wait_until_up(&fx);
	/* In one go, and again when all has to wait for the connection. */
	for (int i = 0; i < 2; i++) {
		if (i == 1) {
			fixture_plan(&fx, &closed);
			wait_until_down(&fx);
		}
		for (uint32_t slot = 0; slot < 8; slot++)
			assert_int_equal(fixture_submit(&fx, true, 2 * slot,
							1), 0);
		for (uint32_t slot = 500; slot < 504; slot++)
			assert_int_equal(fixture_submit(&fx, false, slot, 1),
					 0);
		remote_server_plan_set(fx.server, &behave, i == 1);
		assert_int_equal(swapstore_flush(fx.st), 0);
		while (fx.st->in_flight > 0)
			assert_int_equal(store_wait_one(fx.st).result, 0);
		wait_until_confirmed(&fx);
		counts = counts_of(&fx);
		assert_true(counts.last_read_at > 0);
		assert_true(counts.last_read_at < counts.first_write_at);
	}
	fixture_fini(&fx);
}

/* All has to wait for the connection, which was asked for in another order. */
static void test_classes_go_out_in_order(void **state)
{
	static const struct remote_server_plan closed = { .is_closed = true };
	struct remote_server_counts counts;
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	write_version(&fx, 500, 20, 1);
	wait_until_confirmed(&fx);
	fixture_plan(&fx, &closed);
	wait_until_down(&fx);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(fixture_submit(&fx, true, 2 * i, 1), 0);
		assert_int_equal(fixture_submit_ahead(&fx, 510 + i, 1), 0);
		assert_int_equal(swapstore_flush(fx.st), 0);
	}
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(fixture_submit(&fx, false, 500 + i, 1), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	remote_server_plan_set(fx.server, &behave, true);
	while (fx.st->in_flight > 0)
		assert_int_equal(store_wait_one(fx.st).result, 0);
	wait_until_confirmed(&fx);
	counts = counts_of(&fx);
	assert_int_equal(counts.log_count, 12);
	for (uint32_t i = 0; i < 12; i++) {
		assert_int_equal(counts.log[i].is_write, i >= 8);
		assert_int_equal(counts.log[i].slot,
				 i < 4 ? 500 + i : i < 8 ? 506 + i :
							   2 * (i - 8));
	}
	fixture_fini(&fx);
}

/* A read in so many parts that it has all messages. */
static void test_writes_do_not_wait_for_ever(void **state)
{
	static const struct remote_server_plan closed = { .is_closed = true };
	enum { PARTS = 50 };
	struct remote_server_counts counts;
	uint32_t first_write = 0;
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	write_version(&fx, 0, 2 * PARTS, 1);
	wait_until_confirmed(&fx);
	fixture_plan(&fx, &closed);
	wait_until_down(&fx);
	for (uint32_t slot = 1; slot < 2 * PARTS; slot += 2)
		write_version(&fx, slot, 1, 2);
	assert_int_equal(fixture_submit(&fx, false, 0, 2 * PARTS), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	remote_server_plan_set(fx.server, &behave, true);
	assert_int_equal(store_wait_one(fx.st).result, 0);
	wait_until_confirmed(&fx);
	counts = counts_of(&fx);
	while (first_write < counts.log_count &&
	       !counts.log[first_write].is_write)
		first_write++;
	assert_int_equal(first_write, SWAP_TURNS_MAX);
	for (uint32_t slot = 0; slot < 2 * PARTS; slot++)
		expect_version(&fx, slot, 1, 1 + slot % 2);
	fixture_fini(&fx);
}

/* A discard never takes newer bytes away. */
static void test_discards_and_newer_bytes(void **state)
{
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	for (uint32_t version = 1; version < 50; version++) {
		write_version(&fx, 0, 30, version);
		swapstore_discard(fx.st, 10, 10);
		write_version(&fx, 5, 8, version + 100);
		expect_version(&fx, 0, 5, version);
		expect_version(&fx, 5, 8, version + 100);
		expect_version(&fx, 20, 10, version);
		if (version % 3 == 0) {
			wait_until_confirmed(&fx);
			expect_version(&fx, 5, 8, version + 100);
		}
	}
	fixture_fini(&fx);
}

/* They go out by themselves, neighbours together. */
static void test_discards_go_out(void **state)
{
	struct remote_server_counts before, after;
	uint64_t sent_bytes;
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	before = counts_of(&fx);
	for (uint32_t slot = 100; slot < 200; slot++)
		swapstore_discard(fx.st, slot, 1);
	for (uint32_t slot = 300; slot > 200; slot--)
		swapstore_discard(fx.st, slot - 1, 1);
	sent_bytes = status_of(&fx).sent_bytes;
	while (status_of(&fx).sent_bytes == sent_bytes)
		fixture_turn(&fx);
	while (counts_of(&fx).discarded_slots < before.discarded_slots + 200)
		sched_yield();
	after = counts_of(&fx);
	assert_true(after.discards <= before.discards + 2);
	fixture_fini(&fx);
}

/* Discarded bytes are not sent. */
static void test_discarded_stays_here(void **state)
{
	static const struct remote_server_plan closed = { .is_closed = true };
	struct remote_server_counts before;
	struct fixture fx;

	(void)state;
	fixture_init(&fx);
	before = counts_of(&fx);
	fixture_plan(&fx, &closed);
	wait_until_down(&fx);
	write_version(&fx, 600, 10, 1);
	swapstore_discard(fx.st, 602, 8);
	assert_int_equal(status_of(&fx).behind_bytes, 2 * SWAP_SLOT_BYTES);
	/* More than one message has room for: some are left out. */
	for (uint32_t slot = 0; slot < 600; slot += 2)
		for (int i = 0; i < 5; i++)
			swapstore_discard(fx.st, slot, 1);
	fixture_plan(&fx, &behave);
	wait_until_confirmed(&fx);
	assert_int_equal(counts_of(&fx).written_slots,
			 before.written_slots + 2);
	expect_version(&fx, 600, 2, 1);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_behind_is_bounded),
		cmocka_unit_test(test_newer_bytes_replace),
		cmocka_unit_test(test_reads_are_put_together),
		cmocka_unit_test(test_reads_overtake_writes),
		cmocka_unit_test(test_classes_go_out_in_order),
		cmocka_unit_test(test_writes_do_not_wait_for_ever),
		cmocka_unit_test(test_discards_and_newer_bytes),
		cmocka_unit_test(test_discards_go_out),
		cmocka_unit_test(test_discarded_stays_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
