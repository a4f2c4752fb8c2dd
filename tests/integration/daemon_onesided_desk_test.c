/* SPDX-License-Identifier: MIT */
/* Proves what memd does with a desk, step by step, with a client that uses its
 * desk by hand: a page with an open intent stays (K1 in proto/desk.h); a page
 * that was brought in is known before advice is carried out (S2 in
 * daemon/serve/desk.h), also while its thread is still busy with it; what was
 * taken counts when the program is gone (S3); what is only said counts nothing
 * (K3); and sessions that keep all they are lent leave something to others (J2
 * in daemon/serve/desks.h). */
#include "tests/integration/desk_client.h"
#include "tests/integration/onesided_task.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cmocka.h>

enum { PAGES = 64, LENGTH = PAGES * UNIT_BYTES, PAGE = 5, LOOKS_MOST = 6000 };

static bool is_present(const struct desk_client *dc, uint64_t page)
{
	off_t at = (off_t)page * UNIT_BYTES;

	return lseek(dc->data, at, SEEK_DATA) == at;
}

static void send_pageout(const struct desk_client *dc, uint64_t page)
{
	client_send_advise(dc->fd, 20, dc->segment, page, 1,
			   MEMD__ADVICE__ADVICE_PAGEOUT);
	client_expect_ok(dc->fd, 20);
}

static void bring_in(const struct desk_client *dc, uint64_t page)
{
	client_send_fault(dc->fd, 21, dc->segment, page);
	assert_int_equal(client_receive_fault(dc->fd, 21, page), 0);
	assert_true(is_present(dc, page));
}

static void open_client(struct desk_client *dc)
{
	start("--log-level=info", NULL);
	*dc = desk_client_open(&memd, 0, 0, true);
	desk_client_map(dc, LENGTH);
	desk_client_ring(dc);
}

/* The test's memory lives on, but has nothing of the segment any more. */
static void close_client(struct desk_client *dc)
{
	client_send(dc->fd, T(GOODBYE), 0, NULL);
	desk_client_close(dc);
	stop();
}

/* ---- K1 */

static void a_page_with_an_intent_stays(void **state)
{
	struct desk_client dc;

	(void)state;
	open_client(&dc);
	bring_in(&dc, PAGE);
	bring_in(&dc, PAGE + 1);
	atomic_store(&dc.desk->open, 1);
	atomic_store(&dc.desk->intent[9].word,
		     intent_word(dc.segment, PAGE));
	client_send_advise(dc.fd, 20, dc.segment, PAGE, 1,
			   MEMD__ADVICE__ADVICE_PAGEOUT);
	client_expect_error(dc.fd, 20, EBUSY, "faulted in");
	send_pageout(&dc, PAGE + 1);
	assert_true(is_present(&dc, PAGE));
	assert_false(is_present(&dc, PAGE + 1));
	/* It was tried more than once. */
	assert_true(counter("claims_refused") > 1);
	atomic_store(&dc.desk->intent[9].word, 0);
	atomic_store(&dc.desk->open, 0);
	send_pageout(&dc, PAGE);
	assert_false(is_present(&dc, PAGE));
	close_client(&dc);
}

/* ---- a fault by hand */

static struct desk_credit *find_lent(struct desk *desk)
{
	for (unsigned i = 0; i < DESK_CREDITS; i++)
		if (credit_state_of(atomic_load(&desk->credit[i].word)) ==
		    CREDIT_LENT)
			return &desk->credit[i];
	return NULL;
}

/* What is not used for a second goes back, so ask again. */
static struct desk_credit *take_credit(struct desk_client *dc, uint32_t page)
{
	struct desk_credit *c;
	unsigned at;

	for (unsigned i = 0; (c = find_lent(dc->desk)) == NULL; i++) {
		assert_true(i < LOOKS_MOST);
		desk_client_ring(dc);
		usleep(10000);
	}
	at = (unsigned)(c - dc->desk->credit);
	atomic_fetch_and(&dc->desk->lent[at / 64],
			 ~(UINT64_C(1) << at % 64));
	atomic_store(&c->segment, dc->segment);
	atomic_store(&c->word, credit_word(CREDIT_TAKEN, page));
	return c;
}

static void install(const struct desk_client *dc, uint32_t page, uint8_t byte)
{
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK |
				UFFD_USER_MODE_ONLY);
	void *at = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED,
			dc->data, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = {
		.range = { (uintptr_t)at, LENGTH },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	uint8_t bytes[UNIT_BYTES];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)at + page * UNIT_BYTES,
		.src = (uintptr_t)bytes,
		.len = UNIT_BYTES,
	};

	memset(bytes, byte, sizeof(bytes));
	assert_ptr_not_equal(at, MAP_FAILED);
	assert_true(uffd >= 0);
	assert_int_equal(ioctl(uffd, UFFDIO_API, &api), 0);
	assert_int_equal(ioctl(uffd, UFFDIO_REGISTER, &r), 0);
	assert_int_equal(ioctl(uffd, UFFDIO_COPY, &copy), 0);
	munmap(at, LENGTH);
	close(uffd);
}

static void expect_bytes(const struct desk_client *dc, uint64_t page,
			 uint8_t byte)
{
	uint8_t bytes[UNIT_BYTES];

	bring_in(dc, page);
	assert_int_equal(pread(dc->data, bytes, sizeof(bytes),
			       (off_t)page * UNIT_BYTES), sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], byte);
}

static void drop_page(const struct desk_client *dc, uint64_t page)
{
	client_send_advise(dc->fd, 22, dc->segment, page, 1,
			   MEMD__ADVICE__ADVICE_DONTNEED);
	client_expect_ok(dc->fd, 22);
}

