/* SPDX-License-Identifier: MIT */
/* Proves the table of settings: every default is allowed by its own row and
 * survives being written and read; file, environment and flags win in this
 * order; texts that cannot be what they are for are refused; near misses are
 * guessed, also of variables; refusals name the variable, and comments that are
 * none; values at the bounds and one past them. */
#include "daemon/config/config.h"
#include "daemon/pager/pager.h"
#include "tests/temporary.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char reason[CONFIG_REASON_BYTES];

static void load(const struct config_origin *origin, struct config *config)
{
	if (config_load(origin, config, reason, sizeof(reason)) != 0)
		fail_msg("%s", reason);
}

static void make_file(char *path, const char *text)
{
	int fd = mkstemp(temporary_template("memd-test-conf", path));

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static size_t idx_of(const char *name)
{
	const struct config_key *key = config_find(name);

	assert_non_null(key);
	return (size_t)(key - config_keys);
}

static void every_default_survives_a_round_trip(void **state)
{
	struct config_origin origin = { .file = "/dev/null" };
	struct config config, again = { 0 };

	(void)state;
	load(&origin, &config);
	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		char text[CONFIG_TEXT_BYTES];

		config_format(&config, key, text, sizeof(text));
		assert_string_equal(text, key->default_text);
		assert_int_equal(config_set(&again, key, text, CONFIG_FLAG,
					    reason, sizeof(reason)), 0);
		assert_true(config_is_equal(&config, &again, key));
		assert_int_equal(config.source[i], CONFIG_DEFAULT);
		assert_true(strlen(key->help) > 10);
		assert_ptr_equal(config_find(key->name), key);
	}
}

static void later_sources_win(void **state)
{
	char path[TEMPORARY_BYTES];
	struct config_origin origin = { .file = path };
	struct config config;

	(void)state;
	make_file(path, "[memd]\nreadahead = 1 ; inline comment\n"
		  "pool_size = 2M\nmax_faults = 300\n# comment\n");
	setenv("MEMD_POOL_SIZE", "3M", 1);
	setenv("MEMD_MAX_FAULTS", "301", 1);
	origin.flag[idx_of("max_faults")] = "302";
	load(&origin, &config);
	assert_int_equal(config.readahead, 1);
	assert_int_equal(config.pool_size, 3 << 20);
	assert_int_equal(config.max_faults, 302);
	assert_int_equal(config.source[CONFIG_KEY_readahead], CONFIG_FILE);
	assert_int_equal(config.source[CONFIG_KEY_pool_size],
			 CONFIG_ENVIRONMENT);
	assert_int_equal(config.source[CONFIG_KEY_max_faults], CONFIG_FLAG);
	assert_string_equal(config.file, path);
	unsetenv("MEMD_POOL_SIZE");
	unsetenv("MEMD_MAX_FAULTS");
	unlink(path);
}

static void failed_load_changes_nothing(void **state)
{
	struct config_origin origin = { .file = "/dev/null" };
	struct config config, before;

	(void)state;
	memset(&config, 0x5a, sizeof(config));
	before = config;
	origin.flag[idx_of("store")] = "tape";
	assert_int_equal(config_load(&origin, &config, reason, sizeof(reason)),
			 -EINVAL);
	assert_memory_equal(&config, &before, sizeof(config));
	assert_null(strchr(reason, '\n'));
}

static void bounds_are_allowed_and_no_more(void **state)
{
	struct config config = { 0 };

	(void)state;
	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		const char *format = key->kind == CONFIG_MODE ? "%llo" :
								"%llu";
		char text[64];

		if (key->kind == CONFIG_TEXT || key->kind == CONFIG_CHOICE)
			continue;
		for (int past = 0; past <= 1; past++) {
			snprintf(text, sizeof(text), format,
				 (unsigned long long)key->most +
				 (unsigned)past);
			assert_int_equal(config_set(&config, key, text,
						    CONFIG_FLAG, reason,
						    sizeof(reason)),
					 past ? -EINVAL : 0);
			if (key->least == 0)
				continue;
			snprintf(text, sizeof(text), format,
				 (unsigned long long)key->least -
				 (unsigned)past);
			assert_int_equal(config_set(&config, key, text,
						    CONFIG_FLAG, reason,
						    sizeof(reason)),
					 past ? -EINVAL : 0);
		}
	}
}

