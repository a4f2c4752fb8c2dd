/* SPDX-License-Identifier: MIT */
/* Proves that nothing a client asks for costs the pager more than a turn:
 * counts what is looked at, punched and evicted in each call, which must not
 * grow with the pool, with a range, or with how many others there are; and how
 * often bytes are hashed.  Time is not measured. */
#include "tests/unit/pager_world.h"

#include "proto/checksum.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	/* What one call of the pager may do: a little more than what one turn
	 * is meant for, and far less than what there is in these worlds. */
	LOOKS_MAX = 4096,
	POOL = 32768,
	TURNS_MAX = POOL,		/* or it would never end */
};

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

static account_id add_account(struct world *w, account_id parent,
			      uint64_t frames)
{
	account_id id;

	assert_int_equal(pager_account_add(w->pager, parent, frames, 0, &id),
			 0);
	return id;
}

static uint64_t looks(const struct world *w)
{
	return world_stats(w).frames_examined;
}

/* Touch pages, letting what must go go. */
static void touch_pages(struct world *w, segment_id sg, uint64_t count)
{
	for (uint64_t page = 0; page < count; page++)
		assert_int_equal(world_fault_wait(w, sg, page)->error, 0);
	w->reply_count = 0;
}

/* Let everything run, one turn at a time, and look at each. */
static void run_turns(struct world *w)
{
	unsigned turns = 0;
	bool can_go_on;

	do {
		uint64_t before = looks(w);

		assert_true(++turns <= TURNS_MAX);
		can_go_on = pager_run(w->pager, ++w->now_ns);
		assert_true(looks(w) - before <= LOOKS_MAX);
		while (w->io_count > 0)
			world_end_io(w, 0, 0);
	} while (can_go_on);
}

/* ---- frames */

/* Whoever is over a limit is served from his own frames, wherever they are in
 * the pool and however many others have. */
static uint64_t looks_for_a_limit(uint32_t others, bool is_of_uid)
{
	struct world *w = start(CONFIG(.frame_count = POOL,
				       .slot_count = 1024));
	account_id uid = add_account(w, 0, is_of_uid ? 16 : 0);
	account_id session = add_account(w, uid, is_of_uid ? 0 : 1);
	account_id other = add_account(w, 0, 0);
	segment_id theirs = world_segment(w, POOL / 2, 0, other);
	segment_id mine = world_segment(w, 17, 0, session);
	uint64_t before;

	for (uint64_t page = 0; page < others; page++)
		assert_non_null(world_fault(w, theirs, page));
	w->reply_count = 0;
	before = looks(w);
	for (unsigned round = 0; round < 8; round++)
		touch_pages(w, mine, 17);
	before = looks(w) - before;
	assert_int_equal(world_info(w, theirs).resident, others);
	finish(w);
	return before;
}

static void limits_cost_ones_own(void **state)
{
	(void)state;
	for (unsigned is_of_uid = 0; is_of_uid < 2; is_of_uid++) {
		uint64_t alone = looks_for_a_limit(0, is_of_uid);

		assert_true(alone > 0);
		assert_int_equal(looks_for_a_limit(POOL / 2, is_of_uid),
				 alone);
	}
}

/* A pool of pages that are all in use: the clock goes round it before it finds
 * anything, but not in one turn. */
static void searches_are_cut(void **state)
{
	struct world *w = start(CONFIG(.frame_count = POOL,
				       .slot_count = POOL,
				       .replacement = "two-hands"));
	segment_id sg = world_segment(w, POOL + 1, 0, 0);
	uint64_t before;

	(void)state;
	for (uint64_t page = 0; page < POOL; page++)
		assert_non_null(world_fault(w, sg, page));
	w->reply_count = 0;
	before = looks(w);
	assert_null(world_fault(w, sg, POOL));
	run_turns(w);
	assert_int_equal(w->reply_count, 1);
	assert_int_equal(w->reply[0].error, 0);
	assert_true(looks(w) - before > LOOKS_MAX);
	finish(w);
}

