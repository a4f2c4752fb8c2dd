/* SPDX-License-Identifier: MIT */
/* Proves that memd keeps another host's pages: every byte as it was written,
 * in the order of the requests, from a pool much smaller than the store; that
 * what a connection asked for before it broke has no effect after the store
 * was opened again; that long reads have their turn among short ones; and that
 * stores end when nobody comes back. */
#include "tests/integration/store_model.h"
#include "tests/tier.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void bytes_are_right(void **state)
{
	int steps = tier_is_night() ? 6000 : 1000;
	struct testmemd tm;
	struct store_model *m;
	int admin;

	(void)state;
	store_start(&tm, NULL);
	m = store_model_create(&tm);
	assert_int_equal(store_open(m->fd, SLOTS, NULL, NULL), 0);
	for (uint32_t i = 0; i < SLOTS; i += STORE_REQUEST_SLOTS)
		store_model_write(m, i, STORE_REQUEST_SLOTS);
	for (int i = 0; i < steps; i++)
		store_model_step(m);
	for (uint32_t i = 0; i < SLOTS; i += STORE_REQUEST_SLOTS)
		store_model_read(m, i, STORE_REQUEST_SLOTS);
	while (m->waiting > 0)
		store_model_receive(m);
	admin = client_open(&tm, true, NULL);
	assert_true(client_counter(admin, "evicted") > SLOTS);
	assert_true(client_counter(admin, "pages_read") > 1000);
	assert_int_equal(client_counter(admin, "pages_lost"), 0);
	assert_int_equal(client_counter(admin, "guests"), 1);
	client_send(m->fd, T(STORE_CLOSE), 99, NULL);
	client_expect_ok(m->fd, 99);
	assert_int_equal(client_counter(admin, "guests"), 0);
	client_await_counter(admin, "committed_units", 0);
	client_await_counter(admin, "pinned_frames", 0);
	close(admin);
	store_model_destroy(m);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static void spoil_file(int fd)
{
	enum { PIECE = 1 << 20 };
	char *garbage = malloc(PIECE);
	struct stat st;

	assert_non_null(garbage);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size % PIECE, 0);
	memset(garbage, 0x55, PIECE);
	for (off_t at = 0; at < st.st_size; at += PIECE)
		assert_int_equal(pwrite(fd, garbage, PIECE, at), PIECE);
	assert_int_equal(fsync(fd), 0);
	free(garbage);
}

/* Everything in the swap files is overwritten: what was there is refused, and
 * never anything else in its place, until it is written anew. */
static void spoil_swap(const struct testmemd *tm)
{
	enum { MOST = 16 };
	int fd[MOST], count = testmemd_open_swap(tm, fd, MOST);

	assert_in_range(count, 1, MOST);
	for (int i = 0; i < count; i++) {
		spoil_file(fd[i]);
		close(fd[i]);
	}
}

static unsigned count_lost(int fd, uint32_t slots, const uint32_t *version)
{
	unsigned lost = 0;

	for (uint32_t i = 0; i < slots; i++) {
		struct answer a;

		store_send_read(fd, 7, i, 1);
		assert_true(store_try_receive(fd, &a));
		if (a.header.type == T(STORE_BYTES)) {
			slots_check(a.body, i, 1, &version[i]);
		} else {
			Memd__Error *error =
				answer_unpack(&a, &memd__error__descriptor);

			assert_int_equal(error->code, EIO);
			memd__error__free_unpacked(error, NULL);
			lost++;
		}
		answer_free(&a);
	}
	return lost;
}

