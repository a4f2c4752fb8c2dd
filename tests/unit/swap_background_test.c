/* SPDX-License-Identifier: MIT */
/* Proves that a disk is given no more readahead and writes at a time than
 * swap_background.h says, more if no demand read comes, and that none of them
 * waits for ever, neither for room nor for the other class. */
#include "swapstore/swap_background.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { ITEMS = 256 };

struct fixture {
	struct swap_background bg;
	struct background_item item[ITEMS];
};

static int setup(void **state)
{
	static struct fixture fx;

	swap_background_init(&fx.bg);
	*state = &fx;
	return 0;
}

static void add(struct fixture *fx, unsigned idx, enum swap_class class,
		uint32_t slot_count)
{
	fx->item[idx] = (struct background_item){ .class = class,
						  .slot_count = slot_count };
	swap_background_add(&fx->bg, &fx->item[idx]);
}

static unsigned give_all(struct fixture *fx, bool has_demand)
{
	unsigned count = 0;

	while (swap_background_next(&fx->bg, has_demand) != NULL)
		count++;
	return count;
}

static void test_bounded(void **state)
{
	struct fixture *fx = *state;

	for (unsigned i = 0; i < 64; i++)
		add(fx, i, SWAP_WRITE, 16);
	assert_int_equal(give_all(fx, true), BACKGROUND_BUSY_SLOTS / 16);
	assert_int_equal(give_all(fx, false), 0);
	assert_true(swap_background_is_waiting(&fx->bg));
	swap_background_ended(&fx->bg, &fx->item[0]);
	assert_ptr_equal(swap_background_next(&fx->bg, true), &fx->item[8]);
	assert_null(swap_background_next(&fx->bg, true));
}

/* A request that is larger than the bound goes alone. */
static void test_large_request(void **state)
{
	struct fixture *fx = *state;

	add(fx, 0, SWAP_WRITE, 1);
	add(fx, 1, SWAP_WRITE, 512);
	add(fx, 2, SWAP_WRITE, 1);
	assert_int_equal(give_all(fx, true), 1);
	swap_background_ended(&fx->bg, &fx->item[0]);
	assert_int_equal(give_all(fx, true), 1);
	swap_background_ended(&fx->bg, &fx->item[1]);
	assert_int_equal(give_all(fx, true), 1);
	assert_false(swap_background_is_waiting(&fx->bg));
}

static void test_readahead_first(void **state)
{
	struct fixture *fx = *state;

	add(fx, 0, SWAP_WRITE, 128);
	add(fx, 1, SWAP_AHEAD, 128);
	assert_ptr_equal(swap_background_next(&fx->bg, true), &fx->item[1]);
	assert_null(swap_background_next(&fx->bg, true));
	swap_background_ended(&fx->bg, &fx->item[1]);
	assert_ptr_equal(swap_background_next(&fx->bg, true), &fx->item[0]);
}

/* Readahead without end, and one write. */
static void test_write_does_not_wait_for_ever(void **state)
{
	struct fixture *fx = *state;
	unsigned turns = 0;

	add(fx, 0, SWAP_WRITE, 64);
	for (unsigned i = 1; i <= 4; i++)
		add(fx, i, SWAP_AHEAD, 64);
	for (;;) {
		struct background_item *item = swap_background_next(&fx->bg,
								    true);

		assert_non_null(item);
		if (item->class == SWAP_WRITE)
			break;
		assert_true(++turns <= SWAP_TURNS_MAX);
		swap_background_ended(&fx->bg, item);
		swap_background_add(&fx->bg, item);
	}
	assert_int_equal(turns, SWAP_TURNS_MAX);
}

/* Slots that are given while `count` are wanted. */
static uint32_t run_writes(struct fixture *fx, uint32_t count)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < count; i += 64)
		add(fx, i / 64 % ITEMS, SWAP_WRITE, 64);
	for (uint32_t done = 0; done < count; done += 64) {
		(void)give_all(fx, false);
		most = MAX(most, fx->bg.given_slots);
		swap_background_ended(&fx->bg, &fx->item[done / 64 % ITEMS]);
	}
	assert_int_equal(fx->bg.given_slots, 0);
	return most;
}

static void test_more_when_it_is_quiet(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(run_writes(fx, BACKGROUND_QUIET_AFTER_SLOTS),
			 BACKGROUND_BUSY_SLOTS);
	assert_int_equal(run_writes(fx, 4096), BACKGROUND_QUIET_SLOTS);
	/* A demand read makes it few again, at once and for a while. */
	for (unsigned i = 0; i < 64; i++)
		add(fx, i, SWAP_WRITE, 64);
	assert_int_equal(give_all(fx, true), BACKGROUND_BUSY_SLOTS / 64);
	swap_background_disturb(&fx->bg);
	assert_int_equal(give_all(fx, false), 0);
}

/* SB1 to SB3 after each of many random steps. */
static void test_random_steps(void **state)
{
	struct fixture *fx = *state;
	enum { IDLE, WAITING, GIVEN } is[ITEMS] = { IDLE };
	unsigned seed = 11, given = 0, waiting = 0, ended = 0;
	uint32_t given_slots = 0;

	for (int step = 0; step < 200000; step++) {
		unsigned i = (unsigned)rand_r(&seed) % 32;
		struct background_item *item;
		bool has_demand = rand_r(&seed) % 4 == 0;
		uint32_t most, before;

		if (is[i] == IDLE) {
			add(fx, i, rand_r(&seed) % 2 != 0 ? SWAP_WRITE :
							    SWAP_AHEAD,
			    1 + (uint32_t)rand_r(&seed) %
				    (rand_r(&seed) % 8 == 0 ? 512 : 64));
			is[i] = WAITING;
			waiting++;
		} else if (is[i] == GIVEN) {
			swap_background_ended(&fx->bg, &fx->item[i]);
			is[i] = IDLE;
			given_slots -= fx->item[i].slot_count;
			given--;
			ended++;
		}
		if (rand_r(&seed) % 64 == 0)
			swap_background_disturb(&fx->bg);
		most = has_demand || fx->bg.quiet_slots <
				BACKGROUND_QUIET_AFTER_SLOTS / 2 ?
			BACKGROUND_BUSY_SLOTS : BACKGROUND_QUIET_SLOTS;
		before = given_slots;
		while ((item = swap_background_next(&fx->bg,
						    has_demand)) != NULL) {
			assert_int_equal(is[item - fx->item], WAITING);
			is[item - fx->item] = GIVEN;
			given_slots += item->slot_count;
			given++;
			waiting--;
		}
		assert_int_equal(fx->bg.given_slots, given_slots);
		assert_true(given_slots <= MAX(most, before) || given == 1);
		assert_true(waiting == 0 || given != 0);
		assert_int_equal(swap_background_is_waiting(&fx->bg),
				 waiting != 0);
	}
	assert_true(ended > 10000);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		CASE(test_bounded),
		CASE(test_large_request),
		CASE(test_readahead_first),
		CASE(test_write_does_not_wait_for_ever),
		CASE(test_more_when_it_is_quiet),
		CASE(test_random_steps),
	};
#undef CASE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
