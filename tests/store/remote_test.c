/* SPDX-License-Identifier: MIT */
/* Proves what store_remote.h promises, over a server that is told to behave
 * badly (remote_server.h): every byte is right, or lost for good and said to
 * be so, through thousands of random requests on a connection that is cut at
 * any byte, stalls, answers nonsense or in any order; a request waits no
 * longer than the server is away; what was confirmed is not sent again; writes
 * wait in a buffer of a fixed size, which reads overtake and are answered
 * from; a server that is none is refused with a reason.
 *
 *	remote_test [SEED]	the random part with one seed only */
#include "swapstore/store_remote.h"
#include "tests/store/remote_server.h"
#include "tests/store/storetest.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

enum {
	SLOTS = 1024,
	BUFFER_SLOTS = 1024,
	BEHIND_SLOTS = 64,
	DEPTH = 16,
	SEEDS = 12,
	ROUNDS = 2500,
};

#define MS_NS UINT64_C(1000000)

static const struct remote_server_plan behave;

struct fixture {
	struct remote_server *server;
	struct swapstore *st;
	char *buffer;
	uint64_t reconnects;	/* when the plan was made */
};

static char *slot_buffer(const struct fixture *fx, uint32_t idx)
{
	return fx->buffer + (size_t)idx * SWAP_SLOT_BYTES;
}

static struct store_remote_options options_of(const struct fixture *fx)
{
	return (struct store_remote_options){
		.address = remote_server_address(fx->server),
		.command = "remote_test",
		.slot_count = SLOTS,
		.write_behind_bytes = BEHIND_SLOTS * SWAP_SLOT_BYTES,
		.queue_depth = DEPTH,
		.timeout_ns = 300 * MS_NS,
	};
}

static void setup_server(struct fixture *fx)
{
	*fx = (struct fixture){ 0 };
	fx->server = remote_server_create(SLOTS);
	fx->buffer = buffer_create((size_t)BUFFER_SLOTS * SWAP_SLOT_BYTES);
}

static void setup(struct fixture *fx)
{
	struct store_remote_options options;
	char reason[256] = "";

	setup_server(fx);
	options = options_of(fx);
	if (store_remote_create(&options, &fx->st, reason,
				sizeof(reason)) != 0)
		fail_msg("%s", reason);
}

static void teardown(struct fixture *fx)
{
	swapstore_destroy(fx->st);
	remote_server_destroy(fx->server);
	buffer_destroy(fx->buffer, (size_t)BUFFER_SLOTS * SWAP_SLOT_BYTES);
}

static struct store_remote_status status_of(const struct fixture *fx)
{
	struct store_remote_status status;

	store_remote_status_get(fx->st, &status);
	return status;
}

static struct remote_server_counts counts_of(const struct fixture *fx)
{
	struct remote_server_counts counts;

	remote_server_counts_get(fx->server, &counts);
	return counts;
}

/* The server is to behave like this, and the connection ends. */
static void plan(struct fixture *fx, const struct remote_server_plan *how)
{
	fx->reconnects = fx->st == NULL ? 0 : status_of(fx).reconnects;
	remote_server_plan_set(fx->server, how, true);
}

/* Look after the store, with nothing expected to complete, sleeping. */
static void turn(struct fixture *fx)
{
	struct swap_done done;

	wait_readable(swapstore_event_fd(fx->st));
	assert_int_equal(swapstore_reap(fx->st, &done, 1), 0);
}

static void wait_until_confirmed(struct fixture *fx)
{
	while (status_of(fx).behind_bytes > 0)
		turn(fx);
}

/* It may be up again before anybody looks. */
static void wait_until_down(struct fixture *fx)
{
	while (status_of(fx).is_up &&
	       status_of(fx).reconnects == fx->reconnects)
		turn(fx);
}

static void wait_until_up(struct fixture *fx)
{
	while (!status_of(fx).is_up)
		turn(fx);
}

static void write_version(struct fixture *fx, uint32_t slot, uint32_t count,
			  uint32_t version)
{
	pattern_fill(fx->buffer, slot, count, version);
	assert_int_equal(store_do(fx->st, true, slot, count, fx->buffer), 0);
}

static void expect_version(struct fixture *fx, uint32_t slot, uint32_t count,
			   uint32_t version)
{
	memset(fx->buffer, 0xee, (size_t)count * SWAP_SLOT_BYTES);
	assert_int_equal(store_do(fx->st, false, slot, count, fx->buffer), 0);
	assert_true(pattern_is(fx->buffer, slot, count, version));
}

