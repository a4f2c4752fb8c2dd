/* SPDX-License-Identifier: MIT */
/* Proves that a capture may end whenever it likes, or fail, or never end: no
 * write is lost, nobody else waits for it, and what it held up comes back. */
#include "tests/unit/pager_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct world *start(const struct pager_config *config)
{
	struct world *w = malloc(sizeof(*w));

	assert_non_null(w);
	world_create(w, config);
	return w;
}

static void finish(struct world *w)
{
	world_destroy(w);
	free(w);
}

#define CONFIG(...) (&(const struct pager_config){ __VA_ARGS__ })

static account_id add_account(struct world *w)
{
	account_id id;

	assert_int_equal(pager_account_add(w->pager, 0, 0, 0, &id), 0);
	return id;
}

/* A segment with an account of its own, and `pages` pages in memory: page i is
 * full of base + i. */
static segment_id add_filled(struct world *w, uint64_t pages, uint8_t base)
{
	segment_id sg = world_segment(w, pages, 0, add_account(w));

	for (uint64_t page = 0; page < pages; page++)
		world_fill(w, sg, page, (uint8_t)(base + page));
	return sg;
}

/* After this time without a fault, an advice captures long runs. */
#define QUIET_NS	UINT64_C(1000000000)

/* PAGEOUT of all pages, which is under way with that ticket now. */
static void page_out_late(struct world *w, segment_id sg, uint64_t pages,
			  uint32_t ticket)
{
	w->late_captures = 1;
	w->now_ns += QUIET_NS;
	assert_int_equal(world_advise(w, sg, 0, pages, PAGER_PAGEOUT), 1);
	assert_true(w->late[ticket].is_used);
	assert_int_equal(w->late[ticket].units, pages);
	assert_int_equal(world_info(w, sg).evicting, pages);
	pager_check(w->pager);
}

static void the_last_write_is_captured(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = add_filled(w, 8, 0x10);

	(void)state;
	page_out_late(w, sg, 8, 1);
	/* Clients still have the pages. */
	world_write(w, sg, 3, 0x77);
	assert_int_equal(w->writes, 0);
	world_end_capture(w, 1, 0);
	assert_int_equal(w->writes, 1);
	world_settle(w);
	assert_int_equal(world_info(w, sg).swapped, 8);
	assert_int_equal(w->done[w->done_count - 1].result, 0);
	assert_int_equal(w->done[w->done_count - 1].count, 8);
	for (uint64_t page = 0; page < 8; page++)
		world_expect(w, sg, page, page == 3 ? 0x77 :
			     (uint8_t)(0x10 + page));
	assert_int_equal(world_stats(w).captures_late, 1);
	finish(w);
}

static void a_fault_waits_for_the_capture(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = add_filled(w, 4, 0x10);

	(void)state;
	world_page_out(w, sg, 1, 1);
	world_expect(w, sg, 1, 0x11);
	page_out_late(w, sg, 4, 1);
	world_write(w, sg, 2, 0);
	for (uint64_t page = 0; page < 4; page++)
		assert_null(world_fault(w, sg, page));
	pager_check(w->pager);
	w->reply_count = 0;
	world_end_capture(w, 1, 0);
	/* Those that must be written are put back, and the zero page is made
	 * again; the clean one has left, and is read. */
	assert_int_equal(w->reply_count, 3);
	assert_int_equal(w->reply[0].kind, FAULT_PUT_BACK);
	assert_int_equal(w->reply[1].kind, FAULT_ZERO);
	assert_int_equal(w->reply[2].kind, FAULT_PUT_BACK);
	world_settle(w);
	assert_int_equal(w->reply_count, 4);
	assert_int_equal(w->reply[3].kind, FAULT_SWAP_IN);
	for (uint64_t page = 0; page < 4; page++)
		world_expect(w, sg, page, page == 2 ? 0 :
			     (uint8_t)(0x10 + page));
	finish(w);
}

static void a_capture_that_fails_later(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = add_filled(w, 4, 0x10);

	(void)state;
	page_out_late(w, sg, 4, 1);
	assert_null(world_fault(w, sg, 2));
	world_write(w, sg, 2, 0x55);
	w->reply_count = 0;
	world_end_capture(w, 1, -ENOMEM);
	assert_int_equal(w->reply_count, 1);
	assert_int_equal(w->reply[0].error, 0);
	assert_int_equal(world_info(w, sg).resident, 4);
	assert_int_equal(world_stats(w).capture_errors, 1);
	assert_int_equal(world_stats(w).evicted, 0);
	world_expect(w, sg, 2, 0x55);
	finish(w);
}

static void captures_end_in_any_order(void **state)
{
	static const uint32_t order[] = { 2, 4, 1, 3 };
	struct world *w = start(CONFIG(0));
	segment_id sg[5];

	(void)state;
	for (uint32_t i = 1; i <= 4; i++) {
		sg[i] = add_filled(w, 4, (uint8_t)(0x10 * i));
		page_out_late(w, sg[i], 4, i);
	}
	for (unsigned i = 0; i < 4; i++) {
		world_end_capture(w, order[i], 0);
		pager_check(w->pager);
	}
	world_settle(w);
	for (uint32_t i = 1; i <= 4; i++)
		for (uint64_t page = 0; page < 4; page++)
			world_expect(w, sg[i], page,
				     (uint8_t)(0x10 * i + page));
	finish(w);
}