/* An account with as much: it goes round its own in turns. */
static void searches_of_accounts_are_cut(void **state)
{
	struct world *w = start(CONFIG(.frame_count = POOL,
				       .slot_count = POOL));
	account_id uid = add_account(w, 0, POOL / 2);
	account_id session = add_account(w, uid, 0);
	segment_id sg = world_segment(w, POOL, 0, session);

	(void)state;
	for (uint64_t page = 0; page < POOL / 2; page++)
		assert_non_null(world_fault(w, sg, page));
	w->reply_count = 0;
	assert_null(world_fault(w, sg, POOL / 2));
	run_turns(w);
	assert_int_equal(w->reply_count, 1);
	assert_int_equal(w->reply[0].error, 0);
	/* A limit that falls low is come down to in turns, too. */
	pager_account_limit(w->pager, uid, 16, 0);
	run_turns(w);
	assert_true(world_info(w, sg).resident <= 16);
	finish(w);
}

/* Nothing can go: whoever waits is told so, after a search of some turns. */
static void vain_searches_end(void **state)
{
	struct world *w = start(CONFIG(.frame_count = POOL,
				       .slot_count = POOL));
	segment_id sg = world_segment(w, POOL, 0, 0);
	segment_id last = world_segment(w, 1, 0, 0);

	(void)state;
	for (uint64_t page = 0; page < POOL; page++)
		assert_non_null(world_fault(w, sg, page));
	w->reply_count = 0;
	w->stuck = sg;
	assert_null(world_fault(w, last, 0));
	run_turns(w);
	assert_int_equal(w->reply_count, 1);
	assert_int_equal(w->reply[0].error, -ENOMEM);
	w->stuck = 0;
	finish(w);
}

/* An account is over its limit, and nothing of it can go: that is found out
 * once, and not over and over again while nobody waits. */
static void vain_limits_cost_once(void **state)
{
	struct world *w = start(CONFIG(.frame_count = POOL,
				       .slot_count = POOL));
	account_id uid = add_account(w, 0, 0);
	segment_id sg = world_segment(w, POOL / 2, 0, uid);
	uint64_t before;

	(void)state;
	touch_pages(w, sg, POOL / 2);
	w->stuck = sg;
	pager_account_limit(w->pager, uid, 16, 0);
	run_turns(w);
	before = looks(w);
	for (unsigned turn = 0; turn < 100; turn++)
		assert_false(pager_run(w->pager, ++w->now_ns));
	assert_int_equal(looks(w), before);
	/* Until something may have changed. */
	w->stuck = 0;
	w->now_ns += 100000000;
	run_turns(w);
	assert_true(looks(w) > before);
	finish(w);
}

static void advise_all(struct world *w, segment_id sg, uint64_t count,
		       enum pager_advice advice)
{
	for (uint64_t page = 0; page < count; page += 128)
		assert_int_equal(world_advise(w, sg, page, 128, advice), 0);
}

/* COLD pages that cannot go are looked at once, and not again by each search
 * that finds no other COLD one. */
static void stuck_cold_pages_cost_once(void **state)
{
	enum { SPARE = 64, STUCK = 2048, COLD = 256, FAULTS = 1024 };
	struct world *w = start(CONFIG(.frame_count = POOL,
				       .slot_count = POOL));
	segment_id sg = world_segment(w, POOL + FAULTS, 0, 0);
	segment_id stuck = world_segment(w, STUCK, 0, 0);
	uint64_t before, page = 0;

	(void)state;
	for (; page < POOL - STUCK - SPARE; page++)
		assert_non_null(world_fault(w, sg, page));
	for (uint64_t i = 0; i < STUCK; i++)
		assert_non_null(world_fault(w, stuck, i));
	w->stuck = stuck;
	(void)world_advise(w, stuck, 0, 1, PAGER_PAGEOUT);
	advise_all(w, stuck, STUCK, PAGER_COLD);
	advise_all(w, sg, COLD, PAGER_COLD);
	before = looks(w);
	for (unsigned i = 0; i < FAULTS; i++, page++) {
		(void)world_fault(w, sg, page);
		run_turns(w);
	}
	assert_true(world_stats(w).evicted >= FAULTS - SPARE);
	/* Once each, and the hands once round the pool. */
	assert_true(looks(w) - before <= STUCK + COLD + 2 * POOL);
	finish(w);
}