static int submit(struct fixture *fx, bool is_write, uint32_t slot,
		  uint32_t count)
{
	struct swap_io io = {
		.cookie = slot, .buffer = slot_buffer(fx, slot), .slot = slot,
		.slot_count = count, .is_write = is_write,
	};

	return swapstore_submit(fx->st, &io);
}

/* ---- making it */

static const struct bad_server {
	struct remote_server_plan plan;
	int error;
	const char *text;
} bad_servers[] = {
	{ { .hello_error = EACCES }, -EACCES, "the test?says so" },
	{ { .hello_error = EAGAIN }, -ECONNREFUSED, "busy" },
	{ { .hello_error = 1000000 }, -EPROTO, "" },
	{ { .open_error = EDQUOT }, -EDQUOT, "no room" },
	{ { .open_error = ENOSPC }, -ENOSPC, "no room" },
	{ { .open_error = ENOENT }, -EPROTO, "" },
	{ { .is_no_store = true }, -EPROTO, "keeps no memory" },
	{ { .is_slow_hello = true }, -ETIMEDOUT, "no answer" },
	{ { .is_closed = true }, -ECONNREFUSED, "" },
};

static void test_servers_that_refuse(void **state)
{
	struct store_remote_options options;
	struct swapstore *st;
	char reason[256];
	struct fixture fx;

	(void)state;
	setup_server(&fx);
	options = options_of(&fx);
	for (size_t i = 0; i < ARRAY_SIZE(bad_servers); i++) {
		plan(&fx, &bad_servers[i].plan);
		assert_int_equal(store_remote_create(&options, &st, reason,
						     sizeof(reason)),
				 bad_servers[i].error);
		assert_non_null(strstr(reason, options.address));
		assert_non_null(strstr(reason, bad_servers[i].text));
		assert_null(strchr(reason, '\n'));
	}
	teardown(&fx);
}

/* One that is away is waited for, and what is asked of it; one that is there
 * and refuses is refused. */
static void test_away_at_first(void **state)
{
	static const struct remote_server_plan closed = { .is_closed = true };
	static const struct remote_server_plan refuses = {
		.hello_error = EACCES,
	};
	struct store_remote_options options;
	char reason[256];
	struct fixture fx;

	(void)state;
	setup_server(&fx);
	options = options_of(&fx);
	options.may_be_away = true;
	plan(&fx, &refuses);
	assert_int_equal(store_remote_create(&options, &fx.st, reason,
					     sizeof(reason)), -EACCES);
	plan(&fx, &closed);
	assert_int_equal(store_remote_create(&options, &fx.st, reason,
					     sizeof(reason)), 0);
	assert_non_null(strstr(reason, options.address));
	assert_false(status_of(&fx).is_up);
	assert_string_not_equal(status_of(&fx).reason, "");
	assert_int_equal(status_of(&fx).epoch, 0);
	write_version(&fx, 0, 10, 1);
	expect_version(&fx, 0, 10, 1);
	assert_int_equal(submit(&fx, false, 20, 1), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	turn(&fx);
	assert_int_equal(fx.st->in_flight, 1);
	plan(&fx, &behave);
	assert_int_equal(store_wait_one(fx.st).result, 0);
	wait_until_confirmed(&fx);
	expect_version(&fx, 0, 10, 1);
	assert_int_equal(status_of(&fx).epoch, 1);
	assert_int_equal(status_of(&fx).reconnects, 0);
	assert_int_equal(status_of(&fx).lost_slots, 0);
	swapstore_destroy(fx.st);
	fx.st = NULL;
	assert_int_equal(store_remote_create(&options, &fx.st, reason,
					     sizeof(reason)), 0);
	assert_string_equal(reason, "");
	assert_true(status_of(&fx).is_up);
	teardown(&fx);
}

/* What the first answers are spoilt in any way: never a crash, and a reason. */
static void test_servers_that_are_none(void **state)
{
	struct remote_server_plan garbage = { .garbage_hello_rate = 40000 };
	struct store_remote_options options;
	char reason[256];
	struct fixture fx;
	int err;

	(void)state;
	setup_server(&fx);
	options = options_of(&fx);
	options.timeout_ns = 50 * MS_NS;
	for (garbage.seed = 1; garbage.seed <= 150; garbage.seed++) {
		fx.st = NULL;
		plan(&fx, &garbage);
		err = store_remote_create(&options, &fx.st, reason,
					  sizeof(reason));
		assert_true(err == 0 || reason[0] != '\0');
		swapstore_destroy(fx.st);
	}
	fx.st = NULL;
	teardown(&fx);
}

static void test_addresses(void **state)
{
	static const struct {
		const char *text;
		int error;
	} bad[] = {
		{ "", -EINVAL }, { "host", -EINVAL }, { "host:", -EINVAL },
		{ ":1", -EINVAL }, { "host:x", -EINVAL }, { "::1:5", -EINVAL },
		{ "[::1:5", -EINVAL }, { "[]:5", -EINVAL },
		{ "[:5", -EINVAL }, { "a..b:1", -EHOSTUNREACH },
	};
	char reason[256], longest[400];
	struct store_remote_options options = { .slot_count = 1 };
	struct swapstore *st;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		options.address = bad[i].text;
		assert_int_equal(store_remote_create(&options, &st, reason,
						     sizeof(reason)),
				 bad[i].error);
		assert_non_null(strstr(reason, bad[i].text));
	}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + sizeof(longest) - 3, ":1", 3);
	options.address = longest;
	assert_int_equal(store_remote_create(&options, &st, reason,
					     sizeof(reason)), -EINVAL);
}

