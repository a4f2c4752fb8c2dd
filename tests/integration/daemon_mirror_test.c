/* SPDX-License-Identifier: MIT */
/* Proves that a program whose pages are kept by two other memds loses none and
 * reads no wrong byte while one after the other is killed and comes back with
 * nothing, as long as both have everything when one goes; and that who waits
 * for one that is away does not keep others from going on with the other.
 *
 *   daemon_mirror_test [KILLS]     5 by default; 100 at night */
#include "client/include/memclient.h"
#include "tests/integration/store_client.h"
#include "tests/integration/store_hosts.h"
#include "tests/tier.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	PAGE = SLOT_BYTES, PAGES = 24 * 256,	/* three times the pool */
	FILL = 32 * 256,
	AWAY_TOUCHES = 2000,		/* of pages, while one is away */
	PATIENCE_S = 120,
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	KILLS_LONG = 20,			/* which take as long */
#else
	KILLS_LONG = 100,
#endif
};

static unsigned kills = 5;

struct scene {
	struct store_hosts hosts;
	char socket[64];
	struct memclient *mc;
	uint8_t *memory;
	uint32_t version[PAGES];
	pthread_mutex_t lock;		/* held by who touches memory */
	atomic_ulong touches;
	atomic_bool is_over;
	atomic_ulong wrong;
};

/* ---- the program */

static uint8_t *page_at(const struct scene *s, uint32_t page)
{
	return s->memory + (size_t)page * PAGE;
}

static void write_page(struct scene *s, uint32_t page)
{
	slot_fill(page_at(s, page), page, ++s->version[page]);
}

static void verify_page(struct scene *s, uint32_t page)
{
	uint8_t wanted[PAGE];

	slot_fill(wanted, page, s->version[page]);
	if (memcmp(page_at(s, page), wanted, PAGE) != 0)
		atomic_fetch_add(&s->wrong, 1);
}

/* A lost page would end it with SIGBUS. */
static void *touch(void *arg)
{
	struct scene *s = arg;
	uint64_t state = 1;

	while (!atomic_load(&s->is_over)) {
		uint32_t page;

		state = state * UINT64_C(6364136223846793005) + 1;
		page = (uint32_t)(state >> 33) % PAGES;
		pthread_mutex_lock(&s->lock);
		verify_page(s, page);
		if ((state >> 20) % 3 == 0)
			write_page(s, page);
		pthread_mutex_unlock(&s->lock);
		atomic_fetch_add(&s->touches, 1);
	}
	return NULL;
}

static void await_touches(struct scene *s, unsigned long count)
{
	unsigned long target = atomic_load(&s->touches) + count;
	unsigned left = PATIENCE_S * 1000;

	while (atomic_load(&s->touches) < target) {
		assert_int_not_equal(left--, 0);
		usleep(1000);
	}
}

/* Of a few pages only it would say little that both have them. */
static void await_all(const struct scene *s)
{
	assert_true(status_await_all(s->socket) > PAGES / 4);
}

/* ---- the two others */

static void begin(struct scene *s)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = PATIENCE_S * 1000 };
	const unsigned *port = s->hosts.port;
	char address[256];
	void *at = NULL;

	pthread_mutex_init(&s->lock, NULL);
	for (unsigned c = 0; c < STORE_HOSTS; c++)
		store_hosts_start(&s->hosts, c);
	snprintf(s->socket, sizeof(s->socket), "@memd-mirror-test-%d",
		 (int)getpid());
	snprintf(address, sizeof(address), "tcp://127.0.0.1:%u?pool_size=8M"
		 "&swap_size=64M&write_behind=4M&store_mirror=127.0.0.1:%u"
		 "&socket=%s", port[0], port[1], s->socket);
	if (memclient_open(address, &o, &s->mc) != 0)
		fail_msg("%s", memclient_error(NULL));
	if (memclient_map(s->mc, (size_t)PAGES * PAGE, NULL, &at) != 0)
		fail_msg("%s", memclient_error(s->mc));
	s->memory = at;
	for (uint32_t i = 0; i < PAGES; i++)
		write_page(s, i);
}

/* Nobody touches memory while it is seen that both have all and one is
 * killed: so nothing is on its way to only one. */
static void kill_one(struct scene *s, unsigned c)
{
	pthread_mutex_lock(&s->lock);
	await_all(s);
	testmemd_kill(&s->hosts.memd[c]);
	pthread_mutex_unlock(&s->lock);
}

