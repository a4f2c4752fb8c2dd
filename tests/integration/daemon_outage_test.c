/* SPDX-License-Identifier: MIT */
/* Proves what a program whose pages another memd keeps has when that is away:
 * pages that were lost there are lost, with SIGBUS, and no room with them; of
 * two that keep every page one is enough to begin with, and the other one gets
 * everything when it comes; without any, the reason is said.  A memd that uses
 * others logs each change once, and its verdict names what is wrong and nothing
 * else.  Every byte that is read is the one that was written. */
#include "client/include/memclient.h"
#include "tests/integration/store_client.h"
#include "tests/integration/store_hosts.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	PAGE = SLOT_BYTES, PAGES = 24 * 256,	/* three times the pool */
	PATIENCE_S = 60,
	LOSSES = 4,	/* each of more than a quarter of the store */
};

struct scene {
	struct store_hosts hosts;
	char socket[96];
	struct memclient *mc;
	uint8_t *memory;
};

/* ---- pages */

/* What was unmapped just before becomes free piece by piece. */
static void map(struct scene *s)
{
	unsigned left = PATIENCE_S * 100;
	void *at = NULL;
	int err;

	do {
		err = memclient_map(s->mc, (size_t)PAGES * PAGE, NULL, &at);
		if (err == -ENOSPC)
			usleep(10000);
	} while (err == -ENOSPC && left-- != 0);
	if (err != 0)
		fail_msg("%s", memclient_error(s->mc));
	s->memory = at;
}

static uint8_t *page_at(const struct scene *s, uint32_t page)
{
	return s->memory + (size_t)page * PAGE;
}

static void write_page(struct scene *s, uint32_t page, uint32_t version)
{
	slot_fill(page_at(s, page), page, version);
}

static void write_all(struct scene *s, uint32_t version)
{
	for (uint32_t page = 0; page < PAGES; page++)
		write_page(s, page, version);
}

static void page_out(struct scene *s, uint32_t count)
{
	if (memclient_advise(s->mc, s->memory, (size_t)count * PAGE,
			     MEMCLIENT_ADVICE_PAGEOUT) != 0)
		fail_msg("%s", memclient_error(s->mc));
}

static sigjmp_buf lost;

static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(lost, 1);
}

/* False: it is lost. */
static bool verify_page(const struct scene *s, uint32_t page, uint32_t version)
{
	uint8_t wanted[PAGE];

	slot_fill(wanted, page, version);
	if (sigsetjmp(lost, 1) != 0)
		return false;
	if (memcmp(page_at(s, page), wanted, PAGE) != 0)
		fail_msg("page %u has wrong bytes", page);
	return true;
}

/* Verifies all others. */
static uint32_t count_lost(const struct scene *s, uint32_t pages,
			   uint32_t version)
{
	struct sigaction sa = { .sa_handler = on_sigbus }, before;
	uint32_t count = 0;

	assert_int_equal(sigaction(SIGBUS, &sa, &before), 0);
	for (uint32_t page = 0; page < pages; page++)
		count += !verify_page(s, page, version);
	assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
	return count;
}

static uint32_t verify_all(const struct scene *s, uint32_t version)
{
	return count_lost(s, PAGES, version);
}

/* ---- programs */

static int try_open(struct scene *s, const char *more)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = PATIENCE_S * 1000 };
	char address[256];

	snprintf(s->socket, sizeof(s->socket), "@memd-outage-test-%d",
		 (int)getpid());
	snprintf(address, sizeof(address), "tcp://127.0.0.1:%u?pool_size=8M"
		 "&swap_size=32M&socket=%s%s", s->hosts.port[0], s->socket,
		 more);
	return memclient_open(address, &o, &s->mc);
}

static void open_mirror(struct scene *s)
{
	char more[64];

	snprintf(more, sizeof(more), "&store_mirror=127.0.0.1:%u",
		 s->hosts.port[1]);
	if (try_open(s, more) != 0)
		fail_msg("%s", memclient_error(NULL));
}

/* ---- tests */

