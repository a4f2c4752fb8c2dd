/* SPDX-License-Identifier: MIT */
/* Proves what daemon/serve/desk.h says (S1 ... S3), with the pager and a
 * program that writes into its desk whatever the test likes: each frame that
 * was lent comes back exactly once, a page is counted if it is there and was
 * not counted, and nothing that a program writes makes memd count a page that
 * is not there. */
#include "daemon/serve/desk.h"

#include "tests/unit/pager_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { PAGES = 200, NUMBER = 5, OTHER = 6, STRANGE = 7 };

/* The desk of one session, its segments, and what was recorded. */
struct session {
	struct world w;
	struct desk *desk;		/* owned */
	struct desk_side side;
	account_id account;
	segment_id mine, other;		/* NUMBER and OTHER are their names */
	struct desk_record record[64];
	unsigned record_count;
};

static segment_id on_find(void *ctx, uint32_t number)
{
	const struct session *s = ctx;

	return number == NUMBER ? s->mine : number == OTHER ? s->other : 0;
}

static int on_is_present(void *ctx, segment_id id, uint64_t page)
{
	const struct session *s = ctx;
	const struct world_segment *sg = &s->w.segment[id];

	assert_true(id == s->mine || id == s->other);
	return page < sg->units && sg->present[page];
}

static void on_record(void *ctx, const struct desk_record *record)
{
	struct session *s = ctx;

	assert_true(s->record_count < ARRAY_SIZE(s->record));
	s->record[s->record_count++] = *record;
}

static const struct desk_ops desk_ops = {
	.find = on_find,
	.is_present = on_is_present,
	.record = on_record,
};

static struct session *start(uint32_t frames, uint32_t lent_max)
{
	const struct pager_config config = {
		.frame_count = frames, .slot_count = 4096,
		.lent_max = lent_max,
	};
	struct session *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->desk = aligned_alloc(_Alignof(struct desk), sizeof(*s->desk));
	assert_non_null(s->desk);
	memset(s->desk, 0, sizeof(*s->desk));
	world_create(&s->w, &config);
	assert_int_equal(pager_account_add(s->w.pager, 0, 0, 0, &s->account),
			 0);
	s->mine = world_segment(&s->w, PAGES, 0, s->account);
	s->other = world_segment(&s->w, PAGES, 0, s->account);
	world_publish(&s->w, s->mine);
	world_publish(&s->w, s->other);
	desk_init(&s->side, s->desk, s->w.pager, s->account, &desk_ops, s);
	return s;
}

static uint64_t lent_frames(const struct session *s)
{
	return world_stats(&s->w).lent_frames;
}

static uint64_t resident(const struct session *s)
{
	return world_info(&s->w, s->mine).resident;
}

/* The pager and the desk agree on what is lent. */
static void expect_lent(const struct session *s, uint32_t count)
{
	pager_check(s->w.pager);
	assert_int_equal(s->side.given_count, count);
	assert_int_equal(lent_frames(s), count);
}

static void finish(struct session *s)
{
	desk_end(&s->side, 1);
	expect_lent(s, 0);
	world_destroy(&s->w);
	free(s->desk);
	free(s);
}

static void lend(struct session *s, uint32_t wanted)
{
	s->side.wanted = wanted;
	desk_lend(&s->side);
	expect_lent(s, wanted);
}

/* ---- what a program does */

static bool has_bit(const struct session *s, unsigned at)
{
	return atomic_load(&s->desk->lent[at / 64]) >> at % 64 & 1;
}

static struct desk_credit *take(struct session *s, uint32_t number,
				uint32_t page)
{
	for (unsigned at = 0; at < DESK_CREDITS; at++) {
		struct desk_credit *c = &s->desk->credit[at];

		if (atomic_load(&c->word) != credit_word(CREDIT_LENT, 0))
			continue;
		assert_true(has_bit(s, at));
		assert_int_equal(atomic_load(&c->segment), 0);
		atomic_fetch_and(&s->desk->lent[at / 64],
				 ~(UINT64_C(1) << at % 64));
		atomic_store(&c->word, credit_word(CREDIT_TAKEN, page));
		atomic_store(&c->segment, number);
		return c;
	}
	fail_msg("no credit is left");
	return NULL;
}