static void lost_bytes_are_errors(void **state)
{
	enum { COUNT = 4096 };
	struct testmemd tm;
	struct store_model *m;

	(void)state;
	store_start(&tm, NULL);
	m = store_model_create(&tm);
	assert_int_equal(store_open(m->fd, COUNT, NULL, NULL), 0);
	for (uint32_t i = 0; i < COUNT; i += STORE_REQUEST_SLOTS)
		store_model_write(m, i, STORE_REQUEST_SLOTS);
	while (m->waiting > 0)
		store_model_receive(m);
	spoil_swap(&tm);
	assert_true(count_lost(m->fd, COUNT, m->version) > COUNT / 2);
	store_send_read(m->fd, 7, 0, STORE_REQUEST_SLOTS);
	client_expect_error(m->fd, 7, EIO, "lost");
	for (uint32_t i = 0; i < COUNT; i += STORE_REQUEST_SLOTS)
		store_model_write(m, i, STORE_REQUEST_SLOTS);
	while (m->waiting > 0)
		store_model_receive(m);
	assert_int_equal(count_lost(m->fd, COUNT, m->version), 0);
	store_model_destroy(m);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* ---- coming back */

/* A write of which half has come is none. */
static void a_cut_payload_is_not_written(void **state)
{
	uint8_t token[TOKEN_BYTES], bytes[2 * SLOT_BYTES];
	struct testmemd tm;
	int fd;

	(void)state;
	store_start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, token), 0);
	store_write_version(fd, 0, 8, 1);
	slot_fill(bytes, 2, 2);
	slot_fill(bytes + SLOT_BYTES, 3, 2);
	store_send_write_header(fd, 5, 2, 2, sizeof(bytes));
	client_send_bytes(fd, bytes, sizeof(bytes) - 1);
	close(fd);

	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, token, NULL), 0);
	store_expect(fd, 0, 8, 1);
	store_write_version(fd, 2, 2, 2);
	store_expect(fd, 0, 2, 1);
	store_expect(fd, 2, 2, 2);
	store_expect(fd, 4, 4, 1);
	store_expect(fd, 40, 8, 0);
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* The first connection is still there, with writes under way and one that it
 * goes on sending, when another opens the store.  Its writes may have been
 * done before, but what the second writes afterwards stays. */
static void stale_writes_have_no_effect(void **state)
{
	enum { COUNT = 512, ROUNDS = 15 };
	uint8_t token[TOKEN_BYTES];
	uint8_t *stale = malloc(COUNT * SLOT_BYTES);
	struct testmemd tm;
	int old, fd;

	(void)state;
	assert_non_null(stale);
	store_start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 4 * COUNT, NULL, token), 0);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		struct answer a;

		for (uint32_t i = 0; i < COUNT; i++)
			slot_fill(stale + (size_t)i * SLOT_BYTES, i,
				  1000 + round);
		old = fd;
		for (uint32_t i = 1; i < 4; i++)
			store_send_write(old, 20 + i, i * COUNT, COUNT, stale);
		store_send_write_header(old, 30, 0, COUNT, COUNT * SLOT_BYTES);
		client_send_bytes(old, stale, SLOT_BYTES * (round % 8));
		fd = store_session(&tm);
		assert_int_equal(store_open(fd, 4 * COUNT, token, NULL), 0);
		for (uint32_t i = 0; i < 4 * COUNT; i += COUNT)
			store_write_version(fd, i, 8, round);
		/* memd has closed it, or does not listen. */
		(void)send(old, stale, SLOT_BYTES, MSG_NOSIGNAL);
		while (store_try_receive(old, &a))
			answer_free(&a);
		close(old);
		for (uint32_t i = 0; i < 4 * COUNT; i += COUNT)
			store_expect(fd, i, 8, round);
	}
	close(fd);
	free(stale);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* With few frames for its user, and with all frames there are. */