static void nothing_is_lost(void **state)
{
	static struct scene s;
	pthread_t thread;

	(void)state;
	begin(&s);
	assert_int_equal(pthread_create(&thread, NULL, touch, &s), 0);
	for (unsigned i = 0; i < kills; i++) {
		kill_one(&s, i % 2);
		await_touches(&s, AWAY_TOUCHES);
		store_hosts_start(&s.hosts, i % 2);
		await_touches(&s, AWAY_TOUCHES);
	}
	atomic_store(&s.is_over, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	for (uint32_t i = 0; i < PAGES; i++)
		verify_page(&s, i);
	assert_int_equal(atomic_load(&s.wrong), 0);
	await_all(&s);
	memclient_close(s.mc);
	store_hosts_stop(&s.hosts);
}

/* ---- one away with what only it has, the other slow */

static void send_signal(const struct scene *s, unsigned c, int number)
{
	assert_int_equal(kill(s->hosts.memd[c].pid, number), 0);
}

/* It waits until the one that has the page is back. */
static void *look_at_first(void *arg)
{
	struct scene *s = arg;

	verify_page(s, 0);
	return NULL;
}

/* All of it new, four times the pool. */
static void *fill(void *arg)
{
	struct scene *s = arg;
	void *at = NULL;

	assert_int_equal(memclient_map(s->mc, (size_t)FILL * PAGE, NULL, &at),
			 0);
	for (size_t i = 0; i < FILL; i++) {
		((volatile char *)at)[i * PAGE] = 1;
		atomic_fetch_add(&s->touches, 1);
	}
	return NULL;
}

/* Who fills waits for a frame, the other one for its page, and that read is all
 * that is under way: nothing can be evicted, for there is no room for it. */
static bool is_stuck(const struct scene *s)
{
	return stats_number(s->socket, "faults_waiting") == 2 &&
	       stats_number(s->socket, "free_frames") == 0 &&
	       stats_number(s->socket, "store_in_flight") == 1;
}

/* The counters are looked at one after another: twice, and if no page was
 * touched meanwhile, they are of one moment.  Ends before the one who waits for
 * its page gives up. */
static void await_standstill(const struct scene *s)
{
	unsigned left = PATIENCE_S * 20;
	unsigned long before;

	do {
		assert_int_not_equal(left--, 0);
		usleep(10000);
		before = atomic_load(&s->touches);
	} while (before == 0 || !is_stuck(s) || !is_stuck(s) ||
		 atomic_load(&s->touches) != before);
}

/* The second one is away, the first one is not. */
static void await_away(const struct scene *s)
{
	char here[64], away[64];

	snprintf(here, sizeof(here), "127.0.0.1:%u, round trip",
		 s->hosts.port[0]);
	snprintf(away, sizeof(away), "127.0.0.1:%u, not reached",
		 s->hosts.port[1]);
	status_await(s->socket, away);
	status_await(s->socket, here);
}

/* A read that waits for one of them must not keep what the other had no room
 * for from being asked again. */
static void who_has_no_room_is_asked_again(void **state)
{
	static struct scene s;
	pthread_t reader, filler;

	(void)state;
	begin(&s);
	await_all(&s);
	testmemd_kill(&s.hosts.memd[0]);
	send_signal(&s, 1, SIGSTOP);
	store_hosts_start(&s.hosts, 0);
	await_away(&s);
	assert_int_equal(pthread_create(&reader, NULL, look_at_first, &s), 0);
	send_signal(&s, 0, SIGSTOP);
	assert_int_equal(pthread_create(&filler, NULL, fill, &s), 0);
	await_standstill(&s);
	assert_true(atomic_load(&s.touches) < FILL);
	send_signal(&s, 0, SIGCONT);
	await_touches(&s, FILL - atomic_load(&s.touches));
	send_signal(&s, 1, SIGCONT);
	assert_int_equal(pthread_join(filler, NULL), 0);
	assert_int_equal(pthread_join(reader, NULL), 0);
	assert_int_equal(atomic_load(&s.wrong), 0);
	memclient_close(s.mc);
	store_hosts_stop(&s.hosts);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_no_room_is_asked_again),
		cmocka_unit_test(nothing_is_lost),
	};

	if (tier_is_night())
		kills = KILLS_LONG;
	if (argc == 2)
		kills = (unsigned)atoi(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
