/* SPDX-License-Identifier: MIT */
/* Proves the rules of pager.h about one page at a time: what each kind of
 * fault does and answers, what is written and what is not, and that whatever
 * fails in the store, in memory or in a capture costs no byte but those that
 * could not be read, and these never come back as zeros. */
#include "tests/unit/pager_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
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

/* ---- kinds of faults */

static void first_touch_is_zeroed(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);
	const struct fault *rp = world_fault(w, sg, 2);

	(void)state;
	assert_non_null(rp);
	assert_int_equal(rp->error, 0);
	assert_int_equal(rp->kind, FAULT_ZERO);
	assert_int_equal(rp->first, 2);
	assert_int_equal(rp->count, 1);
	assert_int_equal(rp->start_ns, rp->end_ns);
	world_expect(w, sg, 2, 0);
	assert_int_equal(w->reads + w->writes, 0);
	finish(w);
}

static void resident_page_is_hit(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);

	(void)state;
	world_fill(w, sg, 1, 0x11);
	assert_int_equal(world_fault(w, sg, 1)->kind, FAULT_HIT);
	world_expect(w, sg, 1, 0x11);
	finish(w);
}

/* What can be read without a pin: nothing less than whole pages that are
 * here, and being read keeps them. */
static void resident_pages_can_be_used(void **state)
{
	struct world *w = start(CONFIG(.frame_count = 256));
	segment_id sg = world_segment(w, 8, 0, 0);

	(void)state;
	assert_false(pager_use_resident(w->pager, sg, 0, 1));	/* ZERO */
	for (uint64_t page = 0; page < 4; page++)
		world_fill(w, sg, page, 0x11);
	assert_true(pager_use_resident(w->pager, sg, 0, 4));
	assert_true(pager_use_resident(w->pager, sg, 3, 1));
	assert_false(pager_use_resident(w->pager, sg, 3, 2));
	assert_false(pager_use_resident(w->pager, sg, 7, 2));
	assert_false(pager_use_resident(w->pager, sg, 8, 1));
	assert_false(pager_use_resident(w->pager, sg, 1, UINT64_MAX));
	assert_false(pager_use_resident(w->pager, 0, 0, 1));
	assert_false(pager_use_resident(w->pager, sg + 1, 0, 1));
	assert_int_equal(world_advise(w, sg, 1, 1, PAGER_PAGEOUT), 1);
	assert_int_equal(world_info(w, sg).evicting, 1);
	assert_false(pager_use_resident(w->pager, sg, 0, 4));
	assert_true(pager_use_resident(w->pager, sg, 2, 2));
	world_settle(w);
	assert_false(pager_use_resident(w->pager, sg, 1, 1));	/* SWAPPED */
	assert_null(world_fault(w, sg, 1));
	assert_false(pager_use_resident(w->pager, sg, 1, 1));	/* LOADING */
	world_settle(w);
	assert_true(pager_use_resident(w->pager, sg, 0, 4));
	finish(w);
}

static void swapped_page_is_read(void **state)
{
	static const unsigned orders[] = { 0, 2, 4 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(orders); i++) {
		struct world *w = start(CONFIG(.frame_count = 256));
		segment_id sg = world_segment(w, 4, orders[i], 0);
		const struct fault *rp;

		world_fill(w, sg, 3, 0x33);
		world_page_out(w, sg, 3, 1);
		assert_int_equal(world_info(w, sg).swapped, 1);
		assert_int_equal(world_stats(w).free_frames, 256);
		rp = world_fault_wait(w, sg, 3);
		assert_int_equal(rp->kind, FAULT_SWAP_IN);
		assert_true(rp->start_ns <= rp->frame_ns &&
			    rp->frame_ns < rp->io_ns &&
			    rp->io_ns <= rp->end_ns);
		assert_int_equal(w->slots_read, 1 << orders[i]);
		world_expect(w, sg, 3, 0x33);
		finish(w);
	}
}

