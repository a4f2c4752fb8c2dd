/* SPDX-License-Identifier: MIT */
/* Proves that memd keeps another host's pages: every byte as it was written,
 * in the order of the requests, from a pool much smaller than the store; that
 * what a connection asked for before it broke has no effect after the store
 * was opened again; that tokens, users and limits are looked at; and that
 * nothing wrong that is said harms anybody. */
#include "tests/integration/store_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ThreadSanitizer keeps several bytes for each one. */
#ifdef __SANITIZE_THREAD__
enum { GROWTH_KIB_MAX = 256 * 1024 };
#else
enum { GROWTH_KIB_MAX = 32 * 1024 };
#endif

enum {
	SLOTS = 8192,			/* 32 MiB, in a pool of 4 */
	REQUEST_SLOTS = 512,
};

#define LISTEN	"--listen-tcp=127.0.0.1:0"
#define SMALL	"--pool-size=4M"

static void start(struct testmemd *tm, const char *flag)
{
	const char *flags[] = { LISTEN, SMALL, flag, NULL };

	assert_int_equal(testmemd_start(tm, flags), 0);
}

/* ---- bytes */

/* A slot's bytes follow from its number and how often it was written; 0 is
 * never written, or discarded: zeros. */
static void fill_slot(uint8_t *to, uint32_t slot, uint32_t version)
{
	uint64_t x = ((uint64_t)slot << 32 | version) * 0x9e3779b97f4a7c15u;

	if (version == 0) {
		memset(to, 0, SLOT_BYTES);
		return;
	}
	for (size_t i = 0; i < SLOT_BYTES / sizeof(x); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(to + i * sizeof(x), &x, sizeof(x));
	}
}

static void check_slots(const uint8_t *bytes, uint32_t slot, uint32_t count,
			const uint32_t *version)
{
	uint8_t expected[SLOT_BYTES];

	for (uint32_t i = 0; i < count; i++) {
		fill_slot(expected, slot + i, version[i]);
		if (memcmp(expected, bytes + (size_t)i * SLOT_BYTES,
			   SLOT_BYTES) != 0)
			fail_msg("slot %u is not version %u", slot + i,
				 version[i]);
	}
}

static void fill_slots(uint8_t *to, uint32_t slot, uint32_t count,
		       const uint32_t *version)
{
	for (uint32_t i = 0; i < count; i++)
		fill_slot(to + (size_t)i * SLOT_BYTES, slot + i, version[i]);
}

static uint32_t draw(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((*state >> 33) % below);
}

/* What a request that is under way expects. */
struct wait {
	bool is_used, is_read;
	uint32_t slot, count;
	uint32_t *version;		/* read: as of when it was sent */
};

enum { WAITS = 64 };

struct model {
	int fd;
	uint64_t random;
	uint32_t version[SLOTS];
	struct wait wait[WAITS];
	unsigned waiting;
	uint8_t bytes[REQUEST_SLOTS * SLOT_BYTES];
};

static void model_receive(struct model *m)
{
	struct answer a;
	struct wait *w;

	assert_true(store_try_receive(m->fd, &a));
	assert_in_range(a.header.request_id, 1, WAITS);
	w = &m->wait[a.header.request_id - 1];
	assert_true(w->is_used);
	assert_int_equal(a.header.type, w->is_read ? T(STORE_BYTES) : T(OK));
	if (w->is_read) {
		assert_int_equal(a.header.payload_bytes,
				 w->count * SLOT_BYTES);
		check_slots(a.body, w->slot, w->count, w->version);
	}
	free(w->version);
	*w = (struct wait){ 0 };
	m->waiting--;
	answer_free(&a);
}

static struct wait *model_wait(struct model *m)
{
	while (m->waiting >= WAITS / 2)
		model_receive(m);
	for (unsigned i = 0; i < WAITS; i++)
		if (!m->wait[i].is_used) {
			m->waiting++;
			return &m->wait[i];
		}
	fail_msg("no place");
	return NULL;
}