/* ---- bytes */

/* Counted on the way: see CMakeLists.txt. */
static unsigned hashes;

struct checksum_content __real_checksum_content_of(const void *bytes,
						   size_t length_bytes);
struct checksum_content __wrap_checksum_content_of(const void *bytes,
						   size_t length_bytes);

struct checksum_content __wrap_checksum_content_of(const void *bytes,
						   size_t length_bytes)
{
	hashes++;
	return __real_checksum_content_of(bytes, length_bytes);
}

/* A page that leaves is hashed once, if it is new, has not changed, or has
 * changed: then its bytes are looked at with its old key and with a new one. */
static void bytes_are_hashed_once(void **state)
{
	struct world *w = start(CONFIG(.frame_count = 64));
	segment_id sg = world_segment(w, 1, 0, 0);

	(void)state;
	hashes = 0;
	world_fill(w, sg, 0, 1);
	world_page_out(w, sg, 0, 1);
	assert_int_equal(hashes, 1);
	world_expect(w, sg, 0, 1);
	assert_int_equal(hashes, 2);
	world_page_out(w, sg, 0, 1);
	assert_int_equal(hashes, 3);
	assert_int_equal(w->writes, 1);
	world_fill(w, sg, 0, 2);
	assert_int_equal(hashes, 4);
	world_page_out(w, sg, 0, 1);
	assert_int_equal(hashes, 5);
	assert_int_equal(w->writes, 2);
	world_expect(w, sg, 0, 2);
	finish(w);
}

/* ---- ranges */

enum {
	RANGE = 8192,
	DROPPED_MAX = 32,		/* pages, in a turn */
	TORN_MAX = 128,			/* pages of segments that go, in one */
	RANGE_TURNS_MIN = 16,
	OUT = 32,			/* pages that are paged out */
};

static void fill_range(struct world *w, segment_id sg)
{
	for (uint64_t page = 0; page < RANGE; page++)
		assert_non_null(world_fault(w, sg, page));
	w->reply_count = 0;
}

/* Turns until the only request under way has ended; its result. */
static int turns_to_end(struct world *w, unsigned *ret_turns)
{
	unsigned before = w->done_count;

	*ret_turns = 0;
	while (w->done_count == before) {
		assert_true(++*ret_turns < RANGE);
		(void)pager_run(w->pager, ++w->now_ns);
	}
	return w->done[before].result;
}

/* What is there goes in runs, and no turn does it all. */
static void ranges_are_dropped_in_runs(void **state)
{
	struct world *w = start(CONFIG(.frame_count = POOL));
	segment_id sg = world_segment(w, RANGE, 0, 0);
	unsigned turns = 0;

	(void)state;
	fill_range(w, sg);
	w->discards = 0;
	assert_int_equal(world_advise(w, sg, 0, RANGE, PAGER_DONTNEED), 1);
	assert_true(w->discarded <= DROPPED_MAX);
	while (w->discarded < RANGE) {
		uint64_t before = w->discarded;

		assert_true(pager_run(w->pager, ++w->now_ns));
		assert_true(w->discarded - before <= DROPPED_MAX);
	}
	assert_true(w->discards <= RANGE / 32);
	if (w->done_count == 0)
		assert_int_equal(turns_to_end(w, &turns), 0);
	assert_int_equal(w->done[0].count, RANGE);
	assert_int_equal(world_info(w, sg).resident, 0);
	finish(w);
}

