/* SPDX-License-Identifier: MIT */
/* Proves that a store on another host gives every byte as it was written, or
 * says for good that it is lost, through thousands of random requests on a
 * connection that is cut at any byte, stalls, answers nonsense or in any order
 * (remote_server.h).
 *
 *	remote_random_test [SEED]	with one seed only */
#include "tests/store/remote_fixture.h"
#include "tests/tier.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One request at a time in each lane of LANE_SLOTS slots. */
enum { LANES = 24, LANE_SLOTS = 40 };

/* With each plan once, or at night more often and longer. */
enum { SEEDS = 8, ROUNDS = 1200, LONG_SEEDS = 24, LONG_ROUNDS = 2500 };

enum content {
	ANYTHING,		/* never written, or discarded */
	VERSION,
	LOST,
};

struct lanes {
	struct fixture *fx;
	enum content content[LANES][LANE_SLOTS];
	uint32_t version[LANES][LANE_SLOTS];
	uint64_t written_at[LANES][LANE_SLOTS];	/* servers forgotten then */
	struct swap_io io[LANES];	/* slot_count 0: none in flight */
	uint32_t next_version;
	uint64_t seed, losses;
};

static uint32_t lane_random(struct lanes *ls, uint32_t bound)
{
	ls->seed = ls->seed * UINT64_C(6364136223846793005) + 1;
	return (uint32_t)(ls->seed >> 33) % bound;
}

static void lane_write(struct lanes *ls, uint32_t lane, uint32_t first)
{
	struct swap_io *io = &ls->io[lane];
	uint64_t forgotten = counts_of(ls->fx).forgotten;

	ls->next_version++;
	pattern_fill(io->buffer, io->slot, io->slot_count, ls->next_version);
	for (uint32_t i = first; i < first + io->slot_count; i++) {
		ls->content[lane][i] = VERSION;
		ls->version[lane][i] = ls->next_version;
		ls->written_at[lane][i] = forgotten;
	}
}

static void lanes_finish(struct lanes *ls, uint32_t at_most);

static void wait_for_room(struct lanes *ls, enum swap_class class)
{
	const struct swapstore *st = ls->fx->st;

	while (!swap_order_has_room(st->queue_depth, st->in_flight_of, class))
		lanes_finish(ls, st->in_flight - 1);
}

static void lane_start(struct lanes *ls, uint32_t lane)
{
	struct swap_io *io = &ls->io[lane];
	uint32_t first = lane_random(ls, LANE_SLOTS);
	uint32_t most = lane_random(ls, 8) == 0 ? LANE_SLOTS : 10;
	uint32_t count = 1 + lane_random(ls, MIN(most, LANE_SLOTS - first));
	uint32_t what = lane_random(ls, 16);

	if (what == 0) {
		swapstore_discard(ls->fx->st, lane * LANE_SLOTS + first, count);
		for (uint32_t i = first; i < first + count; i++)
			ls->content[lane][i] = ANYTHING;
		return;
	}
	wait_for_room(ls, swap_class_of(what < 8, what >= 12));
	*io = (struct swap_io){
		.cookie = lane,
		.buffer = fixture_slot(ls->fx, lane * LANE_SLOTS),
		.slot = lane * LANE_SLOTS + first,
		.slot_count = count,
		.is_write = what < 8,
		.is_ahead = what >= 12,
	};
	if (io->is_write)
		lane_write(ls, lane, first);
	else
		memset(io->buffer, 0xee, count * SWAP_SLOT_BYTES);
	assert_int_equal(swapstore_submit(ls->fx->st, io), 0);
}

static bool may_be_lost(const struct lanes *ls, uint32_t lane, uint32_t i)
{
	return ls->content[lane][i] == LOST ||
	       (ls->content[lane][i] == VERSION &&
		ls->written_at[lane][i] < counts_of(ls->fx).forgotten);
}

/* An error is right only when some server forgot a slot in it; then each slot
 * by itself says whether it is that. */
static void lane_check(struct lanes *ls, const struct swap_done *done,
		       const struct swap_io *io)
{
	uint32_t lane = (uint32_t)done->cookie;
	bool may_fail = false;

	for (uint32_t i = 0; i < io->slot_count; i++) {
		uint32_t at = io->slot + i - lane * LANE_SLOTS;

		may_fail = may_fail || may_be_lost(ls, lane, at);
		if (done->result != 0)
			continue;
		assert_int_not_equal(ls->content[lane][at], LOST);
		if (ls->content[lane][at] == VERSION &&
		    !pattern_is((char *)io->buffer + (size_t)i *
				SWAP_SLOT_BYTES, io->slot + i, 1,
				ls->version[lane][at]))
			fail_msg("slot %u has wrong bytes", io->slot + i);
	}
	if (done->result == 0)
		return;
	assert_int_equal(done->result, -SWAP_ELOST);
	assert_true(may_fail);
	ls->losses++;
	if (io->slot_count == 1)
		ls->content[lane][io->slot - lane * LANE_SLOTS] = LOST;
}

