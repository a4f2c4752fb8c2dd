/* SPDX-License-Identifier: MIT */
/* Proves the pager's promises about amounts: what is admitted and what is
 * not, who gives up frames and who keeps them, what a pin holds, how far the
 * background eviction goes, and what the tables cost. */
#include "daemon/replace/replace.h"
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

static uint8_t byte_of(uint64_t page)
{
	return (uint8_t)(page % 255 + 1);
}

/* Touch and fill pages, letting evictions go on. */
static void fill_pages(struct world *w, segment_id sg, uint64_t first,
		       uint64_t count)
{
	for (uint64_t page = first; page < first + count; page++) {
		world_fill(w, sg, page, byte_of(page));
		world_settle(w);
	}
}

static void expect_pages(struct world *w, segment_id sg, uint64_t first,
			 uint64_t count)
{
	for (uint64_t page = first; page < first + count; page++) {
		world_expect(w, sg, page, byte_of(page));
		world_settle(w);
	}
}

/* ---- commitment */

static int try_create(struct world *w, uint64_t pages, unsigned order,
		      account_id account)
{
	segment_id id;

	return pager_segment_create(w->pager, 1, pages, order, account, 0,
				    &id);
}

static void commitment_is_strict(void **state)
{
	static const uint32_t slots[] = { UINT32_MAX, 1, 64, 500 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
		struct world *w = start(CONFIG(.slot_count = slots[i]));
		struct pager_stats st = world_stats(w);
		uint64_t limit = st.commit_limit_units;
		segment_id sg, other;

		assert_true(limit <= st.frame_count + st.slot_count);
		assert_true(limit > st.slot_count);
		assert_int_equal(try_create(w, limit + 1, 0, 0), -ENOSPC);
		assert_int_equal(try_create(w, UINT64_MAX / 2, 0, 0) != 0, 1);
		sg = world_segment(w, limit - 8, 0, 0);
		assert_int_equal(try_create(w, 9, 0, 0), -ENOSPC);
		assert_int_equal(try_create(w, 3, 2, 0), -ENOSPC);
		other = world_segment(w, 2, 2, 0);
		assert_int_equal(try_create(w, 1, 0, 0), -ENOSPC);
		assert_int_equal(world_stats(w).committed_units, limit);
		world_segment_destroy(w, other);
		other = world_segment(w, 8, 0, 0);
		/* And all that was promised can be had. */
		fill_pages(w, sg, 0, limit - 8);
		fill_pages(w, other, 0, 8);
		expect_pages(w, sg, 0, limit - 8);
		expect_pages(w, other, 0, 8);
		finish(w);
	}
}

static void page_size_needs_a_pool(void **state)
{
	static const struct {
		uint32_t frames;
		size_t staging;
		unsigned order;
		uint64_t pages;
		int result;
	} table[] = {
		{ 64, 1 << 20, 0, 1, 0 },
		{ 64, 1 << 20, 0, 0, -EINVAL },
		{ 64, 1 << 20, 2, 1, 0 },
		{ 64, 1 << 20, 4, 1, -EINVAL },
		{ 255, 1 << 20, 4, 1, -EINVAL },
		{ 256, 1 << 20, 4, 1, 0 },
		{ 8191, 8 << 20, 9, 1, -EINVAL },
		{ 8192, 8 << 20, 9, 1, 0 },
		{ 8192, 1 << 20, 9, 1, -EINVAL },	/* no room for I/O */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct world *w = start(CONFIG(
			.frame_count = table[i].frames,
			.staging_bytes = table[i].staging));

		if (table[i].result == 0)
			(void)world_segment(w, table[i].pages, table[i].order,
					    0);
		else
			assert_int_equal(try_create(w, table[i].pages,
						    table[i].order, 0),
					 table[i].result);
		finish(w);
	}
}