/* Turns until all of the range is on its way out. */
static unsigned turns_to_page_out(struct world *w, segment_id sg)
{
	unsigned turns;

	(void)world_advise(w, sg, 0, OUT, PAGER_PAGEOUT);
	for (turns = 1; world_info(w, sg).evicting < OUT; turns++) {
		assert_true(turns < RANGE);
		(void)pager_run(w->pager, ++w->now_ns);
	}
	world_settle(w);
	return turns;
}

/* In longer runs where no fault waits for them. */
static void pages_go_out_in_turns(void **state)
{
	struct world *w = start(CONFIG(.frame_count = POOL,
				       .slot_count = POOL));
	segment_id sg[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		sg[i] = world_segment(w, OUT, 0, 0);
		touch_pages(w, sg[i], OUT);
		for (uint64_t page = 0; page < OUT; page++)
			world_write(w, sg[i], page, (uint8_t)(page + i + 1));
	}
	assert_true(turns_to_page_out(w, sg[0]) >= OUT / 8);
	w->now_ns += UINT64_C(1000000000);
	assert_int_equal(turns_to_page_out(w, sg[1]), 1);
	finish(w);
}

/* Segments that go, many at once: all together no faster. */
static void segments_go_in_turns(void **state)
{
	struct world *w = start(CONFIG(.frame_count = POOL));
	segment_id sg[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		sg[i] = world_segment(w, RANGE, 0, 0);
		fill_range(w, sg[i]);
	}
	w->discards = 0;
	w->discarded = 0;
	for (unsigned i = 0; i < 3; i++)
		world_segment_destroy(w, sg[i]);
	assert_true(w->discarded <= TORN_MAX);
	while (w->gone_count < 3) {
		uint64_t before = w->discarded;

		(void)pager_run(w->pager, ++w->now_ns);
		assert_true(w->discarded - before <= TORN_MAX);
	}
	assert_true(w->discards <= 3 * RANGE / 64);
	finish(w);
}

/* What described the pages, and what else there is of the data file. */
static void what_is_left_of_a_segment_goes_in_turns(void **state)
{
	enum { CHUNKS = 4096, PIECES = 64, PIECE_COST = 256 };
	struct world *w = start(CONFIG(.frame_count = POOL,
				       .slot_count = CHUNKS * 128));
	segment_id sg = world_segment(w, CHUNKS * 128, 0, 0);
	unsigned turns = 0;
	uint64_t left;

	(void)state;
	for (uint64_t i = 0; i < CHUNKS; i++)
		assert_int_equal(world_fault_wait(w, sg, i * 128)->error, 0);
	w->shed_pieces = PIECES;
	w->shed_cost = PIECE_COST;
	left = world_stats(w).metadata_bytes;
	world_segment_destroy(w, sg);
	while (w->gone_count == 0) {
		uint64_t before = left;
		unsigned sheds = w->sheds;

		assert_true(++turns < CHUNKS);
		(void)pager_run(w->pager, ++w->now_ns);
		left = world_stats(w).metadata_bytes;
		assert_true(before - MIN(before, left) <=
			    (uint64_t)CHUNKS / 8 * 4096);
		assert_true(w->sheds - sheds <= 1);
	}
	assert_int_equal(w->sheds, PIECES);
	assert_true(left < (uint64_t)CHUNKS * 4096);
	finish(w);
}

/* That they are small, or empty, does not make them cost nothing. */
static void many_small_segments_go_in_turns(void **state)
{
	enum { MANY = WORLD_SEGMENTS, GONE_MAX = MANY / 2 };
	struct world *w = start(CONFIG(.frame_count = POOL,
				       .segments_max = MANY));
	unsigned gone;

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		(void)world_segment(w, 1 + i % 2, 0, 0);
	for (segment_id id = 1; id <= MANY; id++)
		world_segment_destroy(w, id);
	gone = w->gone_count;
	assert_true(gone <= GONE_MAX);
	while (w->gone_count < MANY) {
		(void)pager_run(w->pager, ++w->now_ns);
		assert_true(w->gone_count - gone <= GONE_MAX);
		gone = w->gone_count;
	}
	finish(w);
}

