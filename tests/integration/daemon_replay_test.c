/* SPDX-License-Identifier: MIT */
/* Proves that memctl saves what programs really fault in, and replays it, so
 * that the next start finds its pages in memory with the right bytes; that a
 * replay brings in what it names and nothing else, takes free frames only and
 * respects limits; that the replay of a segment that goes, goes with it; and
 * what memd answers to an administrator's replay, right or wrong. */
#include "client/include/memclient.h"
#include "common/checks.h"
#include "proto/limits.h"
#include "tests/integration/daemon_client.h"
#include "tests/integration/replay_scene.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TOUCHED = 1500 };

static uint32_t order[PAGES];		/* the first TOUCHED are touched */

/* ---- what a test is made of */

static void shuffle(uint64_t seed)
{
	for (uint32_t i = 0; i < PAGES; i++)
		order[i] = i;
	for (uint32_t i = PAGES - 1; i > 0; i--) {
		uint32_t k, keep = order[i];

		seed = seed * UINT64_C(6364136223846793005) + 1;
		k = (uint32_t)(seed >> 33) % (i + 1);
		order[i] = order[k];
		order[k] = keep;
	}
}

/* The start-up that is replayed. */
static void start_up(const uint8_t *p)
{
	for (uint32_t i = 0; i < TOUCHED; i++)
		scene_verify(p, order[i]);
}

/* Nothing is being read, and what replays asked for has been. */
static void await_quiet(uint64_t asked)
{
	client_await_counter(scene.admin, "replayed_pages", asked);
	client_await_counter(scene.admin, "loading_frames", 0);
	client_await_counter(scene.admin, "evicting_frames", 0);
}

/* ---- memctl's */

/* The saved file has what start_up() touched, in its order, and a page of a
 * private segment. */
static void expect_file(const char *path)
{
	char line[64], want[64];
	FILE *file = fopen(path, "r");
	uint32_t i = 0;
	unsigned private_lines = 0;

	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	assert_string_equal(line, "memd-order 1\n");
	while (fgets(line, sizeof(line), file) != NULL) {
		if (line[0] == '/') {
			private_lines++;
			continue;
		}
		snprintf(want, sizeof(want), "saved\t%u\t", order[i]);
		assert_memory_equal(line, want, strlen(want));
		i += (uint32_t)strtoul(line + strlen(want), NULL, 10);
	}
	assert_int_equal(i, TOUCHED);
	assert_int_equal(private_lines, 1);
	fclose(file);
}

static void memctl_saves_and_replays(void **state)
{
	char path[96], option[128];
	uint64_t asked = client_counter(scene.admin, "replayed_pages");
	struct memclient_stats s = { .size = sizeof(s) };
	struct memclient *mc = scene_open();
	void *private = NULL;
	uint8_t *p;
	pid_t pid;

	(void)state;
	shuffle(7);
	scene_make("saved", PAGE);
	snprintf(path, sizeof(path), "%s/order", scene.memd.dir);
	snprintf(option, sizeof(option), "--save=%s", path);
	p = scene_attach(mc, "saved");
	assert_int_equal(memclient_advise(mc, p, PAGES * PAGE,
					  MEMCLIENT_ADVICE_RANDOM), 0);
	assert_int_equal(memclient_map(mc, PAGE, NULL, &private), 0);
	/* Answered after all that the library has sent and awaits no reply
	 * to, which scene_start_trace() must not count. */
	assert_int_equal(memclient_stats(mc, &s), 0);
	pid = scene_start_trace(option);
	start_up(p);
	*(uint8_t *)private = 1;
	scene_end_trace(pid);
	expect_file(path);
	memclient_close(mc);
	scene_evict_all();
	scene_expect_success(scene_spawn("replay", path));
	await_quiet(asked + TOUCHED);
	mc = scene_open();
	p = scene_attach(mc, "saved");
	start_up(p);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(s.faults_swap_in, 0);
	assert_int_equal(s.resident_bytes, (uint64_t)TOUCHED * PAGE);
	memclient_close(mc);
	assert_int_equal(unlink(path), 0);
	scene_remove("saved");
	scene_expect_empty();
}

