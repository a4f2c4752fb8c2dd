/* SPDX-License-Identifier: MIT */
/* Proves that memd's limits by address are by network where that is IPv6: who
 * takes another address of his own network has no more than with one, and who
 * comes from another network has his own share.  In a network namespace of its
 * own, as the addresses must be somebody's. */
#include "tests/integration/store_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SLOTS = 8 * 256 };

#define OURS	"2001:db8:0:1:"
#define OTHERS	"2001:db8:0:2:"

static const char *const commands[] = {
	"ip link set lo up",
	"ip -6 address add " OURS ":1/64 dev lo nodad",
	"ip -6 address add " OURS "8000::2/64 dev lo nodad",
	"ip -6 address add " OURS "ffff::3/64 dev lo nodad",
	"ip -6 address add " OTHERS ":1/64 dev lo nodad",
};

/* NULL, or why there is none. */
static const char *enter_namespace(void)
{
	if (unshare(CLONE_NEWNET) != 0)
		return "no network namespace";
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (system(commands[i]) != 0)
			return "no IPv6 addresses, or no program ip";
	return NULL;
}

static struct sockaddr_in6 address_of(const char *text, unsigned port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons((uint16_t)port) };

	assert_int_equal(inet_pton(AF_INET6, text, &sin6.sin6_addr), 1);
	return sin6;
}

/* Connect from an address and say Hello.  Returns -1 when memd would not have
 * it. */
static int come_from(const struct testmemd *tm, const char *address)
{
	struct sockaddr_in6 from = address_of(address, 0);
	struct sockaddr_in6 to = address_of(OTHERS ":1", store_port(tm));
	Memd__Hello hello = wire_peer_hello("network test");
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct answer a;
	uint16_t type;

	assert_true(fd >= 0);
	assert_int_equal(wire_peer_limit_waits(fd), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	hello.has_capabilities = true;
	hello.capabilities = MEMD__CAPABILITY__CAP_STORE;
	if (!client_try_send(fd, T(HELLO), 1, &hello.base) ||
	    !store_try_receive(fd, &a)) {
		close(fd);
		return -1;
	}
	type = a.header.type;
	answer_free(&a);
	if (type == T(HELLO_REPLY))
		return fd;
	assert_int_equal(type, T(ERROR));
	close(fd);
	return -1;
}

static void start(struct testmemd *tm, const char *flag)
{
	const char *flags[] = { "--listen-tcp=[::]:0", "--insecure-tcp=yes",
				STORE_SMALL_POOL, flag, NULL };

	assert_int_equal(testmemd_start(tm, flags), 0);
}

static void a_network_has_so_many_connections(void **state)
{
	struct testmemd tm;
	int one, two, other;

	(void)state;
	start(&tm, "--address-connections=2");
	one = come_from(&tm, OURS ":1");
	two = come_from(&tm, OURS "8000::2");
	assert_true(one >= 0 && two >= 0);
	assert_int_equal(come_from(&tm, OURS "ffff::3"), -1);
	assert_int_equal(come_from(&tm, OURS ":1"), -1);
	other = come_from(&tm, OTHERS ":1");
	assert_true(other >= 0);
	close(one);
	close(two);
	close(other);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static void a_network_keeps_so_much(void **state)
{
	struct testmemd tm;
	int one, two, other;

	(void)state;
	start(&tm, "--guest-address-mapped=12M");
	one = come_from(&tm, OURS ":1");
	two = come_from(&tm, OURS "ffff::3");
	other = come_from(&tm, OTHERS ":1");
	assert_true(one >= 0 && two >= 0 && other >= 0);
	assert_int_equal(store_open(one, SLOTS, NULL, NULL), 0);
	assert_int_equal(store_open(two, SLOTS, NULL, NULL), EDQUOT);
	assert_int_equal(store_open(other, SLOTS, NULL, NULL), 0);
	close(one);
	close(two);
	close(other);
	assert_int_equal(testmemd_stop(&tm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_has_so_many_connections),
		cmocka_unit_test(a_network_keeps_so_much),
	};
	const char *why_not = enter_namespace();

	if (why_not != NULL) {
		fprintf(stderr, "SKIP: %s\n", why_not);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
