/* SPDX-License-Identifier: MIT */
/* Proves that a TCP socket gets the options that are asked for, or the usual
 * ones: that it was not given them would be noticed only when a host is gone;
 * and that pacing is avoided where it still can be, and only there. */
#include "proto/tcp_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

static void check(const struct tcp_patience *asked,
		  const struct tcp_patience *wanted)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	tcp_options_set(fd, asked);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE),
			 wanted->idle_s);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL),
			 wanted->interval_s);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPCNT),
			 wanted->probe_count);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT),
			 wanted->unacknowledged_ms);
	close(fd);
}

static void usual_ones_are_set(void **state)
{
	(void)state;
	check(NULL, &(struct tcp_patience){ 15, 5, 4, 30000 });
}

static void others_are_set(void **state)
{
	const struct tcp_patience patience = { 7, 3, 2, 4321 };

	(void)state;
	check(&patience, &patience);
}

static bool choose(int fd, const char *name)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
			  (socklen_t)strlen(name)) == 0;
}

static void expect_chosen(int fd, bool is_bbr)
{
	char name[32] = "";
	socklen_t length = sizeof(name) - 1;

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
				    &length), 0);
	assert_int_equal(strncmp(name, "bbr", 3) == 0, is_bbr);
}

/* The other end of a connection to `listener`. */
static int accept_one(int listener)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t length = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;

	assert_true(fd >= 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sin,
				     &length), 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (const struct sockaddr *)&sin,
				 sizeof(sin)), 0);
	accepted = accept(listener, NULL, NULL);
	assert_true(accepted >= 0);
	close(fd);
	return accepted;
}

static void pacing_is_avoided(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;

	(void)state;
	assert_true(fd >= 0);
	if (choose(fd, "bbr")) {
		expect_chosen(fd, true);
		tcp_options_avoid_pacing(fd);
		expect_chosen(fd, false);
		accepted = accept_one(fd);
		expect_chosen(accepted, false);
		close(accepted);
	} else {
		print_message("BBR cannot be had here: what is done about it "
			      "was not looked at\n");
	}
	close(fd);
}

/* A connection paces on, and would do it worse. */
static void connections_are_left_alone(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;

	(void)state;
	assert_true(fd >= 0);
	if (choose(fd, "bbr")) {
		accepted = accept_one(fd);
		tcp_options_set(accepted, NULL);
		expect_chosen(accepted, true);
		close(accepted);
	}
	close(fd);
}

/* What does not pace is somebody's choice. */
static void others_are_left_alone(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char name[32] = "";
	socklen_t length = sizeof(name) - 1;

	(void)state;
	assert_true(fd >= 0);
	assert_true(choose(fd, "reno"));	/* everybody may */
	tcp_options_avoid_pacing(fd);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
				    &length), 0);
	assert_string_equal(name, "reno");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usual_ones_are_set),
		cmocka_unit_test(others_are_set),
		cmocka_unit_test(pacing_is_avoided),
		cmocka_unit_test(connections_are_left_alone),
		cmocka_unit_test(others_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