/* ---- an administrator's requests */

static void expect_replayed(uint64_t pages, bool is_short)
{
	bool is_it;

	assert_int_equal(scene_receive(&is_it), pages);
	assert_int_equal(is_it, is_short);
}

/* What start_up() touches, as far as one request goes.  Returns how many pages
 * were asked for until there was no more room. */
static uint64_t replay_until_full(const char *name)
{
	static uint64_t range[WIRE_RANGES_MAX][2];
	uint64_t pages;
	bool is_short;

	for (size_t i = 0; i < WIRE_RANGES_MAX; i++) {
		range[i][0] = order[i];
		range[i][1] = 1;
	}
	scene_send(name, range, WIRE_RANGES_MAX);
	pages = scene_receive(&is_short);
	assert_true(is_short);
	client_await_counter(scene.admin, "loading_frames", 0);
	return pages;
}

static void administrators_replay_what_they_like(void **state)
{
	static const uint64_t some[][2] = { { 2000, 100 }, { 5, 1 }, { 4, 1 },
					    { 1000, 64 }, { 7, 0 },
					    { PAGES, 1 },
					    { UINT64_MAX, UINT64_MAX } };
	static const uint64_t all[][2] = { { 0, UINT64_MAX } };

	(void)state;
	scene_make("asked", PAGE);
	scene_send("asked", some, ARRAY_SIZE(some));
	expect_replayed(48 + 2 + 64, false);
	client_await_counter(scene.admin, "resident_frames", 48 + 2 + 64);
	scene_send("asked", NULL, WIRE_RANGES_MAX);
	expect_replayed(WIRE_RANGES_MAX, false);
	scene_send("asked", all, 1);
	expect_replayed(PAGES, false);
	client_await_counter(scene.admin, "resident_frames", PAGES);
	scene_send("asked", &some[4], 3);
	expect_replayed(0, false);
	scene_send("nobody", all, 1);
	client_expect_error(scene.admin, 60, ENOENT, "memctl segments");
	scene_send("", all, 1);
	client_expect_error(scene.admin, 60, ENOENT, NULL);
	scene_remove("asked");
	scene_expect_empty();
}

static void malformed_ones_are_refused(void **state)
{
	int keep = scene.admin;

	(void)state;
	scene.admin = client_open(&scene.memd, true, NULL);
	scene_send("x", NULL, 0);
	client_expect_error(scene.admin, 60, EPROTO, "0 ranges");
	client_expect_end(scene.admin);
	close(scene.admin);
	scene.admin = client_open(&scene.memd, true, NULL);
	scene_send("x", NULL, WIRE_RANGES_MAX + 1);
	client_expect_error(scene.admin, 60, EPROTO, "1025 ranges");
	client_expect_end(scene.admin);
	close(scene.admin);
	scene.admin = keep;
}

/* ---- limits */

static void nobody_leaves_for_a_replay(void **state)
{
	struct memclient *mc = scene_open(), *other = scene_open();
	uint64_t evicted, low = client_counter(scene.admin, "low_watermark");
	void *at = NULL;

	(void)state;
	shuffle(4);
	scene_make("full", PAGE);
	/* All of the pool but 4 MiB, and what is between the watermarks. */
	assert_int_equal(memclient_map(other, 12 * MIB, NULL, &at), 0);
	scene_fill(at, 12 * MIB / PAGE);
	client_await_counter(scene.admin, "evicting_frames", 0);
	evicted = client_counter(scene.admin, "evicted");
	assert_true(replay_until_full("full") > 500);
	assert_int_equal(client_counter(scene.admin, "evicted"), evicted);
	assert_true(client_counter(scene.admin, "free_frames") >= low / 4);
	start_up(scene_attach(mc, "full"));
	for (uint64_t page = 0; page < 12 * MIB / PAGE; page++)
		scene_verify(at, page);
	memclient_close(other);
	memclient_close(mc);
	scene_remove("full");
	scene_expect_empty();
}