static void evicting_page_is_put_back(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);

	(void)state;
	world_fill(w, sg, 0, 0x44);
	assert_int_equal(world_advise(w, sg, 0, 1, PAGER_PAGEOUT), 1);
	assert_int_equal(world_info(w, sg).evicting, 1);
	assert_int_equal(world_fault(w, sg, 0)->kind, FAULT_PUT_BACK);
	world_expect(w, sg, 0, 0x44);
	world_settle(w);
	assert_int_equal(w->reads, 0);
	assert_int_equal(world_info(w, sg).resident, 1);
	/* The write went on, so the page is clean. */
	world_page_out(w, sg, 0, 1);
	assert_int_equal(w->writes, 1);
	world_expect(w, sg, 0, 0x44);
	finish(w);
}

static void put_back_page_may_change(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);

	(void)state;
	world_fill(w, sg, 0, 0x44);
	assert_int_equal(world_advise(w, sg, 0, 1, PAGER_PAGEOUT), 1);
	world_fill(w, sg, 0, 0x45);
	world_settle(w);
	world_page_out(w, sg, 0, 1);
	assert_int_equal(w->writes, 2);
	world_expect(w, sg, 0, 0x45);
	finish(w);
}

static void faults_on_a_loading_page_join(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);
	unsigned before;

	(void)state;
	world_fill(w, sg, 1, 0x55);
	world_page_out(w, sg, 1, 1);
	before = w->reply_count;
	for (unsigned i = 0; i < 3; i++)
		assert_null(world_fault(w, sg, 1));
	assert_int_equal(world_stats(w).faults_waiting, 3);
	assert_int_equal(w->reads, 1);
	world_end_io(w, 0, 0);
	assert_int_equal(w->reply_count, before + 3);
	for (unsigned i = before; i < w->reply_count; i++)
		assert_int_equal(w->reply[i].error, 0);
	finish(w);
}

static void page_is_installed_for_one_fault(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);
	const struct fault *rp;

	(void)state;
	world_fill(w, sg, 1, 0x66);
	world_page_out(w, sg, 1, 1);
	rp = world_fault_wait(w, sg, 1);
	assert_int_equal(w->alone_count, 1);
	assert_int_equal(w->alone_page, rp->page);
	/* The very next one, of that page alone. */
	assert_ptr_equal(rp, &w->reply[w->alone_replies]);
	assert_int_equal(rp->first, 1);
	assert_int_equal(rp->count, 1);
	assert_true(rp->mark == PAGER_NO_PAGE);
	world_expect(w, sg, 1, 0x66);
	/* Not for zeros, nor for what nobody waits for. */
	world_fill(w, sg, 2, 0x77);
	world_page_out(w, sg, 2, 1);
	assert_int_equal(world_advise(w, sg, 2, 1, PAGER_WILLNEED), 0);
	world_settle(w);
	assert_int_equal(w->alone_count, 1);
	finish(w);
}

/* They have been read with another, and the reply speaks of all. */
static void neighbours_are_not_installed_for_one_fault(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);
	const struct fault *rp;

	(void)state;
	for (uint64_t i = 0; i < 2; i++)
		world_fill(w, sg, i, 0x10);
	world_page_out(w, sg, 0, 2);
	assert_int_equal(world_advise(w, sg, 1, 1, PAGER_WILLNEED), 0);
	world_settle(w);
	rp = world_fault_wait(w, sg, 0);
	assert_int_equal(rp->count, 2);
	assert_int_equal(w->alone_count, 0);
	finish(w);
}

static void install_for_one_fault_may_fail(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);

	(void)state;
	world_fill(w, sg, 1, 0x66);
	world_page_out(w, sg, 1, 1);
	assert_null(world_fault(w, sg, 1));
	w->fail_installs = 1;
	world_end_io(w, 0, 0);
	assert_int_equal(world_stats(w).faults_waiting, 1);
	world_settle(w);
	assert_int_equal(w->reply[w->reply_count - 1].error, 0);
	assert_int_equal(w->alone_count, 1);
	world_expect(w, sg, 1, 0x66);
	finish(w);
}

static void faults_that_make_no_sense_are_refused(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);
	segment_id other = world_segment(w, 4, 0, 0);
	const struct {
		segment_id id;
		uint64_t page;
	} table[] = {
		{ sg, 4 }, { sg, UINT64_MAX }, { 0, 0 }, { other, 0 },
		{ 8, 0 },		/* segments_max */
	};

	(void)state;
	world_segment_destroy(w, other);
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		assert_int_equal(world_fault(w, table[i].id,
					     table[i].page)->error, -EFAULT);
	finish(w);
}