/* In all more is lost than there is room for. */
static void loss_leaves_no_hole(void **state)
{
	uint32_t sum = 0;
	struct scene s = { 0 };

	(void)state;
	store_hosts_start(&s.hosts, 0);
	if (try_open(&s, "") != 0)
		fail_msg("%s", memclient_error(NULL));
	for (uint32_t round = 1; round <= LOSSES; round++) {
		map(&s);
		write_all(&s, round);
		assert_int_equal(verify_all(&s, round), 0);
		testmemd_kill(&s.hosts.memd[0]);
		store_hosts_start(&s.hosts, 0);
		sum += verify_all(&s, round);
		assert_int_equal(status_number(s.socket, "-o raw",
					       "swap_quarantined_bytes\t"), 0);
		assert_int_equal(memclient_unmap(s.mc, s.memory), 0);
	}
	assert_true(sum > 32 * 256);
	memclient_close(s.mc);
	store_hosts_stop(&s.hosts);
}

/* Pages that are in memory, and kept there too: when it has lost them they are
 * kept there again, as they leave. */
static void what_is_in_memory_is_not_lost(void **state)
{
	enum { FEW = 1024 };
	struct scene s = { 0 };

	(void)state;
	store_hosts_start(&s.hosts, 0);
	if (try_open(&s, "") != 0)
		fail_msg("%s", memclient_error(NULL));
	map(&s);
	for (uint32_t page = 0; page < FEW; page++)
		write_page(&s, page, 1);
	page_out(&s, FEW);
	for (uint32_t page = 0; page < FEW; page++)
		assert_true(verify_page(&s, page, 1));
	testmemd_kill(&s.hosts.memd[0]);
	store_hosts_start(&s.hosts, 0);
	status_await(s.socket, "has forgotten ");
	page_out(&s, FEW);
	assert_int_equal(count_lost(&s, FEW, 1), 0);
	memclient_close(s.mc);
	store_hosts_stop(&s.hosts);
}

static void one_is_enough_to_begin(void **state)
{
	(void)state;
	for (unsigned away = 0; away < 2; away++) {
		struct scene s = { 0 };

		store_hosts_start(&s.hosts, 0);
		store_hosts_start(&s.hosts, 1);
		testmemd_kill(&s.hosts.memd[away]);
		open_mirror(&s);
		map(&s);
		write_all(&s, 1);
		assert_int_equal(verify_all(&s, 1), 0);
		store_hosts_start(&s.hosts, away);
		(void)status_await_all(s.socket);
		testmemd_kill(&s.hosts.memd[1 - away]);
		assert_int_equal(verify_all(&s, 1), 0);
		write_all(&s, 2);
		assert_int_equal(verify_all(&s, 2), 0);
		memclient_close(s.mc);
		store_hosts_stop(&s.hosts);
	}
}

static void none_is_too_few(void **state)
{
	struct scene s = { 0 };
	char more[64], address[32];

	(void)state;
	for (unsigned c = 0; c < 2; c++)
		store_hosts_start(&s.hosts, c);
	for (unsigned c = 0; c < 2; c++)
		testmemd_kill(&s.hosts.memd[c]);
	snprintf(more, sizeof(more), "&store_mirror=127.0.0.1:%u",
		 s.hosts.port[1]);
	assert_int_not_equal(try_open(&s, more), 0);
	for (unsigned c = 0; c < 2; c++) {
		snprintf(address, sizeof(address), "127.0.0.1:%u: ",
			 s.hosts.port[c]);
		assert_non_null(strstr(memclient_error(NULL), address));
	}
	assert_non_null(strstr(memclient_error(NULL), "refused"));
}

/* ---- a memd that uses them, and its log */

static void start_user(struct scene *s, struct testmemd *user, bool has_mirror)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = PATIENCE_S * 1000 };
	char address[64], mirror[64];
	const char *const flags[] = { "--store=remote", address,
		"--pool-size=8M", "--swap-size=32M",
		has_mirror ? mirror : NULL, NULL };

	snprintf(address, sizeof(address), "--store-address=127.0.0.1:%u",
		 s->hosts.port[0]);
	snprintf(mirror, sizeof(mirror), "--store-mirror=127.0.0.1:%u",
		 s->hosts.port[1]);
	assert_int_equal(testmemd_start(user, flags), 0);
	snprintf(s->socket, sizeof(s->socket), "%s", user->socket);
	if (memclient_open(user->socket, &o, &s->mc) != 0)
		fail_msg("%s", memclient_error(NULL));
	map(s);
	write_all(s, 1);
}

