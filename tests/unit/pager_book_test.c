/* SPDX-License-Identifier: MIT */
/* Proves what daemon/pager/book.h says (O1 ... O7), step by step: an entry
 * follows the state of its page, and is BUSY before its page leaves; a page on
 * which an intent is open stays, with the entry it had; a page that a program
 * has brought in is neither forgotten nor called lost; and what is lent counts
 * for the limits, and comes back when faults need it.  What threads do
 * meanwhile is for tests/sim. */
#include "tests/unit/pager_world.h"

#include "proto/checksum.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { PAGES = 100 };

static struct world *start(const struct pager_config *config)
{
	struct world *w = malloc(sizeof(*w));

	assert_non_null(w);
	world_create(w, config);
	return w;
}

static struct world *start_with(uint32_t frames, uint32_t lent_max)
{
	const struct pager_config config = {
		.frame_count = frames, .lent_max = lent_max,
		.slot_count = 256,
		/* Pages that are used once must push out older ones. */
		.replacement = "two-hands",
	};

	return start(&config);
}

static void finish(struct world *w)
{
	world_destroy(w);
	free(w);
}

static segment_id add_segment(struct world *w, account_id account)
{
	segment_id sg = world_segment(w, PAGES, 0, account);

	world_publish(w, sg);
	return sg;
}

static const struct book_entry *entry_of(const struct world *w, segment_id sg,
					 uint64_t page)
{
	return &w->segment[sg].book[page];
}

static uint32_t state_of(const struct world *w, segment_id sg, uint64_t page)
{
	return atomic_load(&entry_of(w, sg, page)->state);
}

/* The entry leads to these bytes, as it would lead a program. */
static void expect_swapped(const struct world *w, segment_id sg, uint64_t page,
			   uint8_t value)
{
	const struct book_entry *e = entry_of(w, sg, page);
	const struct checksum_key key = {
		.segment = world_info(w, sg).serial, .page = page,
		.generation = atomic_load(&e->generation),
	};
	const struct checksum sum = {
		atomic_load(&e->sum_low), atomic_load(&e->sum_high),
	};
	const uint8_t *bytes = w->slots +
		(size_t)atomic_load(&e->slot) * PAGER_UNIT_BYTES;

	assert_int_equal(state_of(w, sg, page), BOOK_SWAPPED);
	assert_int_equal(bytes[0], value);
	assert_true(checksum_equal(sum, checksum_of(&key, bytes,
						    PAGER_UNIT_BYTES)));
}

/* Where an intent is open, advice tries again for a while. */
static int result_of_advice(struct world *w, unsigned idx)
{
	for (unsigned i = 0; w->done_count == idx && i < 100; i++)
		world_settle(w);
	assert_int_equal(w->done_count, idx + 1);
	return w->done[idx].result;
}

/* PAGEOUT; its result. */
static int page_out(struct world *w, segment_id sg, uint64_t first,
		    uint64_t count)
{
	unsigned before = w->done_count;

	(void)world_advise(w, sg, first, count, PAGER_PAGEOUT);
	return result_of_advice(w, before);
}

static int drop(struct world *w, segment_id sg, uint64_t first, uint64_t count)
{
	unsigned before = w->done_count;

	(void)world_advise(w, sg, first, count, PAGER_DONTNEED);
	return result_of_advice(w, before);
}

/* ---- entries */

static void an_entry_follows_its_page(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = add_segment(w, 0);

	(void)state;
	assert_int_equal(state_of(w, sg, 7), BOOK_ZERO);
	world_fill(w, sg, 7, 77);
	assert_int_equal(state_of(w, sg, 7), BOOK_RESIDENT);
	(void)world_advise(w, sg, 7, 1, PAGER_PAGEOUT);
	world_run(w);
	assert_int_equal(w->io_count, 1);
	assert_int_equal(state_of(w, sg, 7), BOOK_BUSY);
	world_settle(w);
	expect_swapped(w, sg, 7, 77);
	assert_null(world_fault(w, sg, 7));
	assert_int_equal(w->io_count, 1);
	assert_int_equal(state_of(w, sg, 7), BOOK_BUSY);
	world_settle(w);
	assert_int_equal(state_of(w, sg, 7), BOOK_RESIDENT);
	assert_int_equal(drop(w, sg, 7, 1), 0);
	assert_int_equal(state_of(w, sg, 7), BOOK_ZERO);
	for (uint64_t page = 0; page < PAGES; page++)
		assert_int_equal(state_of(w, sg, page), BOOK_ZERO);
	finish(w);
}

