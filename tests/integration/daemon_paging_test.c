/* SPDX-License-Identifier: MIT */
/* Proves, through the protocol alone, that bytes written into pinned pages
 * come back unchanged after they have been to swap and back, for
 * every page size and store; that pins belong to who made them and go with
 * him; that eviction, limits and the trace do what an administrator asks;
 * that a data file written to past memd, or made of huge pages, is noticed. */
#include "tests/integration/daemon_client.h"
#include "tests/skip.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25		/* Linux 6.1 */
#endif

enum { MIB = 1 << 20 };

static struct testmemd memd;
static int admin = -1;

static void pin(int fd, uint32_t segment, uint64_t first, uint64_t count)
{
	client_send_range(fd, T(PIN), 40, segment, first, count);
	client_expect_ok(fd, 40);
}

static void unpin(int fd, uint32_t segment, uint64_t first, uint64_t count)
{
	client_send_range(fd, T(UNPIN), 41, segment, first, count);
	client_expect_ok(fd, 41);
}

static void expect_nothing_left(void)
{
	client_await_counter(admin, "committed_units", 0);
	client_await_counter(admin, "pinned_frames", 0);
	client_await_counter(admin, "free_frames",
			     client_counter(admin, "frame_count"));
	client_await_counter(admin, "free_slots",
			     client_counter(admin, "slot_count"));
}

/* Bytes that say which page they are of, and cannot be mistaken for zeros. */
static void fill(uint8_t *page, size_t bytes, uint64_t number)
{
	for (size_t i = 0; i + 8 <= bytes; i += 8) {
		uint64_t word = (number + 1) * UINT64_C(0x9e3779b97f4a7c15) +
				i;

		memcpy(page + i, &word, 8);
	}
}

/* Write all pages, several times the pool, then read all of them. */
static void go_round(uint32_t page_bytes, uint64_t pages)
{
	int fd = client_open(&memd, false, NULL);
	uint8_t *want = malloc(page_bytes), *got = malloc(page_bytes);
	uint32_t segment;
	int data = client_map(fd, pages * page_bytes, page_bytes, &segment);

	assert_non_null(want);
	assert_non_null(got);
	for (uint64_t page = 0; page < pages; page++) {
		pin(fd, segment, page, 1);
		fill(want, page_bytes, page);
		assert_int_equal(pwrite(data, want, page_bytes,
					(off_t)(page * page_bytes)),
				 page_bytes);
		unpin(fd, segment, page, 1);
	}
	for (uint64_t page = 0; page < pages; page++) {
		pin(fd, segment, page, 1);
		assert_int_equal(pread(data, got, page_bytes,
				       (off_t)(page * page_bytes)),
				 page_bytes);
		unpin(fd, segment, page, 1);
		fill(want, page_bytes, page);
		assert_memory_equal(got, want, page_bytes);
	}
	free(want);
	free(got);
	close(data);
	close(fd);
	expect_nothing_left();
}

static void bytes_come_back_4k(void **state)
{
	uint64_t written = client_counter(admin, "written");

	(void)state;
	go_round(4096, 36 * MIB / 4096);
	assert_true(client_counter(admin, "written") > written);
	assert_int_equal(client_counter(admin, "pages_lost"), 0);
}

static void bytes_come_back_16k(void **state)
{
	(void)state;
	go_round(16384, 48 * MIB / 16384);
}

static void bytes_come_back_64k(void **state)
{
	(void)state;
	go_round(65536, 48 * MIB / 65536);
}

static void bytes_come_back_2m(void **state)
{
	(void)state;
	go_round(2 * MIB, 40);
}

/* ---- pins */

static void pins_belong_to_who_made_them(void **state)
{
	Memd__SegmentUnlink request = MEMD__SEGMENT_UNLINK__INIT;
	int one = client_open(&memd, false, NULL);
	int two = client_open(&memd, false, NULL);
	uint32_t segment;
	struct answer a;
	int data;

	(void)state;
	client_send_create(one, 2, "pins", MIB, 0600);
	client_receive(one, T(SEGMENT_REPLY), 2, &a);
	answer_free(&a);
	data = client_attach(one, "pins", false, &segment);
	close(data);
	data = client_attach(two, "pins", false, &segment);
	pin(one, segment, 0, 10);
	pin(one, segment, 0, 10);
	pin(two, segment, 5, 10);
	/* A page counts once for each of its pins. */
	assert_int_equal(client_counter(admin, "pinned_frames"), 30);
	client_send_range(two, T(UNPIN), 41, segment, 0, 10);
	client_expect_error(two, 41, EINVAL, "not pinned");
	client_send_advise(two, 42, segment, 0, 1,
			   MEMD__ADVICE__ADVICE_DONTNEED);
	client_expect_error(two, 42, EBUSY, "pinned");
	unpin(one, segment, 0, 10);
	client_await_counter(admin, "pinned_frames", 20);
	/* The session goes, and its other pin with it.  (Without Goodbye it is
	 * kept as long as this process lives.) */
	client_send(one, T(GOODBYE), 0, NULL);
	close(one);
	client_await_counter(admin, "pinned_frames", 10);
	unpin(two, segment, 5, 10);
	client_await_counter(admin, "pinned_frames", 0);
	request.name = "pins";
	client_send(two, T(SEGMENT_UNLINK), 43, &request.base);
	client_expect_ok(two, 43);
	close(data);
	close(two);
	expect_nothing_left();
}

