/* SPDX-License-Identifier: MIT */
/* Proves that a store_remote asks anew where its host is each time that it has
 * to connect: a host that moved is found, all its addresses are tried, and a
 * resolver that fails, or does not answer at all, keeps nobody from the
 * addresses that were known, nor from going away.
 *
 * getaddrinfo(3) is this file's: it knows one name. */
#include "swapstore/store_remote.h"
#include "tests/store/remote_server.h"
#include "tests/store/storetest.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

#define NAME "memd.test"

enum { SLOTS = 64, PORTS_MAX = 4 };

/* ---- the resolver */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const char *port[PORTS_MAX];	/* in the order of the answer */
	unsigned port_count;
	int error;
	bool is_stuck;
	unsigned begun, ended;
} resolver = { .lock = PTHREAD_MUTEX_INITIALIZER,
	       .changed = PTHREAD_COND_INITIALIZER };

typedef int (*getaddrinfo_fn)(const char *, const char *,
			      const struct addrinfo *, struct addrinfo **);

static int real(const char *host, const char *port,
		const struct addrinfo *hints, struct addrinfo **ret_all)
{
	getaddrinfo_fn fn;
	void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");

	memcpy(&fn, &symbol, sizeof(fn));
	return fn(host, port, hints, ret_all);
}

/* glibc's freeaddrinfo() frees one after the other, wherever it is from. */
static int answer(const struct addrinfo *hints, struct addrinfo **ret_all)
{
	struct addrinfo **end = ret_all;
	int error = resolver.error;

	*ret_all = NULL;
	for (unsigned i = 0; error == 0 && i < resolver.port_count; i++) {
		error = real("127.0.0.1", resolver.port[i], hints, end);
		end = &(*end)->ai_next;
	}
	return error;
}

int getaddrinfo(const char *restrict host, const char *restrict port,
		const struct addrinfo *restrict hints,
		struct addrinfo **restrict ret_all)
{
	int error;

	if (host == NULL || strcmp(host, NAME) != 0)
		return real(host, port, hints, ret_all);
	if (hints->ai_flags & AI_NUMERICHOST)
		return EAI_NONAME;
	pthread_mutex_lock(&resolver.lock);
	resolver.begun++;
	while (resolver.is_stuck)
		pthread_cond_wait(&resolver.changed, &resolver.lock);
	error = answer(hints, ret_all);
	resolver.ended++;
	pthread_cond_broadcast(&resolver.changed);
	pthread_mutex_unlock(&resolver.lock);
	return error;
}

static const char *port_of(const struct remote_server *rs)
{
	return strchr(remote_server_address(rs), ':') + 1;
}

static void resolver_set(int error, bool is_stuck, const char *port)
{
	pthread_mutex_lock(&resolver.lock);
	resolver.error = error;
	resolver.is_stuck = is_stuck;
	resolver.port[0] = port;
	resolver.port_count = port != NULL;
	pthread_cond_broadcast(&resolver.changed);
	pthread_mutex_unlock(&resolver.lock);
}

static unsigned resolver_begun(void)
{
	unsigned begun;

	pthread_mutex_lock(&resolver.lock);
	begun = resolver.begun;
	pthread_mutex_unlock(&resolver.lock);
	return begun;
}

/* So that no thread is left in here. */
static void resolver_drain(void)
{
	pthread_mutex_lock(&resolver.lock);
	resolver.is_stuck = false;
	pthread_cond_broadcast(&resolver.changed);
	while (resolver.ended != resolver.begun)
		pthread_cond_wait(&resolver.changed, &resolver.lock);
	pthread_mutex_unlock(&resolver.lock);
}

/* ---- the store */

static const struct remote_server_plan behave;
static const struct remote_server_plan closed = { .is_closed = true };

struct fixture {
	struct remote_server *old, *moved;
	struct swapstore *st;
	char *buffer;
	char reason[256];
};

