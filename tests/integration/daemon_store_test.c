/* SPDX-License-Identifier: MIT */
/* Proves that memd keeps another host's pages: every byte as it was written,
 * in the order of the requests, from a pool much smaller than the store; that
 * what a connection asked for before it broke has no effect after the store
 * was opened again; that tokens, users and limits are looked at; and that
 * nothing wrong that is said harms anybody. */
#include "tests/integration/store_client.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