/* Full of large pages to the last promised one, each can still be had. */
static void full_of_large_pages(void **state)
{
	static const struct {
		uint32_t frames, slots;
		unsigned order;
	} table[] = {
		{ 64, 70, 2 }, { 316, 316, 4 }, { 271, 41, 4 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct world *w = start(CONFIG(.frame_count = table[i].frames,
					       .slot_count = table[i].slots));
		uint64_t pages = world_stats(w).commit_limit_units >>
				 table[i].order;
		segment_id sg = world_segment(w, pages, table[i].order, 0);

		for (unsigned round = 0; round < 3; round++) {
			fill_pages(w, sg, 0, pages);
			expect_pages(w, sg, 0, pages);
		}
		finish(w);
	}
}

static void too_many_segments_are_refused(void **state)
{
	struct world *w = start(CONFIG(.segments_max = 2));

	(void)state;
	(void)world_segment(w, 1, 0, 0);
	(void)world_segment(w, 1, 0, 0);
	assert_int_equal(try_create(w, 1, 0, 0), -EAGAIN);
	finish(w);
}

/* ---- accounts */

static account_id add_account(struct world *w, account_id parent,
			      uint64_t frames, uint64_t mapped)
{
	account_id id;

	assert_int_equal(pager_account_add(w->pager, parent, frames, mapped,
					   &id), 0);
	return id;
}

static uint64_t used_frames(struct world *w, account_id account)
{
	struct account_info info;

	pager_account_get(w->pager, account, &info);
	return info.used_frames;
}

static void mapped_limits_are_of_all_levels(void **state)
{
	struct world *w = start(CONFIG(0));
	account_id uid = add_account(w, 0, 0, 100);
	account_id one = add_account(w, uid, 0, 60);
	account_id two = add_account(w, uid, 0, 0);
	struct account_info info;

	(void)state;
	assert_int_equal(try_create(w, 61, 0, one), -EDQUOT);
	(void)world_segment(w, 60, 0, one);
	assert_int_equal(try_create(w, 1, 0, one), -EDQUOT);
	assert_int_equal(try_create(w, 41, 0, two), -EDQUOT);
	(void)world_segment(w, 10, 2, two);
	pager_account_get(w->pager, uid, &info);
	assert_int_equal(info.mapped_units, 100);
	assert_int_equal(try_create(w, 1, 0, uid), -EDQUOT);
	pager_account_limit(w->pager, uid, 0, 101);
	(void)world_segment(w, 1, 0, uid);
	finish(w);
}

static void too_many_accounts_are_refused(void **state)
{
	struct world *w = start(CONFIG(.accounts_max = 1));
	account_id one = add_account(w, 0, 0, 0), again;

	(void)state;
	assert_int_equal(pager_account_add(w->pager, 0, 0, 0, &again),
			 -EAGAIN);
	pager_account_remove(w->pager, one);
	(void)add_account(w, 0, 0, 0);
	finish(w);
}

static void frame_limit_evicts_ones_own(void **state)
{
	struct world *w = start(CONFIG(.frame_count = 256, .slot_count = 512));
	account_id uid = add_account(w, 0, 0, 0);
	account_id small = add_account(w, uid, 32, 0);
	account_id other = add_account(w, uid, 0, 0);
	segment_id mine = world_segment(w, 150, 0, small);
	segment_id theirs = world_segment(w, 100, 0, other);

	(void)state;
	fill_pages(w, theirs, 0, 100);
	for (uint64_t page = 0; page < 150; page++) {
		world_fill(w, mine, page, byte_of(page));
		assert_true(used_frames(w, small) <= 32);
	}
	assert_int_equal(world_info(w, theirs).resident, 100);
	assert_int_equal(used_frames(w, uid), used_frames(w, small) + 100);
	expect_pages(w, mine, 0, 150);
	finish(w);
}

/* ---- many threads with few frames */

enum { THREADS = 60, SET = 4, CROWD_PAGES = 512 };

/* Each thread needs a set of pages at once, as an instruction does. */
struct crowd {
	struct world *w;
	segment_id sg;
	uint32_t random;
	uint64_t page[THREADS][SET];
	bool is_waiting[THREADS];
	unsigned done[THREADS];
};

static void choose_set(struct crowd *c, unsigned t)
{
	for (unsigned i = 0; i < SET; i++) {
		c->random = c->random * 1664525 + 1013904223;
		c->page[t][i] = (c->random >> 8) % CROWD_PAGES;
	}
}

/* It goes on as far as it can: asks for the first page it lacks. */
static void thread_step(struct crowd *c, unsigned t)
{
	const bool *present = c->w->segment[c->sg].present;

	for (unsigned i = 0; i < SET; i++) {
		uint64_t page = c->page[t][i];

		if (present[page])
			continue;
		c->is_waiting[t] = true;
		world_ask(c->w, c->sg, page, t);
		return;
	}
	for (unsigned i = 0; i < SET; i++)
		world_write(c->w, c->sg, c->page[t][i], (uint8_t)(t + 1));
	c->done[t]++;
	choose_set(c, t);
}

static void take_replies(struct crowd *c)
{
	for (unsigned i = 0; i < c->w->reply_count; i++) {
		assert_int_equal(c->w->reply[i].error, 0);
		c->is_waiting[c->w->reply_cookie[i]] = false;
	}
	c->w->reply_count = 0;
}

static void every_thread_gets_on(void **state)
{
	struct crowd c = { .w = start(CONFIG(.frame_count = 256,
					     .slot_count = 1024)) };
	account_id small = add_account(c.w, 0, 1, 0);

	(void)state;
	c.sg = world_segment(c.w, CROWD_PAGES, 0, small);
	for (unsigned t = 0; t < THREADS; t++)
		choose_set(&c, t);
	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned t = 0; t < THREADS; t++)
			if (!c.is_waiting[t])
				thread_step(&c, t);
		(void)pager_run(c.w->pager, ++c.w->now_ns);
		if (c.w->io_count > 0)
			world_end_io(c.w, 0, 0);
		take_replies(&c);
	}
	for (unsigned t = 0; t < THREADS; t++)
		assert_true(c.done[t] >= 16);
	finish(c.w);
}