static void note(struct desk_credit *c, uint32_t page, uint32_t io_ns)
{
	c->io_ns = io_ns;
	c->start_ns = 1000 + page;
	c->total_ns = 2000 + page;
	atomic_store(&c->word, credit_word(CREDIT_INSTALLED, page));
}

/* A whole fault. */
static void bring_in(struct session *s, uint32_t page, uint32_t io_ns)
{
	struct desk_credit *c = take(s, NUMBER, page);

	world_program_installs(&s->w, s->mine, page, (uint8_t)(page + 1));
	note(c, page, io_ns);
}

static uint32_t collect(struct session *s)
{
	return desk_collect(&s->side, ++s->w.now_ns);
}

static uint32_t entry_state(const struct session *s, uint64_t page)
{
	return atomic_load(&s->w.segment[s->mine].book[page].state);
}

static unsigned count_cells(const struct session *s, enum credit_state state)
{
	unsigned count = 0;

	for (unsigned at = 0; at < DESK_CREDITS; at++)
		count += credit_state_of(atomic_load(
			&s->desk->credit[at].word)) == state;
	return count;
}

static unsigned count_bits(const struct session *s)
{
	unsigned count = 0;

	for (unsigned at = 0; at < DESK_CREDITS; at++)
		count += has_bit(s, at);
	return count;
}

/* ---- lending */

static void as_many_are_lent_as_are_wanted(void **state)
{
	struct session *s = start(64, 16);

	(void)state;
	lend(s, 10);
	assert_int_equal(world_stats(&s->w).free_frames, 54);
	assert_int_equal(count_cells(s, CREDIT_LENT), 10);
	assert_int_equal(count_bits(s), 10);
	lend(s, 10);
	s->side.wanted = 100;
	desk_lend(&s->side);
	expect_lent(s, 16);
	desk_lend(&s->side);
	expect_lent(s, 16);
	/* Fewer are wanted: none is lent, and none taken back. */
	s->side.wanted = 3;
	desk_lend(&s->side);
	expect_lent(s, 16);
	assert_int_equal(count_bits(s), 16);
	finish(s);
}

static void a_desk_has_so_many_cells(void **state)
{
	struct session *s = start(4096, 3000);
	struct desk_credit *c;

	(void)state;
	s->side.wanted = 3000;
	desk_lend(&s->side);
	expect_lent(s, DESK_CREDITS);
	assert_int_equal(count_bits(s), DESK_CREDITS);
	/* One is busy, the next one comes back and is lent again. */
	take(s, NUMBER, 8);
	bring_in(s, 7, 0);
	assert_int_equal(collect(s), 1);
	desk_lend(&s->side);
	expect_lent(s, DESK_CREDITS);
	assert_int_equal(count_bits(s), DESK_CREDITS - 1);
	c = take(s, NUMBER, 9);		/* which says of no page */
	assert_ptr_equal(c, &s->desk->credit[1]);
	finish(s);
}

/* ---- records */

/* Cells are taken in any order.  The date of one that is in use is that of its
 * last use. */
static void records_come_in_the_order_of_their_times(void **state)
{
	static const uint32_t page[] = { 9, 2, 14, 0, 5 };
	static const uint32_t in_order[] = { 0, 2, 5, 9, 14 };
	struct session *s = start(64, 16);
	struct desk_credit *busy;

	(void)state;
	lend(s, 10);
	for (unsigned i = 0; i < ARRAY_SIZE(page); i++)
		bring_in(s, page[i], 77);
	busy = take(s, NUMBER, 3);
	busy->start_ns = 1;
	assert_int_equal(collect(s), ARRAY_SIZE(page));
	for (unsigned i = 0; i < ARRAY_SIZE(page); i++)
		assert_int_equal(s->record[i].page, in_order[i]);
	finish(s);
}