static int create(struct fixture *fx, bool may_be_away)
{
	const struct store_remote_options options = {
		.address = NAME ":7433",
		.slot_count = SLOTS,
		.timeout_ns = UINT64_C(2000000000),
		.may_be_away = may_be_away,
	};

	return store_remote_create(&options, &fx->st, fx->reason,
				   sizeof(fx->reason));
}

static void setup(struct fixture *fx)
{
	*fx = (struct fixture){ 0 };
	fx->old = remote_server_create(SLOTS);
	fx->moved = remote_server_create(SLOTS);
	fx->buffer = buffer_create((size_t)SLOTS * SWAP_SLOT_BYTES);
	resolver_set(0, false, port_of(fx->old));
}

static void teardown(struct fixture *fx)
{
	swapstore_destroy(fx->st);
	resolver_drain();
	remote_server_destroy(fx->old);
	remote_server_destroy(fx->moved);
	buffer_destroy(fx->buffer, (size_t)SLOTS * SWAP_SLOT_BYTES);
}

static struct store_remote_status status_of(const struct fixture *fx)
{
	struct store_remote_status status;

	store_remote_status_get(fx->st, &status);
	return status;
}

static void turn(struct fixture *fx)
{
	struct swap_done done;

	wait_readable(swapstore_event_fd(fx->st));
	assert_int_equal(swapstore_reap(fx->st, &done, 1), 0);
}

static void await_up(struct fixture *fx, uint64_t reconnects, uint64_t epoch)
{
	while (!status_of(fx).is_up || status_of(fx).reconnects < reconnects)
		turn(fx);
	assert_int_equal(status_of(fx).epoch, epoch);
}

static void write_all(struct fixture *fx, uint32_t version)
{
	pattern_fill(fx->buffer, 0, SLOTS, version);
	assert_int_equal(store_do(fx->st, true, 0, SLOTS, fx->buffer), 0);
	while (status_of(fx).behind_bytes > 0)
		turn(fx);
}

static void expect_all(struct fixture *fx, uint32_t version)
{
	memset(fx->buffer, 0xee, (size_t)SLOTS * SWAP_SLOT_BYTES);
	assert_int_equal(store_do(fx->st, false, 0, SLOTS, fx->buffer), 0);
	assert_true(pattern_is(fx->buffer, 0, SLOTS, version));
}

static void begin(struct fixture *fx)
{
	setup(fx);
	if (create(fx, false) != 0)
		fail_msg("%s", fx->reason);
	write_all(fx, 1);
}

/* ---- tests */

static void all_addresses_are_tried(void **state)
{
	struct remote_server *gone = remote_server_create(SLOTS);
	char dead[16];
	struct fixture fx;

	(void)state;
	snprintf(dead, sizeof(dead), "%s", port_of(gone));
	remote_server_destroy(gone);
	setup(&fx);
	resolver.port[0] = resolver.port[1] = dead;
	resolver.port[2] = port_of(fx.old);
	resolver.port_count = 3;
	assert_int_equal(create(&fx, false), 0);
	write_all(&fx, 1);
	/* And again. */
	remote_server_plan_set(fx.old, &behave, true);
	await_up(&fx, 1, 1);
	expect_all(&fx, 1);
	teardown(&fx);
}

/* The memd at its new address is another one: what the old one had is lost,
 * and what is written from then on is there. */
static void host_that_moved_is_found(void **state)
{
	struct fixture fx;

	(void)state;
	begin(&fx);
	resolver_set(0, false, port_of(fx.moved));
	remote_server_plan_set(fx.old, &closed, true);
	await_up(&fx, 1, 2);
	assert_int_equal(status_of(&fx).lost_slots, SLOTS);
	assert_int_equal(store_do(fx.st, false, 5, 1, fx.buffer),
			 -SWAP_ELOST);
	write_all(&fx, 2);
	expect_all(&fx, 2);
	teardown(&fx);
}