static void model_read(struct model *m, uint32_t slot, uint32_t count)
{
	struct wait *w = model_wait(m);

	*w = (struct wait){ .is_used = true, .is_read = true, .slot = slot,
			    .count = count };
	w->version = malloc(count * sizeof(uint32_t));
	assert_non_null(w->version);
	memcpy(w->version, m->version + slot, count * sizeof(uint32_t));
	store_send_read(m->fd, (uint64_t)(w - m->wait) + 1, slot, count);
}

static void model_write(struct model *m, uint32_t slot, uint32_t count)
{
	static uint32_t next_version = 1;
	struct wait *w = model_wait(m);

	*w = (struct wait){ .is_used = true, .slot = slot, .count = count };
	for (uint32_t i = 0; i < count; i++)
		m->version[slot + i] = next_version++;
	fill_slots(m->bytes, slot, count, m->version + slot);
	store_send_write(m->fd, (uint64_t)(w - m->wait) + 1, slot, count,
			 m->bytes);
}

static void model_discard(struct model *m, uint32_t slot, uint32_t count)
{
	store_send_discard(m->fd, slot, count);
	memset(m->version + slot, 0, count * sizeof(uint32_t));
}

/* Often the same few slots, so that requests overlap while under way. */
static void model_step(struct model *m)
{
	uint32_t most = draw(&m->random, 8) == 0 ? REQUEST_SLOTS : 16;
	uint32_t count = 1 + draw(&m->random, most);
	uint32_t area = draw(&m->random, 2) == 0 ? 1024 : SLOTS;
	uint32_t slot = draw(&m->random, area - count + 1);

	switch (draw(&m->random, 10)) {
	case 0:
		model_discard(m, slot, count);
		break;
	case 1: case 2: case 3: case 4:
		model_write(m, slot, count);
		break;
	default:
		model_read(m, slot, count);
	}
}

static struct model *model_create(const struct testmemd *tm)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->random = 42;
	m->fd = store_session(tm);
	return m;
}

static void model_destroy(struct model *m)
{
	while (m->waiting > 0)
		model_receive(m);
	close(m->fd);
	free(m);
}

