/* SPDX-License-Identifier: MIT */
/* Proves that errors have texts that are clean and the calling thread's own,
 * and that addresses and options are understood or refused as memclient.h
 * says. */
#include "client/link/errors.h"
#include "client/include/memclient.h"
#include "client/options.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void numbers_have_names(void **state)
{
	(void)state;
	assert_string_equal(errors_name(0), "no error");
	for (int i = 1; i < 5000; i++) {
		assert_non_null(errors_name(i));
		assert_ptr_equal(errors_name(i), errors_name(-i));
		assert_true(strlen(errors_name(i)) > 0);
	}
	assert_string_equal(errors_name(INT_MIN), "unknown error");
	assert_string_equal(errors_name(INT_MAX), "unknown error");
}

/* memclient_open() gives ENOSYS where no daemon is meant. */
static void missing_engine_and_stopping_daemon_have_words(void **state)
{
	(void)state;
	assert_non_null(strstr(errors_name(ENOSYS), "libmemd-engine"));
	assert_null(strstr(errors_name(ENOSYS), "this request"));
	assert_non_null(strstr(errors_name(ESHUTDOWN), "stopping"));
}

static void wire_codes_are_errnos(void **state)
{
	(void)state;
	assert_int_equal(errors_from_wire(ENOSPC), -ENOSPC);
	assert_int_equal(errors_from_wire(0), -EPROTO);
	assert_int_equal(errors_from_wire(4096), -EPROTO);
	assert_int_equal(errors_from_wire(UINT_MAX), -EPROTO);
}

static void copies_are_clean_and_cut(void **state)
{
	char to[8];

	(void)state;
	errors_copy(to, sizeof(to), "a\033[b\n\177c");
	assert_string_equal(to, "a?[b??c");
	errors_copy(to, sizeof(to), "0123456789");
	assert_string_equal(to, "0123456");
	errors_copy(to, 1, "x");
	assert_string_equal(to, "");
}

static void *set_other(void *arg)
{
	(void)arg;
	errors_set(-EIO, "theirs");
	return NULL;
}

static void texts_are_the_threads_own(void **state)
{
	pthread_t other;

	(void)state;
	assert_int_equal(errors_set(-EINVAL, "%s %d", "ours", 1), -EINVAL);
	assert_int_equal(pthread_create(&other, NULL, set_other, NULL), 0);
	pthread_join(other, NULL);
	assert_string_equal(errors_text(), "ours 1");
}

static void addresses(void **state)
{
	static const struct {
		const char *address, *shown;
	} cases[] = {
		{ "unix:/a/b", "/a/b" }, { "/a/b", "/a/b" },
		{ "unix:@name", "@name" }, { "@name", "@name" },
		{ "", NULL }, { "unix:", NULL }, { "unix:/", NULL },
		{ "unix:@", NULL }, { "relative", NULL },
		{ "unix:relative", NULL }, { "tcp://host:1", NULL },
		{ "embedded:", NULL },
	};
	char path[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct settings s = { .timeout_ns = 0 };
		int err = options_set_settings(&s, cases[i].address, NULL);

		assert_int_equal(err, cases[i].shown ? 0 : -EINVAL);
		if (err == 0)
			assert_string_equal(s.shown, cases[i].shown);
	}
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	for (size_t length = 100; length < 120; length++) {
		struct settings s = { .timeout_ns = 0 };

		path[length] = '\0';
		assert_int_equal(options_set_settings(&s, path, NULL),
				 length < sizeof(s.address.sun_path) ?
				 0 : -EINVAL);
		path[length] = 'a';
	}
}

static void defaults(void **state)
{
	struct settings s = { .timeout_ns = 0 };
	struct memclient_options o = { .size = sizeof(o), .timeout_ms = 7,
				       .most_frames = 9, .command = "me" };
	const char *address;
	bool is_old;

	(void)state;
	setenv("MEMD_SOCKET", "/from/the/old", 1);
	assert_string_equal(options_find_address(NULL, &is_old),
			    "/from/the/old");
	assert_true(is_old);
	setenv("MEMCLIENT_ADDRESS", "/from/environment", 1);
	assert_string_equal(options_find_address("/given", &is_old), "/given");
	assert_false(is_old);
	address = options_find_address(NULL, &is_old);
	assert_false(is_old);
	assert_int_equal(options_set_settings(&s, address, NULL), 0);
	assert_string_equal(s.shown, "/from/environment");
	assert_int_equal(s.timeout_ns, UINT64_C(10000000000));
	assert_true(s.command[0] != '\0');
	unsetenv("MEMCLIENT_ADDRESS");
	unsetenv("MEMD_SOCKET");
	memset(&s, 0, sizeof(s));
	address = options_find_address(NULL, &is_old);
	assert_int_equal(options_set_settings(&s, address, &o), 0);
	assert_string_equal(s.shown, "/run/memd/memd.sock");
	assert_int_equal(s.timeout_ns, 7000000);
	assert_int_equal(s.most_frames, 9);
	assert_string_equal(s.command, "me");
}

static void structs_of_other_versions(void **state)
{
	struct { size_t size; int a, b; } to;
	struct { size_t size; int a; } older = { sizeof(older.size) +
						 sizeof(older.a), 5 };
	struct { size_t size; int a, b, c, d; } newer = { sizeof(newer), 5, 6,
							  0, 0 };

	(void)state;
	assert_int_equal(options_take(&to, sizeof(to), &older, "o"), 0);
	assert_int_equal(to.a, 5);
	assert_int_equal(to.b, 0);
	assert_int_equal(options_take(&to, sizeof(to), &newer, "o"), 0);
	assert_int_equal(to.b, 6);
	newer.d = 1;
	assert_int_equal(options_take(&to, sizeof(to), &newer, "o"), -EINVAL);
	newer.size = 3;
	assert_int_equal(options_take(&to, sizeof(to), &newer, "o"), -EINVAL);
	newer.size = SIZE_MAX;
	assert_int_equal(options_take(&to, sizeof(to), &newer, "o"), -EINVAL);
	assert_int_equal(options_take(&to, sizeof(to), NULL, "o"), 0);
	assert_int_equal(to.a, 0);
}

static void names(void **state)
{
	char name[300];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	assert_int_equal(options_check_name(name), 0);
	name[255] = 'n';
	name[256] = '\0';
	assert_int_equal(options_check_name(name), -EINVAL);
	assert_int_equal(options_check_name(NULL), -EINVAL);
	assert_int_equal(options_check_name(""), -EINVAL);
	assert_int_equal(options_check_name("a/b"), -EINVAL);
	assert_int_equal(options_check_name("a\tb"), -EINVAL);
	assert_int_equal(options_check_name("a\177b"), -EINVAL);
	assert_int_equal(options_check_name("\303\244 ok"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_names),
		cmocka_unit_test(missing_engine_and_stopping_daemon_have_words),
		cmocka_unit_test(wire_codes_are_errnos),
		cmocka_unit_test(copies_are_clean_and_cut),
		cmocka_unit_test(texts_are_the_threads_own),
		cmocka_unit_test(addresses),
		cmocka_unit_test(defaults),
		cmocka_unit_test(structs_of_other_versions),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
