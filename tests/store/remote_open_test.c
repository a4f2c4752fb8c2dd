/* SPDX-License-Identifier: MIT */
/* Proves that store_remote_create() either gives a store or says in one line
 * what is wrong with the server, the address or the arguments, whatever the
 * server says and if it says nothing; and what the status shows. */
#include "tests/store/remote_fixture.h"

#include <errno.h>
#include <string.h>

#define MS_NS UINT64_C(1000000)

static const struct bad_server {
	struct remote_server_plan plan;
	int error;
	const char *text;
} bad_servers[] = {
	{ { .hello_error = EACCES }, -EACCES, "it says: the test?says so" },
	{ { .hello_error = EAGAIN }, -ECONNREFUSED, "busy" },
	{ { .hello_error = 1000000 }, -EPROTO, "" },
	{ { .open_error = EDQUOT }, -EDQUOT,
	  "no room (ask for less, with a smaller swap_size here, or raise its "
	  "limits): it says: " },
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
	fixture_init_server(&fx);
	options = options_of(&fx);
	for (size_t i = 0; i < ARRAY_SIZE(bad_servers); i++) {
		fixture_plan(&fx, &bad_servers[i].plan);
		assert_int_equal(store_remote_create(&options, &st, reason,
						     sizeof(reason)),
				 bad_servers[i].error);
		assert_non_null(strstr(reason, options.address));
		assert_non_null(strstr(reason, bad_servers[i].text));
		assert_null(strchr(reason, '\n'));
	}
	fixture_fini(&fx);
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
	fixture_init_server(&fx);
	options = options_of(&fx);
	options.may_be_away = true;
	fixture_plan(&fx, &refuses);
	assert_int_equal(store_remote_create(&options, &fx.st, reason,
					     sizeof(reason)), -EACCES);
	fixture_plan(&fx, &closed);
	assert_int_equal(store_remote_create(&options, &fx.st, reason,
					     sizeof(reason)), 0);
	assert_non_null(strstr(reason, options.address));
	assert_false(status_of(&fx).is_up);
	assert_string_not_equal(status_of(&fx).reason, "");
	assert_int_equal(status_of(&fx).epoch, 0);
	write_version(&fx, 0, 10, 1);
	expect_version(&fx, 0, 10, 1);
	assert_int_equal(fixture_submit(&fx, false, 20, 1), 0);
	assert_int_equal(swapstore_flush(fx.st), 0);
	fixture_turn(&fx);
	assert_int_equal(fx.st->in_flight, 1);
	fixture_plan(&fx, &behave);
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
	fixture_fini(&fx);
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
	fixture_init_server(&fx);
	options = options_of(&fx);
	options.timeout_ns = 50 * MS_NS;
	for (garbage.seed = 1; garbage.seed <= 150; garbage.seed++) {
		fx.st = NULL;
		fixture_plan(&fx, &garbage);
		err = store_remote_create(&options, &fx.st, reason,
					  sizeof(reason));
		assert_true(err == 0 || reason[0] != '\0');
		swapstore_destroy(fx.st);
	}
	fx.st = NULL;
	fixture_fini(&fx);
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
	fixture_init_server(&fx);
	options = options_of(&fx);
	snprintf(address, sizeof(address), "%s", options.address);
	fixture_fini(&fx);
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
	fixture_init(&fx);
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
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_servers_that_refuse),
		cmocka_unit_test(test_servers_that_are_none),
		cmocka_unit_test(test_away_at_first),
		cmocka_unit_test(test_status_and_goodbye),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