/* Clean, it has its old slot and sum; written, new ones. */
static void a_slot_is_named_again(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = add_segment(w, 0);
	uint32_t generation;

	(void)state;
	world_fill(w, sg, 7, 77);
	assert_int_equal(page_out(w, sg, 7, 1), 0);
	generation = atomic_load(&entry_of(w, sg, 7)->generation);
	world_expect(w, sg, 7, 77);
	assert_int_equal(page_out(w, sg, 7, 1), 0);
	expect_swapped(w, sg, 7, 77);
	assert_int_equal(atomic_load(&entry_of(w, sg, 7)->generation),
			 generation);
	world_fill(w, sg, 7, 78);
	assert_int_equal(page_out(w, sg, 7, 1), 0);
	expect_swapped(w, sg, 7, 78);
	assert_int_not_equal(atomic_load(&entry_of(w, sg, 7)->generation),
			     generation);
	finish(w);
}

/* A fault while the page is written: it is back, and its entry says so only
 * then. */
static void a_page_that_is_put_back_is_resident(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = add_segment(w, 0);

	(void)state;
	world_fill(w, sg, 7, 77);
	(void)world_advise(w, sg, 7, 1, PAGER_PAGEOUT);
	world_run(w);
	w->fail_installs = 1;
	assert_null(world_fault(w, sg, 7));
	assert_int_equal(state_of(w, sg, 7), BOOK_BUSY);
	world_run(w);
	assert_int_equal(state_of(w, sg, 7), BOOK_RESIDENT);
	world_settle(w);
	assert_int_equal(state_of(w, sg, 7), BOOK_RESIDENT);
	world_expect(w, sg, 7, 77);
	finish(w);
}

/* No fault waits for it. */
static void lose(struct world *w, segment_id sg, uint64_t page)
{
	assert_int_equal(world_advise(w, sg, page, 1, PAGER_WILLNEED), 0);
	world_run(w);
	assert_int_equal(w->io_count, 1);
	while (w->io_count != 0) {
		world_end_io(w, 0, -EIO);
		world_run(w);
	}
}

static void a_lost_page_is_to_be_asked_for(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = add_segment(w, 0);

	(void)state;
	world_fill(w, sg, 7, 77);
	assert_int_equal(page_out(w, sg, 7, 1), 0);
	lose(w, sg, 7);
	assert_int_equal(world_info(w, sg).lost, 1);
	assert_int_equal(state_of(w, sg, 7), BOOK_BUSY);
	assert_int_equal(world_fault_wait(w, sg, 7)->error, -EIO);
	assert_int_equal(drop(w, sg, 7, 1), 0);
	assert_int_equal(state_of(w, sg, 7), BOOK_ZERO);
	world_expect(w, sg, 7, 0);
	finish(w);
}

static void without_a_book_nobody_looks(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = world_segment(w, PAGES, 0, 0);

	(void)state;
	world_fill(w, sg, 7, 77);
	assert_int_equal(page_out(w, sg, 7, 1), 0);
	assert_int_equal(drop(w, sg, 7, 1), 0);
	assert_int_equal(w->looks, 0);
	finish(w);
}

/* ---- claims */

/* Bits of `open`: pages on which an intent is open. */
static void open_intents(struct world *w, segment_id sg, uint64_t open)
{
	for (unsigned i = 0; i < 64; i++)
		w->segment[sg].open[i] = open >> i & 1;
}

/* Pages 0 to 9 are in one run, out of which some pages stay. */
static void who_has_an_intent_stays(void **state)
{
	static const uint64_t opens[] = {
		0x001, 0x200, 0x010, 0x201, 0x155, 0x2aa, 0x3ff, 0x1fe, 0x300,
	};
	struct world *w = start_with(64, 8);
	segment_id sg = add_segment(w, 0);
	uint64_t refused = 0;

	(void)state;
	for (unsigned k = 0; k < ARRAY_SIZE(opens); k++) {
		uint8_t value = (uint8_t)(10 * k + 1);

		for (unsigned i = 0; i < 10; i++)
			world_fill(w, sg, i, (uint8_t)(value + i));
		open_intents(w, sg, opens[k]);
		(void)page_out(w, sg, 0, 10);
		open_intents(w, sg, 0);
		assert_true(world_stats(w).claims_refused > refused);
		refused = world_stats(w).claims_refused;
		for (unsigned i = 0; i < 10; i++) {
			bool stays = opens[k] >> i & 1;

			assert_int_equal(w->segment[sg].present[i], stays);
			if (stays)
				assert_int_equal(state_of(w, sg, i),
						 BOOK_RESIDENT);
			else
				expect_swapped(w, sg, i, (uint8_t)(value + i));
		}
		for (unsigned i = 0; i < 10; i++)
			world_expect(w, sg, i, (uint8_t)(value + i));
	}
	finish(w);
}