static void the_segment_goes_before_its_capture_ends(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = add_filled(w, 8, 0x10);

	(void)state;
	page_out_late(w, sg, 4, 1);
	assert_null(world_fault(w, sg, 2));
	w->reply_count = 0;
	world_segment_destroy(w, sg);
	assert_int_equal(w->reply_count, 1);
	assert_int_equal(w->reply[0].error, -EFAULT);
	w->keeps_late = true;
	world_settle(w);
	assert_int_equal(w->gone_count, 0);
	assert_int_equal(world_stats(w).free_frames, 56);
	world_end_capture(w, 1, 0);
	world_settle(w);
	assert_int_equal(w->gone_count, 1);
	assert_int_equal(world_stats(w).free_frames, 64);
	assert_int_equal(w->writes, 0);
	finish(w);
}

/* The owner of the lock keeps what it keeps; others go on, and stopping does
 * not wait for it. */
static void a_stuck_capture_costs_others_nothing(void **state)
{
	struct world *w = start(CONFIG(.frame_count = 128));
	segment_id sg = add_filled(w, 48, 0x10), other;

	(void)state;
	w->keeps_late = true;
	page_out_late(w, sg, 16, 1);
	assert_null(world_fault(w, sg, 3));
	w->reply_count = 0;
	world_stick_capture(w, 1);
	pager_check(w->pager);
	assert_int_equal(w->reply_count, 1);
	assert_int_equal(w->reply[0].error, -EBUSY);
	assert_int_equal(world_fault(w, sg, 3)->error, -EBUSY);
	assert_int_equal(w->done[w->done_count - 1].result, -EBUSY);
	assert_int_equal(world_advise(w, sg, 3, 1, PAGER_DONTNEED), -EBUSY);
	assert_int_equal(world_advise(w, sg, 3, 1, PAGER_PIN), -EBUSY);
	assert_int_equal(world_advise(w, sg, 20, 1, PAGER_PAGEOUT), -EBUSY);
	assert_int_equal(world_advise(w, sg, 20, 1, PAGER_DONTNEED), -EBUSY);
	assert_true(pager_is_idle(w->pager));
	assert_false(pager_is_waiting(w->pager));
	/* Twice what is left of the pool. */
	other = add_filled(w, 140, 0);
	for (uint64_t page = 0; page < 140; page++)
		world_expect(w, other, page, (uint8_t)page);
	/* Its other pages are where they were. */
	assert_int_equal(world_info(w, sg).resident, 32);
	world_expect(w, sg, 20, 0x24);
	world_end_capture(w, 1, 0);
	world_settle(w);
	for (uint64_t page = 0; page < 48; page++)
		world_expect(w, sg, page, (uint8_t)(0x10 + page));
	finish(w);
}

/* All that is there belongs to whoever keeps the lock: nobody hangs. */
static void nobody_hangs_behind_a_stuck_capture(void **state)
{
	struct world *w = start(CONFIG(.frame_count = 64));
	segment_id sg = add_filled(w, 64, 1), other;

	(void)state;
	world_settle(w);
	w->keeps_late = true;
	w->late_captures = 1;
	(void)world_advise(w, sg, 0, 8, PAGER_PAGEOUT);
	if (!w->late[1].is_used)
		world_run(w);
	assert_true(w->late[1].is_used);
	other = world_segment(w, 64, 0, world_info(w, sg).account);
	w->reply_count = 0;
	for (uint64_t page = 0; page < 64 && w->reply_count == page; page++)
		(void)world_fault(w, other, page);
	world_settle(w);
	/* It is late only: wait. */
	assert_int_equal(world_stats(w).faults_waiting, 1);
	world_stick_capture(w, 1);
	world_settle(w);
	assert_int_equal(world_stats(w).faults_waiting, 0);
	assert_int_equal(w->reply[w->reply_count - 1].error, -ENOMEM);
	world_end_capture(w, 1, 0);
	world_settle(w);
	world_fill(w, other, 63, 0x99);
	finish(w);
}

static void teardown_does_not_wait_for_a_stuck_capture(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = add_filled(w, 16, 0x10);

	(void)state;
	w->keeps_late = true;
	page_out_late(w, sg, 4, 1);
	world_segment_destroy(w, sg);
	world_settle(w);
	assert_false(pager_is_idle(w->pager));
	world_stick_capture(w, 1);
	world_settle(w);
	assert_true(pager_is_idle(w->pager));
	assert_int_equal(pager_retry_refused(w->pager), 1);
	world_settle(w);
	assert_int_equal(world_stats(w).free_frames, 48);
	assert_false(pager_segment_will_fit(w->pager, 1000, 0, 0));
	world_end_capture(w, 1, 0);
	world_settle(w);
	assert_int_equal(w->gone_count, 1);
	assert_int_equal(pager_retry_refused(w->pager), 0);
	finish(w);
}