/* ---- room */

static struct memclient *open_user(const struct testmemd *user,
				   uint32_t timeout_ms)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = timeout_ms };
	struct memclient *mc;

	if (memclient_open(user->socket, &o, &mc) != 0)
		fail_msg("%s", memclient_error(NULL));
	return mc;
}

static void *map_again(void *arg)
{
	struct scene *s = arg;
	void *at;
	int err = memclient_map(s->mc, (size_t)PAGES * PAGE, NULL, &at);

	if (err != 0)
		printf("%s\n", memclient_error(s->mc));
	return (void *)(intptr_t)err;
}

/* One program's pages are on their way from a host that does not answer: what
 * he has unmapped stays charged to him, and what he maps next waits for that.
 * Another who waits for what is his own does not wait for it. */
static void room_of_others_is_not_waited_for(void **state)
{
	enum { OTHER_TIMEOUT_MS = 10000, TOUCHED = 1024 };
	struct scene s = { .mc = NULL };
	char address[64];
	const char *const flags[] = { "--store=remote", address,
		"--pool-size=32M", "--swap-size=56M", "--session-mapped=30M",
		NULL };
	struct testmemd user;
	struct memclient *other;
	uint8_t *at;
	void *result;
	pthread_t thread;

	(void)state;
	store_hosts_start(&s.hosts, 0);
	snprintf(address, sizeof(address), "--store-address=127.0.0.1:%u",
		 s.hosts.port[0]);
	assert_int_equal(testmemd_start(&user, flags), 0);
	s.mc = open_user(&user, PATIENCE_S * 1000);
	other = open_user(&user, OTHER_TIMEOUT_MS);
	map(&s);
	write_all(&s, 1);
	page_out(&s, PAGES);
	assert_int_equal(kill(s.hosts.memd[0].pid, SIGSTOP), 0);
	assert_int_equal(memclient_advise(s.mc, s.memory, 256 * PAGE,
					  MEMCLIENT_ADVICE_WILLNEED), 0);
	assert_int_equal(memclient_unmap(s.mc, s.memory), 0);
	assert_int_equal(pthread_create(&thread, NULL, map_again, &s), 0);
	usleep(300000);
	for (unsigned i = 0; i < 4; i++) {
		int err = memclient_map(other, (size_t)PAGES * PAGE, NULL,
					(void **)&at);

		if (err != 0)
			fail_msg("%s", memclient_error(other));
		for (uint32_t page = 0; page < TOUCHED; page++)
			at[(size_t)page * PAGE] = 1;
		assert_int_equal(memclient_unmap(other, at), 0);
	}
	assert_int_equal(pthread_tryjoin_np(thread, NULL), EBUSY);
	assert_int_equal(kill(s.hosts.memd[0].pid, SIGCONT), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, 0);
	memclient_close(other);
	memclient_close(s.mc);
	assert_int_equal(testmemd_stop(&user), 0);
	store_hosts_stop(&s.hosts);
}

/* Lines "EVENT address=…" of one of the others. */
static unsigned count_events(const struct scene *s, unsigned c,
			     const struct testmemd *user, const char *event)
{
	char text[128];

	snprintf(text, sizeof(text), " %s address=127.0.0.1:%u ", event,
		 s->hosts.port[c]);
	return testmemd_log_count(user, text);
}

/* How often each of them is in the log. */
struct events {
	unsigned away, back, forgot, filled;
};

static void expect_events(const struct scene *s, unsigned c,
			  const struct testmemd *user, struct events want)
{
	assert_int_equal(count_events(s, c, user, "store-away"), want.away);
	assert_int_equal(count_events(s, c, user, "store-back"), want.back);
	assert_int_equal(count_events(s, c, user, "store-forgot"),
			 want.forgot);
	assert_int_equal(count_events(s, c, user, "store-filled"),
			 want.filled);
}