static void bytes_are_right(void **state)
{
	struct testmemd tm;
	struct model *m;
	int admin;

	(void)state;
	start(&tm, NULL);
	m = model_create(&tm);
	assert_int_equal(store_open(m->fd, SLOTS, NULL, NULL), 0);
	for (uint32_t i = 0; i < SLOTS; i += REQUEST_SLOTS)
		model_write(m, i, REQUEST_SLOTS);
	for (int i = 0; i < 3000; i++)
		model_step(m);
	for (uint32_t i = 0; i < SLOTS; i += REQUEST_SLOTS)
		model_read(m, i, REQUEST_SLOTS);
	while (m->waiting > 0)
		model_receive(m);
	admin = client_open(&tm, true, NULL);
	assert_true(client_counter(admin, "evicted") > SLOTS);
	assert_true(client_counter(admin, "pages_read") > 1000);
	assert_int_equal(client_counter(admin, "pages_lost"), 0);
	assert_int_equal(client_counter(admin, "stores"), 1);
	client_send(m->fd, T(STORE_CLOSE), 99, NULL);
	client_expect_ok(m->fd, 99);
	assert_int_equal(client_counter(admin, "stores"), 0);
	client_await_counter(admin, "committed_units", 0);
	client_await_counter(admin, "pinned_frames", 0);
	close(admin);
	model_destroy(m);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* Everything in the swap file is overwritten: what was there is refused, and
 * never anything else in its place, until it is written anew. */
static void spoil_swap_file(const struct testmemd *tm)
{
	enum { FROM = 1 << 16, PIECE = 1 << 20 };
	char *garbage = malloc(PIECE);
	int fd = open(tm->swap, O_WRONLY | O_CLOEXEC);
	struct stat st;

	assert_non_null(garbage);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	memset(garbage, 0x55, PIECE);
	for (off_t at = FROM; at + PIECE <= st.st_size; at += PIECE)
		assert_int_equal(pwrite(fd, garbage, PIECE, at), PIECE);
	assert_int_equal(fsync(fd), 0);
	close(fd);
	free(garbage);
}

static unsigned count_lost(int fd, uint32_t slots, const uint32_t *version)
{
	unsigned lost = 0;

	for (uint32_t i = 0; i < slots; i++) {
		struct answer a;

		store_send_read(fd, 7, i, 1);
		assert_true(store_try_receive(fd, &a));
		if (a.header.type == T(STORE_BYTES)) {
			check_slots(a.body, i, 1, &version[i]);
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
	struct model *m;

	(void)state;
	start(&tm, NULL);
	m = model_create(&tm);
	assert_int_equal(store_open(m->fd, COUNT, NULL, NULL), 0);
	for (uint32_t i = 0; i < COUNT; i += REQUEST_SLOTS)
		model_write(m, i, REQUEST_SLOTS);
	while (m->waiting > 0)
		model_receive(m);
	spoil_swap_file(&tm);
	assert_true(count_lost(m->fd, COUNT, m->version) > COUNT / 2);
	store_send_read(m->fd, 7, 0, REQUEST_SLOTS);
	client_expect_error(m->fd, 7, EIO, "lost");
	for (uint32_t i = 0; i < COUNT; i += REQUEST_SLOTS)
		model_write(m, i, REQUEST_SLOTS);
	while (m->waiting > 0)
		model_receive(m);
	assert_int_equal(count_lost(m->fd, COUNT, m->version), 0);
	model_destroy(m);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* ---- coming back */

static void expect_slots(int fd, uint32_t slot, uint32_t count,
			 uint32_t version)
{
	uint8_t bytes[8 * SLOT_BYTES];
	uint32_t versions[8];

	for (uint32_t i = 0; i < count; i++)
		versions[i] = version;
	store_read(fd, slot, count, bytes);
	check_slots(bytes, slot, count, versions);
}

static void write_slots(int fd, uint32_t slot, uint32_t count,
			uint32_t version)
{
	uint8_t bytes[8 * SLOT_BYTES];

	for (uint32_t i = 0; i < count; i++)
		fill_slot(bytes + i * SLOT_BYTES, slot + i, version);
	store_write(fd, slot, count, bytes);
}

/* A write of which half has come is none. */
static void a_cut_payload_is_not_written(void **state)
{
	uint8_t token[TOKEN_BYTES], bytes[2 * SLOT_BYTES];
	struct testmemd tm;
	int fd;

	(void)state;
	start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, token), 0);
	write_slots(fd, 0, 8, 1);
	fill_slot(bytes, 2, 2);
	fill_slot(bytes + SLOT_BYTES, 3, 2);
	store_send_write_header(fd, 5, 2, 2, sizeof(bytes));
	client_send_bytes(fd, bytes, sizeof(bytes) - 1);
	close(fd);

	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, token, NULL), 0);
	expect_slots(fd, 0, 8, 1);
	write_slots(fd, 2, 2, 2);
	expect_slots(fd, 0, 2, 1);
	expect_slots(fd, 2, 2, 2);
	expect_slots(fd, 4, 4, 1);
	expect_slots(fd, 40, 8, 0);
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* The first connection is still there, with writes under way and one that it
 * goes on sending, when another opens the store.  Its writes may have been
 * done before, but what the second writes afterwards stays. */
static void stale_writes_have_no_effect(void **state)
{
	enum { COUNT = 512, ROUNDS = 40 };
	uint8_t token[TOKEN_BYTES];
	uint8_t *stale = malloc(COUNT * SLOT_BYTES);
	struct testmemd tm;
	int old, fd;

	(void)state;
	assert_non_null(stale);
	start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 4 * COUNT, NULL, token), 0);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		struct answer a;

		for (uint32_t i = 0; i < COUNT; i++)
			fill_slot(stale + (size_t)i * SLOT_BYTES, i,
				  1000 + round);
		old = fd;
		for (uint32_t i = 1; i < 4; i++)
			store_send_write(old, 20 + i, i * COUNT, COUNT, stale);
		store_send_write_header(old, 30, 0, COUNT, COUNT * SLOT_BYTES);
		client_send_bytes(old, stale, SLOT_BYTES * (round % 8));
		fd = store_session(&tm);
		assert_int_equal(store_open(fd, 4 * COUNT, token, NULL), 0);
		for (uint32_t i = 0; i < 4 * COUNT; i += COUNT)
			write_slots(fd, i, 8, round);
		/* memd has closed it, or does not listen. */
		(void)send(old, stale, SLOT_BYTES, MSG_NOSIGNAL);
		while (store_try_receive(old, &a))
			answer_free(&a);
		close(old);
		for (uint32_t i = 0; i < 4 * COUNT; i += COUNT)
			expect_slots(fd, i, 8, round);
	}
	close(fd);
	free(stale);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static void expect_error(int fd, uint64_t id, int code)
{
	client_expect_error(fd, id, code, NULL);
}