static void records_are_counted(void **state)
{
	struct session *s = start(64, 16);
	const struct desk_record *r = s->record;
	struct pager_stats st;

	(void)state;
	lend(s, 10);
	assert_int_equal(collect(s), 0);
	bring_in(s, 3, 0);
	bring_in(s, 8, 77);
	assert_int_equal(resident(s), 0);
	assert_int_equal(collect(s), 2);
	expect_lent(s, 8);
	assert_int_equal(resident(s), 2);
	assert_int_equal(entry_state(s, 3), BOOK_RESIDENT);
	assert_int_equal(entry_state(s, 8), BOOK_RESIDENT);
	assert_int_equal(entry_state(s, 9), BOOK_ZERO);
	st = world_stats(&s->w);
	assert_int_equal(st.installed, 2);
	assert_int_equal(st.faults[FAULT_ZERO], 1);
	assert_int_equal(st.faults[FAULT_SWAP_IN], 1);
	assert_int_equal(st.free_frames, 54);
	assert_int_equal(s->record_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t page = i == 0 ? 3 : 8;

		assert_int_equal(r[i].segment, s->mine);
		assert_int_equal(r[i].number, NUMBER);
		assert_int_equal(r[i].page, page);
		assert_true(r[i].is_counted);
		assert_int_equal(r[i].kind, i == 0 ? FAULT_ZERO :
						     FAULT_SWAP_IN);
		assert_int_equal(r[i].io_ns, i == 0 ? 0 : 77);
		assert_int_equal(r[i].start_ns, 1000 + page);
		assert_int_equal(r[i].total_ns, 2000 + page);
	}
	assert_int_equal(collect(s), 0);
	lend(s, 10);
	finish(s);
}

/* What memd has brought in, and what another thread has. */
static void a_page_is_counted_once(void **state)
{
	struct session *s = start(64, 16);
	struct desk_credit *late;

	(void)state;
	lend(s, 10);
	late = take(s, NUMBER, 3);
	bring_in(s, 3, 0);
	note(take(s, NUMBER, 4), 4, 0);
	world_fill(&s->w, s->mine, 4, 44);
	assert_int_equal(collect(s), 2);
	expect_lent(s, 8);
	note(late, 3, 5);
	assert_int_equal(collect(s), 1);
	expect_lent(s, 7);
	assert_int_equal(resident(s), 2);
	assert_int_equal(s->record_count, 3);
	assert_true(s->record[0].is_counted);
	assert_false(s->record[1].is_counted);
	assert_false(s->record[2].is_counted);
	assert_int_equal(world_stats(&s->w).installed, 1);
	finish(s);
}

/* ---- what a program should not write */

static void expect_nothing_counted(struct session *s, uint32_t lent)
{
	expect_lent(s, lent);
	assert_int_equal(resident(s), 0);
	assert_int_equal(world_info(&s->w, s->other).resident, 0);
	assert_int_equal(s->record_count, 0);
	assert_int_equal(world_stats(&s->w).installed, 0);
}

static void a_page_that_is_not_there_is_not_counted(void **state)
{
	static const struct { uint32_t number, page; } said[] = {
		{ NUMBER, 3 }, { NUMBER, PAGES - 1 }, { NUMBER, PAGES },
		{ NUMBER, UINT32_MAX }, { STRANGE, 3 }, { 0, 3 },
		{ UINT32_MAX, 3 }, { OTHER, 8 },
	};
	struct session *s = start(64, 16);

	(void)state;
	lend(s, 10);
	/* Of the other segment, which says nothing of this one. */
	world_program_installs(&s->w, s->mine, 8, 1);
	for (uint32_t i = 0; i < ARRAY_SIZE(said); i++) {
		note(take(s, said[i].number, said[i].page), said[i].page, 1);
		assert_int_equal(collect(s), 1);
		expect_nothing_counted(s, 9 - i);
		assert_int_equal(count_cells(s, CREDIT_LENT), 9 - i);
	}
	finish(s);
}

