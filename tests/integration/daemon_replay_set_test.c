/* SPDX-License-Identifier: MIT */
/* Proves that a set of pages comes in step by step and behind everything else:
 * no more of it is on the way than one step has, a fault is answered while all
 * reads of the set are held, and what does not fit into the pool or a limit is
 * left out without anything leaving, least of all what has just come in.
 *
 * The store is a server in this process (remote_server.h), which keeps the
 * answers to reads for as long as the test wants: order decides, not time. */
#include "common/checks.h"
#include "daemon/serve/replay.h"
#include "tests/integration/daemon_client.h"
#include "tests/integration/replay_scene.h"
#include "tests/store/remote_server.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	SLOTS_MIB = 48,
	DEPTH = 8,		/* requests at once, half of them no faults' */
	STEP = REPLAY_LOADING_UNITS,
	OUTSIDE = PAGES - 1,	/* the last page of the set */
};

static const char name[] = "set";
static const uint64_t whole[][2] = { { 0, PAGES } };

static struct remote_server *store;
static int watcher = -1;	/* another administrator: counts */

/* ---- the store */

static const struct remote_server_plan behaves = { .seed = 1 };
static const struct remote_server_plan keeps = { .seed = 1,
						 .keeps_reads = true };
/* Those that were kept; it answers what comes now. */
static const struct remote_server_plan keeps_old = { .seed = 1,
						     .keeps_kept = true };

static void set_plan(const struct remote_server_plan *plan)
{
	remote_server_plan_set(store, plan, false);
}

static void await_kept(uint32_t count)
{
	struct remote_server_counts counts;
	unsigned left = 6000;

	do {
		remote_server_counts_get(store, &counts);
		assert_int_not_equal(left--, 0);
		poll(NULL, 0, 10);
	} while (counts.kept != count);
}

/* ---- memd */

static uint64_t count_of(const char *counter)
{
	return client_counter(watcher, counter);
}

/* All that can go on without the store has: memd has handled some messages
 * since, and each time round the work behind them. */
static void let_go_on(void)
{
	for (unsigned i = 0; i < 8; i++)
		(void)count_of("replays");
}

static void expect_unanswered(void)
{
	struct pollfd pfd = { .fd = scene.admin, .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, 0), 0);
}

static void expect_replayed(uint64_t pages, bool is_short)
{
	bool is_it;

	assert_int_equal(scene_receive(&is_it), pages);
	assert_int_equal(is_it, is_short);
}

struct asker {
	int fd;
	uint32_t segment;
};

static struct asker asker_open(void)
{
	struct asker as = { .fd = client_open_with(&scene.memd, 0, NULL) };

	close(client_attach(as.fd, name, false, &as.segment));
	return as;
}

static void asker_fault(const struct asker *as, uint64_t page)
{
	client_send_fault(as->fd, 7, as->segment, page);
	assert_int_equal(client_receive_fault(as->fd, 7, page), 0);
}

/* These pages, from the first one on, are there: the program can use them
 * without a read. */
static void expect_there(uint64_t pages)
{
	struct memclient_stats s = { .size = sizeof(s) };
	struct memclient *mc = scene_open();
	const uint8_t *p = scene_attach(mc, name);

	for (uint64_t page = 0; page < pages; page++)
		scene_verify(p, page);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(s.faults_swap_in, 0);
	memclient_close(mc);
}

/* ---- steps */

static void no_more_than_a_step_is_on_the_way(void **state)
{
	uint64_t before = count_of("replayed_pages");

	(void)state;
	set_plan(&keeps);
	scene_send(name, whole, 1);
	client_await_counter(watcher, "loading_frames", STEP);
	let_go_on();
	assert_int_equal(count_of("loading_frames"), STEP);
	assert_int_equal(count_of("replayed_pages"), before + STEP);
	expect_unanswered();
	set_plan(&behaves);
	expect_replayed(PAGES, false);
	/* The reply comes when they are there. */
	assert_int_equal(count_of("loading_frames"), 0);
	assert_int_equal(count_of("resident_frames"), PAGES);
	expect_there(PAGES);
}

/* ---- faults */

/* Single pages, each a request: the store's queue is full of them. */
static void ask_for_every_second_page(void)
{
	static uint64_t range[PAGES / 2][2];

	for (size_t i = 0; i < ARRAY_SIZE(range); i++) {
		range[i][0] = 2 * i + 1;
		range[i][1] = 1;
	}
	scene_send(name, range, ARRAY_SIZE(range));
}

static void a_fault_goes_before_the_set(void **state)
{
	struct asker as = asker_open();
	uint64_t asked;

	(void)state;
	set_plan(&keeps);
	ask_for_every_second_page();
	await_kept(DEPTH / 2);
	let_go_on();
	asked = count_of("replayed_pages");
	set_plan(&keeps_old);
	/* One of the set that was not asked for yet, and one of none. */
	asker_fault(&as, OUTSIDE);
	asker_fault(&as, 0);
	await_kept(DEPTH / 2);
	assert_int_equal(count_of("replayed_pages"), asked);
	expect_unanswered();
	set_plan(&behaves);
	expect_replayed(PAGES / 2, false);
	close(as.fd);
}

/* The fault is for a page whose read waits for those before it: it need not
 * wait any more. */
static void a_fault_takes_its_page_out_of_the_queue(void **state)
{
	struct asker as = asker_open();

	(void)state;
	set_plan(&keeps);
	ask_for_every_second_page();
	await_kept(DEPTH / 2);
	let_go_on();
	assert_true(count_of("loading_frames") > DEPTH);
	set_plan(&keeps_old);
	asker_fault(&as, 2 * DEPTH + 1);
	await_kept(DEPTH / 2);
	expect_unanswered();
	set_plan(&behaves);
	expect_replayed(PAGES / 2, false);
	close(as.fd);
}