static void test_nobody_listens(void **state)
{
	struct store_remote_options options;
	struct swapstore *st;
	char address[64], reason[256];
	struct fixture fx;

	(void)state;
	setup_server(&fx);
	options = options_of(&fx);
	snprintf(address, sizeof(address), "%s", options.address);
	teardown(&fx);
	options.address = address;
	assert_int_equal(store_remote_create(&options, &st, reason,
					     sizeof(reason)), -ECONNREFUSED);
	assert_non_null(strstr(reason, address));
	assert_non_null(strstr(reason, "Connection refused"));
	assert_non_null(strstr(reason, "listen_tcp"));
}

static void test_arguments(void **state)
{
	struct store_remote_options options = { .address = "127.0.0.1:1" };
	struct swapstore *st;
	char reason[256];

	(void)state;
	assert_int_equal(store_remote_create(&options, &st, reason,
					     sizeof(reason)), -EINVAL);
	options.slot_count = 1;
	options.queue_depth = 4097;
	assert_int_equal(store_remote_create(&options, &st, reason,
					     sizeof(reason)), -EINVAL);
	options.queue_depth = 1;
	options.write_behind_bytes = SWAP_SLOT_BYTES - 1;
	assert_int_equal(store_remote_create(&options, &st, reason,
					     sizeof(reason)), -EINVAL);
}

static void test_status_and_goodbye(void **state)
{
	struct store_remote_status status;
	struct swapstore *mem;
	struct fixture fx;

	(void)state;
	setup(&fx);
	write_version(&fx, 3, 2, 1);
	expect_version(&fx, 3, 2, 1);
	wait_until_confirmed(&fx);
	status = status_of(&fx);
	assert_true(store_is_remote(fx.st));
	assert_string_equal(status.address, remote_server_address(fx.server));
	assert_true(status.is_up);
	assert_string_equal(status.reason, "");
	assert_int_equal(status.epoch, 1);
	assert_int_equal(status.reconnects, 0);
	assert_int_equal(status.behind_max_bytes,
			 BEHIND_SLOTS * SWAP_SLOT_BYTES);
	assert_int_equal(status.waiting, 0);
	assert_true(status.rtt_ns > 0);
	assert_true(status.sent_bytes > 2 * SWAP_SLOT_BYTES);
	assert_int_equal(counts_of(&fx).closes, 0);
	swapstore_destroy(fx.st);
	fx.st = NULL;
	assert_int_equal(counts_of(&fx).closes, 1);
	assert_int_equal(store_mem_create(1, &mem), 0);
	assert_false(store_is_remote(mem));
	swapstore_destroy(mem);
	teardown(&fx);
}

/* ---- everything at once, from a seed */

