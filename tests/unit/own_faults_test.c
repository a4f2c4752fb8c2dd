/* SPDX-License-Identifier: MIT */
/* Proves what client/fault/own_faults.h promises: pages that are read in the
 * background come in right, many at once; what nobody waits for any more, or
 * what cannot be read, is not installed (W2); what the kernel does not take is
 * left to memd (W3); and whatever happens, all intents are closed in the end,
 * and all credits are LENT or INSTALLED.  A read of a pipe is under way until
 * the test writes. */
#include "client/fault/own_faults.h"
#include "client/fault/fault.h"
#include "proto/checksum.h"
#include "tests/skip.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { PAGE = 4096, PAGES = 2 * DESK_INTENTS, FIRST_SLOT = 100, SERIAL = 77 };

static struct client_desk cd;
static struct own_faults of;
static struct uffd uffd = { .fd = -1 };
static struct region region;
static struct book_entry book[PAGES + 1];
static struct fault waiter[PAGES];
static uint8_t *memory;
static int data = -1, swap = -1;

/* ---- the kernel may refuse */

static int submit_error;

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);

int __wrap_io_uring_submit(struct io_uring *ring)
{
	return submit_error != 0 ? submit_error : __real_io_uring_submit(ring);
}

/* ---- a segment, all in swap */

static void fill_page(unsigned page, uint8_t bytes[PAGE])
{
	memset(bytes, (int)page + 1, PAGE);
}

static void swap_out(unsigned page)
{
	struct checksum_key key = { SERIAL, page, page + 1 };
	struct book_entry *e = &book[page];
	struct checksum sum;
	uint8_t bytes[PAGE];

	fill_page(page, bytes);
	assert_int_equal(pwrite(swap, bytes, PAGE, (off_t)page * PAGE), PAGE);
	sum = checksum_of(&key, bytes, PAGE);
	atomic_store(&e->slot, FIRST_SLOT + page);
	atomic_store(&e->generation, page + 1);
	atomic_store(&e->sum_low, sum.low);
	atomic_store(&e->sum_high, sum.high);
	atomic_store(&e->state, BOOK_SWAPPED);
}

static int copy_of(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void open_desk(void)
{
	int fd = memfd_create("desk", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, sizeof(struct desk)), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(client_desk_open(&cd, fd, 1), 0);
	close(fd);
	for (unsigned i = 0; i < PAGES; i++) {
		atomic_store(&cd.shared->credit[i].word,
			     credit_word(CREDIT_LENT, 0));
		atomic_fetch_or(&cd.shared->lent[i / 64],
				UINT64_C(1) << i % 64);
	}
}

static void open_region(void)
{
	data = memfd_create("data", MFD_CLOEXEC);
	assert_int_equal(ftruncate(data, PAGES * PAGE), 0);
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      data, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(uffd_register(uffd.fd, (uintptr_t)memory,
				       PAGES * PAGE, true), 0);
	memset(&region, 0, sizeof(region));
	region.start = (uintptr_t)memory;
	region.length = PAGES * PAGE;
	region.page_shift = 12;
	region.serial = SERIAL;
	atomic_store(&region.segment, 3);
	atomic_store(&region.book, book);
	atomic_store(&region.state, REGION_LIVE);
}

static int begin(void **state)
{
	(void)state;
	if (uffd.fd < 0)
		return 0;
	memset(&cd, 0, sizeof(cd));
	memset(&of, 0, sizeof(of));
	memset(book, 0, sizeof(book));
	swap = memfd_create("swap", MFD_CLOEXEC);
	open_desk();
	open_region();
	for (unsigned i = 0; i < PAGES; i++)
		swap_out(i);
	own_faults_init(&of, &cd);
	own_faults_set_file(&of, FIRST_SLOT, PAGES, copy_of(swap));
	return 0;
}

static unsigned count_credits(enum credit_state state)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PAGES; i++)
		count += credit_state_of(atomic_load(
				&cd.shared->credit[i].word)) == state;
	return count;
}

static int end(void **state)
{
	(void)state;
	if (uffd.fd < 0)
		return 0;
	own_faults_fini(&of);
	assert_int_equal(of.file_count, 0);
	assert_int_equal(atomic_load(&cd.users), 0);
	assert_int_equal(atomic_load(&cd.shared->open), 0);
	for (unsigned i = 0; i < DESK_INTENTS; i++)
		assert_int_equal(atomic_load(&cd.shared->intent[i].word), 0);
	assert_int_equal(count_credits(CREDIT_LENT) +
			 count_credits(CREDIT_INSTALLED), PAGES);
	client_desk_close(&cd);
	client_desk_fini(&cd);
	munmap(memory, PAGES * PAGE);
	close(data);
	close(swap);
	return 0;
}

/* ---- faults */

static void need_kernel(void)
{
	struct io_uring ring;

	if (uffd.fd < 0)
		skip_case("no userfaultfd here");
	if (of.uring.ring_fd < 0 && io_uring_queue_init(1, &ring, 0) != 0)
		skip_case("no io_uring here");
	if (of.uring.ring_fd < 0)
		io_uring_queue_exit(&ring);
}