/* It is answered when the page is out: what a client has written before that
 * would be lost. */
static void dontneed_waits_for_its_drop(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = add_filled(w, 8, 0x10);
	unsigned done;

	(void)state;
	w->late_captures = 1;
	assert_int_equal(world_advise(w, sg, 0, 8, PAGER_DONTNEED), 1);
	done = w->done_count;
	assert_int_equal(world_info(w, sg).evicting, 8);
	world_write(w, sg, 2, 0x77);
	assert_null(world_fault(w, sg, 5));
	world_stick_capture(w, 1);
	assert_int_equal(w->done_count, done);
	pager_check(w->pager);
	world_end_capture(w, 1, 0);
	assert_int_equal(w->done_count, done + 1);
	assert_int_equal(w->done[done].result, 0);
	assert_int_equal(w->done[done].count, 8);
	for (uint64_t page = 0; page < 8; page++)
		world_expect(w, sg, page, 0);
	assert_int_equal(w->writes, 0);
	finish(w);
}

/* A client that touches a page while it is dropped does not keep the advice
 * from ending. */
static void dontneed_ends_though_pages_come_back(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = add_filled(w, 4, 0x10);
	unsigned done;

	(void)state;
	w->late_captures = UINT32_MAX;
	assert_int_equal(world_advise(w, sg, 0, 4, PAGER_DONTNEED), 1);
	done = w->done_count;
	for (uint64_t page = 0; page < 4; page++)
		assert_null(world_fault(w, sg, page));
	world_end_capture(w, 1, 0);
	assert_int_equal(w->done_count, done + 1);
	assert_int_equal(w->late_count, 0);
	assert_int_equal(world_info(w, sg).resident, 4);
	w->late_captures = 0;
	finish(w);
}

/* C2: it takes staging when it ends, and waits for it. */
static void a_capture_waits_for_staging(void **state)
{
	enum { HALF = 64, PAGES = 48 };	/* units of staging for writes */
	struct world *w = start(CONFIG(.frame_count = 256, .slot_count = 512,
				       .staging_bytes = 512 << 10));
	segment_id late = add_filled(w, PAGES, 1), other;

	(void)state;
	page_out_late(w, late, PAGES, 1);
	other = add_filled(w, HALF, 0x80);
	w->now_ns += QUIET_NS;
	(void)world_advise(w, other, 0, HALF, PAGER_PAGEOUT);
	assert_int_equal(world_info(w, other).evicting, HALF);
	world_end_capture(w, 1, 0);
	assert_true(w->late[1].is_used);
	assert_null(world_fault(w, late, 7));
	pager_check(w->pager);
	world_settle(w);
	assert_false(w->late[1].is_used);
	for (uint64_t page = 0; page < PAGES; page++)
		world_expect(w, late, page, (uint8_t)(1 + page));
	for (uint64_t page = 0; page < HALF; page++)
		world_expect(w, other, page, (uint8_t)(0x80 + page));
	finish(w);
}

/* C3: what is being taken out counts for a while.  Then others are tried; if
 * they are refused, they are not looked at again and again. */
static void what_will_be_free_soon_counts_for_a_while(void **state)
{
	struct world *w = start(CONFIG(.frame_count = 64,
				       .low_watermark = 16,
				       .high_watermark = 24));
	segment_id sg = world_segment(w, 64, 0, add_account(w));
	unsigned refused;
	uint64_t looks;

	(void)state;
	w->late_captures = UINT32_MAX;
	for (uint64_t page = 0; page < 60; page++)
		assert_int_equal(world_fault(w, sg, page)->error, 0);
	world_run(w);
	assert_int_equal(w->late_count, 1);
	assert_int_equal(w->refused_captures, 0);
	looks = world_stats(w).frames_examined;
	for (unsigned i = 0; i < 10; i++)
		world_run(w);
	assert_int_equal(world_stats(w).frames_examined, looks);
	assert_int_equal(w->refused_captures, 0);
	w->now_ns += 20000000;
	world_run(w);
	refused = w->refused_captures;
	assert_true(refused != 0);
	looks = world_stats(w).frames_examined;
	for (unsigned i = 0; i < 10; i++)
		world_run(w);
	assert_int_equal(world_stats(w).frames_examined, looks);
	assert_int_equal(w->refused_captures, refused);
	assert_int_equal(w->late_count, 1);
	w->late_captures = 0;
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_write_is_captured),
		cmocka_unit_test(a_fault_waits_for_the_capture),
		cmocka_unit_test(a_capture_that_fails_later),
		cmocka_unit_test(captures_end_in_any_order),
		cmocka_unit_test(the_segment_goes_before_its_capture_ends),
		cmocka_unit_test(a_stuck_capture_costs_others_nothing),
		cmocka_unit_test(nobody_hangs_behind_a_stuck_capture),
		cmocka_unit_test(teardown_does_not_wait_for_a_stuck_capture),
		cmocka_unit_test(dontneed_waits_for_its_drop),
		cmocka_unit_test(dontneed_ends_though_pages_come_back),
		cmocka_unit_test(a_capture_waits_for_staging),
		cmocka_unit_test(what_will_be_free_soon_counts_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
