/* SPDX-License-Identifier: MIT */
/* Proves what the commands of memctl that end something do to the programs
 * whose it was: a session that was ended has right bytes or SIGBUS, never
 * zeros, keeps what is in named segments, and can go on anew; who asked is in
 * the log, and who means nobody, or several, is refused.  A segment whose name
 * was taken away goes on for those who have it, and for nobody else.  What was
 * kept for another host and is dropped is lost there, never zeros, and its room
 * is free; nothing is dropped that was not confirmed.  Limits can be taken back
 * so that there is room for others. */
#include "client/include/memclient.h"
#include "tests/integration/store_client.h"
#include "tests/integration/store_hosts.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	PAGE = SLOT_BYTES,
	PAGES = 24 * 256,		/* three times the pool */
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 7,
	PATIENCE_S = 60,
};

/* ---- memctl */

/* Run it; what it says, on both outputs, goes to `said`. */
static int run(const char *socket, char said[1024], const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int run(const char *socket, char said[1024], const char *format, ...)
{
	char arguments[256], line[512];
	va_list args;
	size_t length;
	FILE *out;
	int status;

	va_start(args, format);
	vsnprintf(arguments, sizeof(arguments), format, args);
	va_end(args);
	snprintf(line, sizeof(line), "</dev/null timeout 120 %s --socket=%s "
		 "%s 2>&1", MEMCTL_PATH, socket, arguments);
	out = popen(line, "re");
	assert_non_null(out);
	length = fread(said, 1, 1023, out);
	said[length] = '\0';
	status = pclose(out);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define assert_run(code, socket, said, ...)				\
	do {								\
		int code_ = run(socket, said, __VA_ARGS__);		\
									\
		if (code_ != (code))					\
			fail_msg("exit status %d: %s", code_, said);	\
	} while (0)

static void assert_said(const char *said, const char *part)
{
	if (strstr(said, part) == NULL)
		fail_msg("'%s' is not in '%s'", part, said);
}

/* ---- memory */

static struct memclient *open_client(const char *address)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = PATIENCE_S * 1000 };
	struct memclient *mc = NULL;

	if (memclient_open(address, &o, &mc) != 0)
		fail_msg("%s", memclient_error(NULL));
	return mc;
}

/* What was unmapped is taken down piece by piece, and may be in the way. */
static uint8_t *map_private(struct memclient *mc)
{
	void *at = NULL;
	int err = -ENOSPC;

	for (unsigned i = 0; err == -ENOSPC && i < PATIENCE_S * 100; i++) {
		err = memclient_map(mc, (size_t)PAGES * PAGE, NULL, &at);
		if (err == -ENOSPC)
			usleep(10000);
	}
	if (err != 0)
		fail_msg("%s", memclient_error(mc));
	return at;
}

static uint8_t *map_named(struct memclient *mc, const char *name)
{
	void *at = NULL;

	if (memclient_segment_create(mc, name, (size_t)PAGES * PAGE, NULL) !=
	    0 || memclient_attach(mc, name, NULL, &at, NULL) != 0)
		fail_msg("%s", memclient_error(mc));
	return at;
}

static void write_all(uint8_t *memory, uint32_t version)
{
	for (uint32_t page = 0; page < PAGES; page++)
		slot_fill(memory + (size_t)page * PAGE, page, version);
}

static sigjmp_buf lost;

static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(lost, 1);
}

/* False: it is lost. */
static bool verify_page(const uint8_t *memory, uint32_t page, uint32_t version)
{
	uint8_t wanted[PAGE];

	slot_fill(wanted, page, version);
	if (sigsetjmp(lost, 1) != 0)
		return false;
	if (memcmp(memory + (size_t)page * PAGE, wanted, PAGE) != 0)
		fail_msg("page %u has wrong bytes", page);
	return true;
}

/* Verifies all others. */
static uint32_t count_lost(const uint8_t *memory, uint32_t version)
{
	struct sigaction sa = { .sa_handler = on_sigbus }, before;
	uint32_t count = 0;

	assert_int_equal(sigaction(SIGBUS, &sa, &before), 0);
	for (uint32_t page = 0; page < PAGES; page++)
		count += !verify_page(memory, page, version);
	assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
	return count;
}

/* ---- disconnect */

static void start(struct testmemd *tm)
{
	const char *const flags[] = { "--pool-size=8M", "--swap-size=128M",
				      NULL };

	assert_int_equal(testmemd_start(tm, flags), 0);
}

