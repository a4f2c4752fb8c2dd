/* SPDX-License-Identifier: MIT */
/* Proves that memd, awake for those who have just read, serves all others
 * meanwhile, and lets go of whoever leaves: also in the middle of a message, or
 * because another one takes its store. */
#include "tests/integration/store_client.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	SLOTS = 64,
	STORES = 12,
	ROUNDS = 100,
	BUSY_US = 10000,
	PATIENCE_S = 120,
};

/* The most there can be: most often the next request comes within it. */
#define BUSY_POLL "--busy-poll=10000"

static int open_store(const struct testmemd *tm, uint8_t *ret_token)
{
	int fd = store_session(tm);

	assert_int_equal(store_open(fd, SLOTS, NULL, ret_token), 0);
	return fd;
}

/* From one to many and back, in steps of as many requests as come at once. */
static void any_number_is_served(void **state)
{
	static const uint32_t version[1] = { 1 };
	struct testmemd tm;
	int fd[STORES];

	(void)state;
	store_start(&tm, BUSY_POLL);
	for (unsigned i = 0; i < STORES; i++) {
		fd[i] = open_store(&tm, NULL);
		for (uint32_t slot = 0; slot < STORES; slot++)
			store_write_version(fd[i], slot, 1, 1);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned count = 1 + round % STORES;
		struct answer a;

		for (unsigned i = 0; i < count; i++)
			store_send_read(fd[i], round + 1, i, 1);
		for (unsigned i = 0; i < count; i++) {
			assert_true(store_try_receive(fd[i], &a));
			assert_int_equal(a.header.type, T(STORE_BYTES));
			assert_int_equal(a.header.request_id, round + 1);
			slots_check(a.body, i, 1, version);
			answer_free(&a);
		}
		/* Now and then all are forgotten. */
		if (round % STORES == 0)
			usleep(2 * BUSY_US);
	}
	for (unsigned i = 0; i < STORES; i++)
		close(fd[i]);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* What `how` says is the last that one hears of him. */
static void leave(int fd, unsigned how)
{
	static const uint8_t bytes[SLOT_BYTES];

	switch (how % 4) {
	case 0:
		break;
	case 1:
		store_send_read(fd, 9, 0, 1);
		break;
	case 2:
		assert_int_equal(write(fd, bytes, 3), 3);
		break;
	default:
		store_send_write_header(fd, 9, 0, 1, SLOT_BYTES);
		assert_int_equal(write(fd, bytes, 7), 7);
		break;
	}
	close(fd);
}

static void who_leaves_is_let_go(void **state)
{
	struct testmemd tm;
	int stays;

	(void)state;
	store_start(&tm, BUSY_POLL);
	stays = open_store(&tm, NULL);
	store_write_version(stays, 5, 1, 1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		int leaves = open_store(&tm, NULL);

		store_write_version(leaves, 5, 1, 2);
		store_expect(stays, 5, 1, 1);
		store_expect(leaves, 5, 1, 2);
		leave(leaves, round);
		store_expect(stays, 5, 1, 1);
	}
	close(stays);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* A session that has read from a store of its own, and has none now. */
static int warm_session(const struct testmemd *tm)
{
	int fd = open_store(tm, NULL);

	store_write_version(fd, 1, 1, 1);
	store_expect(fd, 1, 1, 1);
	client_send(fd, T(STORE_CLOSE), 9, NULL);
	client_expect_ok(fd, 9);
	return fd;
}

/* A connection with the token takes the guest over, while memd is awake for
 * both connections and the first one has more to say. */
static void who_is_replaced_is_let_go(void **state)
{
	uint8_t token[TOKEN_BYTES];
	struct testmemd tm;
	int fd;

	(void)state;
	store_start(&tm, BUSY_POLL);
	fd = open_store(&tm, token);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		int next = warm_session(&tm);
		struct answer a;

		store_write_version(fd, 7, 1, round);
		store_expect(fd, 7, 1, round);
		if (round % 2 == 0)
			store_send_read(fd, 9, 7, 1);
		assert_int_equal(store_open(next, SLOTS, token, NULL), 0);
		store_expect(next, 7, 1, round);
		while (store_try_receive(fd, &a))
			answer_free(&a);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static _Noreturn void read_for_ever(int fd)
{
	uint8_t bytes[SLOT_BYTES];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		store_read(fd, 1, 1, bytes);
}

static void wait_for_reads(int admin, uint64_t more_than)
{
	while (client_counter(admin, "guest_reads") <= more_than)
		usleep(1000);
}

static void others_have_their_turn(void **state)
{
	struct testmemd tm;
	uint64_t reads;
	pid_t reader;
	int admin, fd;

	(void)state;
	alarm(PATIENCE_S);	/* what is never answered ends here */
	store_start(&tm, BUSY_POLL);
	admin = client_open(&tm, true, NULL);
	fd = open_store(&tm, NULL);
	reader = fork();
	assert_true(reader >= 0);
	if (reader == 0)
		read_for_ever(fd);
	wait_for_reads(admin, ROUNDS);
	reads = client_counter(admin, "guest_reads");
	for (unsigned round = 0; round < ROUNDS; round++) {
		int store = open_store(&tm, NULL);
		int program = client_open(&tm, false, NULL);
		uint32_t segment;

		store_write_version(store, 3, 1, 1);
		store_expect(store, 3, 1, 1);
		close(client_map(program, SLOT_BYTES, SLOT_BYTES, &segment));
		close(program);
		close(store);
	}
	/* And so has the reader. */
	wait_for_reads(admin, reads + ROUNDS);
	assert_int_equal(kill(reader, SIGKILL), 0);
	assert_int_equal(waitpid(reader, NULL, 0), reader);
	alarm(0);
	close(fd);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_number_is_served),
		cmocka_unit_test(who_leaves_is_let_go),
		cmocka_unit_test(who_is_replaced_is_let_go),
		cmocka_unit_test(others_have_their_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