/* The same when the pool is full, for a page of another segment. */
static void eviction_leaves_it_too(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = add_segment(w, 0), other = world_segment(w, PAGES, 0,
								 0);

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		world_fill(w, sg, i, (uint8_t)(i + 1));
	open_intents(w, sg, UINT64_MAX);
	for (unsigned i = 0; i < PAGES; i++)
		world_fill(w, other, i, 1);
	for (unsigned i = 0; i < 40; i++) {
		assert_true(w->segment[sg].present[i]);
		assert_int_equal(state_of(w, sg, i), BOOK_RESIDENT);
	}
	open_intents(w, sg, 0);
	for (unsigned i = 0; i < PAGES; i++)
		world_fill(w, other, i, 2);
	assert_true(world_info(w, sg).swapped > 0);
	for (unsigned i = 0; i < 40; i++)
		world_expect(w, sg, i, (uint8_t)(i + 1));
	finish(w);
}

static void who_has_an_intent_is_not_dropped(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = add_segment(w, 0);

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		world_fill(w, sg, i, (uint8_t)(i + 1));
	assert_int_equal(page_out(w, sg, 5, 5), 0);
	/* 2 is resident, 7 has its slot. */
	open_intents(w, sg, 0x84);
	assert_int_equal(drop(w, sg, 0, 10), -EBUSY);
	open_intents(w, sg, 0);
	assert_int_equal(state_of(w, sg, 2), BOOK_RESIDENT);
	expect_swapped(w, sg, 7, 8);
	for (unsigned i = 0; i < 10; i++) {
		bool stays = i == 2 || i == 7;

		if (!stays)
			assert_int_equal(state_of(w, sg, i), BOOK_ZERO);
		world_expect(w, sg, i, stays ? (uint8_t)(i + 1) : 0);
	}
	assert_int_equal(drop(w, sg, 0, 10), 0);
	world_expect(w, sg, 2, 0);
	world_expect(w, sg, 7, 0);
	finish(w);
}

/* ---- uncounted pages: O3, O4 */

static void lend(struct world *w, account_id account, uint32_t count)
{
	assert_int_equal(pager_lend(w->pager, account, count), count);
	pager_check(w->pager);
}

static bool installed(struct world *w, account_id account, segment_id sg,
		      uint64_t page)
{
	bool is_present = page < w->segment[sg].units &&
			  w->segment[sg].present[page];
	bool is_counted = pager_installed(w->pager, account, sg, page,
					  is_present, FAULT_SWAP_IN,
					  ++w->now_ns);

	pager_check(w->pager);
	return is_counted;
}

static segment_id add_swapped(struct world *w, account_id account)
{
	segment_id sg = add_segment(w, account);

	world_fill(w, sg, 7, 77);
	assert_int_equal(page_out(w, sg, 7, 1), 0);
	return sg;
}

static void an_uncounted_page_is_dropped(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = add_swapped(w, 0);

	(void)state;
	lend(w, 0, 1);
	world_program_installs(w, sg, 7, 77);
	assert_int_equal(drop(w, sg, 7, 1), 0);
	assert_false(w->segment[sg].present[7]);
	assert_int_equal(state_of(w, sg, 7), BOOK_ZERO);
	/* The record comes late. */
	assert_false(installed(w, 0, sg, 7));
	world_expect(w, sg, 7, 0);
	finish(w);
}

/* Its thread has not closed its intent: then it is counted, and stays. */
static void an_uncounted_page_in_use_is_not(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = add_swapped(w, 0);

	(void)state;
	lend(w, 0, 1);
	world_program_installs(w, sg, 7, 77);
	open_intents(w, sg, 1 << 7);
	assert_int_equal(drop(w, sg, 7, 1), -EBUSY);
	assert_int_equal(state_of(w, sg, 7), BOOK_RESIDENT);
	assert_int_equal(world_info(w, sg).resident, 1);
	open_intents(w, sg, 0);
	assert_false(installed(w, 0, sg, 7));
	world_expect(w, sg, 7, 77);
	finish(w);
}