static enum own_result fault_on(unsigned page)
{
	struct own_fault *own = NULL;
	enum own_result result;

	need_kernel();
	result = own_faults_begin(&of, &region, uffd.fd,
				  (uintptr_t)memory + page * (size_t)PAGE + 7,
				  1, &own);
	assert_int_equal(result == OWN_READING, own != NULL);
	if (own != NULL)
		own->waiter = &waiter[page];
	return result;
}

static void await_reads(void)
{
	struct pollfd p = { .fd = of.uring.ring_fd, .events = POLLIN };

	own_faults_submit(&of);
	while (!TAILQ_EMPTY(&of.reading)) {
		assert_int_equal(poll(&p, 1, -1), 1);
		own_faults_reap(&of);
	}
}

static void expect_next(unsigned page, enum own_result expected)
{
	enum own_result result;

	assert_ptr_equal(own_faults_next(&of, &result), &waiter[page]);
	assert_int_equal(result, expected);
}

static void expect_no_more(void)
{
	enum own_result result;

	assert_null(own_faults_next(&of, &result));
}

static bool is_present(unsigned page)
{
	off_t at = (off_t)page * PAGE;

	return lseek(data, at, SEEK_DATA) == at;
}

static void expect_bytes(unsigned page)
{
	uint8_t bytes[PAGE];

	fill_page(page, bytes);
	assert_memory_equal(memory + page * (size_t)PAGE, bytes, PAGE);
}

static void many_are_read_at_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(fault_on(i * 3), OWN_READING);
	assert_false(is_present(0));
	await_reads();
	for (unsigned i = 0; i < 9; i++) {
		expect_next(i * 3, OWN_BROUGHT);
		expect_bytes(i * 3);
		assert_false(is_present(i * 3 + 1));
	}
	expect_no_more();
	assert_int_equal(count_credits(CREDIT_INSTALLED), 9);
}

static void zeros_need_no_read(void **state)
{
	(void)state;
	atomic_store(&book[4].state, BOOK_ZERO);
	assert_int_equal(fault_on(4), OWN_BROUGHT);
	assert_true(is_present(4));
	expect_no_more();
}

static void what_is_there_is_mapped(void **state)
{
	uint8_t bytes[PAGE];

	(void)state;
	memset(bytes, 99, PAGE);
	assert_int_equal(pwrite(data, bytes, PAGE, 5 * PAGE), PAGE);
	assert_int_equal(fault_on(5), OWN_READING);
	await_reads();
	expect_next(5, OWN_FOUND);
	assert_int_equal(memory[5 * PAGE], 99);
	assert_int_equal(count_credits(CREDIT_LENT), PAGES);
}

static void nobody_waits_any_more(void **state)
{
	(void)state;
	assert_int_equal(fault_on(6), OWN_READING);
	assert_int_equal(fault_on(7), OWN_READING);
	TAILQ_FIRST(&of.queued)->waiter = NULL;
	await_reads();
	expect_next(7, OWN_BROUGHT);
	expect_no_more();
	assert_false(is_present(6));
	expect_bytes(7);
}

static void the_session_has_ended(void **state)
{
	(void)state;
	assert_int_equal(fault_on(6), OWN_READING);
	own_faults_submit(&of);
	atomic_store(&region.state, REGION_JOINING);
	await_reads();
	expect_next(6, OWN_ASK);
	assert_false(is_present(6));
}

/* All slots are in a pipe.  Returns its other end. */
static int read_from_pipe(void)
{
	int fd[2];

	need_kernel();
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	own_faults_set_file(&of, FIRST_SLOT, PAGES, fd[0]);
	return fd[1];
}

static void write_page(int to, unsigned page)
{
	uint8_t bytes[PAGE];

	fill_page(page, bytes);
	assert_int_equal(write(to, bytes, PAGE), PAGE);
}

static void expect_under_way(unsigned page)
{
	assert_int_equal(fault_on(page), OWN_READING);
	own_faults_submit(&of);
	own_faults_reap(&of);
	expect_no_more();
	assert_false(TAILQ_EMPTY(&of.reading));
}

static void much_happens_while_it_is_read(void **state)
{
	int to = read_from_pipe();

	(void)state;
	expect_under_way(3);
	write_page(to, 3);
	await_reads();
	expect_next(3, OWN_BROUGHT);
	expect_bytes(3);

	expect_under_way(4);
	TAILQ_FIRST(&of.reading)->waiter = NULL;
	write_page(to, 4);
	await_reads();
	expect_no_more();
	assert_false(is_present(4));

	/* The region is live again, in another session. */
	expect_under_way(5);
	atomic_store(&cd.generation, 2);
	write_page(to, 5);
	await_reads();
	expect_next(5, OWN_ASK);
	assert_false(is_present(5));
	close(to);
}

