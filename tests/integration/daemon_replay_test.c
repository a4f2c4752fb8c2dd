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

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, PAGE = 4096, PAGES = 8 * MIB / PAGE, TOUCHED = 1500 };

static struct testmemd memd;
static int admin = -1;
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

static struct memclient *open_client(void)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = 60000 };
	struct memclient *mc = NULL;

	if (memclient_open(memd.socket, &o, &mc) != 0)
		fail_msg("%s", memclient_error(NULL));
	return mc;
}

static uint8_t *attach(struct memclient *mc, const char *name)
{
	void *p = NULL;

	if (memclient_attach(mc, name, NULL, &p, NULL) != 0)
		fail_msg("%s", memclient_error(mc));
	return p;
}

static uint64_t word_of(uint64_t page)
{
	return (page + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(uint8_t *p, uint64_t pages)
{
	for (uint64_t page = 0; page < pages; page++) {
		uint64_t word = word_of(page);

		memcpy(p + page * PAGE + page % 500 * 8, &word, sizeof(word));
	}
}

static void verify(const uint8_t *p, uint64_t page)
{
	static const uint8_t zeros[PAGE];
	uint64_t at = page % 500 * 8, word = word_of(page);

	p += page * PAGE;
	assert_memory_equal(p + at, &word, sizeof(word));
	assert_memory_equal(p, zeros, at);
	assert_memory_equal(p + at + 8, zeros, PAGE - 8 - at);
}

/* The start-up that is replayed. */
static void start_up(const uint8_t *p)
{
	for (uint32_t i = 0; i < TOUCHED; i++)
		verify(p, order[i]);
}

/* More than once: what is being read ahead meanwhile comes in behind the
 * eviction. */
static void evict_all(void)
{
	Memd__EvictRequest request = MEMD__EVICT_REQUEST__INIT;
	struct answer a;

	do {
		client_send(admin, T(EVICT), 50, &request.base);
		client_receive(admin, T(EVICT_REPLY), 50, &a);
		answer_free(&a);
		client_await_counter(admin, "evicting_frames", 0);
		client_await_counter(admin, "loading_frames", 0);
	} while (client_counter(admin, "resident_frames") != 0);
}

/* Nothing is being read, and what replays asked for has been. */
static void await_quiet(uint64_t asked)
{
	client_await_counter(admin, "replayed_pages", asked);
	client_await_counter(admin, "loading_frames", 0);
	client_await_counter(admin, "evicting_frames", 0);
}

/* PAGES * PAGE bytes, all of them swapped out. */
static void make_segment(const char *name, uint32_t page_size)
{
	struct memclient_segment_options o = { .size = sizeof(o),
					       .page_size = page_size };
	struct memclient *mc = open_client();

	if (memclient_segment_create(mc, name, PAGES * PAGE, &o) != 0)
		fail_msg("%s", memclient_error(mc));
	fill(attach(mc, name), PAGES);
	memclient_close(mc);
	evict_all();
}

static void remove_segment(const char *name)
{
	struct memclient *mc = open_client();

	assert_int_equal(memclient_segment_unlink(mc, name), 0);
	memclient_close(mc);
}

static void expect_nothing_left(void)
{
	client_await_counter(admin, "committed_units", 0);
	client_await_counter(admin, "free_frames",
			     client_counter(admin, "frame_count"));
	client_await_counter(admin, "free_slots",
			     client_counter(admin, "slot_count"));
	assert_int_equal(client_counter(admin, "pages_lost"), 0);
}

/* ---- memctl's */

static pid_t spawn(const char *first, const char *second)
{
	char *argv[] = { (char *)MEMCTL_PATH, (char *)"--socket",
			 memd.socket, (char *)"-oraw", (char *)first,
			 (char *)second, NULL };
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv,
				     environ), 0);
	return pid;
}