static void near_misses_are_guessed(void **state)
{
	(void)state;
	assert_string_equal(config_find_near("pool_sise")->name, "pool_size");
	assert_string_equal(config_find_near("poolsize")->name, "pool_size");
	/* There was one of that name. */
	assert_string_equal(config_find_near("swapfile")->name, "swap_dir");
	assert_non_null(strstr(config_find_replaced("swap_file"), "swap_dir"));
	assert_null(config_find_replaced("swap_dir"));
	assert_null(config_find_near("completely-different-thing"));
	assert_null(config_find_near(
		"a-name-that-is-much-longer-than-any-key-could-ever-reasonably-"
		"be-in-this-program"));
	assert_null(config_find("pool-size"));
}

static void misspelt_variables_are_found(void **state)
{
	static const struct {
		const char *variable, *meant;	/* NULL: none */
	} rows[] = {
		{ "MEMD_POOL_SIEZ", "pool_size" },
		{ "MEMD_POOLSIZE", "pool_size" },
		{ "MEMD_pool_size", "pool_size" },
		{ "MEMD_STORES", "store" }, { "MEMD_TSL_CA", "tls_ca" },
		{ "MEMD_SWAP_FILE", "swap_dir" },
		{ "MEMD_SOCKET", NULL }, { "MEMD_POOL_SIZE", NULL },
		{ "MEMD_TLS_CA", NULL }, { "MEMD_TLS_CRL", NULL },
		{ "MEMD_TEST_RUN", NULL }, { "MEMD_BUILD_DIR", NULL },
		{ "MEMD_BIN", NULL }, { "MEMD_ENGINE", NULL },
		{ "MEMD_TEST_OPS", NULL }, { "MEMD_TEST_TIER", NULL },
		{ "MEMD_LINT_BUILD", NULL }, { "MEMD_INLINE", NULL },
		{ "MEMD_TRACE", NULL }, { "MEMD_STATE", NULL },
		{ "MEMD_", NULL }, { "XMEMD_POOL_SIEZ", NULL },
	};
	char name[64];
	size_t idx;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct config_key *key;

		clearenv();
		setenv("HOME", "/", 1);
		setenv(rows[i].variable, "1", 1);
		idx = 0;
		key = config_find_misspelt(&idx, name, sizeof(name));
		if (key != (rows[i].meant == NULL ? NULL :
			    config_find(rows[i].meant)))
			fail_msg("%s: %s", rows[i].variable,
				 key == NULL ? "nothing" : key->name);
		if (key == NULL)
			continue;
		assert_string_equal(name, rows[i].variable);
		assert_null(config_find_misspelt(&idx, name, sizeof(name)));
	}
	clearenv();
	idx = 0;
	assert_null(config_find_misspelt(&idx, name, sizeof(name)));
}

static void texts_are_refused_rather_than_cut(void **state)
{
	const struct config_key *key = config_find("swap_dir");
	struct config config = { 0 };
	char text[CONFIG_TEXT_BYTES + 1];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[CONFIG_TEXT_BYTES] = '\0';
	assert_int_equal(config_set(&config, key, text, CONFIG_FLAG, reason,
				    sizeof(reason)), -EINVAL);
	text[CONFIG_TEXT_BYTES - 1] = '\0';
	assert_int_equal(config_set(&config, key, text, CONFIG_FLAG, reason,
				    sizeof(reason)), 0);
	assert_string_equal(config.swap_dir, text);
}

static void clients_addresses_are_understood(void **state)
{
	struct config_origin origin = { .file = "/dev/null" };
	struct config config;

	(void)state;
	origin.flag[idx_of("socket")] = "unix:/run/x.sock";
	load(&origin, &config);
	assert_string_equal(config.socket, "/run/x.sock");
	origin.flag[idx_of("socket")] = "unix:@x";
	load(&origin, &config);
	assert_string_equal(config.socket, "@x");
}