static void limit_frames(uint64_t frames)
{
	Memd__Limit limit = MEMD__LIMIT__INIT;

	limit.has_uid = limit.has_frames = true;
	limit.uid = geteuid();
	limit.frames = frames;
	client_send(scene.admin, T(LIMIT_SET), 61, &limit.base);
	client_expect_ok(scene.admin, 61);
}

static void limits_hold(void **state)
{
	struct memclient *mc = scene_open();
	uint64_t evicted;

	(void)state;
	shuffle(5);
	scene_make("limited", PAGE);
	limit_frames(512);
	evicted = client_counter(scene.admin, "evicted");
	assert_int_equal(replay_until_full("limited"), 512);
	assert_int_equal(client_counter(scene.admin, "resident_frames"), 512);
	assert_int_equal(client_counter(scene.admin, "evicted"), evicted);
	start_up(scene_attach(mc, "limited"));
	memclient_close(mc);
	limit_frames(0);
	scene_remove("limited");
	scene_expect_empty();
}

static void large_pages(void **state)
{
	enum { LARGE = 65536, LARGE_PAGES = PAGES * PAGE / LARGE };
	struct memclient_stats s = { .size = sizeof(s) };
	struct memclient *mc = scene_open();
	uint64_t range[LARGE_PAGES / 4][2];
	const uint8_t *p;

	(void)state;
	/* Every second one of the second half, backwards. */
	for (size_t i = 0; i < ARRAY_SIZE(range); i++) {
		range[i][0] = LARGE_PAGES - 1 - 2 * i;
		range[i][1] = 1;
	}
	scene_make("large", LARGE);
	p = scene_attach(mc, "large");
	scene_send("large", range, ARRAY_SIZE(range));
	expect_replayed(ARRAY_SIZE(range), false);
	client_await_counter(scene.admin, "loading_frames", 0);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(s.resident_bytes, ARRAY_SIZE(range) * LARGE);
	for (uint64_t page = 0; page < PAGES; page++)
		scene_verify(p, page);
	memclient_close(mc);
	scene_remove("large");
	scene_expect_empty();
}

/* ---- what goes */

static void send_unlink(const char *name)
{
	Memd__SegmentUnlink request = MEMD__SEGMENT_UNLINK__INIT;

	request.name = (char *)name;
	client_send(scene.admin, T(SEGMENT_UNLINK), 62, &request.base);
}

/* The replies to this many replays, and the Ok to an unlink in between. */
static void expect_replayed_and_unlinked(unsigned replay_count)
{
	unsigned ok_count = 0, reply_count = 0;

	while (reply_count < replay_count || ok_count == 0) {
		struct answer a;

		assert_true(client_try_receive(scene.admin, &a));
		reply_count += a.header.type == T(REPLAY_REPLY);
		ok_count += a.header.type == T(OK);
		assert_int_not_equal(a.header.type, T(ERROR));
		answer_free(&a);
	}
	assert_int_equal(reply_count, replay_count);
	assert_int_equal(ok_count, 1);
}

/* Every second time with a second replay, which ends the first. */
static void segments_go_while_they_are_replayed(void **state)
{
	static const uint64_t all[][2] = { { 0, UINT64_MAX } };

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		scene_make("going", PAGE);
		for (unsigned n = 0; n <= i % 2; n++)
			scene_send("going", all, 1);
		send_unlink("going");
		expect_replayed_and_unlinked(1 + i % 2);
	}
	scene_expect_empty();
}

/* ---- */

static int begin(void **state)
{
	static const char *const flags[] = { "--swap-size=48M", NULL };

	(void)state;
	return scene_begin(flags);
}

static int end(void **state)
{
	(void)state;
	return scene_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memctl_saves_and_replays),
		cmocka_unit_test(administrators_replay_what_they_like),
		cmocka_unit_test(malformed_ones_are_refused),
		cmocka_unit_test(nobody_leaves_for_a_replay),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(large_pages),
		cmocka_unit_test(segments_go_while_they_are_replayed),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