static void ended_session_has_its_bytes_or_sigbus(void **state)
{
	char said[1024], expected[64];
	struct memclient *mc;
	struct testmemd tm;
	uint8_t *private, *named;

	(void)state;
	start(&tm);
	mc = open_client(tm.socket);
	private = map_private(mc);
	named = map_named(mc, "stays");
	write_all(private, 1);
	write_all(named, 2);
	assert_run(0, tm.socket, said, "disconnect %d", (int)getpid());
	snprintf(expected, sizeof(expected), "ended session s1 of %s, pid %d\n",
		 program_invocation_short_name, (int)getpid());
	assert_string_equal(said, expected);
	/* Most of it was in swap. */
	assert_true(count_lost(private, 1) > PAGES / 2);
	assert_int_equal(count_lost(named, 2), 0);
	assert_int_equal(memclient_unmap(mc, private), 0);
	private = map_private(mc);
	write_all(private, 3);
	assert_int_equal(count_lost(private, 3), 0);
	assert_int_equal(testmemd_log_count(&tm, "notice disconnect by_uid="),
			 1);
	assert_int_equal(testmemd_log_count(&tm, "memctl disconnect`\""), 1);
	memclient_close(mc);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static void session_that_is_meant_must_be_one(void **state)
{
	struct memclient *one, *two;
	struct testmemd tm;
	char said[1024];

	(void)state;
	start(&tm);
	one = open_client(tm.socket);
	two = open_client(tm.socket);
	assert_run(1, tm.socket, said, "disconnect %d", (int)getpid());
	assert_said(said, "has 2 sessions: name one of them");
	assert_run(1, tm.socket, said, "limit set --pid %d --frames 1",
		   (int)getpid());
	assert_said(said, "has 2 sessions: name one of them");
	assert_run(EXIT_NOT_FOUND, tm.socket, said, "disconnect s4000");
	assert_said(said, "no session 4000 is connected");
	assert_run(EXIT_NOT_FOUND, tm.socket, said, "disconnect 1");
	assert_run(0, tm.socket, said, "disconnect s2");
	assert_run(EXIT_NOT_FOUND, tm.socket, said, "disconnect s2");
	memclient_close(one);
	memclient_close(two);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* By hand: memctl cannot know its own session, nor leave out whom it means. */
static void asking_session_stays(void **state)
{
	Memd__Disconnect request = MEMD__DISCONNECT__INIT;
	Memd__HelloReply *hello;
	struct testmemd tm;
	int fd, other;

	(void)state;
	start(&tm);
	fd = client_open(&tm, true, &hello);
	client_send(fd, T(DISCONNECT), 2, &request.base);
	client_expect_error(fd, 2, EINVAL, "give a session or a pid");
	request.has_session = true;
	request.session = hello->session;
	client_send(fd, T(DISCONNECT), 3, &request.base);
	client_expect_error(fd, 3, EINVAL, "is the one that asks");
	memd__hello_reply__free_unpacked(hello, NULL);
	other = client_open(&tm, false, &hello);
	request.session = hello->session;
	client_send(fd, T(DISCONNECT), 4, &request.base);
	client_expect_error(other, 0, ECONNABORTED, "memctl disconnect");
	client_expect_end(other);
	memd__hello_reply__free_unpacked(hello, NULL);
	close(other);
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* ---- limits taken back */

static int set_limit(int fd, uint32_t uid, bool is_reset)
{
	Memd__Limit limit = MEMD__LIMIT__INIT;
	struct answer a;
	int type;

	limit.has_uid = true;
	limit.uid = uid;
	limit.has_reset = limit.reset = is_reset;
	limit.has_frames = !is_reset;
	limit.frames = 100;
	client_send(fd, T(LIMIT_SET), 2, &limit.base);
	assert_true(client_try_receive(fd, &a));
	type = a.header.type;
	answer_free(&a);
	return type;
}

/* There is room for so many users only; who got one does not keep it. */
static void limit_that_is_taken_back_makes_room(void **state)
{
	enum { FIRST = 100000, MOST = 10000 };
	const char *const flags[] = { "--uid-frames=7", NULL };
	uint32_t uid = FIRST;
	struct testmemd tm;
	char said[1024];
	int fd;

	(void)state;
	assert_int_equal(testmemd_start(&tm, flags), 0);
	fd = client_open(&tm, true, NULL);
	while (set_limit(fd, uid, false) == T(OK) && uid < FIRST + MOST)
		uid++;
	assert_true(uid > FIRST && uid < FIRST + MOST);
	assert_run(1, tm.socket, said, "limit set -u %u -f 1", uid);
	assert_said(said, "limit set --default");
	/* Whose limit is none still has one. */
	assert_run(0, tm.socket, said, "limit set -u %u -f none", FIRST);
	assert_int_equal(set_limit(fd, uid, false), T(ERROR));
	assert_int_equal(set_limit(fd, FIRST, true), T(OK));
	assert_int_equal(set_limit(fd, FIRST, true), T(OK));
	assert_int_equal(set_limit(fd, uid, false), T(OK));
	assert_int_equal(set_limit(fd, uid + 1, false), T(ERROR));
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* ---- unlink */

static void unlinked_segment_stays_with_who_has_it(void **state)
{
	struct memclient *one, *two;
	struct testmemd tm;
	uint8_t *at, *again, *fresh;
	void *none = NULL;
	char said[1024];

	(void)state;
	start(&tm);
	one = open_client(tm.socket);
	two = open_client(tm.socket);
	at = map_named(one, "table");
	again = map_named(two, "table");
	write_all(at, 1);
	assert_run(0, tm.socket, said, "unlink table");
	assert_string_equal(said, "unlinked table, 24.0M: 2 sessions still "
			    "have it\n");
	assert_run(EXIT_NOT_FOUND, tm.socket, said, "unlink table");
	assert_said(said, "no segment has the name \"table\"");
	assert_int_equal(memclient_attach(two, "table", NULL, &none, NULL),
			 -ENOENT);
	assert_int_equal(count_lost(again, 1), 0);
	/* The name is free, and another's. */
	fresh = map_named(one, "table");
	write_all(fresh, 2);
	assert_int_equal(count_lost(at, 1), 0);
	assert_int_equal(memclient_unmap(one, at), 0);
	assert_int_equal(count_lost(again, 1), 0);
	assert_int_equal(memclient_unmap(two, again), 0);
	assert_run(0, tm.socket, said, "-o raw segments | wc -l");
	assert_string_equal(said, "1\n");
	memclient_close(one);
	memclient_close(two);
	assert_run(0, tm.socket, said, "unlink table");
	assert_said(said, "nobody has it, so it is gone\n");
	assert_run(0, tm.socket, said, "-o raw segments");
	assert_string_equal(said, "");
	assert_int_equal(testmemd_log_count(&tm, "notice segment-unlink "), 2);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* ---- drop-guest */

/* A program whose pages another memd keeps: pages that it had there are lost,
 * all others right, and it goes on with an empty store. */
static void dropped_guest_loses_its_pages(void **state)
{
	struct store_hosts hosts = { 0 };
	struct memclient *mc;
	char address[128], said[1024];
	const char *host;
	uint8_t *memory;

	(void)state;
	store_hosts_start(&hosts, 0);
	host = hosts.memd[0].socket;
	snprintf(address, sizeof(address),
		 "tcp://127.0.0.1:%u?pool_size=8M&swap_size=32M",
		 hosts.port[0]);
	mc = open_client(address);
	memory = map_private(mc);
	write_all(memory, 1);
	assert_int_equal(count_lost(memory, 1), 0);
	assert_run(EXIT_USAGE, host, said, "drop-guest 1");
	assert_said(said, "pass --yes");
	assert_int_equal(count_lost(memory, 1), 0);
	assert_run(0, host, said, "drop-guest --yes 1");
	assert_said(said, "dropped guest 1 at 127.0.0.1, ");
	assert_true(count_lost(memory, 1) > PAGES / 4);
	assert_int_equal(memclient_unmap(mc, memory), 0);
	memory = map_private(mc);
	write_all(memory, 2);
	assert_int_equal(count_lost(memory, 2), 0);
	assert_run(0, host, said, "-o raw guests | cut -f 13");
	assert_string_equal(said, "2\n");
	assert_int_equal(testmemd_log_count(&hosts.memd[0],
					    "notice guest-drop by_uid="), 1);
	memclient_close(mc);
	store_hosts_stop(&hosts);
}

/* Whose connection has broken: it need not be waited for. */
static void guest_that_is_away_makes_room(void **state)
{
	enum { SLOTS = 512 };
	uint8_t token[TOKEN_BYTES], bytes[SLOT_BYTES];
	struct testmemd tm;
	char said[1024];
	int fd, admin;

	(void)state;
	store_start(&tm, "--guest-keep=86400s");
	admin = client_open(&tm, true, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, SLOTS, NULL, token), 0);
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		slot_fill(bytes, slot, 1);
		store_write(fd, slot, 1, bytes);
	}
	close(fd);
	client_await_counter(admin, "sessions_closed", 1);
	assert_run(EXIT_NOT_FOUND, tm.socket, said, "drop-guest --yes 2");
	assert_run(0, tm.socket, said, "drop-guest --yes 1");
	assert_run(EXIT_NOT_FOUND, tm.socket, said, "drop-guest --yes 1");
	assert_run(0, tm.socket, said, "-o raw guests");
	assert_string_equal(said, "");
	/* When it was answered, the room was free. */
	assert_int_equal(status_number(tm.socket, "-o raw",
				       "pool_resident_bytes\t"), 0);
	assert_int_equal(status_number(tm.socket, "-o raw",
				       "committed_bytes\t"), 0);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, SLOTS, token, NULL), ENOENT);
	close(fd);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ended_session_has_its_bytes_or_sigbus),
		cmocka_unit_test(session_that_is_meant_must_be_one),
		cmocka_unit_test(asking_session_stays),
		cmocka_unit_test(limit_that_is_taken_back_makes_room),
		cmocka_unit_test(unlinked_segment_stays_with_who_has_it),
		cmocka_unit_test(dropped_guest_loses_its_pages),
		cmocka_unit_test(guest_that_is_away_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