/* ---- what is written */

static void zero_page_needs_no_slot(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);

	(void)state;
	world_fill(w, sg, 0, 0);
	world_page_out(w, sg, 0, 1);
	assert_int_equal(w->writes, 0);
	assert_int_equal(world_stats(w).evicted_zero, 1);
	assert_int_equal(world_stats(w).free_slots, 128);
	assert_int_equal(world_fault(w, sg, 0)->kind, FAULT_ZERO);
	finish(w);
}

/* Of a large page one byte is enough, wherever it is. */
static void nearly_zero_page_is_kept(void **state)
{
	static const size_t places[] = { 0, 4095, 4096, 10000, 16383 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		struct world *w = start(CONFIG(0));
		segment_id sg = world_segment(w, 4, 2, 0);

		world_fill(w, sg, 1, 0);
		world_unit(w, sg, 4)[places[i]] = 0x66;
		world_page_out(w, sg, 1, 1);
		assert_int_equal(w->slots_written, 4);
		assert_int_equal(world_fault_wait(w, sg, 1)->error, 0);
		assert_int_equal(world_unit(w, sg, 4)[places[i]], 0x66);
		world_unit(w, sg, 4)[places[i]] = 0;
		world_expect(w, sg, 1, 0);
		finish(w);
	}
}

/* Dirty is what differs from the slot, and nothing else. */
static void only_changed_pages_are_written(void **state)
{
	static const struct {
		const char *what;
		uint8_t between, last;
		unsigned writes;
		bool has_slot;
	} table[] = {
		{ "untouched", 0x77, 0x77, 0, true },
		{ "changed and changed back", 0x78, 0x77, 0, true },
		{ "one byte changed", 0x77, 0x79, 1, true },
		{ "made zero", 0x00, 0x00, 0, false },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct world *w = start(CONFIG(0));
		segment_id sg = world_segment(w, 4, 0, 0);

		world_fill(w, sg, 0, 0x77);
		world_page_out(w, sg, 0, 1);
		w->writes = 0;
		assert_int_equal(world_fault_wait(w, sg, 0)->error, 0);
		world_write(w, sg, 0, table[i].between);
		world_unit(w, sg, 0)[1234] = table[i].last;
		if (table[i].between != 0x77 && table[i].last == 0x77)
			world_write(w, sg, 0, 0x77);
		world_page_out(w, sg, 0, 1);
		assert_int_equal(w->writes, table[i].writes);
		assert_int_equal(world_stats(w).free_slots,
				 table[i].has_slot ? 127 : 128);
		assert_int_equal(world_fault_wait(w, sg, 0)->error, 0);
		assert_int_equal(world_unit(w, sg, 0)[1234], table[i].last);
		finish(w);
	}
}

/* ---- what fails */

static void failed_write_keeps_the_page(void **state)
{
	static const struct {
		int error;
		unsigned quarantined;
	} table[] = {
		{ -EIO, 1 },
		{ -ENOSPC, 0 },		/* full is not broken */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct world *w = start(CONFIG(0));
		segment_id sg = world_segment(w, 4, 0, 0);
		uint32_t bad;

		world_fill(w, sg, 0, 0x88);
		(void)world_advise(w, sg, 0, 1, PAGER_PAGEOUT);
		assert_int_equal(w->io_count, 1);
		bad = w->io[0].slot;
		world_end_io(w, 0, table[i].error);
		world_settle(w);
		assert_int_equal(world_info(w, sg).resident, 1);
		assert_int_equal(world_stats(w).write_errors, 1);
		assert_int_equal(world_stats(w).quarantined_slots,
				 table[i].quarantined);
		world_expect(w, sg, 0, 0x88);
		assert_int_equal(w->reads, 0);
		(void)world_advise(w, sg, 0, 1, PAGER_PAGEOUT);
		assert_int_equal(w->io_count, 1);
		if (table[i].quarantined != 0)
			assert_int_not_equal(w->io[0].slot, bad);
		world_settle(w);
		world_expect(w, sg, 0, 0x88);
		finish(w);
	}
}

