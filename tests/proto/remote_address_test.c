/* SPDX-License-Identifier: MIT */
/* Proves which addresses are taken for this host's own, and may be talked to
 * without TLS: those that no network leads to, however they are written, and
 * no name but "localhost", as who answers for a name may change.  And that
 * what is no address, or has a port that is none, is refused, in words. */
#include "proto/remote_address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static bool is_here(const char *text)
{
	struct remote_address ra;
	char reason[256] = "";
	bool is;

	assert_int_equal(remote_address_parse(&ra, text, reason,
					      sizeof(reason)), 0);
	is = remote_address_is_here(&ra);
	remote_address_fini(&ra);
	return is;
}

static void loopback_is_here(void **state)
{
	static const char *const here[] = {
		"127.0.0.1:1", "127.255.255.254:7433", "127.1:1", "[::1]:1",
		"[0:0:0:0:0:0:0:1]:1", "[::ffff:127.0.0.1]:1", "localhost:1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(here); i++)
		if (!is_here(here[i]))
			fail_msg("%s is another host's", here[i]);
}

static void all_else_is_not(void **state)
{
	static const char *const elsewhere[] = {
		"128.0.0.1:1", "126.0.0.1:1", "0.0.0.0:1", "[::]:1", "[::2]:1",
		"[fe80::1]:1", "[::ffff:10.0.0.1]:1", "127.example.org:1",
		"localhost.example.org:1", "localhos:1", "127.0.0.1.x:1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (is_here(elsewhere[i]))
			fail_msg("%s is believed to be here", elsewhere[i]);
}

static void other_texts_are_refused(void **state)
{
	static const char *const wrong[] = {
		"", ":", ":1", "host", "host:", "host:x", "host:1x", "::1:1",
		"[::1]", "[::1:1", "[]:1", "[:1",
	};
	struct remote_address ra;
	char reason[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		reason[0] = '\0';
		if (remote_address_parse(&ra, wrong[i], reason,
					 sizeof(reason)) != -EINVAL)
			fail_msg("\"%s\" is an address", wrong[i]);
		assert_non_null(strstr(reason, "HOST:PORT"));
		remote_address_fini(&ra);
	}
}

/* getaddrinfo() takes a port modulo 65536. */
static void ports_are_1_to_65535(void **state)
{
	static const char *const wrong[] = {
		"127.0.0.1:0", "host:0", "127.0.0.1:65536", "[::1]:65537",
		"127.0.0.1:108209", "host:4294967297", "host:00000",
		"host:18446744073709551617",
	};
	static const char *const right[] = {
		"127.0.0.1:1", "127.0.0.1:65535", "127.0.0.1:0000065535",
	};
	struct remote_address ra;
	char reason[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		reason[0] = '\0';
		if (remote_address_parse(&ra, wrong[i], reason,
					 sizeof(reason)) != -EINVAL)
			fail_msg("\"%s\" has a port", wrong[i]);
		assert_non_null(strstr(reason, wrong[i]));
		assert_non_null(strstr(reason, "a port is 1 to 65535"));
		remote_address_fini(&ra);
	}
	for (size_t i = 0; i < ARRAY_SIZE(right); i++)
		assert_true(is_here(right[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_is_here),
		cmocka_unit_test(all_else_is_not),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(ports_are_1_to_65535),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