static void lowering_a_limit_loses_nothing(void **state)
{
	struct world *w = start(CONFIG(.frame_count = 256, .slot_count = 512));
	account_id uid = add_account(w, 0, 0, 0);
	account_id session = add_account(w, uid, 0, 0);
	segment_id sg = world_segment(w, 200, 0, session);

	(void)state;
	fill_pages(w, sg, 0, 200);
	assert_int_equal(used_frames(w, uid), 200);
	pager_account_limit(w->pager, uid, 50, 0);
	world_settle(w);
	assert_true(used_frames(w, uid) <= 50);
	assert_true(used_frames(w, uid) > 0);
	expect_pages(w, sg, 0, 200);
	assert_true(used_frames(w, uid) <= 50);
	finish(w);
}

/* Pin one page after the other where the limit leaves room for few. */
static void pins_make_room_within_a_limit(void **state)
{
	struct world *w = start(CONFIG(.frame_count = 4096,
				       .slot_count = 16384));
	account_id uid = add_account(w, 0, 0, 0);
	account_id session = add_account(w, uid, 0, 0);
	segment_id sg = world_segment(w, 1000, 0, session);

	(void)state;
	fill_pages(w, sg, 0, 1000);
	pager_account_limit(w->pager, session, 100, 0);
	world_settle(w);
	assert_true(used_frames(w, session) <= 100);
	w->done_count = 0;
	for (uint64_t page = 0; page < 1000; page++) {
		unsigned before = w->done_count = 0;

		(void)world_advise(w, sg, page, 1, PAGER_PIN);
		world_settle(w);
		assert_int_equal(w->done_count, before + 1);
		assert_int_equal(w->done[before].result, 0);
		assert_int_equal(world_advise(w, sg, page, 1, PAGER_UNPIN),
				 0);
	}
	finish(w);
}

/* ---- pins */

static void pinned_pages_stay(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 150, 0, 0);
	unsigned reads;

	(void)state;
	fill_pages(w, sg, 0, 20);
	world_page_out(w, sg, 0, 10);
	assert_int_equal(world_advise(w, sg, 10, 10, PAGER_COLD), 0);
	/* Swapped, resident and never touched: PIN brings all in. */
	assert_int_equal(world_advise(w, sg, 5, 20, PAGER_PIN), 1);
	world_settle(w);
	assert_int_equal(w->done[w->done_count - 1].result, 0);
	assert_int_equal(world_info(w, sg).pinned, 20);
	fill_pages(w, sg, 25, 125);
	reads = w->reads;
	expect_pages(w, sg, 5, 15);
	assert_int_equal(w->reads, reads);
	assert_int_equal(world_advise(w, sg, 10, 1, PAGER_DONTNEED), -EBUSY);
	assert_int_equal(world_advise(w, sg, 10, 1, PAGER_PAGEOUT), -EBUSY);
	assert_int_equal(world_advise(w, sg, 5, 20, PAGER_UNPIN), 0);
	assert_int_equal(world_stats(w).pinned_frames, 0);
	world_page_out(w, sg, 5, 20);
	expect_pages(w, sg, 0, 20);
	finish(w);
}

