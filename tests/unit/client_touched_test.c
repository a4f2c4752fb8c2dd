/* SPDX-License-Identifier: MIT */
/* Proves that noted minor faults arrive as one message for each segment, with
 * neighbours joined and repeats dropped; that a full ring loses notes and
 * nothing else; and that notes of many threads all arrive. */
#include "client/fault/touched.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct touched touched;
static struct regions regions;
static struct link link_to;
static struct region *region[3];

static int begin(void **state)
{
	(void)state;
	memset(&touched, 0, sizeof(touched));
	memset(&link_to, 0, sizeof(link_to));
	link_init(&link_to);
	link_to.state = LINK_UP;
	regions_init(&regions);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(regions_get(&regions, &region[i]), 0);
		region[i]->length = UINT64_C(1) << 32;
		region[i]->page_shift = 12;
		atomic_store(&region[i]->segment, 100 + i);
		atomic_store(&region[i]->state, REGION_LIVE);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	regions_fini(&regions);
	return 0;
}

/* The next message that was sent, or NULL. */
static Memd__Touched *next_message(size_t *at)
{
	static uint8_t memory[1 << 18];
	struct wire_arena arena;
	struct wire_header h;
	Memd__Touched *m;

	if (*at == link_to.out_used)
		return NULL;
	assert_int_equal(wire_header_unpack(link_to.out + *at,
					    WIRE_BODY_BYTES_MAX, &h), 0);
	assert_int_equal(h.type, MEMD__MESSAGE_TYPE__TYPE_TOUCHED);
	assert_int_equal(h.request_id, 0);
	wire_arena_init(&arena, memory, sizeof(memory));
	m = (void *)wire_unpack(&memd__touched__descriptor, &arena,
				link_to.out + *at + WIRE_HEADER_BYTES,
				h.body_bytes);
	assert_non_null(m);
	assert_in_range(m->n_range, 1, WIRE_RANGES_MAX);
	*at += WIRE_HEADER_BYTES + h.body_bytes;
	return m;
}

static void joins_neighbours(void **state)
{
	static const uint64_t pages[] = { 7, 5, 6, 5, 100, 6, 1 };
	Memd__Touched *m;
	size_t at = 0;

	(void)state;
	assert_false(touched_is_pending(&touched));
	for (size_t i = 0; i < 7; i++)
		touched_add(&touched, region[1], pages[i], 10);
	touched_add(&touched, region[2], 0, 10);
	assert_true(touched_is_pending(&touched));
	touched_send(&touched, &regions, &link_to);
	assert_false(touched_is_pending(&touched));
	m = next_message(&at);
	assert_int_equal(m->segment, 101);
	assert_int_equal(m->n_range, 3);
	assert_int_equal(m->range[0]->first, 1);
	assert_int_equal(m->range[0]->count, 1);
	assert_int_equal(m->range[1]->first, 5);
	assert_int_equal(m->range[1]->count, 3);
	assert_int_equal(m->range[2]->first, 100);
	assert_int_equal(m->fault_count, 7);
	assert_int_equal(m->total_ns, 70);
	m = next_message(&at);
	assert_int_equal(m->segment, 102);
	assert_int_equal(m->range[0]->first, 0);
	assert_int_equal(m->range[0]->count, 1);
	assert_null(next_message(&at));
	touched_send(&touched, &regions, &link_to);
	assert_null(next_message(&at));
}

static void old_notes_harm_nobody(void **state)
{
	size_t at = 0;

	(void)state;
	touched_add(&touched, region[0], region_page_count(region[0]), 1);
	touched_add(&touched, region[1], 1, 1);
	regions_put(&regions, region[1]);
	atomic_store(&region[2]->state, REGION_JOINING);
	touched_add(&touched, region[2], 1, 1);
	touched_send(&touched, &regions, &link_to);
	assert_null(next_message(&at));
	assert_false(touched_is_pending(&touched));
}

static void a_full_ring_loses_only_notes(void **state)
{
	Memd__Touched *m;
	size_t at = 0;
	uint64_t pages = 0;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < 3 * TOUCHED_RING; i++)
			touched_add(&touched, region[0], i * 2, 1);
		touched_send(&touched, &regions, &link_to);
	}
	while ((m = next_message(&at)) != NULL)
		for (size_t i = 0; i < m->n_range; i++) {
			assert_int_equal(m->range[i]->first % 2, 0);
			pages += m->range[i]->count;
		}
	assert_in_range(pages, TOUCHED_RING, 3 * TOUCHED_RING);
}

enum { THREADS = 4, EACH = TOUCHED_RING / THREADS };

static void *note(void *arg)
{
	uint64_t first = (uint64_t)(uintptr_t)arg;

	for (uint64_t i = 0; i < EACH; i++)
		touched_add(&touched, region[0], first + i, 1);
	return NULL;
}

static void many_threads(void **state)
{
	pthread_t threads[THREADS];
	Memd__Touched *m;
	size_t at = 0;
	uint64_t pages = 0;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, note,
						(void *)(uintptr_t)(i * EACH)),
				 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	touched_send(&touched, &regions, &link_to);
	while ((m = next_message(&at)) != NULL)
		for (size_t i = 0; i < m->n_range; i++)
			pages += m->range[i]->count;
	assert_int_equal(pages, TOUCHED_RING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(joins_neighbours, begin, end),
		cmocka_unit_test_setup_teardown(old_notes_harm_nobody, begin,
						end),
		cmocka_unit_test_setup_teardown(a_full_ring_loses_only_notes,
						begin, end),
		cmocka_unit_test_setup_teardown(many_threads, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