static void await_event(const struct scene *s, unsigned c,
			const struct testmemd *user, const char *event)
{
	unsigned left = PATIENCE_S * 100;

	while (count_events(s, c, user, event) == 0) {
		if (left-- == 0)
			testmemd_dump_log(user);
		assert_int_not_equal(left, 0);
		usleep(10000);
	}
}

static void stop_user(struct scene *s, struct testmemd *user)
{
	memclient_close(s->mc);
	assert_int_equal(testmemd_stop(user), 0);
}

static void loss_is_logged(void **state)
{
	struct scene s = { 0 };
	struct testmemd user;

	(void)state;
	store_hosts_start(&s.hosts, 0);
	start_user(&s, &user, false);
	testmemd_kill(&s.hosts.memd[0]);
	await_event(&s, 0, &user, "warning store-away");
	status_await(s.socket, "has not been reached for ");
	store_hosts_start(&s.hosts, 0);
	await_event(&s, 0, &user, "notice store-back");
	await_event(&s, 0, &user, "error store-forgot");
	assert_true(verify_all(&s, 1) != 0);
	status_await(s.socket, "has forgotten ");
	assert_true(status_lacks(s.socket, "pages had a wrong"));
	expect_events(&s, 0, &user, (struct events){ 1, 1, 1, 0 });
	stop_user(&s, &user);
	store_hosts_stop(&s.hosts);
}

/* The one that has everything stands still until it has been seen that the
 * other one misses something. */
static void filling_is_logged(void **state)
{
	struct scene s = { 0 };
	struct testmemd user;

	(void)state;
	store_hosts_start(&s.hosts, 0);
	store_hosts_start(&s.hosts, 1);
	start_user(&s, &user, true);
	(void)status_await_all(s.socket);
	testmemd_kill(&s.hosts.memd[0]);
	await_event(&s, 0, &user, "warning store-away");
	assert_int_equal(kill(s.hosts.memd[1].pid, SIGSTOP), 0);
	store_hosts_start(&s.hosts, 0);
	status_await(s.socket, "is being filled: ");
	await_event(&s, 0, &user, "notice store-back");
	await_event(&s, 0, &user, "notice store-forgot");
	assert_int_equal(count_events(&s, 0, &user, "store-filled"), 0);
	assert_int_equal(kill(s.hosts.memd[1].pid, SIGCONT), 0);
	await_event(&s, 0, &user, "notice store-filled");
	assert_true(status_lacks(s.socket, "is being filled: "));
	assert_int_equal(verify_all(&s, 1), 0);
	expect_events(&s, 0, &user, (struct events){ 1, 1, 1, 1 });
	stop_user(&s, &user);
	store_hosts_stop(&s.hosts);
}

/* Neither has what was away, too, when the other one came back. */
static void loss_of_both_is_logged(void **state)
{
	struct scene s = { 0 };
	struct testmemd user;

	(void)state;
	store_hosts_start(&s.hosts, 0);
	store_hosts_start(&s.hosts, 1);
	start_user(&s, &user, true);
	(void)status_await_all(s.socket);
	testmemd_kill(&s.hosts.memd[0]);
	testmemd_kill(&s.hosts.memd[1]);
	await_event(&s, 0, &user, "warning store-away");
	await_event(&s, 1, &user, "warning store-away");
	store_hosts_start(&s.hosts, 1);
	await_event(&s, 1, &user, "notice store-forgot");
	status_await(s.socket, "a page that only this one has");
	store_hosts_start(&s.hosts, 0);
	await_event(&s, 0, &user, "error store-forgot");
	status_await(s.socket, "has forgotten ");
	assert_true(verify_all(&s, 1) != 0);
	assert_true(status_lacks(s.socket, "pages had a wrong"));
	stop_user(&s, &user);
	store_hosts_stop(&s.hosts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loss_leaves_no_hole),
		cmocka_unit_test(what_is_in_memory_is_not_lost),
		cmocka_unit_test(one_is_enough_to_begin),
		cmocka_unit_test(none_is_too_few),
		cmocka_unit_test(loss_is_logged),
		cmocka_unit_test(filling_is_logged),
		cmocka_unit_test(loss_of_both_is_logged),
		cmocka_unit_test(room_of_others_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