static void expect_success(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Have memctl trace; and return when memd has had two messages, Hello and
 * Trace, besides our questions for it. */
static pid_t start_trace(const char *save_option)
{
	uint64_t base = client_counter(admin, "messages_in");
	pid_t pid = spawn("trace", save_option);

	for (uint64_t asked = 1; client_counter(admin, "messages_in") <
				 base + asked + 2; asked++) {
		assert_true(asked < 6000);
		poll(NULL, 0, 10);
	}
	return pid;
}

static void end_trace(pid_t pid)
{
	/* Sent with the turn of the loop before the second answer. */
	(void)client_counter(admin, "messages_in");
	(void)client_counter(admin, "messages_in");
	assert_int_equal(kill(pid, SIGINT), 0);
	expect_success(pid);
}

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
	uint64_t asked = client_counter(admin, "replayed_pages");
	struct memclient_stats s = { .size = sizeof(s) };
	struct memclient *mc = open_client();
	void *private = NULL;
	uint8_t *p;
	pid_t pid;

	(void)state;
	shuffle(7);
	make_segment("saved", PAGE);
	snprintf(path, sizeof(path), "%s/order", memd.dir);
	snprintf(option, sizeof(option), "--save=%s", path);
	p = attach(mc, "saved");
	assert_int_equal(memclient_advise(mc, p, PAGES * PAGE,
					  MEMCLIENT_ADVICE_RANDOM), 0);
	assert_int_equal(memclient_map(mc, PAGE, NULL, &private), 0);
	/* Answered after all that the library has sent and awaits no reply
	 * to, which start_trace() must not count. */
	assert_int_equal(memclient_stats(mc, &s), 0);
	pid = start_trace(option);
	start_up(p);
	*(uint8_t *)private = 1;
	end_trace(pid);
	expect_file(path);
	memclient_close(mc);
	evict_all();
	expect_success(spawn("replay", path));
	await_quiet(asked + TOUCHED);
	mc = open_client();
	p = attach(mc, "saved");
	start_up(p);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(s.faults_swap_in, 0);
	assert_int_equal(s.resident_bytes, (uint64_t)TOUCHED * PAGE);
	memclient_close(mc);
	assert_int_equal(unlink(path), 0);
	remove_segment("saved");
	expect_nothing_left();
}

/* ---- an administrator's requests */

static void send_ranges(const char *name, const uint64_t (*range)[2],
			size_t count)
{
	Memd__ReplayRequest request = MEMD__REPLAY_REQUEST__INIT;
	static Memd__Range ranges[WIRE_RANGES_MAX + 1];
	static Memd__Range *pointer[WIRE_RANGES_MAX + 1];

	for (size_t i = 0; i < count; i++) {
		memd__range__init(&ranges[i]);
		ranges[i].first = range != NULL ? range[i][0] : i;
		ranges[i].count = range != NULL ? range[i][1] : 1;
		pointer[i] = &ranges[i];
	}
	request.name = (char *)name;
	request.n_range = count;
	request.range = pointer;
	client_send(admin, T(REPLAY), 60, &request.base);
}

/* Returns how many pages were asked for. */
static uint64_t receive_replayed(bool *ret_is_short)
{
	Memd__ReplayReply *reply;
	struct answer a;
	uint64_t pages;

	client_receive(admin, T(REPLAY_REPLY), 60, &a);
	reply = answer_unpack(&a, &memd__replay_reply__descriptor);
	pages = reply->pages;
	*ret_is_short = reply->is_short;
	memd__replay_reply__free_unpacked(reply, NULL);
	answer_free(&a);
	return pages;
}

static void expect_replayed(uint64_t pages, bool is_short)
{
	bool is_it;

	assert_int_equal(receive_replayed(&is_it), pages);
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
	send_ranges(name, range, WIRE_RANGES_MAX);
	pages = receive_replayed(&is_short);
	assert_true(is_short);
	client_await_counter(admin, "loading_frames", 0);
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
	make_segment("asked", PAGE);
	send_ranges("asked", some, ARRAY_SIZE(some));
	expect_replayed(48 + 2 + 64, false);
	client_await_counter(admin, "resident_frames", 48 + 2 + 64);
	send_ranges("asked", NULL, WIRE_RANGES_MAX);
	expect_replayed(WIRE_RANGES_MAX, false);
	send_ranges("asked", all, 1);
	expect_replayed(PAGES, false);
	client_await_counter(admin, "resident_frames", PAGES);
	send_ranges("asked", &some[4], 3);
	expect_replayed(0, false);
	send_ranges("nobody", all, 1);
	client_expect_error(admin, 60, ENOENT, "memctl segments");
	send_ranges("", all, 1);
	client_expect_error(admin, 60, ENOENT, NULL);
	remove_segment("asked");
	expect_nothing_left();
}

static void malformed_ones_are_refused(void **state)
{
	int keep = admin;

	(void)state;
	admin = client_open(&memd, true, NULL);
	send_ranges("x", NULL, 0);
	client_expect_error(admin, 60, EPROTO, "0 ranges");
	client_expect_end(admin);
	close(admin);
	admin = client_open(&memd, true, NULL);
	send_ranges("x", NULL, WIRE_RANGES_MAX + 1);
	client_expect_error(admin, 60, EPROTO, "1025 ranges");
	client_expect_end(admin);
	close(admin);
	admin = keep;
}