/* memd cannot read what a program has read before. */
static void an_uncounted_page_is_not_lost(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = add_swapped(w, 0);

	(void)state;
	lend(w, 0, 1);
	assert_null(world_fault(w, sg, 7));
	world_program_installs(w, sg, 7, 77);
	while (w->io_count != 0) {
		world_end_io(w, 0, -EIO);
		world_run(w);
	}
	assert_int_equal(world_stats(w).pages_lost, 0);
	assert_int_equal(state_of(w, sg, 7), BOOK_RESIDENT);
	world_expect(w, sg, 7, 77);
	assert_false(installed(w, 0, sg, 7));
	finish(w);
}

/* Or has read after memd gave it up. */
static void a_lost_page_is_found(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = add_swapped(w, 0);
	const struct fault *f;

	(void)state;
	lend(w, 0, 1);
	lose(w, sg, 7);
	assert_int_equal(world_info(w, sg).lost, 1);
	world_program_installs(w, sg, 7, 77);
	f = world_fault_wait(w, sg, 7);
	assert_int_equal(f->error, 0);
	assert_int_equal(f->kind, FAULT_HIT);
	assert_int_equal(world_info(w, sg).lost, 0);
	assert_int_equal(state_of(w, sg, 7), BOOK_RESIDENT);
	assert_false(installed(w, 0, sg, 7));
	world_expect(w, sg, 7, 77);
	finish(w);
}

/* What came first stays: a program may have written to it. */
static void a_fault_keeps_what_a_program_has(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = add_swapped(w, 0);

	(void)state;
	lend(w, 0, 2);
	world_program_installs(w, sg, 7, 99);
	world_program_installs(w, sg, 8, 88);
	world_expect(w, sg, 7, 99);
	world_expect(w, sg, 8, 88);
	assert_false(installed(w, 0, sg, 7));
	assert_false(installed(w, 0, sg, 8));
	assert_int_equal(page_out(w, sg, 7, 2), 0);
	expect_swapped(w, sg, 7, 99);
	expect_swapped(w, sg, 8, 88);
	finish(w);
}

static void a_counted_page_leaves_as_others(void **state)
{
	struct world *w = start_with(64, 8);
	segment_id sg = add_swapped(w, 0);

	(void)state;
	lend(w, 0, 2);
	world_program_installs(w, sg, 7, 77);
	world_program_installs(w, sg, 8, 88);
	assert_true(installed(w, 0, sg, 7));
	assert_true(installed(w, 0, sg, 8));
	assert_int_equal(state_of(w, sg, 7), BOOK_RESIDENT);
	assert_int_equal(world_stats(w).installed, 2);
	world_write(w, sg, 7, 78);
	assert_int_equal(page_out(w, sg, 7, 2), 0);
	expect_swapped(w, sg, 7, 78);
	expect_swapped(w, sg, 8, 88);
	finish(w);
}

static void any_numbers_may_be_said(void **state)
{
	static const struct { segment_id segment; uint64_t page; } said[] = {
		{ 0, 7 }, { 1, PAGES }, { 1, UINT64_MAX }, { 2, 7 },
		{ 3, 7 }, { 8, 0 }, { 9, 7 }, { UINT32_MAX, 7 },
	};
	struct world *w = start_with(64, 8);
	segment_id sg = add_swapped(w, 0), plain = world_segment(w, 10, 0, 0);

	(void)state;
	assert_true(sg == 1 && plain == 2);
	for (unsigned i = 0; i < ARRAY_SIZE(said); i++) {
		lend(w, 0, 1);
		assert_false(pager_installed(w->pager, 0, said[i].segment,
					     said[i].page, true, FAULT_ZERO,
					     ++w->now_ns));
		assert_true(pager_found(w->pager, said[i].segment,
					said[i].page, ++w->now_ns));
		pager_check(w->pager);
		assert_int_equal(world_stats(w).lent_frames, 0);
		assert_int_equal(world_stats(w).resident_frames, 0);
	}
	finish(w);
}

/* ---- lent frames */

static uint64_t used_frames(const struct world *w, account_id account)
{
	struct account_info info;

	pager_account_get(w->pager, account, &info);
	return info.used_frames;
}

static account_id add_account(struct world *w, account_id parent,
			      uint64_t limit_frames)
{
	account_id account;

	assert_int_equal(pager_account_add(w->pager, parent, limit_frames, 0,
					   &account), 0);
	return account;
}