static void a_segment_that_is_gone_counts_nothing(void **state)
{
	struct session *s = start(64, 16);
	segment_id gone = s->mine;
	struct desk_credit *late;

	(void)state;
	lend(s, 10);
	/* A write keeps it for a while. */
	world_fill(&s->w, s->mine, 10, 1);
	(void)world_advise(&s->w, s->mine, 10, 1, PAGER_PAGEOUT);
	world_run(&s->w);
	assert_int_equal(s->w.io_count, 1);
	bring_in(s, 3, 0);
	late = take(s, NUMBER, 4);
	world_program_installs(&s->w, s->mine, 4, 1);
	world_segment_destroy(&s->w, gone);
	assert_true(s->w.segment[gone].is_live);
	assert_int_equal(collect(s), 1);
	assert_true(desk_settle(&s->side, gone, 1));
	expect_lent(s, 9);
	assert_false(s->record[0].is_counted);
	s->mine = 0;
	world_settle(&s->w);
	assert_false(s->w.segment[gone].is_live);
	note(late, 4, 0);
	assert_int_equal(collect(s), 1);
	expect_lent(s, 8);
	assert_int_equal(world_stats(&s->w).installed, 0);
	finish(s);
}

/* A cell that says FREE, as the program may write, is as a record of no page;
 * what says LENT or TAKEN is the program's until the end. */
static void garbage_ends_one_credit_at_most(void **state)
{
	static const uint64_t free[] = {
		0, UINT64_C(3) << CREDIT_PAGE_SHIFT, UINT64_MAX << 2,
	};
	static const uint64_t kept[] = {
		CREDIT_LENT | UINT64_C(3) << CREDIT_PAGE_SHIFT,
		CREDIT_TAKEN | UINT64_MAX << 2, CREDIT_LENT | 4,
	};
	struct session *s = start(64, 16);

	(void)state;
	lend(s, 10);
	for (uint32_t i = 0; i < ARRAY_SIZE(free); i++) {
		atomic_store(&take(s, NUMBER, 3)->word, free[i]);
		assert_int_equal(collect(s), 1);
		assert_int_equal(collect(s), 0);
		expect_nothing_counted(s, 9 - i);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(kept); i++) {
		atomic_store(&take(s, NUMBER, 3)->word, kept[i]);
		assert_int_equal(collect(s), 0);
		assert_true(desk_settle(&s->side, s->mine, 1));
		expect_nothing_counted(s, 7);
	}
	atomic_store(&take(s, NUMBER, 3)->word, UINT64_MAX);
	assert_int_equal(collect(s), 1);
	expect_nothing_counted(s, 6);
	desk_recall(&s->side);
	expect_nothing_counted(s, ARRAY_SIZE(kept));
	finish(s);
}

/* All of the desk, also cells that were not lent. */
static void scribble(struct session *s, uint8_t byte)
{
	memset(s->desk, byte, sizeof(*s->desk));
}

static void cells_that_were_not_lent_are_not_believed(void **state)
{
	static const uint8_t bytes[] = { 0, 0xff, 0x01, 0x02, 0xfd };
	struct session *s = start(64, 16);

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		lend(s, 10);
		scribble(s, bytes[i]);
		assert_true(collect(s) <= 10);
		assert_true(desk_settle(&s->side, s->mine, 1));
		desk_recall(&s->side);
		assert_true(s->side.given_count <= 10);
		expect_nothing_counted(s, s->side.given_count);
		(void)desk_look(&s->side, NUMBER, 0, 64);
		desk_end(&s->side, 1);
		expect_nothing_counted(s, 0);
	}
	finish(s);
}