static void small_limits_only_slow(void **state)
{
	const char *flags[] = { STORE_LISTEN, "--pool-size=1M",
				"--uid-frames=40", "--swap-size=16M", NULL };
	struct testmemd tm;
	struct store_model *m;

	(void)state;
	assert_int_equal(testmemd_start(&tm, flags), 0);
	m = store_model_create(&tm);
	assert_int_equal(store_open(m->fd, 2048, NULL, NULL), 0);
	for (uint32_t i = 0; i < 2048; i += STORE_REQUEST_SLOTS)
		store_model_write(m, i, STORE_REQUEST_SLOTS);
	for (uint32_t i = 0; i < 2048; i += STORE_REQUEST_SLOTS)
		store_model_read(m, i, STORE_REQUEST_SLOTS);
	store_model_destroy(m);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static void nobody_comes_back(void **state)
{
	uint8_t token[TOKEN_BYTES];
	struct testmemd tm;
	int fd, admin;

	(void)state;
	store_start(&tm, "--guest-keep=100ms");
	admin = client_open(&tm, true, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, token), 0);
	store_write_version(fd, 0, 8, 1);
	close(fd);
	client_await_counter(admin, "guests_expired", 1);
	assert_int_equal(client_counter(admin, "guests"), 0);
	client_await_counter(admin, "committed_units", 0);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, token, NULL), ENOENT);
	assert_int_equal(store_open(fd, 64, NULL, NULL), 0);
	close(fd);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* In one piece, so that memd has heard them all before it begins. */
static void send_reads(int fd, unsigned before, unsigned after)
{
	uint32_t slot = STORE_REQUEST_SLOTS;
	int on = 1, off = 0;

	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on,
				    sizeof(on)), 0);
	for (unsigned i = 0; i < before; i++)
		store_send_read(fd, 1 + i, slot++, 1);
	store_send_read(fd, 1 + before, 0, STORE_REQUEST_SLOTS);
	for (unsigned i = 0; i < after; i++)
		store_send_read(fd, 2 + before + i, slot++, 1);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off,
				    sizeof(off)), 0);
}

/* With this pool the longest read finds room only when all other replies are
 * out: those that come after it wait for it, however short they are. */
static void long_reads_have_their_turn(void **state)
{
	enum { BEFORE = 8, AFTER = 200 };
	static const uint32_t version[STORE_REQUEST_SLOTS];
	struct testmemd tm;
	struct answer a;
	int fd;

	(void)state;
	store_start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, SLOTS, NULL, NULL), 0);
	send_reads(fd, BEFORE, AFTER);
	for (unsigned i = 0; i < BEFORE + 1 + AFTER; i++) {
		assert_true(store_try_receive(fd, &a));
		assert_int_equal(a.header.type, T(STORE_BYTES));
		if (i < BEFORE)
			assert_in_range(a.header.request_id, 1, BEFORE);
		if (i == BEFORE)
			assert_int_equal(a.header.request_id, 1 + BEFORE);
		slots_check(a.body, 0, a.header.payload_bytes / SLOT_BYTES,
			    version);
		answer_free(&a);
	}
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* memd ends with requests under way and a store that is kept. */
static void stopping_is_quick(void **state)
{
	uint8_t *bytes = calloc(STORE_REQUEST_SLOTS, SLOT_BYTES);
	struct testmemd tm;
	int fd, kept;

	(void)state;
	assert_non_null(bytes);
	store_start(&tm, NULL);
	kept = store_session(&tm);
	assert_int_equal(store_open(kept, 64, NULL, NULL), 0);
	store_write_version(kept, 0, 1, 1);
	close(kept);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, SLOTS, NULL, NULL), 0);
	memset(bytes, 7, STORE_REQUEST_SLOTS * SLOT_BYTES);
	for (uint32_t i = 0; i < 8; i++)
		store_send_write(fd, 1 + i, i * STORE_REQUEST_SLOTS,
				 STORE_REQUEST_SLOTS, bytes);
	for (uint32_t i = 0; i < 64; i++)
		store_send_read(fd, 100 + i, i * 16, 16);
	assert_int_equal(testmemd_stop(&tm), 0);
	close(fd);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_right),
		cmocka_unit_test(lost_bytes_are_errors),
		cmocka_unit_test(a_cut_payload_is_not_written),
		cmocka_unit_test(stale_writes_have_no_effect),
		cmocka_unit_test(small_limits_only_slow),
		cmocka_unit_test(nobody_comes_back),
		cmocka_unit_test(long_reads_have_their_turn),
		cmocka_unit_test(stopping_is_quick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