/* Half of what the limits leave, of the account and of those above it. */
static void limits_leave_room_for_pages(void **state)
{
	struct world *w = start_with(64, 60);
	account_id top = add_account(w, 0, 20), low = add_account(w, top, 0);
	account_id lower = add_account(w, low, 6);

	(void)state;
	assert_int_equal(pager_lend(w->pager, lower, 100), 3);
	assert_int_equal(pager_lend(w->pager, lower, 100), 1);
	assert_int_equal(used_frames(w, lower), 4);
	assert_int_equal(used_frames(w, top), 4);
	assert_int_equal(pager_lend(w->pager, low, 100), 8);
	assert_int_equal(used_frames(w, top), 12);
	assert_int_equal(used_frames(w, lower), 4);
	assert_int_equal(pager_lend(w->pager, 0, 100), 48);
	assert_int_equal(pager_lend(w->pager, 0, 1), 0);
	pager_check(w->pager);
	pager_unlend(w->pager, 0, 48);
	pager_unlend(w->pager, low, 8);
	pager_unlend(w->pager, lower, 4);
	assert_int_equal(used_frames(w, top), 0);
	finish(w);
}

/* Nobody loses a page for a loan that a limit refuses. */
static void a_refused_loan_evicts_nothing(void **state)
{
	struct world *w = start_with(64, 32);
	account_id account = add_account(w, 0, 40);
	segment_id sg = add_segment(w, 0);

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		world_fill(w, sg, i, (uint8_t)(i + 1));
	assert_int_equal(pager_lend(w->pager, account, 100), 20);
	world_settle(w);
	assert_int_equal(world_info(w, sg).resident, 20);
	/* Nor for more than may be lent at all. */
	assert_int_equal(pager_lend(w->pager, 0, 100), 12);
	world_settle(w);
	assert_int_equal(world_info(w, sg).resident, 20);
	pager_unlend(w->pager, account, 20);
	pager_unlend(w->pager, 0, 12);
	finish(w);
}

/* Where free frames are missing, they are brought, once: then it is for the
 * borrower to take them. */
static void a_loan_brings_free_frames_once(void **state)
{
	struct world *w = start_with(64, 16);
	segment_id sg = add_segment(w, 0);

	(void)state;
	for (unsigned i = 0; i < 62; i++)
		world_fill(w, sg, i, (uint8_t)(i + 1));
	assert_int_equal(world_stats(w).free_frames, 2);
	assert_int_equal(pager_lend(w->pager, 0, 16), 2);
	world_settle(w);
	assert_true(world_stats(w).free_frames >= 14);
	/* It has gone. */
	pager_unlend(w->pager, 0, 2);
	for (unsigned i = 0; i < 50; i++)
		world_fill(w, sg, i, (uint8_t)(i + 1));
	assert_true(world_stats(w).free_frames < 14);
	finish(w);
}

/* With 40 frames, 20 of them lent, an account has 20 pages. */
static void lent_frames_count_for_the_limit(void **state)
{
	struct world *w = start_with(64, 32);
	account_id account = add_account(w, 0, 40);
	segment_id sg = add_segment(w, account);

	(void)state;
	lend(w, account, 20);
	for (unsigned i = 0; i < 60; i++)
		world_fill(w, sg, i, (uint8_t)(i + 1));
	world_settle(w);
	assert_in_range(used_frames(w, account), 30, 40);
	assert_int_equal(world_info(w, sg).resident,
			 used_frames(w, account) - 20);
	pager_unlend(w->pager, account, 20);
	for (unsigned i = 0; i < 60; i++)
		world_expect(w, sg, i, (uint8_t)(i + 1));
	world_settle(w);
	assert_in_range(world_info(w, sg).resident, 30, 40);
	finish(w);
}

/* Counted over the limit: another page goes. */
static void an_account_over_its_limit_loses_a_page(void **state)
{
	struct world *w = start_with(64, 32);
	account_id account = add_account(w, 0, 20);
	segment_id sg = add_segment(w, account);

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		world_fill(w, sg, i, (uint8_t)(i + 1));
	assert_false(pager_is_over_limits(w->pager));
	world_program_installs(w, sg, 29, 30);
	assert_true(pager_found(w->pager, sg, 29, ++w->now_ns));
	assert_int_equal(used_frames(w, account), 21);
	assert_true(pager_is_over_limits(w->pager));
	world_settle(w);
	assert_true(used_frames(w, account) <= 20);
	for (unsigned i = 0; i < 20; i++)
		world_expect(w, sg, i, (uint8_t)(i + 1));
	world_expect(w, sg, 29, 30);
	finish(w);
}