static void tokens_are_looked_at(void **state)
{
	uint8_t token[TOKEN_BYTES], wrong[TOKEN_BYTES];
	struct testmemd tm;
	int fd, other;

	(void)state;
	start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, token), 0);
	write_slots(fd, 0, 8, 1);
	other = store_session(&tm);
	memcpy(wrong, token, sizeof(wrong));
	wrong[15] ^= 1;
	assert_int_equal(store_open(other, 64, wrong, NULL), ENOENT);
	assert_int_equal(store_open(other, 65, token, NULL), EINVAL);
	assert_int_equal(store_open(other, 0, NULL, NULL), EINVAL);
	/* Nothing of that has touched the first. */
	expect_slots(fd, 0, 8, 1);
	assert_int_equal(store_open(fd, 64, NULL, NULL), EBUSY);
	assert_int_equal(store_open(other, 64, NULL, NULL), 0);
	expect_slots(other, 0, 8, 0);
	client_send(fd, T(STORE_CLOSE), 4, NULL);
	client_expect_ok(fd, 4);
	client_send(fd, T(STORE_CLOSE), 5, NULL);
	expect_error(fd, 5, EINVAL);
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
	char config[96], flag[112];
	FILE *f;
	int fd;

	(void)state;
	snprintf(config, sizeof(config), "/tmp/memd-store-%d.conf", getpid());
	f = fopen(config, "we");
	assert_non_null(f);
	fprintf(f, "tcp_user = 1234\n");
	fclose(f);
	snprintf(flag, sizeof(flag), "--config=%s", config);
	start(&tm, flag);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, token), 0);
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
	const char *flags[] = { LISTEN, SMALL, "--swap-size=64M",
				"--address-stored=40M", "--uid-mapped=24M",
				NULL };
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

/* With few frames for its user, and with all frames there are. */
static void small_limits_only_slow(void **state)
{
	const char *flags[] = { LISTEN, "--pool-size=1M", "--uid-frames=40",
				"--swap-size=16M", NULL };
	struct testmemd tm;
	struct model *m;

	(void)state;
	assert_int_equal(testmemd_start(&tm, flags), 0);
	m = model_create(&tm);
	assert_int_equal(store_open(m->fd, 2048, NULL, NULL), 0);
	for (uint32_t i = 0; i < 2048; i += REQUEST_SLOTS)
		model_write(m, i, REQUEST_SLOTS);
	for (uint32_t i = 0; i < 2048; i += REQUEST_SLOTS)
		model_read(m, i, REQUEST_SLOTS);
	model_destroy(m);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static void nobody_comes_back(void **state)
{
	uint8_t token[TOKEN_BYTES];
	struct testmemd tm;
	int fd, admin;

	(void)state;
	start(&tm, "--store-keep=100ms");
	admin = client_open(&tm, true, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, token), 0);
	write_slots(fd, 0, 8, 1);
	close(fd);
	client_await_counter(admin, "stores_expired", 1);
	assert_int_equal(client_counter(admin, "stores"), 0);
	client_await_counter(admin, "committed_units", 0);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, token, NULL), ENOENT);
	assert_int_equal(store_open(fd, 64, NULL, NULL), 0);
	close(fd);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* memd ends with requests under way and a store that is kept. */