static void pins_are_counted(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 8, 0, 0);

	(void)state;
	world_fill(w, sg, 1, 0x11);
	assert_int_equal(world_advise(w, sg, 0, 4, PAGER_PIN), 0);
	assert_int_equal(world_advise(w, sg, 1, 1, PAGER_PIN), 0);
	assert_int_equal(world_advise(w, sg, 0, 4, PAGER_UNPIN), 0);
	assert_int_equal(world_advise(w, sg, 1, 1, PAGER_PAGEOUT), -EBUSY);
	/* Not all of the range is pinned: none is unpinned. */
	assert_int_equal(world_advise(w, sg, 0, 4, PAGER_UNPIN), -EINVAL);
	assert_int_equal(world_advise(w, sg, 1, 1, PAGER_UNPIN), 0);
	world_page_out(w, sg, 1, 1);
	world_expect(w, sg, 1, 0x11);
	finish(w);
}

static void pins_have_limits(void **state)
{
	struct world *w = start(CONFIG(0));
	account_id small = add_account(w, 0, 24, 0);
	segment_id sg = world_segment(w, 60, 0, 0);
	segment_id mine = world_segment(w, 60, 0, small);

	(void)state;
	assert_int_equal(world_advise(w, sg, 0, 33, PAGER_PIN), -ENOMEM);
	assert_int_equal(world_advise(w, mine, 0, 13, PAGER_PIN), -ENOMEM);
	assert_int_equal(world_stats(w).pinned_frames, 0);
	assert_int_equal(world_advise(w, mine, 0, 12, PAGER_PIN), 0);
	assert_int_equal(world_advise(w, sg, 0, 20, PAGER_PIN), 0);
	assert_int_equal(world_advise(w, sg, 30, 1, PAGER_PIN), -ENOMEM);
	assert_int_equal(world_stats(w).pinned_frames, 32);
	/* Gone with their segment. */
	world_segment_destroy(w, sg);
	assert_int_equal(world_stats(w).pinned_frames, 12);
	finish(w);
}

/* What others have pinned, or keep the pager at, does not stand in the way of a
 * reserved segment, nor the other way round. */
static void reserved_segments_have_a_share(void **state)
{
	enum { FRAMES = 1024, OTHERS = 256 - PAGER_ADVICE_RESERVED };
	struct world *w = start(CONFIG(.frame_count = FRAMES,
				       .slot_count = 2 * FRAMES));
	segment_id sg = world_segment(w, FRAMES, 0, 0);
	segment_id reserved = world_segment(w, FRAMES, 0, 0);

	(void)state;
	pager_segment_reserve(w->pager, reserved);
	world_fill(w, sg, 0, 1);
	world_page_out(w, sg, 0, 1);
	world_fill(w, reserved, 0, 2);
	world_page_out(w, reserved, 0, 1);
	/* All of these wait for one page to be read. */
	for (unsigned i = 0; i < OTHERS; i++)
		assert_int_equal(world_advise(w, sg, 0, 1, PAGER_PIN), 1);
	assert_int_equal(world_advise(w, sg, 0, 1, PAGER_PIN), -EBUSY);
	for (unsigned i = 0; i < PAGER_ADVICE_RESERVED; i++)
		assert_int_equal(world_advise(w, reserved, 0, 1, PAGER_PIN),
				 1);
	assert_int_equal(world_advise(w, reserved, 0, 1, PAGER_PIN), -EBUSY);
	world_settle(w);

	(void)world_advise(w, sg, 1, FRAMES / 2 - OTHERS, PAGER_PIN);
	world_settle(w);
	assert_int_equal(w->done[w->done_count - 1].result, 0);
	assert_int_equal(world_advise(w, sg, 0, 1, PAGER_PIN), -ENOMEM);
	assert_int_equal(world_advise(w, reserved, 1, FRAMES / 8 -
				      PAGER_ADVICE_RESERVED, PAGER_PIN), 0);
	assert_int_equal(world_advise(w, reserved, 0, 1, PAGER_PIN), -ENOMEM);
	assert_int_equal(world_stats(w).pinned_frames, FRAMES / 2 +
			 FRAMES / 8);
	world_expect(w, sg, 0, 1);
	world_expect(w, reserved, 0, 2);

	world_segment_destroy(w, reserved);
	assert_int_equal(world_advise(w, sg, 0, 1, PAGER_PIN), -ENOMEM);
	reserved = world_segment(w, FRAMES, 0, 0);
	pager_segment_reserve(w->pager, reserved);
	assert_int_equal(world_advise(w, reserved, 0, FRAMES / 8, PAGER_PIN),
			 0);
	finish(w);
}

