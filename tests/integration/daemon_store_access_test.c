/* SPDX-License-Identifier: MIT */
/* Proves who may keep pages in memd: tokens, users and limits are looked at, of
 * one address only so many connections stay, other hosts need certificates
 * where others could listen; and what an administrator sees of guests. */
#include "tests/integration/store_client.h"

#include <errno.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void tokens_are_looked_at(void **state)
{
	uint8_t token[TOKEN_BYTES], wrong[TOKEN_BYTES];
	struct testmemd tm;
	int fd, other;

	(void)state;
	store_start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, token), 0);
	store_write_version(fd, 0, 8, 1);
	other = store_session(&tm);
	memcpy(wrong, token, sizeof(wrong));
	wrong[15] ^= 1;
	assert_int_equal(store_open(other, 64, wrong, NULL), ENOENT);
	assert_int_equal(store_open(other, 65, token, NULL), EINVAL);
	assert_int_equal(store_open(other, 0, NULL, NULL), EINVAL);
	/* Nothing of that has touched the first. */
	store_expect(fd, 0, 8, 1);
	assert_int_equal(store_open(fd, 64, NULL, NULL), EBUSY);
	assert_int_equal(store_open(other, 64, NULL, NULL), 0);
	store_expect(other, 0, 8, 0);
	client_send(fd, T(STORE_CLOSE), 4, NULL);
	client_expect_ok(fd, 4);
	client_send(fd, T(STORE_CLOSE), 5, NULL);
	client_expect_error(fd, 5, EINVAL, NULL);
	assert_int_equal(store_open(fd, 64, token, NULL), ENOENT);
	assert_int_equal(store_open(fd, 64, NULL, NULL), 0);
	close(other);
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* Reload with another tcp_user: the token alone does not open what another
 * user keeps. */
static void other_users_stores_are_not_there(void **state)
{
	uint8_t token[TOKEN_BYTES];
	struct testmemd tm;
	char config[TEMPORARY_BYTES], flag[112];
	FILE *f;
	int fd;

	(void)state;
	f = fdopen(mkstemp(temporary_template("memd-store", config)), "w");
	assert_non_null(f);
	fprintf(f, "tcp_user = 1234\n");
	fclose(f);
	snprintf(flag, sizeof(flag), "--config=%s", config);
	store_start(&tm, flag);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, token), 0);
	store_write_version(fd, 0, 8, 1);
	close(fd);
	f = fopen(config, "we");
	assert_non_null(f);
	fprintf(f, "tcp_user = 1235\n");
	fclose(f);
	kill(tm.pid, SIGHUP);
	assert_int_equal(testmemd_await(&tm, "READY=1"), 0);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, token, NULL), ENOENT);
	close(fd);
	unlink(config);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static void limits_count(void **state)
{
	const char *flags[] = { STORE_LISTEN, STORE_SMALL_POOL,
				"--swap-size=64M", "--guest-address-mapped=40M",
				"--uid-mapped=24M", NULL };
	struct testmemd tm;
	int fd[3];

	(void)state;
	assert_int_equal(testmemd_start(&tm, flags), 0);
	for (int i = 0; i < 3; i++)
		fd[i] = store_session(&tm);
	assert_int_equal(store_open(fd[0], 1u << 31, NULL, NULL), EDQUOT);
	assert_int_equal(store_open(fd[0], 41 * 256, NULL, NULL), EDQUOT);
	assert_int_equal(store_open(fd[0], 25 * 256, NULL, NULL), EDQUOT);
	assert_int_equal(store_open(fd[0], 20 * 256, NULL, NULL), 0);
	assert_int_equal(store_open(fd[1], 21 * 256, NULL, NULL), EDQUOT);
	assert_int_equal(store_open(fd[1], 4 * 256, NULL, NULL), 0);
	assert_int_equal(store_open(fd[2], 1, NULL, NULL), EDQUOT);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static void one_address_has_its_share(void **state)
{
	struct testmemd tm;
	struct answer a;
	int fd[4];

	(void)state;
	store_start(&tm, "--address-connections=3");
	for (int i = 0; i < 3; i++)
		fd[i] = store_session(&tm);
	fd[3] = store_connect(&tm);
	client_expect_error(fd[3], 0, EAGAIN, "address_connections");
	assert_false(store_try_receive(fd[3], &a));
	close(fd[0]);
	assert_int_equal(store_open(fd[1], 8, NULL, NULL), 0);
	assert_true(testmemd_log_count(&tm, "guest-refused") > 0);
	for (int i = 1; i < 4; i++)
		close(fd[i]);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* Programs on this host find a place though others have taken all theirs. */
static void hosts_get_half_of_the_sessions(void **state)
{
	Memd__Hello hello = wire_peer_hello("one too many");
	struct testmemd tm;
	int fd[3], here;

	(void)state;
	store_start(&tm, "--max-sessions=4");
	for (int i = 0; i < 2; i++)
		fd[i] = store_session(&tm);
	fd[2] = store_connect(&tm);
	client_send(fd[2], T(HELLO), 1, &hello.base);
	client_expect_error(fd[2], 1, EAGAIN, NULL);
	here = client_open(&tm, false, NULL);
	close(here);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* Until memd has noticed that the other has gone. */
static void open_soon(int fd, uint32_t slot_count)
{
	int err;

	do
		err = store_open(fd, slot_count, NULL, NULL);
	while (err == EDQUOT);
	assert_int_equal(err, 0);
}

/* What was never written need not be kept: it would only be in the way, for
 * example where the reply to a StoreOpen was lost. */
static void blank_stores_go_at_once(void **state)
{
	uint8_t token[TOKEN_BYTES];
	struct testmemd tm;
	int fd;

	(void)state;
	store_start(&tm, "--guest-address-mapped=16M");
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 10 * 256, NULL, token), 0);
	store_expect(fd, 0, 8, 0);
	close(fd);
	fd = store_session(&tm);
	open_soon(fd, 10 * 256);
	store_write_version(fd, 0, 8, 1);
	close(fd);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 10 * 256, token, NULL), ENOENT);
	assert_int_equal(store_open(fd, 10 * 256, NULL, NULL), EDQUOT);
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* ---- what an administrator sees */