static void cells_that_were_not_lent_are_not_recalled(void **state)
{
	struct session *s = start(64, 16);

	(void)state;
	lend(s, 3);
	for (unsigned at = 0; at < DESK_CREDITS; at++)
		atomic_store(&s->desk->credit[at].word,
			     credit_word(CREDIT_LENT, 0));
	desk_recall(&s->side);
	expect_nothing_counted(s, 0);
	finish(s);
}

/* Hidden, a record is found by desk_settle(). */
static void bits_are_hints(void **state)
{
	struct session *s = start(64, 16);

	(void)state;
	lend(s, 10);
	bring_in(s, 3, 0);
	for (unsigned i = 0; i < DESK_CREDIT_WORDS; i++)
		atomic_store(&s->desk->lent[i], UINT64_MAX);
	assert_int_equal(collect(s), 0);
	expect_lent(s, 10);
	assert_true(desk_settle(&s->side, s->mine, 1));
	expect_lent(s, 9);
	assert_int_equal(resident(s), 1);
	for (unsigned i = 0; i < DESK_CREDIT_WORDS; i++)
		atomic_store(&s->desk->lent[i], 0);
	assert_int_equal(collect(s), 0);
	expect_lent(s, 9);
	desk_recall(&s->side);
	expect_lent(s, 0);
	finish(s);
}

/* ---- recall, settle, end */

static void what_is_taken_is_not_recalled(void **state)
{
	struct session *s = start(64, 16);
	struct desk_credit *c;

	(void)state;
	lend(s, 10);
	c = take(s, NUMBER, 3);
	bring_in(s, 8, 0);
	desk_recall(&s->side);
	expect_lent(s, 2);
	assert_int_equal(count_cells(s, CREDIT_LENT), 0);
	assert_int_equal(count_bits(s), 0);
	assert_int_equal(atomic_load(&c->word), credit_word(CREDIT_TAKEN, 3));
	assert_int_equal(collect(s), 1);
	expect_lent(s, 1);
	/* The thread could not bring its page in. */
	atomic_store(&c->word, credit_word(CREDIT_LENT, 0));
	desk_recall(&s->side);
	expect_lent(s, 0);
	lend(s, 10);
	finish(s);
}

static void settling_counts_what_is_there(void **state)
{
	struct session *s = start(64, 16);
	struct desk_credit *there, *away, *others;

	(void)state;
	lend(s, 10);
	there = take(s, NUMBER, 3);
	away = take(s, NUMBER, 4);
	others = take(s, OTHER, 5);
	world_program_installs(&s->w, s->mine, 3, 33);
	world_program_installs(&s->w, s->other, 5, 55);
	world_program_installs(&s->w, s->mine, 5, 5);
	assert_true(desk_settle(&s->side, s->mine, 1));
	/* Its credit is still with the program.  Nobody has told of the page
	 * that has the same number as another segment's. */
	expect_lent(s, 10);
	assert_int_equal(resident(s), 1);
	assert_int_equal(entry_state(s, 3), BOOK_RESIDENT);
	assert_int_equal(world_info(&s->w, s->other).resident, 0);
	assert_int_equal(atomic_load(&there->word),
			 credit_word(CREDIT_TAKEN, 3));
	assert_int_equal(atomic_load(&away->word),
			 credit_word(CREDIT_TAKEN, 4));
	note(there, 3, 0);
	note(others, 5, 0);
	assert_int_equal(collect(s), 2);
	expect_lent(s, 8);
	assert_false(s->record[0].is_counted);
	assert_true(s->record[1].is_counted);
	assert_int_equal(resident(s), 1);
	assert_int_equal(world_info(&s->w, s->other).resident, 1);
	finish(s);
}