/* A name of two hosts, which the resolver mixes up: what was kept is where it
 * was. */
static void host_that_served_is_asked_first(void **state)
{
	struct fixture fx;

	(void)state;
	setup(&fx);
	resolver.port[1] = port_of(fx.moved);
	resolver.port_count = 2;
	if (create(&fx, false) != 0)
		fail_msg("%s", fx.reason);
	write_all(&fx, 1);
	pthread_mutex_lock(&resolver.lock);
	resolver.port[0] = port_of(fx.moved);
	resolver.port[1] = port_of(fx.old);
	pthread_mutex_unlock(&resolver.lock);
	for (unsigned i = 1; i <= 3; i++) {
		remote_server_plan_set(fx.old, &behave, true);
		await_up(&fx, i, 1);
		expect_all(&fx, 1);
	}
	teardown(&fx);
}

static void failing_resolver_changes_nothing(void **state)
{
	unsigned before;
	struct fixture fx;

	(void)state;
	begin(&fx);
	before = resolver_begun();
	resolver_set(EAI_AGAIN, false, NULL);
	remote_server_plan_set(fx.old, &behave, true);
	await_up(&fx, 1, 1);
	assert_int_equal(resolver_begun(), before + 1);
	expect_all(&fx, 1);
	teardown(&fx);
}

/* Nobody waits for it, and the store can go meanwhile. */
static void silent_resolver_keeps_nobody(void **state)
{
	unsigned before;
	struct fixture fx;

	(void)state;
	begin(&fx);
	before = resolver_begun();
	resolver_set(0, true, port_of(fx.old));
	for (unsigned i = 1; i <= 2; i++) {
		remote_server_plan_set(fx.old, &behave, true);
		await_up(&fx, i, 1);
		expect_all(&fx, 1);
	}
	/* One at a time. */
	assert_int_equal(resolver_begun(), before + 1);
	swapstore_destroy(fx.st);
	fx.st = NULL;
	teardown(&fx);
}

static void late_answer_is_heard(void **state)
{
	uint64_t attempts;
	struct remote_server_counts counts;
	struct fixture fx;

	(void)state;
	begin(&fx);
	resolver_set(0, true, port_of(fx.moved));
	remote_server_plan_set(fx.old, &closed, true);
	remote_server_counts_get(fx.old, &counts);
	attempts = counts.connections + 2;
	do {
		turn(&fx);
		remote_server_counts_get(fx.old, &counts);
	} while (counts.connections < attempts);
	resolver_set(0, false, port_of(fx.moved));
	await_up(&fx, 1, 2);
	write_all(&fx, 3);
	expect_all(&fx, 3);
	teardown(&fx);
}

/* Where nothing at all is known of it. */
static void unknown_host(void **state)
{
	struct fixture fx;

	(void)state;
	setup(&fx);
	resolver_set(EAI_NONAME, false, NULL);
	assert_int_equal(create(&fx, false), -EHOSTUNREACH);
	assert_non_null(strstr(fx.reason, NAME ":7433"));
	assert_non_null(strstr(fx.reason, gai_strerror(EAI_NONAME)));
	assert_int_equal(create(&fx, true), 0);
	assert_non_null(strstr(fx.reason, gai_strerror(EAI_NONAME)));
	assert_false(status_of(&fx).is_up);
	resolver_set(0, false, port_of(fx.old));
	await_up(&fx, 0, 1);
	write_all(&fx, 1);
	expect_all(&fx, 1);
	teardown(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_addresses_are_tried),
		cmocka_unit_test(host_that_moved_is_found),
		cmocka_unit_test(host_that_served_is_asked_first),
		cmocka_unit_test(failing_resolver_changes_nothing),
		cmocka_unit_test(silent_resolver_keeps_nobody),
		cmocka_unit_test(late_answer_is_heard),
		cmocka_unit_test(unknown_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