static void stopping_is_quick(void **state)
{
	uint8_t *bytes = calloc(REQUEST_SLOTS, SLOT_BYTES);
	struct testmemd tm;
	int fd, kept;

	(void)state;
	assert_non_null(bytes);
	start(&tm, NULL);
	kept = store_session(&tm);
	assert_int_equal(store_open(kept, 64, NULL, NULL), 0);
	close(kept);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, SLOTS, NULL, NULL), 0);
	memset(bytes, 7, REQUEST_SLOTS * SLOT_BYTES);
	for (uint32_t i = 0; i < 8; i++)
		store_send_write(fd, 1 + i, i * REQUEST_SLOTS, REQUEST_SLOTS,
				 bytes);
	for (uint32_t i = 0; i < 64; i++)
		store_send_read(fd, 100 + i, i * 16, 16);
	assert_int_equal(testmemd_stop(&tm), 0);
	close(fd);
	free(bytes);
}

/* ---- what is wrong is refused, and harms nobody */

static void say_wrong_length(int fd)
{
	static const uint8_t bytes[2 * SLOT_BYTES];

	store_send_write_header(fd, 9, 0, 2, SLOT_BYTES);
	client_send_bytes(fd, bytes, SLOT_BYTES);
}

static void say_no_payload(int fd)
{
	store_send_write_header(fd, 9, 0, 1, 0);
}

static void say_no_slots(int fd)
{
	store_send_write_header(fd, 9, 0, 0, 0);
}

static void say_too_many_slots(int fd)
{
	store_send_write_header(fd, 9, 0, 513, 513 * SLOT_BYTES);
}

static void say_read_no_slots(int fd)
{
	store_send_read(fd, 9, 0, 0);
}

static void say_read_too_many(int fd)
{
	store_send_read(fd, 9, 0, 513);
}

static void say_discard_outside(int fd)
{
	store_send_discard(fd, 60, 5);
}

static void say_discard_nothing(int fd)
{
	store_send_discard(fd, 3, 0);
}

static void say_discard_overflow(int fd)
{
	store_send_discard(fd, 1, UINT64_MAX);
}

static void say_read_with_payload(int fd)
{
	struct wire_header h = { .version_major = WIRE_VERSION_MAJOR,
				 .type = T(STORE_READ), .request_id = 9,
				 .payload_bytes = SLOT_BYTES };
	uint8_t packed[WIRE_HEADER_BYTES];

	wire_header_pack(&h, packed);
	client_send_bytes(fd, packed, sizeof(packed));
}

static void say_without_id(int fd)
{
	store_send_read(fd, 0, 0, 1);
}

static void say_touched(int fd)
{
	client_send(fd, T(RING), 0, NULL);
}

static void say_a_reply(int fd)
{
	client_send(fd, T(STORE_BYTES), 9, NULL);
}