/* ---- who goes */

static void a_replay_that_nobody_awaits_ends(void **state)
{
	uint64_t before = count_of("replayed_pages");
	uint64_t closed = count_of("sessions_closed");
	int keep = scene.admin;

	(void)state;
	set_plan(&keeps);
	scene.admin = client_open(&scene.memd, true, NULL);
	scene_send(name, whole, 1);
	client_await_counter(watcher, "loading_frames", STEP);
	close(scene.admin);
	scene.admin = keep;
	client_await_counter(watcher, "sessions_closed", closed + 1);
	set_plan(&behaves);
	client_await_counter(watcher, "loading_frames", 0);
	let_go_on();
	assert_int_equal(count_of("replayed_pages"), before + STEP);
}

/* ---- sets that are too large */

/* What memctl says of the only segment: READ, THERE, LEFT. */
struct told {
	unsigned long long read, there, left;
};

static struct told replay_all(void)
{
	struct told t = { 0 };
	char path[96], line[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/order", scene.memd.dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "memd-order 1\n%s\t0\t%u\n", name, (unsigned)PAGES);
	assert_int_equal(fclose(file), 0);
	snprintf(line, sizeof(line), "%s --socket=%s -oraw replay %s",
		 MEMCTL_PATH, scene.memd.socket, path);
	file = popen(line, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*u %*u %llu %llu %llu", &t.read,
				&t.there, &t.left), 3);
	while (fgets(line, sizeof(line), file) != NULL)
		;
	assert_int_equal(pclose(file), 0);
	assert_int_equal(unlink(path), 0);
	return t;
}

static void expect_told(struct told t, uint64_t read, uint64_t there)
{
	assert_int_equal(t.read, read);
	assert_int_equal(t.there, there);
	assert_int_equal(t.left, PAGES - read - there);
}

/* Twice: the second time there is no room from the beginning. */
static void a_set_larger_than_the_pool_ends(void **state)
{
	uint64_t room = count_of("frame_count") - count_of("high_watermark");
	uint64_t evicted = count_of("evicted");

	(void)state;
	assert_true(room > STEP && room < PAGES);
	expect_told(replay_all(), room, 0);
	expect_told(replay_all(), 0, 0);
	assert_int_equal(count_of("resident_frames"), room);
	assert_int_equal(count_of("evicted"), evicted);
	expect_there(room);
}

static void a_set_larger_than_a_limit_ends(void **state)
{
	enum { LIMIT = 400 };
	uint64_t evicted = count_of("evicted");
	Memd__Limit limit = MEMD__LIMIT__INIT;

	(void)state;
	limit.has_uid = limit.has_frames = true;
	limit.uid = geteuid();
	limit.frames = LIMIT;
	client_send(watcher, T(LIMIT_SET), 61, &limit.base);
	client_expect_ok(watcher, 61);
	expect_told(replay_all(), LIMIT, 0);
	assert_int_equal(count_of("resident_frames"), LIMIT);
	assert_int_equal(count_of("evicted"), evicted);
	expect_there(LIMIT);
	limit.frames = 0;
	client_send(watcher, T(LIMIT_SET), 61, &limit.base);
	client_expect_ok(watcher, 61);
}

static void a_set_that_fits_is_told_whole(void **state)
{
	(void)state;
	expect_told(replay_all(), PAGES, 0);
	expect_told(replay_all(), 0, PAGES);
}

/* ---- */

static int begin(const char *pool)
{
	char address[96], swap[32], depth[32];
	const char *const flags[] = { "--store=remote", address, swap, depth,
				      pool, NULL };

	store = remote_server_create(SLOTS_MIB * (MIB / PAGE));
	set_plan(&behaves);
	snprintf(address, sizeof(address), "--store-address=%s",
		 remote_server_address(store));
	snprintf(swap, sizeof(swap), "--swap-size=%dM", SLOTS_MIB);
	snprintf(depth, sizeof(depth), "--queue-depth=%d", DEPTH);
	if (scene_begin(flags) != 0)
		return -1;
	watcher = client_open(&scene.memd, true, NULL);
	scene_make(name, PAGE);
	return 0;
}

static int begin_large(void **state)
{
	(void)state;
	return begin("--pool-size=16M");
}

static int begin_small(void **state)
{
	(void)state;
	return begin("--pool-size=4M");
}

static int begin_test(void **state)
{
	(void)state;
	scene_evict_all();
	return 0;
}

static int end(void **state)
{
	int err;

	(void)state;
	scene_remove(name);
	scene_expect_empty();
	close(watcher);
	err = scene_end();
	remote_server_destroy(store);
	return err;
}

#define SET_TEST(function) cmocka_unit_test_setup(function, begin_test)

int main(void)
{
	const struct CMUnitTest large[] = {
		SET_TEST(no_more_than_a_step_is_on_the_way),
		SET_TEST(a_fault_goes_before_the_set),
		SET_TEST(a_fault_takes_its_page_out_of_the_queue),
		SET_TEST(a_replay_that_nobody_awaits_ends),
		SET_TEST(a_set_that_fits_is_told_whole),
	};
	const struct CMUnitTest small[] = {
		SET_TEST(a_set_larger_than_the_pool_ends),
		SET_TEST(a_set_larger_than_a_limit_ends),
	};
	int failed = cmocka_run_group_tests(large, begin_large, end);

	return failed + cmocka_run_group_tests(small, begin_small, end);
}
