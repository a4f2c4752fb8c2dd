/* SPDX-License-Identifier: MIT */
/* Proves that what others do does not stop a store: programs of memd's host
 * that pin all they may, or another store whose user may pin no more. */
#include "tests/integration/store_client.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	POOL_PAGES = 1024,		/* STORE_SMALL_POOL */
	PINS_MAX = POOL_PAGES / 2,
	USER_FRAMES = 256, USER_PINS_MAX = USER_FRAMES / 2,
	SLOTS = 256, HOT_SLOTS = 8,
	/* While the other store waits.  It does for half a minute, which is
	 * enough for a thousand times as many; when its tries held up all,
	 * there were three thousand. */
	READS = 10000, READS_AT_ONCE = 32,
	WRITE_ID = 1000000,
};

/* A program on memd's host.  Its connection keeps the pins. */
static int pin(const struct testmemd *tm, uint64_t pages)
{
	int fd = client_open(tm, false, NULL);
	uint32_t segment;

	close(client_map(fd, pages * SLOT_BYTES, SLOT_BYTES, &segment));
	client_send_range(fd, T(PIN), 7, segment, 0, pages);
	client_expect_ok(fd, 7);
	return fd;
}

static int open_store(const struct testmemd *tm)
{
	int fd = store_session(tm);

	assert_int_equal(store_open(fd, SLOTS, NULL, NULL), 0);
	return fd;
}

static void programs_pins_are_not_in_the_way(void **state)
{
	struct testmemd tm;
	int fd, store;

	(void)state;
	store_start(&tm, NULL);
	fd = pin(&tm, PINS_MAX);
	store = open_store(&tm);
	for (uint32_t slot = 0; slot < SLOTS; slot += 8)
		store_write_version(store, slot, 8, 1);
	for (uint32_t slot = 0; slot < SLOTS; slot += 8)
		store_expect(store, slot, 8, 1);
	close(store);
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static bool has_answer(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* The next READS_AT_ONCE. */
static void read_hot(int store, unsigned first)
{
	static const uint32_t version[HOT_SLOTS] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	struct answer a;

	for (unsigned i = first; i < first + READS_AT_ONCE; i++)
		store_send_read(store, 1 + i, i % HOT_SLOTS, 1);
	for (unsigned i = first; i < first + READS_AT_ONCE; i++) {
		assert_true(store_try_receive(store, &a));
		assert_int_equal(a.header.type, T(STORE_BYTES));
		slots_check(a.body, (uint32_t)(a.header.request_id - 1) %
			    HOT_SLOTS, 1, version);
		answer_free(&a);
	}
}

static void a_store_without_pins_holds_up_no_other(void **state)
{
	uint8_t bytes[SLOT_BYTES];
	int fd, store, without;
	struct testmemd tm;
	unsigned reads = 0;

	(void)state;
	store_start(&tm, "--uid-frames=256");
	store = open_store(&tm);
	without = open_store(&tm);
	store_write_version(store, 0, HOT_SLOTS, 1);
	fd = pin(&tm, USER_PINS_MAX);
	slot_fill(bytes, 3, 1);
	store_send_write(without, WRITE_ID, 3, 1, bytes);
	while (reads < READS && !has_answer(without)) {
		read_hot(store, reads);
		reads += READS_AT_ONCE;
	}
	if (reads < READS)
		fail_msg("only %u reads went before the write was given up",
			 reads);
	close(fd);
	/* Now there are pins. */
	client_expect_ok(without, WRITE_ID);
	store_expect(without, 3, 1, 1);
	close(without);
	close(store);
	assert_int_equal(testmemd_stop(&tm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_pins_are_not_in_the_way),
		cmocka_unit_test(a_store_without_pins_holds_up_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