static void settling_needs_a_frame(void **state)
{
	struct session *s = start(64, 64);

	(void)state;
	lend(s, 64);
	assert_int_equal(world_stats(&s->w).free_frames, 0);
	take(s, NUMBER, 3);
	world_program_installs(&s->w, s->mine, 3, 33);
	assert_false(desk_settle(&s->side, s->mine, 1));
	expect_lent(s, 64);
	assert_int_equal(resident(s), 0);
	assert_true(desk_settle(&s->side, s->other, 1));
	desk_recall(&s->side);
	expect_lent(s, 1);
	assert_true(desk_settle(&s->side, s->mine, 1));
	expect_lent(s, 1);
	assert_int_equal(resident(s), 1);
	finish(s);
}

static void at_the_end_everything_comes_back(void **state)
{
	struct session *s = start(64, 16);

	(void)state;
	lend(s, 10);
	take(s, NUMBER, 3);
	take(s, NUMBER, 4);
	take(s, STRANGE, 3);
	bring_in(s, 5, 0);
	atomic_store(&take(s, NUMBER, 6)->word, 0);
	world_program_installs(&s->w, s->mine, 3, 33);
	desk_end(&s->side, 1);
	expect_lent(s, 0);
	assert_int_equal(resident(s), 2);
	assert_int_equal(entry_state(s, 3), BOOK_RESIDENT);
	assert_int_equal(entry_state(s, 4), BOOK_ZERO);
	assert_int_equal(world_stats(&s->w).installed, 2);
	/* The frames are the account's no more. */
	lend(s, 10);
	assert_int_equal(s->record_count, 2);
	finish(s);
}

/* ---- intents */

static void open_intent(struct session *s, unsigned at, uint32_t number,
			uint32_t page)
{
	atomic_fetch_add(&s->desk->open, 1);
	atomic_store(&s->desk->intent[at].word, intent_word(number, page));
}

static void intents_are_seen(void **state)
{
	struct session *s = start(64, 16);

	(void)state;
	assert_int_equal(desk_look(&s->side, NUMBER, 0, 64), 0);
	open_intent(s, 0, NUMBER, 0);
	open_intent(s, 9, NUMBER, 63);
	open_intent(s, DESK_INTENTS - 1, NUMBER, 64);
	open_intent(s, 10, OTHER, 5);
	open_intent(s, 11, NUMBER, UINT32_MAX);
	assert_int_equal(desk_look(&s->side, NUMBER, 0, 64),
			 UINT64_C(1) << 63 | 1);
	assert_int_equal(desk_look(&s->side, NUMBER, 1, 64),
			 UINT64_C(1) << 63 | UINT64_C(1) << 62);
	assert_int_equal(desk_look(&s->side, NUMBER, 63, 1), 1);
	assert_int_equal(desk_look(&s->side, NUMBER, 62, 1), 0);
	assert_int_equal(desk_look(&s->side, OTHER, 5, 1), 1);
	assert_int_equal(desk_look(&s->side, STRANGE, 0, 64), 0);
	/* K4: while `open` is 0, there are none. */
	atomic_store(&s->desk->open, 0);
	assert_int_equal(desk_look(&s->side, NUMBER, 0, 64), 0);
	finish(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_are_lent_as_are_wanted),
		cmocka_unit_test(a_desk_has_so_many_cells),
		cmocka_unit_test(records_come_in_the_order_of_their_times),
		cmocka_unit_test(records_are_counted),
		cmocka_unit_test(a_page_is_counted_once),
		cmocka_unit_test(a_page_that_is_not_there_is_not_counted),
		cmocka_unit_test(a_segment_that_is_gone_counts_nothing),
		cmocka_unit_test(garbage_ends_one_credit_at_most),
		cmocka_unit_test(cells_that_were_not_lent_are_not_believed),
		cmocka_unit_test(cells_that_were_not_lent_are_not_recalled),
		cmocka_unit_test(bits_are_hints),
		cmocka_unit_test(what_is_taken_is_not_recalled),
		cmocka_unit_test(settling_counts_what_is_there),
		cmocka_unit_test(settling_needs_a_frame),
		cmocka_unit_test(at_the_end_everything_comes_back),
		cmocka_unit_test(intents_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