static void pin_of_a_lost_page_pins_nothing(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 8, 0, 0);

	(void)state;
	fill_pages(w, sg, 0, 8);
	world_page_out(w, sg, 3, 1);
	w->slots[world_find_slot(w, byte_of(3)) *
		 (size_t)PAGER_UNIT_BYTES] ^= 1;
	assert_int_equal(world_advise(w, sg, 0, 8, PAGER_PIN), 1);
	world_settle(w);
	assert_int_equal(w->done[w->done_count - 1].result, -EIO);
	assert_int_equal(world_stats(w).pinned_frames, 0);
	world_page_out(w, sg, 0, 3);
	expect_pages(w, sg, 0, 3);
	finish(w);
}

/* The pins of a PIN under way are its own: it may still take them off. */
static void unpin_waits_for_pin(void **state)
{
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 8, 0, 0);

	(void)state;
	fill_pages(w, sg, 0, 8);
	world_page_out(w, sg, 3, 1);
	w->slots[world_find_slot(w, byte_of(3)) *
		 (size_t)PAGER_UNIT_BYTES] ^= 1;
	assert_int_equal(world_advise(w, sg, 0, 8, PAGER_PIN), 1);
	assert_int_equal(world_advise(w, sg, 0, 1, PAGER_UNPIN), -EBUSY);
	world_settle(w);
	assert_int_equal(w->done[w->done_count - 1].result, -EIO);
	world_page_out(w, sg, 0, 1);
	expect_pages(w, sg, 0, 1);
	finish(w);
}

/* ---- ranges */

static void bad_ranges_are_refused(void **state)
{
	static const struct {
		uint64_t first, count;
	} table[] = {
		{ 0, 0 }, { 8, 1 }, { 0, 9 }, { 7, 2 }, { 1, UINT64_MAX },
		{ UINT64_MAX, 2 },
	};
	struct world *w = start(CONFIG(0));
	segment_id sg = world_segment(w, 8, 0, 0);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		for (int kind = PAGER_NORMAL; kind <= PAGER_UNPIN; kind++)
			assert_int_equal(world_advise(w, sg, table[i].first,
						      table[i].count,
						      (enum pager_advice)kind),
					 -EINVAL);
	finish(w);
}

/* ---- eviction in the background */