/* The slot's old copy must not be taken for the page after a failed write. */
static void failed_write_of_a_changed_page(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);

	(void)state;
	world_fill(w, sg, 0, 0x88);
	world_page_out(w, sg, 0, 1);
	world_fill(w, sg, 0, 0x89);
	(void)world_advise(w, sg, 0, 1, PAGER_PAGEOUT);
	world_end_io(w, 0, -EIO);
	world_settle(w);
	world_expect(w, sg, 0, 0x89);
	world_page_out(w, sg, 0, 1);
	world_expect(w, sg, 0, 0x89);
	finish(w);
}

/* A large page in scattered slots is several requests; one of them is enough
 * to make its slots bad, in whatever order they end. */
static void failed_write_of_a_scattered_page(void **state)
{
	static const int errors[][4] = {
		{ -EIO, -ENOSPC, 0, 0 },
		{ -ENOSPC, -EIO, 0, 0 },
		{ 0, 0, 0, -EIO },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		struct world *w = start(CONFIG(.slot_count = 8));
		segment_id small = world_segment(w, 8, 0, 0);
		segment_id sg = world_segment(w, 1, 2, 0);

		for (uint64_t page = 0; page < 8; page++)
			world_fill(w, small, page, 0x01);
		world_page_out(w, small, 0, 8);
		for (uint64_t page = 1; page < 8; page += 2)
			assert_int_equal(world_advise(w, small, page, 1,
						      PAGER_DONTNEED), 0);
		world_fill(w, sg, 0, 0x8a);
		(void)world_advise(w, sg, 0, 1, PAGER_PAGEOUT);
		assert_int_equal(w->io_count, 4);
		for (unsigned k = 0; k < 4; k++)
			world_end_io(w, 0, errors[i][k]);
		world_settle(w);
		assert_int_equal(world_stats(w).quarantined_slots, 4);
		assert_int_equal(world_stats(w).free_slots, 0);
		world_expect(w, sg, 0, 0x8a);
		finish(w);
	}
}

enum spoil { SPOIL_BIT, SPOIL_OTHERS_BYTES, SPOIL_OLD_BYTES, SPOIL_ZEROS };

/* Eight pages in neighbouring slots, read together; what is spoilt in one slot
 * loses that page and no other. */
static void spoilt_slot_loses_one_page(void **state)
{
	static const enum spoil table[] = {
		SPOIL_BIT, SPOIL_OTHERS_BYTES, SPOIL_OLD_BYTES, SPOIL_ZEROS,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct world *w = start(CONFIG(.readahead_max = 8));
		segment_id sg = world_segment(w, 8, 0, 0);
		const struct fault *rp;
		uint8_t *bad;

		for (uint64_t page = 0; page < 8; page++)
			world_fill(w, sg, page, (uint8_t)(page + 1));
		world_page_out(w, sg, 0, 8);
		bad = w->slots + world_find_slot(w, 4) *
					 (size_t)PAGER_UNIT_BYTES;
		if (table[i] == SPOIL_BIT)
			bad[4000] ^= 0x10;
		else if (table[i] == SPOIL_OTHERS_BYTES)
			memset(bad, 5, PAGER_UNIT_BYTES);
		else if (table[i] == SPOIL_OLD_BYTES)
			memset(bad, 0x99, PAGER_UNIT_BYTES);
		else
			memset(bad, 0, PAGER_UNIT_BYTES);
		assert_int_equal(world_advise(w, sg, 0, 8, PAGER_WILLNEED), 0);
		assert_int_equal(w->reads, 1);
		world_settle(w);
		for (uint64_t page = 0; page < 8; page++)
			if (page != 3)
				world_expect(w, sg, page, (uint8_t)(page + 1));
		for (unsigned again = 0; again < 2; again++) {
			rp = world_fault(w, sg, 3);
			assert_non_null(rp);
			assert_int_equal(rp->error, -EIO);
			assert_int_equal(rp->kind, FAULT_LOST);
		}
		assert_int_equal(world_info(w, sg).lost, 1);
		assert_int_equal(world_stats(w).pages_lost, 1);
		assert_int_equal(world_stats(w).quarantined_slots, 1);
		/* Giving it up is the way to use the page again. */
		assert_int_equal(world_advise(w, sg, 3, 1, PAGER_DONTNEED), 0);
		world_expect(w, sg, 3, 0);
		finish(w);
	}
}