static void expect_refused(const struct config_origin *origin,
			   const char *part)
{
	struct config config;

	assert_int_equal(config_load(origin, &config, reason, sizeof(reason)),
			 -EINVAL);
	if (strstr(reason, part) == NULL)
		fail_msg("no \"%s\" in: %s", part, reason);
}

/* What the pager cannot count is refused in words; a page less is not. */
static void sizes_have_a_sum(void **state)
{
	struct config_origin origin = { .file = "/dev/null" };
	struct config config;

	(void)state;
	origin.flag[idx_of("pool_size")] = "8T";
	origin.flag[idx_of("swap_size")] = "8T";
	expect_refused(&origin, "pool_size: 8.0T and a swap_size of 8.0T");
	origin.flag[idx_of("swap_size")] = "8796093018112";	/* 8T - 4K */
	expect_refused(&origin, "16T less 8K");
	origin.flag[idx_of("swap_size")] = "8796093014016";	/* 8T - 8K */
	load(&origin, &config);
	assert_int_equal((config.pool_size + config.swap_size) /
			 PAGER_UNIT_BYTES, PAGER_UNITS_MAX);
}

static void refusals_name_the_environment(void **state)
{
	static const struct {
		const char *name, *value, *part;
	} rows[] = {
		{ "MEMD_SOCKET", "tcp://h:1", "socket: \"tcp://h:1\" is not "
		  "allowed; give an absolute path or @name (from MEMD_SOCKET "
		  "in the environment)" },
		{ "MEMD_SOCKET", "embedded:", "(from MEMD_SOCKET in" },
		{ "MEMD_POOL_SIZE", "2X", "(from MEMD_POOL_SIZE in" },
		{ "MEMD_SWAP_DIR", "swap", "(from MEMD_SWAP_DIR in" },
		{ "MEMD_STORE", "remote", "remote (from MEMD_STORE in" },
		{ "MEMD_LOW_WATERMARK", "50", "low_watermark: 50 (from "
		  "MEMD_LOW_WATERMARK in the environment) is not below" },
	};
	struct config_origin origin = { .file = "/dev/null" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setenv(rows[i].name, rows[i].value, 1);
		expect_refused(&origin, rows[i].part);
		unsetenv(rows[i].name);
	}
	/* Where it is not from there, nothing is said of it. */
	origin.flag[idx_of("socket")] = "tcp://h:1";
	setenv("MEMD_SOCKET", "/run/x.sock", 1);
	expect_refused(&origin, "tcp://h:1");
	unsetenv("MEMD_SOCKET");
	assert_null(strstr(reason, "environment"));
}