/* ---- S2 */

static void advice_comes_after_what_was_done(void **state)
{
	struct desk_credit *busy, *done;
	struct desk_client dc;

	(void)state;
	open_client(&dc);
	busy = take_credit(&dc, PAGE);
	done = take_credit(&dc, PAGE + 1);
	install(&dc, PAGE, 7);
	install(&dc, PAGE + 1, 8);
	atomic_store(&done->word, credit_word(CREDIT_INSTALLED, PAGE + 1));
	drop_page(&dc, PAGE);
	drop_page(&dc, PAGE + 1);
	assert_false(is_present(&dc, PAGE));
	assert_false(is_present(&dc, PAGE + 1));
	assert_int_equal(counter("faults_one_sided"), 1);
	atomic_store(&busy->word, credit_word(CREDIT_INSTALLED, PAGE));
	expect_bytes(&dc, PAGE, 0);
	expect_bytes(&dc, PAGE + 1, 0);
	close_client(&dc);
}

/* A page that was written by hand keeps its bytes. */
static void what_was_brought_in_is_kept(void **state)
{
	struct desk_credit *c;
	struct desk_client dc;

	(void)state;
	open_client(&dc);
	c = take_credit(&dc, PAGE);
	install(&dc, PAGE, 9);
	atomic_store(&c->word, credit_word(CREDIT_INSTALLED, PAGE));
	send_pageout(&dc, PAGE);
	assert_false(is_present(&dc, PAGE));
	expect_bytes(&dc, PAGE, 9);
	close_client(&dc);
}

/* ---- S3 */

#define SHARED "desk-shared"

/* The session ends first, and with it what was settled by then. */
static void die_while_busy(void *arg)
{
	atomic_uint *is_installed = arg;
	int admin = client_open(&memd, true, NULL);
	uint64_t closed;
	struct desk_client dc = desk_client_open(&memd, 0, 0, true);

	desk_client_attach(&dc, SHARED, false);
	desk_client_ring(&dc);
	(void)take_credit(&dc, PAGE);
	closed = client_counter(admin, "sessions_closed");
	close(dc.fd);
	client_await_counter(admin, "sessions_closed", closed + 1);
	install(&dc, PAGE, 6);
	atomic_store(is_installed, 1);
	for (;;)
		pause();
}

static void what_was_taken_counts_in_the_end(void **state)
{
	atomic_uint *is_installed = shared_memory(sizeof(*is_installed));
	struct desk_client dc;
	struct answer a;
	pid_t pid;

	(void)state;
	start("--log-level=info", NULL);
	dc = desk_client_open(&memd, 0, 0, false);
	client_send_create(dc.fd, 7, SHARED, LENGTH, 0600);
	client_receive(dc.fd, T(SEGMENT_REPLY), 7, &a);
	answer_free(&a);
	desk_client_attach(&dc, SHARED, false);
	pid = program_start(die_while_busy, is_installed);
	program_await_word(pid, is_installed, 1);
	program_kill(pid);
	for (unsigned i = 0; counter("lent_frames") != 0; i++) {
		assert_true(i < LOOKS_MOST);
		usleep(10000);
	}
	assert_int_equal(counter("resident_frames"), 1);
	send_pageout(&dc, PAGE);
	assert_false(is_present(&dc, PAGE));
	expect_bytes(&dc, PAGE, 6);
	desk_client_close(&dc);
	assert_int_equal(testmemd_stop(&memd), 0);
}

/* ---- K3 */

static void words_alone_count_nothing(void **state)
{
	struct desk_client dc;
	unsigned said = 0;

	(void)state;
	open_client(&dc);
	for (; said < PAGES; said++) {
		struct desk_credit *c = take_credit(&dc, said);

		if (said % 2 == 0)
			atomic_store(&c->segment, dc.segment + 1 + said);
		atomic_store(&c->word, credit_word(CREDIT_INSTALLED, said));
		desk_client_ring(&dc);
		(void)desk_client_poll(&dc);
	}
	assert_int_equal(counter("faults_one_sided"), 0);
	assert_int_equal(counter("resident_frames"), 0);
	close_client(&dc);
}

/* ---- J2 */

/* So many that they would have it all: 128 frames, 32 at first. */
enum { HOARDERS = 5 };

static unsigned count_lent(const struct desk_client *dc)
{
	unsigned count = 0;

	for (unsigned at = 0; at < DESK_CREDITS; at++)
		count += credit_state_of(atomic_load(
			&dc->desk->credit[at].word)) == CREDIT_LENT;
	return count;
}

/* Nobody takes a credit, or gives one back. */
static void hoarders_leave_something(void **state)
{
	struct desk_client dc[HOARDERS];

	(void)state;
	start("--log-level=info", NULL);
	for (unsigned i = 0; i < HOARDERS; i++) {
		dc[i] = desk_client_open(&memd, 0, 0, true);
		desk_client_map(&dc[i], LENGTH);
		desk_client_ring(&dc[i]);
		(void)desk_client_poll(&dc[i]);
		assert_in_range(count_lent(&dc[i]), 1, DESK_CREDITS);
	}
	for (unsigned i = 0; i < HOARDERS; i++) {
		client_send(dc[i].fd, T(GOODBYE), 0, NULL);
		desk_client_close(&dc[i]);
	}
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_with_an_intent_stays),
		cmocka_unit_test(advice_comes_after_what_was_done),
		cmocka_unit_test(what_was_brought_in_is_kept),
		cmocka_unit_test(what_was_taken_counts_in_the_end),
		cmocka_unit_test(words_alone_count_nothing),
		cmocka_unit_test(hoarders_leave_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