static void lane_finish(struct lanes *ls, const struct swap_done *done)
{
	uint32_t lane = (uint32_t)done->cookie;
	struct swap_io *io;

	assert_in_range(lane, 0, LANES - 1);
	io = &ls->io[lane];
	assert_int_equal(done->slot_count, io->slot_count);
	assert_int_equal(done->is_write, io->is_write);
	if (done->is_write)
		assert_int_equal(done->result, 0);
	else
		lane_check(ls, done, io);
	io->slot_count = 0;
}

static void lanes_finish(struct lanes *ls, uint32_t at_most)
{
	assert_int_equal(swapstore_flush(ls->fx->st), 0);
	while (ls->fx->st->in_flight > at_most) {
		struct swap_done done = store_wait_one(ls->fx->st);
		struct store_remote_status status = status_of(ls->fx);

		lane_finish(ls, &done);
		assert_true(status.behind_bytes <= status.behind_max_bytes);
	}
}

/* Each slot alone, at the end, over a server that behaves. */
static void lanes_read_all(struct lanes *ls)
{
	fixture_plan(ls->fx, &behave);
	for (uint32_t slot = 0; slot < LANES * LANE_SLOTS; slot++) {
		struct swap_io io = {
			.cookie = slot / LANE_SLOTS, .slot = slot,
			.slot_count = 1, .buffer = fixture_slot(ls->fx, slot),
		};
		struct swap_done done;

		assert_int_equal(swapstore_submit(ls->fx->st, &io), 0);
		assert_int_equal(swapstore_flush(ls->fx->st), 0);
		done = store_wait_one(ls->fx->st);
		lane_check(ls, &done, &io);
	}
}

static void run_lanes(struct fixture *fx, uint64_t seed, uint32_t rounds,
		      uint64_t *ret_losses)
{
	static struct lanes ls;

	memset(&ls, 0, sizeof(ls));
	ls.fx = fx;
	ls.seed = seed;
	for (uint32_t round = 0; round < rounds; round++) {
		uint32_t lane = lane_random(&ls, LANES);

		while (ls.io[lane].slot_count != 0 ||
		       fx->st->in_flight == DEPTH)
			lanes_finish(&ls, fx->st->in_flight - 1);
		lane_start(&ls, lane);
		if (lane_random(&ls, 4) == 0)
			lanes_finish(&ls, lane_random(&ls, DEPTH));
	}
	lanes_finish(&ls, 0);
	lanes_read_all(&ls);
	*ret_losses = ls.losses;
}

static const struct remote_server_plan random_plans[] = {
	{ .hold_max = 12 },
	{ .cut_bytes_max = 3000000, .hold_max = 4 },
	{ .cut_bytes_max = 600000 },
	{ .cut_bytes_max = 3000000, .garbage_rate = 600, .hold_max = 8,
	  .garbage_hello_rate = 10000 },
	{ .cut_bytes_max = 2000000, .forget_rate = 20000, .hold_max = 8 },
	{ .busy_rate = 300, .delay_us_max = 50, .hold_max = 8 },
	{ .stall_rate = 20, .cut_bytes_max = 9000000, .busy_rate = 50 },
	{ .cut_bytes_max = 1000000, .garbage_rate = 100, .busy_rate = 50,
	  .forget_rate = 10000, .stall_rate = 5, .hold_max = 16 },
};

static uint64_t only_seed;

static void test_random(void **state)
{
	bool is_long = tier_is_night();
	uint64_t seeds = is_long ? LONG_SEEDS : SEEDS;
	uint32_t rounds = is_long ? LONG_ROUNDS : ROUNDS;

	(void)state;
	for (uint64_t i = 0; i < seeds; i++) {
		uint64_t seed = only_seed != 0 ? only_seed : i + 1, losses;
		struct remote_server_plan how =
			random_plans[seed % ARRAY_SIZE(random_plans)];
		struct remote_server_counts counts;
		struct fixture fx;

		how.seed = seed;
		fixture_init(&fx);
		fixture_plan(&fx, &how);
		print_message("seed %u:", (unsigned)seed);
		run_lanes(&fx, seed, rounds, &losses);
		counts = counts_of(&fx);
		print_message(" %u connections, %u forgotten, %u lost reads, "
			      "%u spoilt, %u stalled\n",
			      (unsigned)counts.connections,
			      (unsigned)counts.forgotten, (unsigned)losses,
			      (unsigned)counts.garbage,
			      (unsigned)counts.stalls);
		assert_true(counts.unanswered_max <= DEPTH);
		if (counts.forgotten == 0)
			assert_int_equal(status_of(&fx).lost_slots, 0);
		fixture_fini(&fx);
		if (only_seed != 0)
			break;
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
	};

	if (argc == 2)
		only_seed = strtoull(argv[1], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