/* One request at a time in each lane of LANE_SLOTS slots. */
enum { LANES = 24, LANE_SLOTS = 40 };

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
	*io = (struct swap_io){
		.cookie = lane,
		.buffer = slot_buffer(ls->fx, lane * LANE_SLOTS),
		.slot = lane * LANE_SLOTS + first,
		.slot_count = count,
		.is_write = what < 8,
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
	plan(ls->fx, &behave);
	for (uint32_t slot = 0; slot < LANES * LANE_SLOTS; slot++) {
		struct swap_io io = {
			.cookie = slot / LANE_SLOTS, .slot = slot,
			.slot_count = 1, .buffer = slot_buffer(ls->fx, slot),
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
	(void)state;
	for (uint64_t i = 0; i < SEEDS; i++) {
		uint64_t seed = only_seed != 0 ? only_seed : i + 1, losses;
		struct remote_server_plan how =
			random_plans[seed % ARRAY_SIZE(random_plans)];
		struct remote_server_counts counts;
		struct fixture fx;

		how.seed = seed;
		setup(&fx);
		plan(&fx, &how);
		print_message("seed %u:", (unsigned)seed);
		run_lanes(&fx, seed, ROUNDS, &losses);
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
		teardown(&fx);
		if (only_seed != 0)
			break;
	}
}

/* ---- one thing at a time */

/* After the connection broke only what had no answer is sent again. */
static void test_resume(void **state)
{
	static const struct remote_server_plan silent = { .is_silent = true };
	struct remote_server_counts before, after;
	struct fixture fx;

	(void)state;
	setup(&fx);
	write_version(&fx, 0, 40, 1);
	wait_until_confirmed(&fx);
	before = counts_of(&fx);
	plan(&fx, &behave);
	wait_until_down(&fx);
	wait_until_up(&fx);
	expect_version(&fx, 0, 40, 1);
	after = counts_of(&fx);
	assert_int_equal(after.writes, before.writes);
	assert_int_equal(after.resumed, 1);

	plan(&fx, &silent);
	wait_until_down(&fx);
	wait_until_up(&fx);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(submit(&fx, false, 10 * i, 1), 0);
	for (uint32_t i = 0; i < 4; i++)
		pattern_fill(slot_buffer(&fx, 100 + 10 * i), 100 + 10 * i, 2,
			     2);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(submit(&fx, true, 100 + 10 * i, 2), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(store_wait_one(fx.st).is_write);
	plan(&fx, &behave);
	for (uint32_t i = 0; i < 4; i++) {
		struct swap_done done = store_wait_one(fx.st);
		uint32_t slot = (uint32_t)done.cookie;

		assert_int_equal(done.result, 0);
		assert_true(pattern_is(slot_buffer(&fx, slot), slot, 1, 1));
	}
	wait_until_confirmed(&fx);
	before = after;
	after = counts_of(&fx);
	assert_int_equal(after.reads, before.reads + 4);
	assert_int_equal(after.writes, before.writes + 4);
	assert_int_equal(after.written_slots, before.written_slots + 8);
	assert_int_equal(after.opened, 1);
	assert_true(status_of(&fx).reconnects >= 3);
	for (uint32_t i = 0; i < 4; i++)
		expect_version(&fx, 100 + 10 * i, 2, 2);
	teardown(&fx);
}

/* Slots 0-9 are lost; 10-19 still were in the buffer; 20-29 were never
 * written; 30-39 were discarded. */
static void test_loss(void **state)
{
	static const struct remote_server_plan closed = { .is_closed = true };
	struct fixture fx;

	(void)state;
	setup(&fx);
	write_version(&fx, 0, 10, 1);
	write_version(&fx, 30, 10, 1);
	wait_until_confirmed(&fx);
	swapstore_discard(fx.st, 30, 10);
	plan(&fx, &closed);
	wait_until_down(&fx);
	assert_true(status_of(&fx).reason[0] != '\0');
	write_version(&fx, 9, 11, 2);
	expect_version(&fx, 9, 11, 2);		/* with nobody there */
	remote_server_forget(fx.server);
	plan(&fx, &behave);
	wait_until_up(&fx);
	assert_int_equal(status_of(&fx).epoch, 2);
	assert_int_equal(status_of(&fx).lost_slots, 9);
	for (uint32_t slot = 0; slot < 9; slot++)
		assert_int_equal(store_do(fx.st, false, slot, 1, fx.buffer),
				 -SWAP_ELOST);
	assert_int_equal(store_do(fx.st, false, 8, 2, fx.buffer),
			 -SWAP_ELOST);
	expect_version(&fx, 9, 11, 2);
	for (uint32_t slot = 20; slot < 40; slot++)
		assert_int_equal(store_do(fx.st, false, slot, 1, fx.buffer), 0);
	write_version(&fx, 0, 4, 3);
	expect_version(&fx, 0, 4, 3);
	wait_until_confirmed(&fx);
	expect_version(&fx, 0, 4, 3);
	expect_version(&fx, 9, 11, 2);
	assert_int_equal(store_do(fx.st, false, 4, 1, fx.buffer),
			 -SWAP_ELOST);
	assert_true(swapstore_has_lost(fx.st, 4));
	assert_false(swapstore_has_lost(fx.st, 3));
	assert_false(swapstore_has_lost(fx.st, 9));
	swapstore_discard(fx.st, 4, 1);
	assert_false(swapstore_has_lost(fx.st, 4));
	assert_int_equal(store_do(fx.st, false, 4, 1, fx.buffer), 0);
	teardown(&fx);
}

/* A read that waits while its slots get lost ends with an error, one that
 * waits for others goes on. */
static void test_loss_under_waiting_reads(void **state)
{
	static const struct remote_server_plan silent = { .is_silent = true };
	struct fixture fx;

	(void)state;
	setup(&fx);
	write_version(&fx, 0, 10, 1);
	wait_until_confirmed(&fx);
	plan(&fx, &silent);
	wait_until_down(&fx);
	wait_until_up(&fx);
	assert_int_equal(submit(&fx, false, 0, 10), 0);
	assert_int_equal(submit(&fx, false, 20, 10), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	remote_server_forget(fx.server);
	plan(&fx, &behave);
	for (int i = 0; i < 2; i++) {
		struct swap_done done = store_wait_one(fx.st);

		assert_int_equal(done.result, done.cookie == 0 ?
				 -SWAP_ELOST : 0);
	}
	teardown(&fx);
}

/* Nothing is confirmed: the buffer takes what fits, and not a slot more. */
static void test_write_behind_is_bounded(void **state)
{
	static const struct remote_server_plan silent = { .is_silent = true };
	struct swap_done done;
	struct fixture fx;

	(void)state;
	setup(&fx);
	plan(&fx, &silent);
	wait_until_down(&fx);
	write_version(&fx, 0, BEHIND_SLOTS - 2, 1);
	pattern_fill(slot_buffer(&fx, 100), 100, 200, 2);
	assert_int_equal(submit(&fx, true, 100, 200), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(swapstore_reap(fx.st, &done, 1), 0);
	assert_int_equal(status_of(&fx).behind_bytes,
			 BEHIND_SLOTS * SWAP_SLOT_BYTES);
	plan(&fx, &behave);
	done = store_wait_one(fx.st);
	assert_int_equal(done.cookie, 100);
	assert_int_equal(done.result, 0);
	expect_version(&fx, 0, BEHIND_SLOTS - 2, 1);
	expect_version(&fx, 100, 200, 2);
	wait_until_confirmed(&fx);
	expect_version(&fx, 100, 200, 2);
	teardown(&fx);
}

/* What is written again before it went out goes out once, as it is last. */
static void test_newer_bytes_replace(void **state)
{
	static const struct remote_server_plan closed = { .is_closed = true };
	struct remote_server_counts before, after;
	struct fixture fx;

	(void)state;
	setup(&fx);
	plan(&fx, &closed);
	wait_until_down(&fx);
	before = counts_of(&fx);
	for (uint32_t version = 1; version <= 100; version++) {
		write_version(&fx, 7, 3, version);
		write_version(&fx, 8, 1, version + 1000);
		expect_version(&fx, 7, 1, version);
		expect_version(&fx, 8, 1, version + 1000);
	}
	assert_int_equal(status_of(&fx).behind_bytes, 3 * SWAP_SLOT_BYTES);
	plan(&fx, &behave);
	wait_until_confirmed(&fx);
	after = counts_of(&fx);
	assert_int_equal(after.written_slots, before.written_slots + 3);
	expect_version(&fx, 7, 1, 100);
	expect_version(&fx, 8, 1, 1100);
	expect_version(&fx, 9, 1, 100);
	teardown(&fx);
}

/* A read of slots of which the buffer has every second one. */
static void test_reads_are_put_together(void **state)
{
	static const struct remote_server_plan silent = { .is_silent = true };
	struct fixture fx;

	(void)state;
	setup(&fx);
	write_version(&fx, 0, 100, 1);
	wait_until_confirmed(&fx);
	plan(&fx, &silent);
	wait_until_down(&fx);
	for (uint32_t slot = 1; slot < 100; slot += 2)
		write_version(&fx, slot, 1, 2);
	remote_server_plan_set(fx.server, &behave, true);
	memset(fx.buffer, 0xee, 100 * SWAP_SLOT_BYTES);
	assert_int_equal(submit(&fx, false, 0, 100), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	assert_int_equal(store_wait_one(fx.st).result, 0);
	for (uint32_t slot = 0; slot < 100; slot++)
		assert_true(pattern_is(slot_buffer(&fx, slot), slot, 1,
				       1 + slot % 2));
	teardown(&fx);
}

static void test_reads_overtake_writes(void **state)
{
	static const struct remote_server_plan closed = { .is_closed = true };
	struct remote_server_counts counts;
	struct fixture fx;

	(void)state;
	setup(&fx);
	write_version(&fx, 500, 4, 1);
	wait_until_confirmed(&fx);
	plan(&fx, &behave);
	wait_until_down(&fx);
	wait_until_up(&fx);
	/* In one go, and again when all has to wait for the connection. */
	for (int i = 0; i < 2; i++) {
		if (i == 1) {
			plan(&fx, &closed);
			wait_until_down(&fx);
		}
		for (uint32_t slot = 0; slot < 8; slot++)
			assert_int_equal(submit(&fx, true, 2 * slot, 1), 0);
		for (uint32_t slot = 500; slot < 504; slot++)
			assert_int_equal(submit(&fx, false, slot, 1), 0);
		remote_server_plan_set(fx.server, &behave, i == 1);
		assert_int_equal(swapstore_flush(fx.st), 0);
		while (fx.st->in_flight > 0)
			assert_int_equal(store_wait_one(fx.st).result, 0);
		wait_until_confirmed(&fx);
		counts = counts_of(&fx);
		assert_true(counts.last_read_at > 0);
		assert_true(counts.last_read_at < counts.first_write_at);
	}
	teardown(&fx);
}

/* Discarded bytes are not sent, and a discard never takes newer ones away. */
static void test_discards(void **state)
{
	static const struct remote_server_plan closed = { .is_closed = true };
	struct remote_server_counts before, after;
	uint64_t sent_bytes;
	struct fixture fx;

	(void)state;
	setup(&fx);
	for (uint32_t version = 1; version < 50; version++) {
		write_version(&fx, 0, 30, version);
		swapstore_discard(fx.st, 10, 10);
		write_version(&fx, 5, 8, version + 100);
		expect_version(&fx, 0, 5, version);
		expect_version(&fx, 5, 8, version + 100);
		expect_version(&fx, 20, 10, version);
		if (version % 3 == 0) {
			wait_until_confirmed(&fx);
			expect_version(&fx, 5, 8, version + 100);
		}
	}
	wait_until_confirmed(&fx);
	/* They go out by themselves, neighbours together. */
	before = counts_of(&fx);
	for (uint32_t slot = 100; slot < 200; slot++)
		swapstore_discard(fx.st, slot, 1);
	for (uint32_t slot = 300; slot > 200; slot--)
		swapstore_discard(fx.st, slot - 1, 1);
	sent_bytes = status_of(&fx).sent_bytes;
	while (status_of(&fx).sent_bytes == sent_bytes)
		turn(&fx);
	while (counts_of(&fx).discarded_slots < before.discarded_slots + 200)
		sched_yield();
	after = counts_of(&fx);
	assert_true(after.discards <= before.discards + 2);

	plan(&fx, &closed);
	wait_until_down(&fx);
	write_version(&fx, 600, 10, 1);
	swapstore_discard(fx.st, 602, 8);
	assert_int_equal(status_of(&fx).behind_bytes, 2 * SWAP_SLOT_BYTES);
	/* More than one message has room for: some are left out. */
	for (uint32_t slot = 0; slot < 600; slot += 2)
		for (int i = 0; i < 5; i++)
			swapstore_discard(fx.st, slot, 1);
	plan(&fx, &behave);
	wait_until_confirmed(&fx);
	assert_int_equal(counts_of(&fx).written_slots,
			 after.written_slots + 2);
	expect_version(&fx, 600, 2, 1);
	teardown(&fx);
}

/* The server is full, or too busy, for a while: all waits, nothing is lost. */
static void test_server_without_room(void **state)
{
	static const struct remote_server_plan full = {
		.write_error = ENOSPC, .read_error = EBUSY,
	};
	static const struct remote_server_plan quota = {
		.open_error = EDQUOT,
	};
	struct fixture fx;

	(void)state;
	setup(&fx);
	write_version(&fx, 200, 5, 1);
	wait_until_confirmed(&fx);
	remote_server_plan_set(fx.server, &full, false);
	write_version(&fx, 0, 60, 2);
	assert_int_equal(submit(&fx, false, 200, 5), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	while (counts_of(&fx).writes < 12)
		turn(&fx);
	assert_true(status_of(&fx).is_up);
	remote_server_plan_set(fx.server, &behave, false);
	assert_int_equal(store_wait_one(fx.st).result, 0);
	wait_until_confirmed(&fx);
	expect_version(&fx, 0, 60, 2);

	plan(&fx, &quota);
	wait_until_down(&fx);
	while (strcmp(status_of(&fx).reason, "the test?says so") != 0)
		turn(&fx);
	plan(&fx, &behave);
	expect_version(&fx, 0, 60, 2);
	assert_int_equal(status_of(&fx).lost_slots, 0);
	assert_int_equal(status_of(&fx).epoch, 1);
	teardown(&fx);
}

/* The server's own swap file fails. */
static void test_server_loses_a_slot(void **state)
{
	static const struct remote_server_plan bad_disk = {
		.write_error = EIO, .read_error = EIO,
	};
	struct fixture fx;

	(void)state;
	setup(&fx);
	write_version(&fx, 0, 4, 1);
	wait_until_confirmed(&fx);
	remote_server_plan_set(fx.server, &bad_disk, false);
	assert_int_equal(store_do(fx.st, false, 0, 4, fx.buffer),
			 -SWAP_ELOST);
	write_version(&fx, 2, 4, 2);
	wait_until_confirmed(&fx);
	remote_server_plan_set(fx.server, &behave, false);
	expect_version(&fx, 0, 2, 1);
	for (uint32_t slot = 2; slot < 6; slot++)
		assert_int_equal(store_do(fx.st, false, slot, 1, fx.buffer),
				 -SWAP_ELOST);
	assert_int_equal(status_of(&fx).lost_slots, 4);
	write_version(&fx, 2, 4, 3);
	wait_until_confirmed(&fx);
	expect_version(&fx, 2, 4, 3);
	teardown(&fx);
}

/* Everything that is answered is nonsense; nobody believes any of it. */
static void test_forged_answers(void **state)
{
	struct remote_server_plan forge = { .garbage_rate = 65536 };
	struct fixture fx;

	(void)state;
	setup(&fx);
	write_version(&fx, 0, 20, 1);
	wait_until_confirmed(&fx);
	for (forge.seed = 1; forge.seed <= 40; forge.seed++) {
		uint64_t spoilt = counts_of(&fx).garbage;

		plan(&fx, &forge);
		assert_int_equal(submit(&fx, false, 0, 20), 0);
		assert_int_equal(swapstore_flush(fx.st), 0);
		while (counts_of(&fx).garbage < spoilt + 3)
			turn(&fx);
		assert_int_equal(fx.st->in_flight, 1);
		plan(&fx, &behave);
		assert_int_equal(store_wait_one(fx.st).result, 0);
		assert_true(pattern_is(fx.buffer, 0, 20, 1));
	}
	teardown(&fx);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_servers_that_refuse),
		cmocka_unit_test(test_servers_that_are_none),
		cmocka_unit_test(test_away_at_first),
		cmocka_unit_test(test_status_and_goodbye),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_loss_under_waiting_reads),
		cmocka_unit_test(test_write_behind_is_bounded),
		cmocka_unit_test(test_newer_bytes_replace),
		cmocka_unit_test(test_reads_are_put_together),
		cmocka_unit_test(test_reads_overtake_writes),
		cmocka_unit_test(test_discards),
		cmocka_unit_test(test_server_without_room),
		cmocka_unit_test(test_server_loses_a_slot),
		cmocka_unit_test(test_forged_answers),
		cmocka_unit_test(test_random),
	};
	const struct CMUnitTest random_test[] = {
		cmocka_unit_test(test_random),
	};

	if (argc == 2) {
		only_seed = strtoull(argv[1], NULL, 10);
		return cmocka_run_group_tests(random_test, NULL, NULL);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