/* A store ends `failing` reads in a row with `error`. */
static void failed_read(unsigned failing, int error, bool is_lost,
			bool is_bad)
{
	struct world *w = start(CONFIG(.readahead_max = 8));
	segment_id sg = world_segment(w, 8, 0, 0);
	const struct fault *rp;

	for (uint64_t page = 0; page < 8; page++)
		world_fill(w, sg, page, (uint8_t)(page + 1));
	world_page_out(w, sg, 0, 8);
	assert_int_equal(world_advise(w, sg, 0, 8, PAGER_WILLNEED), 0);
	assert_null(world_fault(w, sg, 0));
	while (failing-- > 0)
		world_end_io(w, 0, error);
	world_settle(w);
	for (uint64_t page = 1; page < 8; page++)
		world_expect(w, sg, page, (uint8_t)(page + 1));
	rp = &w->reply[w->reply_count - 8];	/* the fault before those 7 */
	assert_int_equal(rp->page, 0);
	assert_int_equal(rp->error, is_lost ? -EIO : 0);
	assert_int_equal(rp->kind, is_lost ? FAULT_LOST : FAULT_SWAP_IN);
	assert_int_equal(world_stats(w).pages_lost, is_lost);
	assert_int_equal(world_stats(w).quarantined_slots, is_bad);
	assert_int_equal(world_stats(w).free_slots,
			 128 - 8 + (is_lost && !is_bad));
	finish(w);
}

static void passing_read_error_loses_nothing(void **state)
{
	(void)state;
	failed_read(1, -EIO, false, false);
	failed_read(1, -SWAP_ELOST, false, false);
}

/* The second request after the failure is for page 0 alone. */
static void lasting_read_error_loses_one_page(void **state)
{
	(void)state;
	failed_read(2, -EIO, true, true);
}

/* The slot of what a store has lost is as good as any. */
static void lost_slot_is_free_again(void **state)
{
	(void)state;
	failed_read(2, -SWAP_ELOST, true, false);
}

/* A large page in scattered slots: its slots are good only if all of them are,
 * and what the second try says counts. */
static void lost_slots_of_a_scattered_page(void **state)
{
	static const struct {
		int first[4], second[4];
		unsigned quarantined;
	} table[] = {
		{ { -SWAP_ELOST }, { 0, 0, -SWAP_ELOST, 0 }, 0 },
		{ { -EIO }, { -SWAP_ELOST, 0, 0, 0 }, 0 },
		{ { -SWAP_ELOST }, { -EIO, 0, 0, 0 }, 4 },
		{ { 0 }, { -SWAP_ELOST, 0, -EIO, 0 }, 0 },
		{ { -EIO }, { -EIO, 0, 0, -SWAP_ELOST }, 4 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct world *w = start(CONFIG(.slot_count = 8));
		segment_id small = world_segment(w, 8, 0, 0);
		segment_id sg = world_segment(w, 1, 2, 0);
		bool is_first_bad = table[i].first[0] != 0;

		for (uint64_t page = 0; page < 8; page++)
			world_fill(w, small, page, 0x01);
		world_page_out(w, small, 0, 8);
		for (uint64_t page = 1; page < 8; page += 2)
			assert_int_equal(world_advise(w, small, page, 1,
						      PAGER_DONTNEED), 0);
		world_fill(w, sg, 0, 0x8a);
		world_page_out(w, sg, 0, 1);
		assert_null(world_fault(w, sg, 0));
		for (unsigned k = 0; is_first_bad && k < 4; k++)
			world_end_io(w, 0, table[i].first[k]);
		assert_int_equal(w->io_count, 4);
		for (unsigned k = 0; k < 4; k++)
			world_end_io(w, 0, table[i].second[k]);
		world_settle(w);
		assert_int_equal(world_info(w, sg).lost, is_first_bad);
		assert_int_equal(world_stats(w).quarantined_slots,
				 table[i].quarantined);
		for (uint64_t page = 0; page < 8; page += 2)
			world_expect(w, small, page, 0x01);
		finish(w);
	}
}

/* What the store has lost is written again while it is still in memory. */
static void unchanged_page_is_not_left_to_a_lost_slot(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= 2; order += 2) {
		struct world *w = start(CONFIG(0));
		segment_id sg = world_segment(w, 1, order, 0);
		unsigned units = 1u << order;
		uint32_t last;

		world_fill(w, sg, 0, 0x77);
		world_page_out(w, sg, 0, 1);
		assert_int_equal(world_fault_wait(w, sg, 0)->error, 0);
		last = world_find_slot(w, 0x77) + units - 1;
		w->lost_slot = last + 1;
		w->slots_written = 0;
		world_page_out(w, sg, 0, 1);
		assert_int_equal(w->slots_written, units);
		assert_int_equal(world_stats(w).free_slots, 128 - units);
		/* The new one is as good as the old one was. */
		memset(w->slots + last * (size_t)PAGER_UNIT_BYTES, 0,
		       PAGER_UNIT_BYTES);
		w->lost_slot = 0;
		world_expect(w, sg, 0, 0x77);
		w->slots_written = 0;
		world_page_out(w, sg, 0, 1);
		assert_int_equal(w->slots_written, 0);
		finish(w);
	}
}