enum { LENT = 20, FULL = 64 - LENT };

/* A full pool of pages that cannot leave, with 20 frames lent; and a fault. */
static struct world *start_full(segment_id *ret_segment)
{
	const struct pager_config config = {
		.frame_count = 64, .slot_count = UINT32_MAX, .lent_max = LENT,
	};
	struct world *w = start(&config);

	*ret_segment = world_segment(w, FULL + 4, 0, 0);
	lend(w, 0, LENT);
	for (unsigned i = 0; i < FULL; i++)
		world_fill(w, *ret_segment, i, 1);
	assert_int_equal(world_stats(w).free_frames, 0);
	assert_false(pager_asks_loans(w->pager));
	world_ask(w, *ret_segment, FULL, 1000000);
	world_run(w);
	return w;
}

static const struct fault *answer_of(const struct world *w, uint64_t cookie)
{
	for (unsigned i = 0; i < w->reply_count; i++)
		if (w->reply_cookie[i] == cookie)
			return &w->reply[i];
	return NULL;
}

static void faults_get_what_was_lent(void **state)
{
	segment_id sg;
	struct world *w = start_full(&sg);

	(void)state;
	assert_null(answer_of(w, 1000000));
	assert_true(pager_asks_loans(w->pager));
	assert_false(pager_asks_loans(w->pager));
	/* While a fault waits, nothing more is lent. */
	pager_unlend(w->pager, 0, 1);
	assert_int_equal(pager_lend(w->pager, 0, 1), 0);
	world_run(w);
	assert_non_null(answer_of(w, 1000000));
	assert_int_equal(answer_of(w, 1000000)->error, 0);
	assert_int_equal(world_stats(w).lent_frames, LENT - 1);
	/* It asks again the next time. */
	world_ask(w, sg, FULL + 1, 1000001);
	world_run(w);
	assert_true(pager_asks_loans(w->pager));
	pager_unlend(w->pager, 0, LENT - 1);
	world_settle(w);
	assert_int_equal(answer_of(w, 1000001)->error, 0);
	finish(w);
}

/* Nobody gives anything back: then the fault fails, as without loans. */
static void a_fault_does_not_wait_for_ever(void **state)
{
	segment_id sg;
	struct world *w = start_full(&sg);

	(void)state;
	assert_true(pager_asks_loans(w->pager));
	world_run(w);
	assert_non_null(answer_of(w, 1000000));
	assert_int_equal(answer_of(w, 1000000)->error, -ENOMEM);
	assert_false(pager_asks_loans(w->pager));
	/* As many are lent again: they may come back this time. */
	pager_unlend(w->pager, 0, LENT);
	lend(w, 0, LENT);
	world_ask(w, sg, FULL + 1, 1000001);
	world_run(w);
	assert_null(answer_of(w, 1000001));
	assert_true(pager_asks_loans(w->pager));
	pager_unlend(w->pager, 0, LENT);
	world_settle(w);
	assert_int_equal(answer_of(w, 1000001)->error, 0);
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_follows_its_page),
		cmocka_unit_test(a_slot_is_named_again),
		cmocka_unit_test(a_page_that_is_put_back_is_resident),
		cmocka_unit_test(a_lost_page_is_to_be_asked_for),
		cmocka_unit_test(without_a_book_nobody_looks),
		cmocka_unit_test(who_has_an_intent_stays),
		cmocka_unit_test(eviction_leaves_it_too),
		cmocka_unit_test(who_has_an_intent_is_not_dropped),
		cmocka_unit_test(an_uncounted_page_is_dropped),
		cmocka_unit_test(an_uncounted_page_in_use_is_not),
		cmocka_unit_test(an_uncounted_page_is_not_lost),
		cmocka_unit_test(a_lost_page_is_found),
		cmocka_unit_test(a_fault_keeps_what_a_program_has),
		cmocka_unit_test(a_counted_page_leaves_as_others),
		cmocka_unit_test(any_numbers_may_be_said),
		cmocka_unit_test(limits_leave_room_for_pages),
		cmocka_unit_test(a_refused_loan_evicts_nothing),
		cmocka_unit_test(a_loan_brings_free_frames_once),
		cmocka_unit_test(lent_frames_count_for_the_limit),
		cmocka_unit_test(an_account_over_its_limit_loses_a_page),
		cmocka_unit_test(faults_get_what_was_lent),
		cmocka_unit_test(a_fault_does_not_wait_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