static Memd__GuestsReply *ask_guests(int admin)
{
	Memd__GuestsReply *reply;
	struct answer a;

	client_send(admin, T(GUESTS), 9, NULL);
	client_receive(admin, T(GUESTS_REPLY), 9, &a);
	reply = answer_unpack(&a, &memd__guests_reply__descriptor);
	answer_free(&a);
	return reply;
}

static void check_session(int admin, const char *command, uint64_t mapped)
{
	Memd__SessionsReply *reply;
	struct answer a;

	client_send(admin, T(SESSIONS), 9, NULL);
	client_receive(admin, T(SESSIONS_REPLY), 9, &a);
	reply = answer_unpack(&a, &memd__sessions_reply__descriptor);
	assert_int_equal(reply->n_session, 1);
	assert_int_equal(reply->session[0]->pid, 0);
	assert_int_equal(reply->session[0]->mapped_bytes, mapped);
	assert_string_equal(reply->session[0]->command, command);
	assert_string_equal(reply->session[0]->carrier, "tcp");
	memd__sessions_reply__free_unpacked(reply, NULL);
	answer_free(&a);
}

static void guests_are_shown(void **state)
{
	Memd__GuestsReply *reply;
	struct testmemd tm;
	int fd, admin;

	(void)state;
	store_start(&tm, NULL);
	admin = client_open(&tm, true, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, NULL), 0);
	store_write_version(fd, 0, 8, 1);
	store_expect(fd, 0, 2, 1);
	check_session(admin, "store test@127.0.0.1", 64 * SLOT_BYTES);
	reply = ask_guests(admin);
	assert_int_equal(reply->n_guest, 1);
	assert_string_equal(reply->guest[0]->host, "127.0.0.1");
	assert_string_equal(reply->guest[0]->peer, "");
	assert_int_equal(reply->guest[0]->uid, geteuid());
	assert_int_equal(reply->guest[0]->length_bytes, 64 * SLOT_BYTES);
	assert_int_equal(reply->guest[0]->resident_bytes, 8 * SLOT_BYTES);
	assert_int_equal(reply->guest[0]->read_bytes, 2 * SLOT_BYTES);
	assert_int_equal(reply->guest[0]->written_bytes, 8 * SLOT_BYTES);
	assert_true(reply->guest[0]->has_rtt_ns);
	assert_false(reply->guest[0]->has_idle_ms);
	memd__guests_reply__free_unpacked(reply, NULL);
	close(fd);
	client_await_counter(admin, "sessions_closed", 1);
	reply = ask_guests(admin);
	assert_int_equal(reply->n_guest, 1);
	assert_int_equal(reply->guest[0]->session, 0);
	assert_true(reply->guest[0]->has_idle_ms);
	memd__guests_reply__free_unpacked(reply, NULL);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* ---- where to listen */

static void expect_refused(const char *listen, int status, const char *part)
{
	char flag[128], output[4096];
	const char *flags[] = { "--socket=@memd-store-test-none",
				"--store=mem", "--pool-size=1M",
				"--swap-size=1M", flag, NULL };

	snprintf(flag, sizeof(flag), "--listen-tcp=%s", listen);
	assert_int_equal(testmemd_run(flags, output, sizeof(output)),
			 status);
	if (strstr(output, part) == NULL)
		fail_msg("%s: no \"%s\" in: %s", listen, part, output);
}

static void strangers_need_certificates(void **state)
{
	const char *flags[] = { "--listen-tcp=:0", "--insecure-tcp=yes",
				NULL };
	struct testmemd tm;
	int fd;

	(void)state;
	expect_refused("0.0.0.0:0", 1, "tls_ca");
	expect_refused("[::]:0", 1, "insecure_tcp = yes");
	expect_refused(":0", 1, "insecure_tcp = yes");
	expect_refused("192.0.2.1:0", 1, "tls_ca");
	expect_refused("127.0.0.1", 2, "HOST:PORT");
	expect_refused("127.0.0.1:66000", 2, "port is too large");
	expect_refused("::1:7000", 2, "HOST:PORT");
	expect_refused("127.0.0.1:x", 2, "HOST:PORT");
	assert_int_equal(testmemd_start(&tm, flags), 0);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 8, NULL, NULL), 0);
	store_expect(fd, 0, 8, 0);
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_are_looked_at),
		cmocka_unit_test(other_users_stores_are_not_there),
		cmocka_unit_test(limits_count),
		cmocka_unit_test(one_address_has_its_share),
		cmocka_unit_test(hosts_get_half_of_the_sessions),
		cmocka_unit_test(blank_stores_go_at_once),
		cmocka_unit_test(guests_are_shown),
		cmocka_unit_test(strangers_need_certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
