/* SPDX-License-Identifier: MIT */
/* Proves what client/fault/client_desk.h promises: only a file that the daemon
 * cannot shrink is a desk; it is mapped and unmapped only while nobody uses the
 * last one (C1); and where there is no session, no book, or no userfaultfd that
 * would do, memd is asked, with all credits and intents as they were. */
#include "client/fault/client_desk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { PAGES = 8, START = 1 << 20 };

static struct client_desk cd;
static struct bell bell;
static struct area_files files;
static struct region region;
static struct book_entry book[PAGES + 1];

static int begin(void **state)
{
	(void)state;
	memset(&cd, 0, sizeof(cd));
	memset(&bell, 0, sizeof(bell));
	memset(&files, 0, sizeof(files));
	memset(&region, 0, sizeof(region));
	memset(book, 0, sizeof(book));
	assert_int_equal(bell_init(&bell), 0);
	assert_int_equal(area_files_init(&files), 0);
	cd.bell = &bell;
	cd.files = &files;
	region.start = START;
	region.length = PAGES * 4096;
	region.page_shift = 12;
	atomic_store(&region.segment, 3);
	atomic_store(&region.book, book);
	atomic_store(&region.state, REGION_LIVE);
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(atomic_load(&cd.users), 0);
	client_desk_close(&cd);
	client_desk_fini(&cd);
	assert_null(cd.shared);
	client_desk_fini(&cd);
	bell_fini(&bell);
	area_files_fini(&files);
	return 0;
}

static int make_file(off_t length, int seals)
{
	int fd = memfd_create("desk", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, length), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int open_with(int fd, uint64_t generation)
{
	int err = client_desk_open(&cd, fd, generation);

	close(fd);
	return err;
}

static int open_desk(uint64_t generation)
{
	return open_with(make_file(sizeof(struct desk), F_SEAL_SHRINK),
			 generation);
}

static enum onesided_result fault(unsigned page)
{
	return client_desk_fault(&cd, &region, -1, START + page * 4096u + 5,
				 1);
}

static void lend(unsigned at)
{
	atomic_store(&cd.shared->credit[at].word, credit_word(CREDIT_LENT, 0));
	atomic_fetch_or(&cd.shared->lent[at / 64], UINT64_C(1) << at % 64);
}

/* ---- files */

static void a_desk_cannot_be_shrunk(void **state)
{
	(void)state;
	assert_int_equal(open_with(make_file(sizeof(struct desk), 0), 1),
			 -EPROTO);
	assert_int_equal(open_with(make_file(sizeof(struct desk) - 1,
					     F_SEAL_SHRINK), 1), -EPROTO);
	assert_int_equal(open_with(make_file(sizeof(struct desk) + 1,
					     F_SEAL_SHRINK), 1), -EPROTO);
	assert_int_equal(open_with(open("/dev/null", O_RDWR | O_CLOEXEC), 1),
			 -EPROTO);
	assert_int_equal(client_desk_open(&cd, -1, 1), -EPROTO);
	assert_null(cd.shared);
	assert_int_equal(fault(0), ONESIDED_ASK);
	assert_int_equal(open_desk(1), 0);
}

static void a_desk_in_use_stays(void **state)
{
	struct desk *first;

	(void)state;
	assert_int_equal(open_desk(1), 0);
	first = cd.shared;
	lend(0);
	assert_int_equal(open_desk(2), -EEXIST);
	client_desk_close(&cd);
	atomic_store(&cd.users, 1);
	assert_int_equal(open_desk(2), -EBUSY);
	assert_ptr_equal(cd.shared, first);
	assert_int_equal(credit_state_of(atomic_load(&first->credit[0].word)),
			 CREDIT_LENT);
	atomic_store(&cd.users, 0);
	assert_int_equal(open_desk(2), 0);
	/* It is the new one. */
	assert_int_equal(atomic_load(&cd.shared->credit[0].word), 0);
	assert_int_equal(atomic_load(&cd.generation), 2);
}

/* ---- faults */

static void expect_unused(void)
{
	assert_int_equal(atomic_load(&cd.users), 0);
	assert_int_equal(atomic_load(&cd.shared->open), 0);
	for (unsigned i = 0; i < DESK_INTENTS; i++)
		assert_int_equal(atomic_load(&cd.shared->intent[i].word), 0);
	assert_int_equal(atomic_load(&cd.shared->credit[9].word),
			 credit_word(CREDIT_LENT, 0));
	assert_int_equal(atomic_load(&cd.shared->lent[0]), 1 << 9);
}

/* Nothing is rung: of a fault that goes no way at all, memd hears nothing. */
static void without_a_session_or_book_memd_is_asked(void **state)
{
	(void)state;
	assert_int_equal(open_desk(1), 0);
	lend(9);
	client_desk_close(&cd);
	assert_int_equal(fault(0), ONESIDED_ASK);
	expect_unused();
	assert_int_equal(open_desk(2), 0);
	lend(9);
	atomic_store(&region.book, NULL);
	assert_int_equal(fault(0), ONESIDED_ASK);
	expect_unused();
	atomic_store(&region.book, book);
	atomic_store(&region.state, REGION_LIVE + 1);
	assert_int_equal(fault(0), ONESIDED_ASK);
	expect_unused();
	assert_int_equal(atomic_load(&cd.shared->is_rung), 0);
}

/* There is no such userfaultfd, and no swap file. */
static void what_fails_is_given_back(void **state)
{
	(void)state;
	assert_int_equal(open_desk(1), 0);
	lend(9);
	for (uint32_t s = BOOK_ZERO; s <= BOOK_BUSY + 1; s++) {
		atomic_store(&book[5].state, s);
		assert_int_equal(fault(5), ONESIDED_ASK);
		expect_unused();
	}
	/* The last one was taken: rung for, although nobody hears it. */
	assert_int_equal(atomic_load(&cd.shared->is_rung), 1);
}

/* Each page has its own entry. */
static void the_entry_is_the_pages(void **state)
{
	(void)state;
	assert_int_equal(open_desk(1), 0);
	lend(9);
	for (unsigned i = 0; i < PAGES; i++)
		atomic_store(&book[i].state, BOOK_BUSY);
	atomic_store(&book[6].state, BOOK_ZERO);
	for (unsigned i = 0; i < PAGES; i++) {
		assert_int_equal(fault(i), ONESIDED_ASK);
		expect_unused();
		/* Only this one has come as far as to a credit. */
		assert_int_equal(atomic_exchange(&cd.shared->is_rung, 0),
				 i == 6);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_desk_cannot_be_shrunk),
		TEST(a_desk_in_use_stays),
		TEST(without_a_session_or_book_memd_is_asked),
		TEST(what_fails_is_given_back),
		TEST(the_entry_is_the_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