static void refusals_name_the_units(void **state)
{
	static const struct {
		const char *key, *value, *part;
	} rows[] = {
		{ "pool_size", "64MB", "\"64MB\" is not allowed; give a size "
		  "from 1M to 8T (units are K, M, G and T)" },
		{ "guest_keep", "5m", "(units are ms, s and min)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config_origin origin = { .file = "/dev/null" };

		origin.flag[idx_of(rows[i].key)] = rows[i].value;
		expect_refused(&origin, rows[i].part);
		/* They are not what is wrong with one out of bounds. */
		origin.flag[idx_of(rows[i].key)] = "99999999999999";
		expect_refused(&origin, "is not allowed");
		assert_null(strstr(reason, "units"));
	}
}

static void texts_that_mean_nothing_are_refused(void **state)
{
	static const struct {
		const char *key, *value, *part;
	} rows[] = {
		{ "listen_tcp", "127.0.0.1", "listen_tcp: \"127.0.0.1\" is no "
		  "address; write HOST:PORT, [IPV6]:PORT or :PORT" },
		{ "listen_tcp", "::1:7433", "is no address" },
		{ "listen_tcp", "127.0.0.1:x", "is no address" },
		{ "listen_tcp", "127.0.0.1:99999", "listen_tcp: "
		  "\"127.0.0.1:99999\": the port is too large" },
		{ "listen_tcp", ":18446744073709551617", "too large" },
		{ "store_address", "127.0.0.1", "store_address: \"127.0.0.1\" "
		  "is no address; give HOST:PORT" },
		{ "store_mirror", "h:65536", "store_mirror: \"h:65536\": a "
		  "port is 1 to 65535" },
		{ "tls_users", "a=1 b", "tls_users: \"b\" says nothing; write "
		  "NAME=USER" },
		{ "tls_users", "a=1, =b", "\"=b\" says nothing" },
		{ "tls_users", "b=,a=1", "\"b=\" says nothing" },
		{ "tls_ca", "/x", "tls_certificate: not set; " },
		{ "tls_key", "/x", "tls_ca: not set; tls_ca, tls_certificate "
		  "and tls_key go together" },
		{ "tls_certificate", "/x", "tls_ca: not set; " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config_origin origin = { .file = "/dev/null" };

		origin.flag[idx_of(rows[i].key)] = rows[i].value;
		expect_refused(&origin, rows[i].part);
	}
}

static void texts_that_mean_something_are_not(void **state)
{
	static const struct {
		const char *key, *value;
	} rows[] = {
		{ "listen_tcp", ":0" }, { "listen_tcp", "[::]:65535" },
		{ "listen_tcp", "localhost:007433" },
		{ "store_address", "[::1]:1" },
		{ "store_address", "no-such-host.invalid:7433" },
		{ "tls_users", "a=1, *=no-such-user,b=2 " },
		{ "tls_users", "" }, { "tcp_user", "no-such-user" },
	};
	struct config_origin all = { .file = "/dev/null" };
	struct config config;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config_origin origin = { .file = "/dev/null" };

		origin.flag[idx_of(rows[i].key)] = rows[i].value;
		load(&origin, &config);
	}
	all.flag[idx_of("tls_ca")] = "/x";
	all.flag[idx_of("tls_certificate")] = "/x";
	all.flag[idx_of("tls_key")] = "/x";
	load(&all, &config);
}

static void comments_after_values_are_explained(void **state)
{
	char path[TEMPORARY_BYTES];
	struct config_origin origin = { .file = path };

	(void)state;
	make_file(path, "pool_size = 300M    # comment\n");
	expect_refused(&origin, ":1: pool_size: \"300M    # comment\" is not "
		       "allowed; give a size from 1M to 8T (units are K, M, G "
		       "and T); a comment after a value begins with \" ;\"");
	unlink(path);
	origin.file = "/dev/null";
	origin.flag[idx_of("pool_size")] = "300M";
	origin.flag[idx_of("swap_size")] = "1X";
	expect_refused(&origin, "\"1X\"");
	assert_null(strstr(reason, "comment"));
}

static void names_have_three_spellings(void **state)
{
	char text[64];

	(void)state;
	config_variable(config_find("pool_size"), text, sizeof(text));
	assert_string_equal(text, "MEMD_POOL_SIZE");
	config_flag(config_find("pool_size"), text, sizeof(text));
	assert_string_equal(text, "pool-size");
	config_describe(config_find("store"), text, sizeof(text));
	assert_string_equal(text, "auto, uring, sync, mem or remote");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_survives_a_round_trip),
		cmocka_unit_test(later_sources_win),
		cmocka_unit_test(failed_load_changes_nothing),
		cmocka_unit_test(bounds_are_allowed_and_no_more),
		cmocka_unit_test(near_misses_are_guessed),
		cmocka_unit_test(misspelt_variables_are_found),
		cmocka_unit_test(texts_are_refused_rather_than_cut),
		cmocka_unit_test(clients_addresses_are_understood),
		cmocka_unit_test(sizes_have_a_sum),
		cmocka_unit_test(refusals_name_the_environment),
		cmocka_unit_test(refusals_name_the_units),
		cmocka_unit_test(texts_that_mean_nothing_are_refused),
		cmocka_unit_test(texts_that_mean_something_are_not),
		cmocka_unit_test(comments_after_values_are_explained),
		cmocka_unit_test(names_have_three_spellings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