static void bad_messages_end_the_connection(void **state)
{
	static void (*const say[])(int fd) = {
		say_wrong_length, say_no_payload, say_no_slots,
		say_too_many_slots, say_read_no_slots, say_read_too_many,
		say_discard_outside, say_discard_nothing,
		say_discard_overflow, say_read_with_payload, say_without_id,
		say_touched, say_a_reply,
	};
	uint8_t token[TOKEN_BYTES];
	struct testmemd tm;
	int fd;

	(void)state;
	start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, token), 0);
	write_slots(fd, 0, 8, 1);
	for (size_t i = 0; i < sizeof(say) / sizeof(say[0]); i++) {
		struct answer a;

		say[i](fd);
		assert_true(store_try_receive(fd, &a));
		if (a.header.type != T(ERROR))
			fail_msg("case %zu: %s", i,
				 wire_type_name(a.header.type));
		answer_free(&a);
		assert_false(store_try_receive(fd, &a));
		close(fd);
		fd = store_session(&tm);
		assert_int_equal(store_open(fd, 64, token, NULL), 0);
		expect_slots(fd, 0, 8, 1);
	}
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* These are answered with an Error, and the connection goes on. */
static void wrong_requests_are_refused(void **state)
{
	static const uint8_t zeros[SLOT_BYTES];
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	struct testmemd tm;
	int fd, local;

	(void)state;
	start(&tm, NULL);
	fd = store_session(&tm);
	store_send_read(fd, 3, 0, 1);
	expect_error(fd, 3, EINVAL);
	store_send_write(fd, 4, 0, 1, zeros);
	expect_error(fd, 4, EINVAL);
	assert_int_equal(store_open(fd, 64, NULL, NULL), 0);
	write_slots(fd, 56, 8, 1);
	store_send_read(fd, 5, 64, 1);
	expect_error(fd, 5, EINVAL);
	store_send_read(fd, 6, 63, 2);
	expect_error(fd, 6, EINVAL);
	store_send_read(fd, 6, UINT32_MAX, 512);
	expect_error(fd, 6, EINVAL);
	store_send_write(fd, 7, 64, 1, zeros);
	expect_error(fd, 7, EINVAL);
	create.length_bytes = 4096;
	client_send(fd, T(SEGMENT_CREATE), 8, &create.base);
	expect_error(fd, 8, EPERM);
	client_send_fault(fd, 9, 1, 0);
	expect_error(fd, 9, EPERM);
	client_send(fd, T(MAILBOX), 10, NULL);
	expect_error(fd, 10, EPERM);
	client_send(fd, T(STATUS), 11, NULL);
	expect_error(fd, 11, EACCES);
	client_send(fd, T(CONFIG), 12, NULL);
	expect_error(fd, 12, EACCES);
	expect_slots(fd, 56, 8, 1);
	close(fd);
	local = client_open(&tm, false, NULL);
	store_send_read(local, 3, 0, 1);
	expect_error(local, 3, EPERM);
	close(local);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* ---- floods */

/* Hello, a byte at a time, on many connections: only as many of one address
 * as allowed stay, none for longer than the handshake may take, and a program
 * on this host is served all the while. */
static void drips_are_cut_off(void **state)
{
	enum { DRIPS = 900, FAULTS = 400 };
	const char *flags[] = { LISTEN, SMALL, "--handshake-timeout=1500ms",
				"--address-connections=900", NULL };
	int drip[DRIPS], local, data, admin, open_count = DRIPS;
	uint32_t segment;
	struct testmemd tm;

	(void)state;
	assert_int_equal(testmemd_start(&tm, flags), 0);
	admin = client_open(&tm, true, NULL);
	local = client_open(&tm, false, NULL);
	data = client_map(local, FAULTS * 4096ull, 4096, &segment);
	for (int i = 0; i < DRIPS; i++)
		drip[i] = store_connect(&tm);
	for (int i = 0; i < FAULTS; i++) {
		if (i % 40 == 0)
			for (int j = 0; j < DRIPS; j++)
				(void)!send(drip[j], "memd\1" + i / 40 % 5, 1,
					    MSG_NOSIGNAL | MSG_DONTWAIT);
		client_send_fault(local, 100 + (uint64_t)i, segment,
				  (uint64_t)i);
		assert_int_equal(client_receive_fault(local,
						      100 + (uint64_t)i,
						      (uint64_t)i), 0);
	}
	/* Newcomers of this host still get in. */
	close(client_open(&tm, false, NULL));
	assert_true(client_counter(admin, "remote_refused") >= DRIPS - 512);
	for (int i = 0; i < DRIPS; i++) {
		char end[2048];

		while (recv(drip[i], end, sizeof(end), 0) > 0)
			;
		close(drip[i]);
		open_count--;
	}
	assert_int_equal(open_count, 0);
	close(data);
	close(local);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static void one_address_has_its_share(void **state)
{
	struct testmemd tm;
	struct answer a;
	int fd[4];

	(void)state;
	start(&tm, "--address-connections=3");
	for (int i = 0; i < 3; i++)
		fd[i] = store_session(&tm);
	fd[3] = store_connect(&tm);
	assert_false(store_try_receive(fd[3], &a));
	close(fd[0]);
	assert_int_equal(store_open(fd[1], 8, NULL, NULL), 0);
	assert_true(testmemd_log_count(&tm, "remote-refused") > 0);
	for (int i = 1; i < 4; i++)
		close(fd[i]);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static uint64_t rss_kib(pid_t pid)
{
	char path[64], line[256];
	unsigned long long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "RssAnon: %llu kB", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

/* Asks for far more than fits anywhere and reads nothing: it is heard no
 * more, and memd keeps what fits into its bounds.  Then it reads, and gets
 * all. */
static void who_does_not_read_waits(void **state)
{
	enum { COUNT = 256, ASKED = 400 };
	struct testmemd tm;
	uint64_t before, after;
	unsigned sent = 0;
	int fd;

	(void)state;
	start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, COUNT, NULL, NULL), 0);
	write_slots(fd, 0, 8, 1);
	before = rss_kib(tm.pid);
	for (; sent < ASKED; sent++)
		store_send_read(fd, 1000 + sent, 0, COUNT);
	poll(NULL, 0, 300);
	after = rss_kib(tm.pid);
	/* 400 MiB are asked for; a session may have some 6. */
	if (after > before + GROWTH_KIB_MAX)
		fail_msg("from %llu to %llu KiB", (unsigned long long)before,
			 (unsigned long long)after);
	while (sent > 0) {
		struct answer a;

		assert_true(store_try_receive(fd, &a));
		assert_int_equal(a.header.type, T(STORE_BYTES));
		check_slots(a.body, 0, 8,
			    (const uint32_t[]){ 1, 1, 1, 1, 1, 1, 1, 1 });
		answer_free(&a);
		sent--;
	}
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* Header, body and payload of a write, as often as there is room. */
static size_t pack_writes(uint8_t *to, unsigned count)
{
	size_t used = 0;

	for (unsigned i = 0; i < count; i++) {
		Memd__StoreRange range = MEMD__STORE_RANGE__INIT;
		ssize_t length;

		range.count = REQUEST_SLOTS;
		length = wire_pack(T(STORE_WRITE), 1 + i, &range.base,
				   REQUEST_SLOTS * SLOT_BYTES, to + used, 64);
		assert_true(length > 0);
		used += (size_t)length + (size_t)REQUEST_SLOTS * SLOT_BYTES;
	}
	return used;
}

/* As much as is taken now, and for a while. */
static size_t send_what_is_taken(int fd, const uint8_t *bytes, size_t length)
{
	size_t sent = 0;

	for (int idle = 0; idle < 20 && sent < length;) {
		ssize_t n = send(fd, bytes + sent, length - sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
		} else {
			assert_int_equal(errno, EAGAIN);
			poll(NULL, 0, 10);
			idle++;
		}
	}
	return sent;
}

/* Reads nothing, so its reads cannot be answered; its writes, which come after
 * them and overlap, must wait, and memd must not take in all of them. */
static void payloads_wait_outside(void **state)
{
	enum { READS = 20, WRITES = 40 };
	uint8_t *bytes = calloc(WRITES + 1, REQUEST_SLOTS * SLOT_BYTES);
	struct testmemd tm;
	uint64_t before, after;
	size_t length, sent;
	int fd;

	(void)state;
	assert_non_null(bytes);
	start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, REQUEST_SLOTS, NULL, NULL), 0);
	before = rss_kib(tm.pid);
	for (unsigned i = 0; i < READS; i++)
		store_send_read(fd, 1000 + i, 0, REQUEST_SLOTS);
	length = pack_writes(bytes, WRITES);
	sent = send_what_is_taken(fd, bytes, length);
	after = rss_kib(tm.pid);
	assert_true(sent < length / 2);
	if (after > before + GROWTH_KIB_MAX)
		fail_msg("from %llu to %llu KiB", (unsigned long long)before,
			 (unsigned long long)after);
	for (unsigned i = 0; i < READS; i++) {
		struct answer a;

		assert_true(store_try_receive(fd, &a));
		assert_int_equal(a.header.type, T(STORE_BYTES));
		answer_free(&a);
	}
	client_send_bytes(fd, bytes + sent, length - sent);
	for (unsigned i = 0; i < WRITES; i++)
		client_expect_ok(fd, 1 + i);
	close(fd);
	free(bytes);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* Many small writes at once, answers read only at the end. */
static void who_is_fast_is_not_closed(void **state)
{
	enum { WRITES = 20000 };
	static const uint8_t bytes[SLOT_BYTES] = "fast";
	struct testmemd tm;
	int fd;

	(void)state;
	start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, NULL), 0);
	for (uint32_t i = 0; i < WRITES; i++)
		store_send_write(fd, 1 + i, i % 64, 1, bytes);
	for (uint32_t i = 0; i < WRITES; i++) {
		struct answer a;

		assert_true(store_try_receive(fd, &a));
		assert_int_equal(a.header.type, T(OK));
		answer_free(&a);
	}
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* ---- what an administrator sees */

static Memd__StoresReply *ask_stores(int admin)
{
	Memd__StoresReply *reply;
	struct answer a;

	client_send(admin, T(STORES), 9, NULL);
	client_receive(admin, T(STORES_REPLY), 9, &a);
	reply = answer_unpack(&a, &memd__stores_reply__descriptor);
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

static void stores_are_shown(void **state)
{
	Memd__StoresReply *reply;
	struct testmemd tm;
	int fd, admin;

	(void)state;
	start(&tm, NULL);
	admin = client_open(&tm, true, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, NULL), 0);
	write_slots(fd, 0, 8, 1);
	expect_slots(fd, 0, 2, 1);
	check_session(admin, "store test@127.0.0.1", 64 * SLOT_BYTES);
	reply = ask_stores(admin);
	assert_int_equal(reply->n_store, 1);
	assert_string_equal(reply->store[0]->host, "127.0.0.1");
	assert_string_equal(reply->store[0]->peer, "");
	assert_int_equal(reply->store[0]->uid, geteuid());
	assert_int_equal(reply->store[0]->length_bytes, 64 * SLOT_BYTES);
	assert_int_equal(reply->store[0]->resident_bytes, 8 * SLOT_BYTES);
	assert_int_equal(reply->store[0]->read_bytes, 2 * SLOT_BYTES);
	assert_int_equal(reply->store[0]->written_bytes, 8 * SLOT_BYTES);
	assert_true(reply->store[0]->has_rtt_ns);
	assert_false(reply->store[0]->has_idle_ms);
	memd__stores_reply__free_unpacked(reply, NULL);
	close(fd);
	client_await_counter(admin, "sessions_closed", 1);
	reply = ask_stores(admin);
	assert_int_equal(reply->n_store, 1);
	assert_int_equal(reply->store[0]->session, 0);
	assert_true(reply->store[0]->has_idle_ms);
	memd__stores_reply__free_unpacked(reply, NULL);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* ---- where to listen */

static void expect_refused(const char *listen, const char *part)
{
	char flag[128], output[4096];
	const char *flags[] = { "--socket=@memd-store-test-none",
				"--store=mem", "--pool-size=1M",
				"--swap-size=1M", flag, NULL };

	snprintf(flag, sizeof(flag), "--listen-tcp=%s", listen);
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
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
	expect_refused("0.0.0.0:0", "tls_ca");
	expect_refused("[::]:0", "insecure_tcp = yes");
	expect_refused(":0", "insecure_tcp = yes");
	expect_refused("192.0.2.1:0", "tls_ca");
	expect_refused("127.0.0.1", "HOST:PORT");
	expect_refused("127.0.0.1:66000", "HOST:PORT");
	expect_refused("::1:7000", "HOST:PORT");
	expect_refused("127.0.0.1:x", "HOST:PORT");
	assert_int_equal(testmemd_start(&tm, flags), 0);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 8, NULL, NULL), 0);
	expect_slots(fd, 0, 8, 0);
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_right),
		cmocka_unit_test(lost_bytes_are_errors),
		cmocka_unit_test(a_cut_payload_is_not_written),
		cmocka_unit_test(stale_writes_have_no_effect),
		cmocka_unit_test(tokens_are_looked_at),
		cmocka_unit_test(other_users_stores_are_not_there),
		cmocka_unit_test(limits_count),
		cmocka_unit_test(small_limits_only_slow),
		cmocka_unit_test(nobody_comes_back),
		cmocka_unit_test(stopping_is_quick),
		cmocka_unit_test(bad_messages_end_the_connection),
		cmocka_unit_test(wrong_requests_are_refused),
		cmocka_unit_test(drips_are_cut_off),
		cmocka_unit_test(one_address_has_its_share),
		cmocka_unit_test(who_does_not_read_waits),
		cmocka_unit_test(payloads_wait_outside),
		cmocka_unit_test(who_is_fast_is_not_closed),
		cmocka_unit_test(stores_are_shown),
		cmocka_unit_test(strangers_need_certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
