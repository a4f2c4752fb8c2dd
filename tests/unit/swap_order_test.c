/* SPDX-License-Identifier: MIT */
/* Proves that earlier classes go first, that no class waits for ever all the
 * same, and that each class has a share of a queue that the others cannot
 * take. */
#include "swapstore/swap_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { ALL = BIT(SWAP_CLASSES) - 1 };

static enum swap_class turn(struct swap_order *so, unsigned waiting,
			    unsigned ready)
{
	enum swap_class class = swap_order_next(so, ready);

	swap_order_take(so, waiting, ready, class);
	return class;
}

static void test_classes(void **state)
{
	(void)state;
	assert_int_equal(swap_class_of(false, false), SWAP_DEMAND);
	assert_int_equal(swap_class_of(false, true), SWAP_AHEAD);
	assert_int_equal(swap_class_of(true, false), SWAP_WRITE);
}

static void test_earlier_goes_first(void **state)
{
	(void)state;
	for (unsigned ready = 1; ready <= ALL; ready++) {
		struct swap_order so = { 0 };

		for (int i = 0; i < SWAP_TURNS_MAX; i++)
			assert_int_equal(BIT(turn(&so, ready, ready)),
					 ready & -ready);
	}
}

/* All wait all the time: of each row of turns, the others have one each. */
static void test_nobody_waits_for_ever(void **state)
{
	struct swap_order so = { 0 };
	unsigned count[SWAP_CLASSES] = { 0 };

	(void)state;
	for (int i = 0; i < 18 * 100; i++)
		count[turn(&so, ALL, ALL)]++;
	assert_in_range(count[SWAP_AHEAD], 90, 110);
	assert_in_range(count[SWAP_WRITE], 90, 110);
	assert_in_range(count[SWAP_DEMAND], 1580, 1620);
}

/* Writes wait, and are not ready whenever a demand read has its turn, because
 * readahead has the room that both need.  They are not passed over again and
 * again. */
static void test_not_ready_is_not_forgotten(void **state)
{
	struct swap_order so = { 0 };
	unsigned passed = 0;

	(void)state;
	for (;;) {
		enum swap_class class;

		assert_int_equal(turn(&so, ALL, BIT(SWAP_DEMAND)),
				 SWAP_DEMAND);
		class = turn(&so, ALL & ~BIT(SWAP_DEMAND),
			     BIT(SWAP_AHEAD) | BIT(SWAP_WRITE));
		if (class == SWAP_WRITE)
			break;
		assert_true(++passed <= SWAP_TURNS_MAX);
	}
	assert_int_equal(passed, SWAP_TURNS_MAX);
}

/* SO2 with whatever waits and is ready: a class that is ready is passed over a
 * bounded number of times. */
static void test_random_turns(void **state)
{
	unsigned passed[SWAP_CLASSES] = { 0 }, seed = 7;
	struct swap_order so = { 0 };

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		unsigned waiting = 1 + (unsigned)rand_r(&seed) % ALL;
		unsigned ready = waiting & (unsigned)rand_r(&seed);
		enum swap_class class;

		if (ready == 0)
			continue;
		class = turn(&so, waiting, ready);
		assert_true((ready & BIT(class)) != 0);
		for (unsigned c = 0; c < SWAP_CLASSES; c++) {
			if (c == class || (waiting & BIT(c)) == 0)
				passed[c] = 0;
			else if ((ready & BIT(c)) != 0)
				passed[c]++;
			assert_true(passed[c] <= SWAP_TURNS_MAX +
				    SWAP_CLASSES - 2);
		}
	}
}

/* Whatever the others have, a class gets what is kept for it, and the queue
 * does not overflow. */
static void test_room_is_kept(void **state)
{
	static const uint32_t depths[] = { 8, 9, 64, 100, 128, 256, 4096 };
	static const uint32_t eighths[SWAP_CLASSES] = { 2, 1, 1 };
	unsigned seed = 3;

	(void)state;
	for (size_t d = 0; d < ARRAY_SIZE(depths); d++) {
		uint32_t count[SWAP_CLASSES] = { 0 }, depth = depths[d];

		for (int i = 0; i < 100000; i++) {
			unsigned c = (unsigned)rand_r(&seed) % SWAP_CLASSES;

			if (rand_r(&seed) % 3 == 0)
				count[c] -= count[c] != 0;
			else if (swap_order_has_room(depth, count,
						     (enum swap_class)c))
				count[c]++;
			assert_true(count[0] + count[1] + count[2] <= depth);
			for (c = 0; c < SWAP_CLASSES; c++)
				if (count[c] < depth / 8 * eighths[c])
					assert_true(swap_order_has_room(
						depth, count,
						(enum swap_class)c));
		}
	}
}

/* One class alone has all but what is kept for the others; a small queue keeps
 * nothing. */
static void test_limits(void **state)
{
	static const struct {
		uint32_t depth, most[SWAP_CLASSES];
	} limits[] = {
		{ 1, { 1, 1, 1 } }, { 7, { 7, 7, 7 } }, { 8, { 6, 5, 5 } },
		{ 128, { 96, 80, 80 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		for (unsigned c = 0; c < SWAP_CLASSES; c++) {
			uint32_t count[SWAP_CLASSES] = { 0 };

			while (swap_order_has_room(limits[i].depth, count,
						   (enum swap_class)c))
				count[c]++;
			assert_int_equal(count[c], limits[i].most[c]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_earlier_goes_first),
		cmocka_unit_test(test_nobody_waits_for_ever),
		cmocka_unit_test(test_not_ready_is_not_forgotten),
		cmocka_unit_test(test_random_turns),
		cmocka_unit_test(test_room_is_kept),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