static void watermarks_are_kept(void **state)
{
	static const struct {
		uint32_t low, high;
	} table[] = {
		{ 1, 2 }, { 4, 12 }, { 20, 30 }, { 5, 6 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct world *w = start(CONFIG(
			.frame_count = 128, .low_watermark = table[i].low,
			.high_watermark = table[i].high));
		segment_id sg = world_segment(w, 200, 0, 0);
		struct pager_stats st;

		/* Nothing is evicted while there is no need. */
		for (uint64_t page = 0; page < 128 - table[i].low; page++)
			world_fill(w, sg, page, byte_of(page));
		world_settle(w);
		assert_int_equal(world_stats(w).evicted, 0);
		world_fill(w, sg, 199, byte_of(199));
		world_settle(w);
		st = world_stats(w);
		assert_true(st.free_frames >= table[i].high);
		/* One batch too many at most. */
		assert_true(st.evicted <= table[i].high + 64);
		expect_pages(w, sg, 0, 128 - table[i].low);
		finish(w);
	}
}

/* A page that clients say they touch outlives those that nobody does.  It may
 * leave once, before anything is known of it. */
static void touched_pages_stay(void **state)
{
	const char *policy;

	(void)state;
	for (unsigned i = 0; (policy = replace_policy_name(i)) != NULL; i++) {
		struct world *w = start(CONFIG(.slot_count = 512,
					       .replacement = policy));
		segment_id sg = world_segment(w, 300, 0, 0);
		unsigned losses = 0;

		for (uint64_t page = 0; page < 300; page++) {
			world_fill(w, sg, page, byte_of(page));
			(void)pager_touched(w->pager, sg, 0, 8, w->now_ns);
			world_settle(w);
			if (!w->segment[sg].present[0]) {
				losses++;
				world_expect(w, sg, 0, byte_of(0));
			}
		}
		assert_true(losses <= 1);
		assert_true(w->aged > 0);
		assert_true(world_stats(w).minor_reported >= 300);
		finish(w);
	}
}

/* What is zero or unchanged can go even when there is nowhere to write. */
static void no_store_evicts_zero_pages(void **state)
{
	struct world *w = start(CONFIG(.slot_count = UINT32_MAX));
	uint64_t limit = world_stats(w).commit_limit_units;
	segment_id sg = world_segment(w, limit, 0, 0);

	(void)state;
	fill_pages(w, sg, 0, limit);
	world_page_out(w, sg, 0, limit);
	assert_int_equal(world_info(w, sg).resident, limit);
	world_write(w, sg, 3, 0);
	world_page_out(w, sg, 0, limit);
	assert_int_equal(world_info(w, sg).resident, limit - 1);
	world_expect(w, sg, 3, 0);
	world_expect(w, sg, 4, byte_of(4));
	finish(w);
}

/* ---- what it costs */

static void tables_are_sparse_and_small(void **state)
{
	enum { TOUCHED = 4096, SLACK = 4 * 4096 };
	struct world *w = start(CONFIG(.frame_count = 8192,
				       .slot_count = 1 << 20,
				       .low_watermark = 1,
				       .high_watermark = 2));
	segment_id sg = world_segment(w, TOUCHED, 0, 0);
	uint64_t before, empty;

	(void)state;
	/* Once, so that the frames' own table has been paid for. */
	for (uint64_t page = 0; page < TOUCHED; page++)
		assert_int_equal(world_fault(w, sg, page)->error, 0);
	world_segment_destroy(w, sg);
	world_settle(w);
	before = world_stats(w).metadata_bytes;
	sg = world_segment(w, 1 << 20, 0, 0);
	empty = world_stats(w).metadata_bytes;
	assert_true(empty <= before + SLACK);
	for (uint64_t page = 0; page < TOUCHED; page++)
		assert_int_equal(world_fault(w, sg, 500000 + page)->error, 0);
	assert_true(world_stats(w).metadata_bytes <=
		    empty + TOUCHED * 32 + SLACK);
	/* Given back with the segment. */
	world_segment_destroy(w, sg);
	world_settle(w);
	assert_true(world_stats(w).metadata_bytes <= before + SLACK);
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commitment_is_strict),
		cmocka_unit_test(page_size_needs_a_pool),
		cmocka_unit_test(full_of_large_pages),
		cmocka_unit_test(too_many_segments_are_refused),
		cmocka_unit_test(mapped_limits_are_of_all_levels),
		cmocka_unit_test(too_many_accounts_are_refused),
		cmocka_unit_test(frame_limit_evicts_ones_own),
		cmocka_unit_test(every_thread_gets_on),
		cmocka_unit_test(lowering_a_limit_loses_nothing),
		cmocka_unit_test(pins_make_room_within_a_limit),
		cmocka_unit_test(pinned_pages_stay),
		cmocka_unit_test(pins_are_counted),
		cmocka_unit_test(pins_have_limits),
		cmocka_unit_test(reserved_segments_have_a_share),
		cmocka_unit_test(pin_of_a_lost_page_pins_nothing),
		cmocka_unit_test(unpin_waits_for_pin),
		cmocka_unit_test(bad_ranges_are_refused),
		cmocka_unit_test(watermarks_are_kept),
		cmocka_unit_test(touched_pages_stay),
		cmocka_unit_test(no_store_evicts_zero_pages),
		cmocka_unit_test(tables_are_sparse_and_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