static void too_much_cannot_be_pinned(void **state)
{
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;
	int data = client_map(fd, 32 * MIB, 4096, &segment);

	(void)state;
	client_send_range(fd, T(PIN), 40, segment, 0, 4097);
	client_expect_error(fd, 40, ENOMEM, "half the pool");
	assert_int_equal(client_counter(admin, "pinned_frames"), 0);
	close(data);
	close(fd);
	expect_nothing_left();
}

/* A program that dies while its pin is being read in leaves none. */
static void pins_under_way_are_let_go(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		int fd = client_open(&memd, false, NULL);
		uint32_t segment;

		close(client_map(fd, 4 * MIB, 4096, &segment));
		client_send_range(fd, T(PIN), 40, segment, 0, 512);
		client_send_advise(fd, 41, segment, 512, 512,
				   MEMD__ADVICE__ADVICE_WILLNEED);
		close(fd);
	}
	expect_nothing_left();
}

/* ---- administration */

static void send_evict(uint64_t bytes)
{
	Memd__EvictRequest request = MEMD__EVICT_REQUEST__INIT;

	request.has_bytes = true;
	request.bytes = bytes;
	client_send(admin, T(EVICT), 50, &request.base);
}

static uint64_t receive_evicted(void)
{
	Memd__EvictReply *reply;
	struct answer a;
	uint64_t bytes;

	client_receive(admin, T(EVICT_REPLY), 50, &a);
	reply = answer_unpack(&a, &memd__evict_reply__descriptor);
	bytes = reply->evicted_bytes;
	memd__evict_reply__free_unpacked(reply, NULL);
	answer_free(&a);
	return bytes;
}

static void touch_pages(int fd, int data, uint32_t segment, uint64_t count)
{
	for (uint64_t page = 0; page < count; page++) {
		pin(fd, segment, page, 1);
		assert_int_equal(pwrite(data, &page, sizeof(page),
					(off_t)(page * 4096 + 8)),
				 sizeof(page));
		unpin(fd, segment, page, 1);
	}
}

static void eviction_takes_what_was_asked(void **state)
{
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;
	int data = client_map(fd, 8 * MIB, 4096, &segment);
	uint64_t resident;

	(void)state;
	touch_pages(fd, data, segment, 1024);
	resident = client_counter(admin, "resident_frames");
	assert_true(resident >= 1024);
	send_evict(2 * MIB);
	assert_int_equal(receive_evicted(), 2 * MIB);
	send_evict(0);
	(void)receive_evicted();
	client_await_counter(admin, "resident_frames", 0);
	close(data);
	close(fd);
	expect_nothing_left();
}

static void lowering_a_limit_evicts_and_loses_nothing(void **state)
{
	Memd__Limit limit = MEMD__LIMIT__INIT;
	Memd__HelloReply *reply;
	int fd = client_open(&memd, false, &reply);
	uint32_t segment;
	int data = client_map(fd, 8 * MIB, 4096, &segment);

	(void)state;
	touch_pages(fd, data, segment, 1000);
	limit.has_session = limit.has_frames = true;
	limit.session = reply->session;
	limit.frames = 100;
	client_send(admin, T(LIMIT_SET), 51, &limit.base);
	client_expect_ok(admin, 51);
	for (int i = 0; client_counter(admin, "resident_frames") > 100; i++) {
		assert_true(i < 6000);
		poll(NULL, 0, 10);
	}
	for (uint64_t page = 0; page < 1000; page++) {
		uint64_t got;

		pin(fd, segment, page, 1);
		assert_int_equal(pread(data, &got, sizeof(got),
				       (off_t)(page * 4096 + 8)),
				 sizeof(got));
		assert_int_equal(got, page);
		unpin(fd, segment, page, 1);
	}
	memd__hello_reply__free_unpacked(reply, NULL);
	close(data);
	close(fd);
	expect_nothing_left();
}

