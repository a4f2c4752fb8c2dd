/* SPDX-License-Identifier: MIT */
#include "tests/integration/store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void slots_fill(uint8_t *to, uint32_t slot, uint32_t count,
		       const uint32_t *version)
{
	for (uint32_t i = 0; i < count; i++)
		slot_fill(to + (size_t)i * SLOT_BYTES, slot + i, version[i]);
}

static uint32_t draw(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((*state >> 33) % below);
}

void store_model_receive(struct store_model *m)
{
	struct answer a;
	struct store_wait *w;

	assert_true(store_try_receive(m->fd, &a));
	assert_in_range(a.header.request_id, 1, STORE_WAITS);
	w = &m->wait[a.header.request_id - 1];
	assert_true(w->is_used);
	assert_int_equal(a.header.type, w->is_read ? T(STORE_BYTES) : T(OK));
	if (w->is_read) {
		assert_int_equal(a.header.payload_bytes,
				 w->count * SLOT_BYTES);
		slots_check(a.body, w->slot, w->count, w->version);
	}
	free(w->version);
	*w = (struct store_wait){ 0 };
	m->waiting--;
	answer_free(&a);
}

static struct store_wait *store_model_wait(struct store_model *m)
{
	while (m->waiting >= STORE_WAITS / 2)
		store_model_receive(m);
	for (unsigned i = 0; i < STORE_WAITS; i++)
		if (!m->wait[i].is_used) {
			m->waiting++;
			return &m->wait[i];
		}
	fail_msg("no place");
	return NULL;
}

void store_model_read(struct store_model *m, uint32_t slot, uint32_t count)
{
	struct store_wait *w = store_model_wait(m);

	*w = (struct store_wait){ .is_used = true, .is_read = true,
				  .slot = slot, .count = count };
	w->version = malloc(count * sizeof(uint32_t));
	assert_non_null(w->version);
	memcpy(w->version, m->version + slot, count * sizeof(uint32_t));
	store_send_read(m->fd, (uint64_t)(w - m->wait) + 1, slot, count);
}

void store_model_write(struct store_model *m, uint32_t slot, uint32_t count)
{
	static uint32_t next_version = 1;
	struct store_wait *w = store_model_wait(m);

	*w = (struct store_wait){ .is_used = true, .slot = slot,
				  .count = count };
	for (uint32_t i = 0; i < count; i++)
		m->version[slot + i] = next_version++;
	slots_fill(m->bytes, slot, count, m->version + slot);
	store_send_write(m->fd, (uint64_t)(w - m->wait) + 1, slot, count,
			 m->bytes);
}

void store_model_discard(struct store_model *m, uint32_t slot, uint32_t count)
{
	store_send_discard(m->fd, slot, count);
	memset(m->version + slot, 0, count * sizeof(uint32_t));
}

/* Often the same few slots, so that requests overlap while under way. */
void store_model_step(struct store_model *m)
{
	uint32_t most = draw(&m->random, 8) == 0 ? STORE_REQUEST_SLOTS : 16;
	uint32_t count = 1 + draw(&m->random, most);
	uint32_t area = draw(&m->random, 2) == 0 ? 1024 : SLOTS;
	uint32_t slot = draw(&m->random, area - count + 1);

	switch (draw(&m->random, 10)) {
	case 0:
		store_model_discard(m, slot, count);
		break;
	case 1: case 2: case 3: case 4:
		store_model_write(m, slot, count);
		break;
	default:
		store_model_read(m, slot, count);
	}
}

struct store_model *store_model_create(const struct testmemd *tm)
{
	struct store_model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->random = 42;
	m->fd = store_session(tm);
	return m;
}

void store_model_destroy(struct store_model *m)
{
	while (m->waiting > 0)
		store_model_receive(m);
	close(m->fd);
	free(m);
}