static void pins_are_taken_off_in_turns(void **state)
{
	struct world *w = start(CONFIG(.frame_count = POOL));
	segment_id sg = world_segment(w, RANGE, 0, 0);
	unsigned turns;

	(void)state;
	fill_range(w, sg);
	assert_int_equal(world_advise(w, sg, 0, RANGE, PAGER_PIN), 1);
	assert_int_equal(turns_to_end(w, &turns), 0);
	assert_true(turns >= RANGE_TURNS_MIN);
	/* Where one is not pinned nothing is unpinned. */
	assert_int_equal(world_advise(w, sg, RANGE - 1, 1, PAGER_UNPIN), 0);
	assert_int_equal(world_advise(w, sg, 0, 1, PAGER_PIN), 0);
	assert_int_equal(world_advise(w, sg, 0, RANGE, PAGER_UNPIN), 1);
	assert_int_equal(turns_to_end(w, &turns), -EINVAL);
	assert_int_equal(world_stats(w).pinned_frames, RANGE);
	assert_int_equal(world_advise(w, sg, 0, 1, PAGER_UNPIN), 0);
	assert_int_equal(world_advise(w, sg, RANGE - 1, 1, PAGER_PIN), 0);
	assert_int_equal(world_advise(w, sg, 0, RANGE, PAGER_UNPIN), 1);
	assert_int_equal(world_advise(w, sg, 7, 1, PAGER_UNPIN), -EBUSY);
	pager_check(w->pager);
	assert_int_equal(turns_to_end(w, &turns), 0);
	assert_true(turns >= RANGE_TURNS_MIN);
	assert_int_equal(world_stats(w).pinned_frames, 0);
	assert_int_equal(world_advise(w, sg, 7, 1, PAGER_UNPIN), -EINVAL);
	finish(w);
}

/* A PIN that fails at its last page takes the others' pins off in turns. */
static void failed_pins_are_undone_in_turns(void **state)
{
	struct world *w = start(CONFIG(.frame_count = POOL));
	segment_id sg = world_segment(w, RANGE, 0, 0);
	unsigned turns;

	(void)state;
	fill_range(w, sg);
	world_write(w, sg, RANGE - 1, 1);
	world_page_out(w, sg, RANGE - 1, 1);
	assert_int_equal(world_advise(w, sg, 0, RANGE, PAGER_PIN), 1);
	for (turns = 0; w->io_count == 0; turns++) {
		assert_true(turns < RANGE);
		(void)pager_run(w->pager, ++w->now_ns);
	}
	world_end_io(w, 0, -EIO);
	world_end_io(w, 0, -EIO);
	pager_check(w->pager);
	assert_int_equal(turns_to_end(w, &turns), -EIO);
	assert_true(turns >= RANGE_TURNS_MIN);
	assert_int_equal(world_stats(w).pinned_frames, 0);
	pager_check(w->pager);
	/* Its segment may go while that is under way. */
	assert_int_equal(world_advise(w, sg, 0, RANGE, PAGER_PIN), 1);
	world_segment_destroy(w, sg);
	world_settle(w);
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_cost_ones_own),
		cmocka_unit_test(searches_are_cut),
		cmocka_unit_test(searches_of_accounts_are_cut),
		cmocka_unit_test(vain_searches_end),
		cmocka_unit_test(vain_limits_cost_once),
		cmocka_unit_test(stuck_cold_pages_cost_once),
		cmocka_unit_test(bytes_are_hashed_once),
		cmocka_unit_test(ranges_are_dropped_in_runs),
		cmocka_unit_test(pages_go_out_in_turns),
		cmocka_unit_test(segments_go_in_turns),
		cmocka_unit_test(what_is_left_of_a_segment_goes_in_turns),
		cmocka_unit_test(many_small_segments_go_in_turns),
		cmocka_unit_test(pins_are_taken_off_in_turns),
		cmocka_unit_test(failed_pins_are_undone_in_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