/* Nobody asks for anything any more when they can go. */
static void a_limit_below_what_is_pinned_holds_afterwards(void **state)
{
	enum { PINNED = 1000, LIMIT = 100 };
	Memd__Limit limit = MEMD__LIMIT__INIT;
	Memd__HelloReply *reply;
	int fd = client_open(&memd, false, &reply);
	uint32_t segment;

	(void)state;
	close(client_map(fd, 8 * MIB, 4096, &segment));
	pin(fd, segment, 0, PINNED);
	limit.has_session = limit.has_frames = true;
	limit.session = reply->session;
	limit.frames = LIMIT;
	client_send(admin, T(LIMIT_SET), 51, &limit.base);
	client_expect_ok(admin, 51);
	assert_int_equal(client_counter(admin, "resident_frames"), PINNED);
	unpin(fd, segment, 0, PINNED);
	for (int i = 0; client_counter(admin, "resident_frames") > LIMIT;
	     i++) {
		assert_true(i < 1000);
		poll(NULL, 0, 10);
	}
	memd__hello_reply__free_unpacked(reply, NULL);
	close(fd);
	expect_nothing_left();
}

static void faults_show_in_trace_and_histograms(void **state)
{
	Memd__TraceRequest request = MEMD__TRACE_REQUEST__INIT;
	int tracer = client_open(&memd, true, NULL);
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;
	int data = client_map(fd, MIB, 4096, &segment);
	Memd__TraceEvents *events;
	struct answer a;

	(void)state;
	request.has_pid = true;
	request.pid = (uint32_t)getpid();
	client_send(tracer, T(TRACE), 52, &request.base);
	client_expect_ok(tracer, 52);
	client_send_fault(fd, 5, segment, 9);
	assert_int_equal(client_receive_fault(fd, 5, 9), 0);
	assert_true(client_try_receive(tracer, &a));
	assert_int_equal(a.header.type, T(TRACE_EVENTS));
	events = answer_unpack(&a, &memd__trace_events__descriptor);
	assert_int_equal(events->n_event, 1);
	assert_int_equal(events->event[0]->page, 9);
	assert_int_equal(events->event[0]->segment, segment);
	assert_string_equal(events->event[0]->kind, "zero");
	assert_int_equal(events->event[0]->pid, getpid());
	assert_true(events->event[0]->total_ns > 0);
	assert_true(events->event[0]->total_ns >=
		    events->event[0]->frame_wait_ns +
		    events->event[0]->io_ns + events->event[0]->install_ns);
	memd__trace_events__free_unpacked(events, NULL);
	answer_free(&a);
	close(tracer);
	close(data);
	close(fd);
	expect_nothing_left();
}

/* ---- spoiled data files */

static void writing_past_memd_is_noticed(void **state)
{
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;
	int data = client_map(fd, MIB, 4096, &segment);

	(void)state;
	assert_int_equal(pwrite(data, "mine", 4, 100 * 4096), 4);
	client_expect_error(fd, 0, EIO, "past memd");
	client_expect_end(fd);
	close(fd);
	close(data);
	assert_int_equal(testmemd_log_count(&memd, "segment-spoiled"), 1);
	expect_nothing_left();
}

