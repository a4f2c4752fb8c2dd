/* SPDX-License-Identifier: MIT */
/* Proves which connections count as one host's: by IPv4 address, however it
 * came; by network of 64 bits of IPv6, but each host by itself where there is
 * no network; and that an address is known as long as it has connections. */
#include "daemon/net/addresses.h"
#include "daemon/net/remote.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Of whoever comes from `text`, an address of either kind. */
static struct peer peer_of(const char *text)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = 7433 };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = 7433 };
	struct peer peer;

	if (inet_pton(AF_INET, text, &sin.sin_addr) == 1) {
		remote_peer_init(&peer, (struct sockaddr *)&sin, sizeof(sin));
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &sin6.sin6_addr),
				 1);
		remote_peer_init(&peer, (struct sockaddr *)&sin6,
				 sizeof(sin6));
	}
	assert_true(peer.is_remote);
	assert_int_equal(peer.uid, PEER_NOBODY);
	return peer;
}

static void networks_are_told_apart(void **state)
{
	static const struct {
		const char *address, *host, *network;
	} cases[] = {
		{ "192.0.2.7", "192.0.2.7", "192.0.2.7" },
		{ "192.0.2.8", "192.0.2.8", "192.0.2.8" },
		{ "127.0.0.1", "127.0.0.1", "127.0.0.1" },
		{ "::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7" },
		{ "::ffff:192.0.2.8", "192.0.2.8", "192.0.2.8" },
		{ "::1", "::1", "::1" },
		{ "2001:db8:0:1::1", "2001:db8:0:1::1", "2001:db8:0:1::" },
		{ "2001:db8:0:1:ffff:ffff:ffff:ffff",
		  "2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::" },
		{ "2001:db8:0:1:8000::", "2001:db8:0:1:8000::",
		  "2001:db8:0:1::" },
		{ "2001:db8:0:2::1", "2001:db8:0:2::1", "2001:db8:0:2::" },
		{ "2001:db8:1:1::1", "2001:db8:1:1::1", "2001:db8:1:1::" },
		{ "2001:db8:7:6:5:4:3:2", "2001:db8:7:6:5:4:3:2",
		  "2001:db8:7:6::" },
		{ "fe80::1:2:3:4", "fe80::1:2:3:4", "fe80::" },
		/* As text it begins as one that is IPv4's does. */
		{ "::ffff:0:0:1", "::ffff:0:0:1", "::" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct peer peer = peer_of(cases[i].address);

		assert_string_equal(peer.host, cases[i].host);
		assert_string_equal(peer.network, cases[i].network);
	}
}

static void add(struct addresses *as, const char *text)
{
	struct peer peer = peer_of(text);

	assert_int_equal(addresses_add(as, peer.network), 0);
}

static void leave(struct addresses *as, const char *text)
{
	struct peer peer = peer_of(text);

	addresses_remove(as, peer.network);
}

static uint32_t count(const struct addresses *as, const char *text)
{
	struct peer peer = peer_of(text);

	return addresses_count(as, peer.network);
}

static void a_network_counts_as_one(void **state)
{
	struct addresses as = { .table = NULL };
	char text[64];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "2001:db8::%x:%x", i * 601, i);
		add(&as, text);
	}
	add(&as, "2001:db8:0:1::1");
	add(&as, "192.0.2.7");
	add(&as, "::ffff:192.0.2.7");
	assert_int_equal(count(&as, "2001:db8::abcd"), 100);
	assert_int_equal(count(&as, "2001:db8:0:1::2"), 1);
	assert_int_equal(count(&as, "2001:db8:0:2::2"), 0);
	assert_int_equal(count(&as, "192.0.2.7"), 2);
	assert_int_equal(count(&as, "192.0.2.6"), 0);
	/* Whoever of them goes, it is one less. */
	for (unsigned i = 0; i < 100; i++)
		leave(&as, "2001:db8::1");
	assert_int_equal(count(&as, "2001:db8::1"), 0);
	assert_int_equal(count(&as, "2001:db8:0:1::2"), 1);
	leave(&as, "2001:db8:0:1::3");
	leave(&as, "192.0.2.7");
	assert_int_equal(count(&as, "::ffff:192.0.2.7"), 1);
	leave(&as, "192.0.2.7");
	assert_null(as.table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_are_told_apart),
		cmocka_unit_test(a_network_counts_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