/* ---- limits */

static void nobody_leaves_for_a_replay(void **state)
{
	struct memclient *mc = open_client(), *other = open_client();
	uint64_t evicted, low = client_counter(admin, "low_watermark");
	void *at = NULL;

	(void)state;
	shuffle(4);
	make_segment("full", PAGE);
	/* All of the pool but 4 MiB, and what is between the watermarks. */
	assert_int_equal(memclient_map(other, 12 * MIB, NULL, &at), 0);
	fill(at, 12 * MIB / PAGE);
	client_await_counter(admin, "evicting_frames", 0);
	evicted = client_counter(admin, "evicted");
	assert_true(replay_until_full("full") > 500);
	assert_int_equal(client_counter(admin, "evicted"), evicted);
	assert_true(client_counter(admin, "free_frames") >= low / 4);
	start_up(attach(mc, "full"));
	for (uint64_t page = 0; page < 12 * MIB / PAGE; page++)
		verify(at, page);
	memclient_close(other);
	memclient_close(mc);
	remove_segment("full");
	expect_nothing_left();
}

static void limit_frames(uint64_t frames)
{
	Memd__Limit limit = MEMD__LIMIT__INIT;

	limit.has_uid = limit.has_frames = true;
	limit.uid = geteuid();
	limit.frames = frames;
	client_send(admin, T(LIMIT_SET), 61, &limit.base);
	client_expect_ok(admin, 61);
}

static void limits_hold(void **state)
{
	struct memclient *mc = open_client();
	uint64_t evicted;

	(void)state;
	shuffle(5);
	make_segment("limited", PAGE);
	limit_frames(512);
	evicted = client_counter(admin, "evicted");
	assert_int_equal(replay_until_full("limited"), 512);
	assert_int_equal(client_counter(admin, "resident_frames"), 512);
	assert_int_equal(client_counter(admin, "evicted"), evicted);
	start_up(attach(mc, "limited"));
	memclient_close(mc);
	limit_frames(0);
	remove_segment("limited");
	expect_nothing_left();
}

static void large_pages(void **state)
{
	enum { LARGE = 65536, LARGE_PAGES = PAGES * PAGE / LARGE };
	struct memclient_stats s = { .size = sizeof(s) };
	struct memclient *mc = open_client();
	uint64_t range[LARGE_PAGES / 4][2];
	const uint8_t *p;

	(void)state;
	/* Every second one of the second half, backwards. */
	for (size_t i = 0; i < ARRAY_SIZE(range); i++) {
		range[i][0] = LARGE_PAGES - 1 - 2 * i;
		range[i][1] = 1;
	}
	make_segment("large", LARGE);
	p = attach(mc, "large");
	send_ranges("large", range, ARRAY_SIZE(range));
	expect_replayed(ARRAY_SIZE(range), false);
	client_await_counter(admin, "loading_frames", 0);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(s.resident_bytes, ARRAY_SIZE(range) * LARGE);
	for (uint64_t page = 0; page < PAGES; page++)
		verify(p, page);
	memclient_close(mc);
	remove_segment("large");
	expect_nothing_left();
}

/* ---- what goes */

static void send_unlink(const char *name)
{
	Memd__SegmentUnlink request = MEMD__SEGMENT_UNLINK__INIT;

	request.name = (char *)name;
	client_send(admin, T(SEGMENT_UNLINK), 62, &request.base);
}

/* The replies to this many replays, and the Ok to an unlink in between. */
static void expect_replayed_and_unlinked(unsigned replay_count)
{
	unsigned ok_count = 0, reply_count = 0;

	while (reply_count < replay_count || ok_count == 0) {
		struct answer a;

		assert_true(client_try_receive(admin, &a));
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
		make_segment("going", PAGE);
		for (unsigned n = 0; n <= i % 2; n++)
			send_ranges("going", all, 1);
		send_unlink("going");
		expect_replayed_and_unlinked(1 + i % 2);
	}
	expect_nothing_left();
}

/* ---- */

static int begin(void **state)
{
	static const char *const flags[] = { "--swap-size=48M", NULL };

	(void)state;
	if (testmemd_start(&memd, flags) != 0)
		return -1;
	admin = client_open(&memd, true, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	close(admin);
	return testmemd_stop(&memd);
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