static void the_kernel_has_no_room_for_a_moment(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fault_on(i), OWN_READING);
	submit_error = -EAGAIN;
	own_faults_submit(&of);
	submit_error = 0;
	for (unsigned i = 0; i < 3; i++)
		expect_next(i, OWN_ASK);
	expect_no_more();
	assert_int_equal(fault_on(3), OWN_ASK);
	own_faults_reap(&of);
	assert_int_equal(fault_on(3), OWN_READING);
	await_reads();
	expect_next(3, OWN_BROUGHT);
	expect_bytes(3);
	assert_int_equal(of.open_count, 2);
	assert_int_equal(count_credits(CREDIT_LENT), PAGES - 1);
}

static void the_kernel_has_forbidden_it_meanwhile(void **state)
{
	int to = read_from_pipe();

	(void)state;
	expect_under_way(2);
	assert_int_equal(fault_on(3), OWN_READING);
	submit_error = -EPERM;
	own_faults_submit(&of);
	submit_error = 0;
	expect_next(3, OWN_ASK);
	expect_no_more();
	write_page(to, 2);
	await_reads();
	expect_next(2, OWN_BROUGHT);
	assert_int_equal(of.uring.ring_fd, -1);
	assert_int_equal(fault_on(4), OWN_ASK);
	assert_int_equal(of.open_count, 1);
	close(to);
}

static void wrong_bytes_are_not_installed(void **state)
{
	(void)state;
	assert_int_equal(pwrite(swap, "wrong", 5, 8 * PAGE), 5);
	assert_int_equal(ftruncate(swap, 11 * PAGE), 0);
	assert_int_equal(fault_on(8), OWN_READING);
	assert_int_equal(fault_on(11), OWN_READING);
	assert_int_equal(fault_on(9), OWN_READING);
	await_reads();
	expect_next(8, OWN_ASK);
	expect_next(11, OWN_ASK);
	expect_next(9, OWN_BROUGHT);
	assert_false(is_present(8));
	assert_false(is_present(11));
}

static void memd_is_asked_where_there_is_no_file(void **state)
{
	(void)state;
	atomic_store(&book[3].slot, FIRST_SLOT + PAGES);
	assert_int_equal(fault_on(3), OWN_ASK);
	own_faults_set_file(&of, FIRST_SLOT, 0, -1);
	assert_int_equal(fault_on(4), OWN_ASK);
	own_faults_set_file(&of, FIRST_SLOT, PAGES, copy_of(swap));
	of.is_refused = true;
	assert_int_equal(fault_on(5), OWN_ASK);
	expect_no_more();
	assert_int_equal(count_credits(CREDIT_LENT), PAGES);
}

static void more_than_there_are_intents(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DESK_INTENTS; i++)
		assert_int_equal(fault_on(i), OWN_READING);
	assert_int_equal(fault_on(DESK_INTENTS), OWN_ASK);
	await_reads();
	for (unsigned i = 0; i < DESK_INTENTS; i++)
		expect_next(i, OWN_BROUGHT);
	assert_int_equal(fault_on(DESK_INTENTS), OWN_READING);
	await_reads();
	expect_next(DESK_INTENTS, OWN_BROUGHT);
}

static void *write_later(void *arg)
{
	usleep(20000);
	for (unsigned i = 0; i < 4; i++)
		write_page(*(int *)arg, i);
	return NULL;
}

/* end() looks at what is left. */
static void the_end_comes_while_reading(void **state)
{
	int to = read_from_pipe();
	pthread_t thread;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		expect_under_way(i);
	assert_int_equal(fault_on(4), OWN_READING);
	assert_int_equal(pthread_create(&thread, NULL, write_later, &to), 0);
	own_faults_fini(&of);
	assert_int_equal(pthread_join(thread, NULL), 0);
	for (unsigned i = 0; i < 5; i++)
		assert_false(is_present(i));
	close(to);
}

static void files_are_replaced_and_closed(void **state)
{
	int first = copy_of(swap), other = copy_of(swap);

	(void)state;
	need_kernel();
	own_faults_set_file(&of, 5000, 10, first);
	own_faults_set_file(&of, 6000, 10, other);
	own_faults_set_file(&of, 5000, 20, copy_of(swap));
	assert_int_equal(fcntl(first, F_GETFD), -1);
	assert_int_equal(of.file_count, 3);
	own_faults_set_file(&of, 5000, 0, -1);
	assert_int_equal(of.file_count, 2);
	own_faults_set_file(&of, AREA_FILES_ALL, 0, -1);
	assert_int_equal(of.file_count, 0);
	assert_int_equal(fcntl(other, F_GETFD), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_are_read_at_once),
		TEST(zeros_need_no_read),
		TEST(what_is_there_is_mapped),
		TEST(nobody_waits_any_more),
		TEST(the_session_has_ended),
		TEST(much_happens_while_it_is_read),
		TEST(the_kernel_has_no_room_for_a_moment),
		TEST(the_kernel_has_forbidden_it_meanwhile),
		TEST(wrong_bytes_are_not_installed),
		TEST(memd_is_asked_where_there_is_no_file),
		TEST(more_than_there_are_intents),
		TEST(the_end_comes_while_reading),
		TEST(files_are_replaced_and_closed),
	};

	if (uffd_open(false, &uffd) != 0)
		uffd.fd = -1;
	return skip_exit_status(cmocka_run_group_tests(tests, NULL, NULL),
				ARRAY_SIZE(tests));
}