/* Make one huge page of the first 2 MiB of `data`, which are all present. */
static int collapse(int data)
{
	uint8_t *room = mmap(NULL, 4 * MIB, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *at = room + (2 * MIB - (uintptr_t)room % (2 * MIB));
	int err;

	assert_ptr_not_equal(room, MAP_FAILED);
	assert_ptr_equal(mmap(at, 2 * MIB, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, data, 0), at);
	err = madvise(at, 2 * MIB, MADV_COLLAPSE) != 0 ? -errno : 0;
	munmap(room, 4 * MIB);
	return err;
}

/* Have pages of `data` that are all present and full of bytes, and one huge
 * page made of them.  Skips where there are none to be had. */
static void make_huge(int fd, int data, uint32_t segment)
{
	uint8_t bytes[4096];
	int err;

	memset(bytes, 0x5a, sizeof(bytes));
	pin(fd, segment, 0, 512);
	for (uint64_t page = 0; page < 512; page++)
		assert_int_equal(pwrite(data, bytes, sizeof(bytes),
					(off_t)page * 4096), sizeof(bytes));
	unpin(fd, segment, 0, 512);
	err = collapse(data);
	if (err == 0)
		return;
	close(fd);
	close(data);
	skip_case("no huge pages to be had: %s", strerror(-err));
}

/* What is punched out of a huge page that somebody holds is zeroed and stays:
 * those zeros must not pass for the page's bytes. */
static void huge_pages_made_past_memd_are_an_error(void **state)
{
	unsigned before = testmemd_log_count(&memd, "huge pages of");
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;
	int data = client_map(fd, 2 * MIB, 4096, &segment);

	(void)state;
	make_huge(fd, data, segment);
	client_send_advise(fd, 9, segment, 0, 1, MEMD__ADVICE__ADVICE_PAGEOUT);
	client_expect_ok(fd, 9);
	/* Without it nothing would come. */
	alarm(120);
	client_expect_error(fd, 0, EIO, "huge page");
	client_expect_end(fd);
	alarm(0);
	close(fd);
	close(data);
	assert_int_equal(testmemd_log_count(&memd, "huge pages of"),
			 before + 1);
	expect_nothing_left();
}

/* A client that has been told that pages are unpinned can page them out. */
static void unpinned_pages_go_at_once(void **state)
{
	enum { PAGES = 4000 };
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;
	int data = client_map(fd, PAGES * 4096, 4096, &segment);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		pin(fd, segment, 0, PAGES);
		unpin(fd, segment, 0, PAGES);
		client_send_advise(fd, 9, segment, PAGES - 1, 1,
				   MEMD__ADVICE__ADVICE_PAGEOUT);
		client_expect_ok(fd, 9);
	}
	close(fd);
	close(data);
	expect_nothing_left();
}

/* And what cannot be taken out of a named segment must not stay in the pool
 * for ever. */
static void named_segments_of_huge_pages_go(void **state)
{
	int fd = client_open(&memd, false, NULL);
	struct answer a;
	uint32_t segment;
	int data;

	(void)state;
	client_send_create(fd, 8, "huge", 2 * MIB, 0600);
	client_receive(fd, T(SEGMENT_REPLY), 8, &a);
	answer_free(&a);
	data = client_attach(fd, "huge", false, &segment);
	make_huge(fd, data, segment);
	client_send_advise(fd, 9, segment, 0, 1, MEMD__ADVICE__ADVICE_PAGEOUT);
	client_expect_ok(fd, 9);
	expect_nothing_left();
	close(fd);
	close(data);
}

/* ---- */

static int start_with(const char *const *flags)
{
	if (testmemd_start(&memd, flags) != 0)
		return -1;
	admin = client_open(&memd, true, NULL);
	return 0;
}

static int start_auto(void **state)
{
	/* 2 MiB pages need as much. */
	static const char *const flags[] = { "--pool-size=32M", NULL };

	(void)state;
	return start_with(flags);
}

static int start_sync(void **state)
{
	static const char *const flags[] = { "--store=sync", NULL };

	(void)state;
	return start_with(flags);
}

static int start_mem(void **state)
{
	static const char *const flags[] = { "--store=mem", NULL };

	(void)state;
	return start_with(flags);
}

static int stop(void **state)
{
	(void)state;
	expect_nothing_left();
	close(admin);
	return testmemd_stop(&memd);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(bytes_come_back_4k),
		cmocka_unit_test(bytes_come_back_16k),
		cmocka_unit_test(bytes_come_back_64k),
		cmocka_unit_test(bytes_come_back_2m),
		cmocka_unit_test(pins_belong_to_who_made_them),
		cmocka_unit_test(too_much_cannot_be_pinned),
		cmocka_unit_test(pins_under_way_are_let_go),
		cmocka_unit_test(eviction_takes_what_was_asked),
		cmocka_unit_test(lowering_a_limit_evicts_and_loses_nothing),
		cmocka_unit_test(a_limit_below_what_is_pinned_holds_afterwards),
		cmocka_unit_test(faults_show_in_trace_and_histograms),
		cmocka_unit_test(writing_past_memd_is_noticed),
		cmocka_unit_test(huge_pages_made_past_memd_are_an_error),
		cmocka_unit_test(named_segments_of_huge_pages_go),
		cmocka_unit_test(unpinned_pages_go_at_once),
	};
	const struct CMUnitTest bytes[] = {
		cmocka_unit_test(bytes_come_back_4k),
		cmocka_unit_test(bytes_come_back_64k),
		cmocka_unit_test(pins_under_way_are_let_go),
	};
	int failed;

	failed = cmocka_run_group_tests_name("auto", all, start_auto, stop);
	failed += cmocka_run_group_tests_name("sync", bytes, start_sync, stop);
	failed += cmocka_run_group_tests_name("mem", bytes, start_mem, stop);
	return failed;
}