/* A search for a victim takes several turns.  Clients that use all of their
 * pages again between them do not make it end in vain. */
static void a_pool_in_use_has_victims(void **state)
{
	enum { FRAMES = 8192, PAGES = FRAMES + 1, HALF = FRAMES / 2 };
	struct world *w = start(CONFIG(.frame_count = FRAMES,
				       .slot_count = PAGES,
				       .replacement = "two-hands"));
	segment_id sg = world_segment(w, PAGES, 0, 0);
	uint64_t page = 0, cookie = 0xf00d;
	unsigned turns = 0, replies;

	(void)state;
	for (; page < FRAMES; page++) {
		w->reply_count = 0;
		assert_int_equal(world_fault(w, sg, page)->error, 0);
	}
	replies = w->reply_count;
	world_ask(w, sg, page, cookie);
	while (w->reply_count == replies) {
		while (w->io_count > 0)
			world_end_io(w, 0, 0);
		(void)pager_touched(w->pager, sg, 0, HALF, ++w->now_ns);
		(void)pager_touched(w->pager, sg, HALF, HALF, ++w->now_ns);
		(void)pager_run(w->pager, ++w->now_ns);
		assert_true(++turns < 100);
	}
	/* In its third round. */
	assert_true(turns > 2 * FRAMES / 1024);
	assert_int_equal(w->reply[replies].error, 0);
	finish(w);
}

/* What cannot be taken out is not the end: somebody else's pages can. */
static void stuck_pages_do_not_fail_others(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id stuck = world_segment(w, 40, 0, 0);
	segment_id other = world_segment(w, 80, 0, 0);

	(void)state;
	for (uint64_t page = 0; page < 40; page++)
		world_fill(w, stuck, page, 0x11);
	assert_int_equal(world_advise(w, stuck, 0, 40, PAGER_COLD), 0);
	w->stuck = stuck;
	for (uint64_t page = 0; page < 80; page++)
		world_fill(w, other, page, (uint8_t)(page + 1));
	for (uint64_t page = 0; page < 80; page++)
		world_expect(w, other, page, (uint8_t)(page + 1));
	/* That is no fault of the system's. */
	assert_int_equal(world_stats(w).capture_errors, 0);
	w->stuck = 0;
	for (uint64_t page = 0; page < 40; page++)
		world_expect(w, stuck, page, 0x11);
	finish(w);
}

static void failed_capture_keeps_the_page(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);

	(void)state;
	world_fill(w, sg, 0, 0xaa);
	w->fail_captures = 1;
	(void)world_advise(w, sg, 0, 1, PAGER_PAGEOUT);
	world_settle(w);
	assert_int_equal(world_stats(w).capture_errors, 1);
	world_expect(w, sg, 0, 0xaa);
	assert_int_equal(w->reads + w->writes, 0);
	finish(w);
}

/* Memory that fails while it is captured: one page is lost, not read as zeros
 * or as what its slot holds from before; its neighbours are not. */
