/* SPDX-License-Identifier: MIT */
/* Proves that libmemclient asks the daemon for every page, and gets its bytes,
 * where the daemon has later versions than the library knows: of the desk, of
 * books, of the states in a book; also where such a daemon comes in place of
 * one whose versions it knows.  All books here say what is wrong, and all
 * credits are lent: the first case shows that a library that believes them
 * takes credits, and asks for nothing. */
#include "common/checks.h"
#include "proto/book.h"
#include "tests/integration/client_helpers.h"

#include <stdbool.h>

enum { PAGES = 256, PAGE = 4096, LENGTH = PAGES * PAGE };

static const uint32_t modes[] = {
	MEMCLIENT_FAULT_THREAD, MEMCLIENT_FAULT_INLINE,
};

static struct fake fake;

static void give(enum fake_desk_kind kind, uint32_t state, uint32_t end)
{
	fake.control->book_state = state;
	fake.control->book_end = end;
	fake.control->desk = kind;
	fake.control->desks_asked = fake.control->desks_begun = 0;
	fake.control->fault_pages = fake.control->credits_taken = 0;
}

/* All pages once, in unequal steps: who goes in equal ones asks anyway. */
static size_t place(size_t i)
{
	return i * (i + 1) / 2 % PAGES * PAGE;
}

/* What came before its reply has been taken. */
static void exchange(struct memclient *mc)
{
	struct memclient_stats s = { .size = sizeof(s) };

	assert_int_equal(memclient_stats(mc, &s), 0);
}

static void await_begun(void)
{
	for (unsigned i = 0; fake.control->desks_begun == 0; i++) {
		assert_true(i < 60000);
		usleep(1000);
	}
}

/* ---- what it knows */

static void believe_in(struct memclient *mc, uint32_t fault_mode)
{
	uint8_t *p = map(mc, LENGTH, 0, fault_mode);

	await_begun();
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(p[place(i)], 0);
	exchange(mc);
	assert_in_range(fake.control->credits_taken, PAGES / 2, PAGES);
	assert_in_range(fake.control->fault_pages, 0, PAGES / 2);
}

static void known_versions_are_believed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct memclient *mc;

		give(FAKE_DESK_GOOD, BOOK_ZERO, BOOK_ZERO);
		mc = open_client(&fake, 20000);
		believe_in(mc, modes[i]);
		memclient_close(mc);
	}
}

/* ---- what it does not know */

static void fill_pages(uint8_t *p)
{
	for (size_t i = 0; i < PAGES; i++)
		memset(p + place(i), (int)(i % 255) + 1, PAGE);
}

static void verify_pages(const uint8_t *p)
{
	for (size_t i = 0; i < PAGES; i++)
		for (size_t at = 0; at < PAGE; at++)
			assert_int_equal(p[place(i) + at], i % 255 + 1);
}

static void ask_for_all(struct memclient *mc, uint8_t *p)
{
	uint64_t before = fake.control->fault_pages;

	exchange(mc);
	fill_pages(p);
	fake_evict(&fake);
	verify_pages(p);
	exchange(mc);
	assert_in_range(fake.control->fault_pages - before, 2 * PAGES,
			UINT64_MAX);
	assert_int_equal(fake.control->credits_taken, 0);
}

static void expect_asked(enum fake_desk_kind kind, uint32_t state,
			 uint32_t end, bool begins)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct memclient *mc;
		uint8_t *p;

		give(kind, state, end);
		mc = open_client(&fake, 20000);
		p = map(mc, LENGTH, 0, modes[i]);
		if (begins)
			await_begun();
		ask_for_all(mc, p);
		assert_int_equal(fake.control->desks_asked, 1);
		assert_int_equal(fake.control->desks_begun, begins);
		memclient_close(mc);
	}
}

static void a_newer_desk_is_not_used(void **state)
{
	(void)state;
	expect_asked(FAKE_DESK_NEWER, BOOK_ZERO, BOOK_ZERO, false);
}

static void a_newer_book_is_not_used(void **state)
{
	(void)state;
	expect_asked(FAKE_DESK_NEWER_BOOKS, BOOK_ZERO, BOOK_ZERO, false);
}

/* As by a daemon that does not serve a library as old as this any more. */
static void without_a_desk_no_book_is_used(void **state)
{
	(void)state;
	expect_asked(FAKE_DESK_REFUSED, BOOK_ZERO, BOOK_ZERO, false);
}

/* Also known ones with a bit more. */
static void for_unknown_states_the_daemon_is_asked(void **state)
{
	static const uint32_t unknown[] = {
		BOOK_BUSY + 1, BOOK_ZERO | 1u << 8, BOOK_SWAPPED | 1u << 16,
		BOOK_RESIDENT | 1u << 31, UINT32_MAX,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		expect_asked(FAKE_DESK_GOOD, unknown[i], BOOK_ZERO, true);
}

static void an_unknown_end_is_an_end(void **state)
{
	(void)state;
	expect_asked(FAKE_DESK_GOOD, BOOK_ZERO, BOOK_BUSY + 1, true);
	expect_asked(FAKE_DESK_GOOD, BOOK_RESIDENT, 1u << 31, true);
}

/* ---- a daemon is replaced */

static uint8_t *map_again(struct memclient *mc, uint32_t fault_mode)
{
	struct memclient_map_options o = { .size = sizeof(o),
					   .fault_mode = fault_mode };
	void *at = NULL;
	int err = -ENOTCONN;

	for (unsigned i = 0; err == -ENOTCONN && i < 6000; i++) {
		err = memclient_map(mc, LENGTH, &o, &at);
		if (err == -ENOTCONN)
			usleep(10000);
	}
	assert_int_equal(err, 0);
	return at;
}

static void replace_by(enum fake_desk_kind kind, uint32_t fault_mode)
{
	struct memclient *mc;
	uint8_t *p;

	give(FAKE_DESK_GOOD, BOOK_ZERO, BOOK_ZERO);
	mc = open_client(&fake, 20000);
	believe_in(mc, fault_mode);
	fake_kill(&fake);
	give(kind, BOOK_ZERO, BOOK_ZERO);
	fake_restart(&fake);
	p = map_again(mc, fault_mode);
	ask_for_all(mc, p);
	assert_int_equal(fake.control->desks_begun, 0);
	memclient_close(mc);
}

static void a_newer_daemon_takes_the_place_of_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		replace_by(FAKE_DESK_NEWER, modes[i]);
		replace_by(FAKE_DESK_NEWER_BOOKS, modes[i]);
		replace_by(FAKE_DESK_REFUSED, modes[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(&fake, known_versions_are_believed),
		CLIENT_TEST(&fake, a_newer_desk_is_not_used),
		CLIENT_TEST(&fake, a_newer_book_is_not_used),
		CLIENT_TEST(&fake, without_a_desk_no_book_is_used),
		CLIENT_TEST(&fake, for_unknown_states_the_daemon_is_asked),
		CLIENT_TEST(&fake, an_unknown_end_is_an_end),
		CLIENT_TEST(&fake, a_newer_daemon_takes_the_place_of_one),
	};
	int failed;

	fake_start(&fake);
	fake.control->mailbox = FAKE_MAILBOX_GOOD;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fake_stop(&fake);
	return failed;
}