static void failed_memory_loses_one_page(void **state)
{
	for (unsigned order = 0; order <= 2; order += 2) {
		struct world *w = start(CONFIG(0));
		segment_id sg = world_segment(w, 4, order, 0);

		(void)state;
		for (uint64_t page = 0; page < 4; page++)
			world_fill(w, sg, page, 0xaa);
		world_page_out(w, sg, 0, 4);
		for (uint64_t page = 0; page < 4; page++)
			world_fill(w, sg, page, 0xbb);
		w->lose_unit = 1 + (UINT64_C(2) << order);
		world_page_out(w, sg, 0, 4);
		assert_int_equal(world_info(w, sg).lost, 1);
		assert_int_equal(world_fault_wait(w, sg, 2)->error, -EIO);
		for (uint64_t page = 0; page < 4; page++)
			if (page != 2)
				world_expect(w, sg, page, 0xbb);
		assert_int_equal(world_stats(w).pages_lost, 1);
		/* Given up, it is a page like others. */
		assert_int_equal(world_advise(w, sg, 2, 1, PAGER_DONTNEED), 0);
		world_fill(w, sg, 2, 0xcc);
		world_page_out(w, sg, 0, 4);
		world_expect(w, sg, 2, 0xcc);
		finish(w);
	}
}

/* Memory may be short in the middle of a page; a client may write to the part
 * that is there before the rest is.  In each state of the page. */
static void install_that_fails_half_way(void **state)
{
	static const struct {
		bool is_out;		/* swapped before the fault */
		bool is_evicting;	/* its write is under way */
	} table[] = {
		{ false, false }, { true, false }, { false, true },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct world *w = start(CONFIG(0));
		segment_id sg = world_segment(w, 4, 2, 0);
		uint8_t rest = table[i].is_out || table[i].is_evicting ?
				       0xbb : 0;

		if (rest != 0)
			world_fill(w, sg, 1, rest);
		if (table[i].is_out)
			world_page_out(w, sg, 1, 1);
		if (table[i].is_evicting)
			(void)world_advise(w, sg, 1, 1, PAGER_PAGEOUT);
		w->fail_installs = 1;
		w->install_part = 2;
		assert_null(world_fault(w, sg, 1));
		if (table[i].is_out)
			world_end_io(w, 0, 0);
		world_write(w, sg, 5, 0xbc);
		world_settle(w);
		assert_int_equal(world_stats(w).faults_waiting, 0);
		assert_true(world_stats(w).install_retries > 0);
		assert_int_equal(world_fault_wait(w, sg, 1)->error, 0);
		for (uint64_t unit = 4; unit < 8; unit++)
			assert_int_equal(*world_unit(w, sg, unit),
					 unit == 5 ? 0xbc : rest);
		finish(w);
	}
}

static void full_store_queue_is_tried_again(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 8, 0, 0);

	(void)state;
	w->io_depth = 1;
	for (uint64_t page = 0; page < 8; page += 2)
		world_fill(w, sg, page, (uint8_t)(page + 1));
	world_page_out(w, sg, 0, 8);
	for (uint64_t page = 0; page < 8; page += 2)
		assert_null(world_fault(w, sg, page));
	assert_int_equal(w->io_count, 1);
	world_settle(w);
	for (uint64_t page = 0; page < 8; page += 2)
		world_expect(w, sg, page, (uint8_t)(page + 1));
	finish(w);
}

/* ---- going away in the middle */

static void dontneed_waits_for_a_loading_page(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 4, 0, 0);

	(void)state;
	world_fill(w, sg, 0, 0xcc);
	world_page_out(w, sg, 0, 1);
	assert_null(world_fault(w, sg, 0));
	assert_int_equal(world_advise(w, sg, 0, 1, PAGER_DONTNEED), 1);
	world_settle(w);
	assert_int_equal(w->done[w->done_count - 1].result, 0);
	world_expect(w, sg, 0, 0);
	assert_int_equal(world_stats(w).free_slots, 128);
	finish(w);
}

static void destroy_waits_for_io(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 8, 0, 0);
	unsigned before;

	(void)state;
	world_fill(w, sg, 0, 0xdd);
	world_fill(w, sg, 1, 0xde);
	world_fill(w, sg, 2, 0xdf);
	world_page_out(w, sg, 0, 1);
	assert_null(world_fault(w, sg, 0));
	(void)world_advise(w, sg, 1, 1, PAGER_PAGEOUT);
	assert_int_equal(w->io_count, 2);
	before = w->reply_count;
	world_segment_destroy(w, sg);
	assert_int_equal(w->reply_count, before + 1);
	assert_int_equal(w->reply[before].error, -EFAULT);
	assert_int_equal(w->done[w->done_count - 1].result, -EFAULT);
	world_run(w);
	assert_int_equal(w->gone_count, 0);
	world_settle(w);
	assert_int_equal(w->gone_count, 1);
	assert_int_equal(world_stats(w).free_frames, 64);
	assert_int_equal(world_stats(w).free_slots, 128);
	finish(w);
}

/* What cannot be taken out stays charged, in the way of nobody's turn, and
 * whoever waits for those frames is told. */
static void refused_discard_keeps_the_frames(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 64, 0, 0), other;

	(void)state;
	for (uint64_t page = 0; page < 62; page++)
		world_fill(w, sg, page, 0xee);
	other = world_segment(w, 8, 0, 0);
	w->fail_discards = UINT32_MAX;
	(void)world_advise(w, sg, 0, 1, PAGER_DONTNEED);
	assert_int_equal(w->done[w->done_count - 1].result, -EBUSY);
	world_expect(w, sg, 0, 0xee);
	world_segment_destroy(w, sg);
	world_settle(w);
	assert_int_equal(w->gone_count, 0);
	assert_int_equal(pager_retry_refused(w->pager), 1);
	world_settle(w);
	pager_check(w->pager);
	assert_true(world_stats(w).resident_frames >= 60);
	world_fill(w, other, 0, 0x11);
	w->fail_discards = 0;
	assert_int_equal(pager_retry_refused(w->pager), 1);
	world_settle(w);
	assert_int_equal(w->gone_count, 1);
	assert_int_equal(pager_retry_refused(w->pager), 0);
	world_expect(w, other, 0, 0x11);
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_touch_is_zeroed),
		cmocka_unit_test(resident_page_is_hit),
		cmocka_unit_test(resident_pages_can_be_used),
		cmocka_unit_test(swapped_page_is_read),
		cmocka_unit_test(evicting_page_is_put_back),
		cmocka_unit_test(put_back_page_may_change),
		cmocka_unit_test(faults_on_a_loading_page_join),
		cmocka_unit_test(page_is_installed_for_one_fault),
		cmocka_unit_test(neighbours_are_not_installed_for_one_fault),
		cmocka_unit_test(install_for_one_fault_may_fail),
		cmocka_unit_test(faults_that_make_no_sense_are_refused),
		cmocka_unit_test(zero_page_needs_no_slot),
		cmocka_unit_test(nearly_zero_page_is_kept),
		cmocka_unit_test(only_changed_pages_are_written),
		cmocka_unit_test(failed_write_keeps_the_page),
		cmocka_unit_test(failed_write_of_a_changed_page),
		cmocka_unit_test(failed_write_of_a_scattered_page),
		cmocka_unit_test(spoilt_slot_loses_one_page),
		cmocka_unit_test(passing_read_error_loses_nothing),
		cmocka_unit_test(lasting_read_error_loses_one_page),
		cmocka_unit_test(lost_slot_is_free_again),
		cmocka_unit_test(unchanged_page_is_not_left_to_a_lost_slot),
		cmocka_unit_test(lost_slots_of_a_scattered_page),
		cmocka_unit_test(a_pool_in_use_has_victims),
		cmocka_unit_test(stuck_pages_do_not_fail_others),
		cmocka_unit_test(failed_capture_keeps_the_page),
		cmocka_unit_test(failed_memory_loses_one_page),
		cmocka_unit_test(install_that_fails_half_way),
		cmocka_unit_test(full_store_queue_is_tried_again),
		cmocka_unit_test(dontneed_waits_for_a_loading_page),
		cmocka_unit_test(destroy_waits_for_io),
		cmocka_unit_test(refused_discard_keeps_the_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
