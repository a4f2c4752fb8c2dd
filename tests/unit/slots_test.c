/* SPDX-License-Identifier: MIT */
/* Proves that slots.c does what a model that looks at every slot one by one
 * does: runs of exactly the length asked for whenever there is one, the
 * longest otherwise; chains in few runs; no slot given twice, none forgotten,
 * no bad one given again.  Everything is recounted all along. */
#include "daemon/pager/slots.h"

#include "common/bitmap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

enum { MODEL_SLOTS_MAX = 5000, CHAINS_MAX = 600, STEPS = 8000 };

enum { FREE, USED, BAD };

struct model {
	struct slots sl;
	uint32_t slot_count;
	unsigned char what[MODEL_SLOTS_MAX + 1];	/* by slot_id */
	slot_id chain[CHAINS_MAX];
	uint32_t chain_count;
	unsigned seed;
};

/* One area, all in one file. */
static void slots_make(struct slots *sl, uint32_t slot_count)
{
	uint32_t first = 1;

	assert_int_equal(slots_init(sl, slot_count, 1), 0);
	assert_int_equal(slots_add_area(sl), 1);
	assert_int_equal(slots_add_file(sl, 1, slot_count, &first), 0);
	assert_int_equal(first, 0);
}

static uint32_t below(struct model *m, uint32_t limit)
{
	return (uint32_t)rand_r(&m->seed) % limit;
}

static void model_init(struct model *m, uint32_t slot_count, unsigned seed)
{
	memset(m, 0, sizeof(*m));
	m->slot_count = slot_count;
	m->seed = seed;
	slots_make(&m->sl, slot_count);
	slots_check(&m->sl);
}

static uint32_t model_count(const struct model *m, int what)
{
	uint32_t count = 0;

	for (slot_id slot = 1; slot <= m->slot_count; slot++)
		count += m->what[slot] == what;
	return count;
}

static uint32_t model_longest(const struct model *m)
{
	uint32_t run = 0, best = 0;

	for (slot_id slot = 1; slot <= m->slot_count; slot++) {
		run = m->what[slot] == FREE ? run + 1 : 0;
		best = MAX(best, run);
	}
	return best;
}

static void take_run(struct model *m, slot_id first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		assert_in_range(first + i, 1, m->slot_count);
		assert_int_equal(m->what[first + i], FREE);
		m->what[first + i] = USED;
	}
}

static void step_get_run(struct model *m)
{
	uint32_t longest = model_longest(m), got;
	uint32_t count = below(m, 4) == 0 ? 1 : 1 + below(m, 700);
	slot_id first = SLOT_NONE;

	got = slots_get_run(&m->sl, 1, count, &first);
	assert_int_equal(got, MIN(count, longest));
	if (got == 0)
		return;
	take_run(m, first, got);
	for (uint32_t i = 0; i < got; i++)
		assert_int_equal(slots_next(&m->sl, first + i), SLOT_NONE);
	slots_chain_run(&m->sl, first, got);
	m->chain[m->chain_count++] = first;
}

static void step_get_chain(struct model *m)
{
	uint32_t room = model_count(m, FREE);
	uint32_t count = 1 + below(m, 600);
	slot_id first = SLOT_NONE, slot;
	int err = slots_get_chain(&m->sl, 1, count, &first);

	if (count > room) {
		assert_int_equal(err, -ENOSPC);
		assert_int_equal(first, SLOT_NONE);
		return;
	}
	assert_int_equal(err, 0);
	m->chain[m->chain_count++] = first;
	for (slot = first; slot != SLOT_NONE; slot = slots_next(&m->sl, slot)) {
		take_run(m, slot, 1);
		count--;
	}
	assert_int_equal(count, 0);
}

static void step_end_chain(struct model *m, int what)
{
	uint32_t pick = below(m, m->chain_count);
	slot_id first = m->chain[pick];

	for (slot_id slot = first; slot != SLOT_NONE;
	     slot = slots_next(&m->sl, slot)) {
		assert_int_equal(m->what[slot], USED);
		m->what[slot] = (unsigned char)what;
	}
	m->chain[pick] = m->chain[--m->chain_count];
	if (what == FREE)
		slots_put_chain(&m->sl, first);
	else
		slots_quarantine_chain(&m->sl, first);
}

/* Single slots here and there: what fragments a store. */
static void step_get_singles(struct model *m)
{
	uint32_t count = 1 + below(m, 40);

	while (count-- > 0 && m->chain_count < CHAINS_MAX) {
		slot_id first = SLOT_NONE;

		if (slots_get_run(&m->sl, 1, 1, &first) == 0)
			return;
		take_run(m, first, 1);
		m->chain[m->chain_count++] = first;
	}
}

static void model_check(const struct model *m)
{
	const uint64_t *free_map = m->sl.free_map.base;
	const uint64_t *bad = m->sl.bad_map.base;

	slots_check(&m->sl);
	assert_int_equal(m->sl.count.free, model_count(m, FREE));
	assert_int_equal(m->sl.count.used, model_count(m, USED));
	assert_int_equal(m->sl.count.quarantined, model_count(m, BAD));
	for (slot_id slot = 1; slot <= m->slot_count; slot++) {
		assert_int_equal(bitmap_test(free_map, slot - 1),
				 m->what[slot] == FREE);
		assert_int_equal(bitmap_test(bad, slot - 1),
				 m->what[slot] == BAD);
	}
}

/* `pressure` of 10 steps take slots, the others give some back. */
static void step(struct model *m, uint32_t pressure)
{
	bool can_take = m->chain_count < CHAINS_MAX;

	if (can_take && below(m, 10) < pressure) {
		uint32_t kind = below(m, 3);

		if (kind == 0)
			step_get_run(m);
		else if (kind == 1)
			step_get_chain(m);
		else
			step_get_singles(m);
	} else if (m->chain_count > 0) {
		step_end_chain(m, below(m, 200) == 0 ? BAD : FREE);
	}
}

static void run_against_model(uint32_t slot_count, unsigned seed)
{
	static struct model m;

	model_init(&m, slot_count, seed);
	for (int i = 0; i < STEPS; i++) {
		/* Fill up, hover near full, drain; again. */
		step(&m, i / 500 % 3 == 2 ? 2 : 7);
		if (i % 100 == 0)
			model_check(&m);
	}
	while (m.chain_count > 0)
		step_end_chain(&m, FREE);
	model_check(&m);
	assert_int_equal(m.sl.count.used, 0);
	slots_fini(&m.sl);
}

/* Sizes around a word, a leaf of the tree, a power of two of leaves. */
static void test_random_operations(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 63, 64, 65, 511, 512, 513,
					  1023, 1024, 1025, 2048, 3000, 4096,
					  5000 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		print_message("slots %u, seed %u\n", sizes[i], i + 1);
		run_against_model(sizes[i], i + 1);
	}
}

static void test_runs_follow_each_other(void **state)
{
	struct slots sl;
	slot_id first = SLOT_NONE;

	(void)state;
	slots_make(&sl, 100);
	assert_int_equal(slots_get_run(&sl, 1, 30, &first), 30);
	assert_int_equal(first, 1);
	assert_int_equal(slots_get_run(&sl, 1, 30, &first), 30);
	assert_int_equal(first, 31);
	slots_chain_run(&sl, 1, 30);
	slots_put_chain(&sl, 1);
	/* Next-fit: the hole at the start waits until the end is reached. */
	assert_int_equal(slots_get_run(&sl, 1, 30, &first), 30);
	assert_int_equal(first, 61);
	assert_int_equal(slots_get_run(&sl, 1, 30, &first), 30);
	assert_int_equal(first, 1);
	/* No run of 30 left: the longest there is. */
	assert_int_equal(slots_get_run(&sl, 1, 30, &first), 10);
	assert_int_equal(first, 91);
	assert_int_equal(slots_get_run(&sl, 1, 30, &first), 0);
	assert_int_equal(first, 91);
	slots_check(&sl);
	slots_fini(&sl);
}

static void test_chain_of_fragments(void **state)
{
	struct slots sl;
	slot_id first = SLOT_NONE, untouched = 77;
	uint32_t length = 0;

	(void)state;
	slots_make(&sl, 1000);
	assert_int_equal(slots_get_run(&sl, 1, 1000, &first), 1000);
	for (slot_id slot = 1; slot <= 1000; slot += 2)
		slots_put_chain(&sl, slot);
	assert_int_equal(slots_get_chain(&sl, 1, 501, &untouched), -ENOSPC);
	assert_int_equal(untouched, 77);
	assert_int_equal(sl.count.free, 500);
	assert_int_equal(slots_get_chain(&sl, 1, 500, &first), 0);
	for (slot_id slot = first; slot != SLOT_NONE;
	     slot = slots_next(&sl, slot)) {
		assert_int_equal(slot % 2, 1);
		length++;
	}
	assert_int_equal(length, 500);
	slots_check(&sl);
	slots_quarantine_chain(&sl, first);
	assert_int_equal(sl.count.quarantined, 500);
	assert_int_equal(slots_get_run(&sl, 1, 1, &first), 0);
	slots_check(&sl);
	slots_fini(&sl);
}

/* Not a benchmark, but with a search that looks at the whole map each time
 * this would take an hour: four million slots, full but for single holes. */
static void test_large_and_nearly_full(void **state)
{
	enum { SLOTS = 1 << 22, HOLE_EVERY = 64, TAKES = 50000 };
	struct slots sl;
	slot_id first = SLOT_NONE;

	(void)state;
	slots_make(&sl, SLOTS);
	assert_int_equal(slots_get_run(&sl, 1, SLOTS, &first), SLOTS);
	for (slot_id slot = 1; slot <= SLOTS; slot += HOLE_EVERY)
		slots_put_chain(&sl, slot);
	for (int i = 0; i < TAKES; i++) {
		assert_int_equal(slots_get_run(&sl, 1, 32, &first), 1);
		assert_int_equal(first % HOLE_EVERY, 1);
	}
	slots_put_chain(&sl, 2);	/* now slots 2 and, used, 1 and 3 */
	for (int i = 0; i < TAKES / 4; i++)
		assert_int_equal(slots_get_run(&sl, 1, 1, &first), 1);
	slots_check(&sl);
	slots_fini(&sl);
}

static void test_refusals(void **state)
{
	struct slots sl;

	(void)state;
	assert_int_equal(slots_init(&sl, 0, 1), -EINVAL);
	slots_fini(&sl);
	assert_int_equal(slots_init(&sl, UINT32_MAX, 1), -EINVAL);
	slots_fini(&sl);
	memset(&sl, 0, sizeof(sl));
	slots_fini(&sl);
}

/* With too few descriptors for its tables: refused, and none stays open. */
static void test_few_descriptors(void **state)
{
	struct rlimit before, few;
	struct slots sl;
	int next = dup(STDERR_FILENO), after;

	(void)state;
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (rlim_t room = 0; room < 4; room++) {
		few = before;
		few.rlim_cur = (rlim_t)next + room;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		assert_int_equal(slots_init(&sl, 100, 1), -EMFILE);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		slots_fini(&sl);
		after = dup(STDERR_FILENO);
		close(after);
		assert_int_equal(next, after);
	}
}

/* ---- several areas */

enum { AREAS = 5, AREA_STEPS = 4000, AREA_CHAINS = 300 };

struct areas_model {
	struct slots sl;
	/* Whose each number is; 0: of no file. */
	unsigned char owner[1 << 15];
	unsigned char what[1 << 15];
	bool has_area[AREAS + 1];
	struct { area_id area; slot_id first; } chain[AREA_CHAINS];
	unsigned chain_count;
	unsigned seed;
};

static uint32_t pick(struct areas_model *m, uint32_t limit)
{
	return (uint32_t)rand_r(&m->seed) % limit;
}

static void area_take(struct areas_model *m, area_id area, slot_id slot)
{
	assert_int_equal(m->owner[slot - 1], area);
	assert_int_equal(m->what[slot - 1], FREE);
	m->what[slot - 1] = USED;
}

static void area_get(struct areas_model *m, area_id area)
{
	uint32_t count = 1 + pick(m, 200);
	slot_id first = SLOT_NONE;

	if (m->chain_count == AREA_CHAINS)
		return;
	if (pick(m, 2) == 0) {
		count = slots_get_run(&m->sl, area, count, &first);
		if (count == 0)
			return;
		/* No run leaves its file. */
		for (uint32_t i = 1; i < count; i++)
			assert_true(slots_are_joined(&m->sl, first + i - 1));
		slots_chain_run(&m->sl, first, count);
	} else if (slots_get_chain(&m->sl, area, count, &first) != 0) {
		assert_true(slots_area(&m->sl, area)->count.free < count);
		return;
	}
	for (slot_id s = first; s != SLOT_NONE; s = slots_next(&m->sl, s))
		area_take(m, area, s);
	m->chain[m->chain_count].area = area;
	m->chain[m->chain_count++].first = first;
}

static void area_end_chain(struct areas_model *m, unsigned at, int what)
{
	slot_id first = m->chain[at].first;

	for (slot_id s = first; s != SLOT_NONE; s = slots_next(&m->sl, s)) {
		assert_int_equal(m->owner[s - 1], m->chain[at].area);
		m->what[s - 1] = (unsigned char)what;
	}
	m->chain[at] = m->chain[--m->chain_count];
	if (what == FREE)
		slots_put_chain(&m->sl, first);
	else
		slots_quarantine_chain(&m->sl, first);
}

static void area_grow(struct areas_model *m, area_id area)
{
	uint32_t count = 256u * (1 + pick(m, 8)), first = 0;

	if (slots_add_file(&m->sl, area, count, &first) != 0)
		return;
	for (uint32_t i = first; i < first + count; i++) {
		assert_int_equal(m->owner[i], 0);
		m->owner[i] = (unsigned char)area;
		m->what[i] = FREE;
	}
}

static void file_is_gone(struct areas_model *m, area_id area, uint32_t first,
			 uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++) {
		assert_int_equal(m->owner[i], area);
		assert_int_not_equal(m->what[i], USED);
		m->owner[i] = 0;
	}
}

static void area_shrink(struct areas_model *m, area_id area)
{
	uint32_t first = 0, most = 256u * (1 + pick(m, 12));
	uint32_t count = slots_find_unused(&m->sl, area, most, &first);

	assert_in_range(count, 0, most);
	if (count != 0)
		slots_remove_file(&m->sl, first);
	file_is_gone(m, area, first, count);
}

static void area_end(struct areas_model *m, area_id area)
{
	for (unsigned i = m->chain_count; i-- > 0;)
		if (m->chain[i].area == area)
			area_end_chain(m, i, FREE);
	slots_remove_area(&m->sl, area);
	for (unsigned i = 0; i < ARRAY_SIZE(m->owner); i++)
		if (m->owner[i] == area)
			m->owner[i] = 0;
	m->has_area[area] = false;
}

static void areas_check(const struct areas_model *m)
{
	struct slot_counts count[AREAS + 1] = { 0 };

	slots_check(&m->sl);
	for (unsigned i = 0; i < ARRAY_SIZE(m->owner); i++) {
		struct slot_counts *c = &count[m->owner[i]];

		c->all++;
		c->free += m->what[i] == FREE;
		c->used += m->what[i] == USED;
		c->quarantined += m->what[i] == BAD;
	}
	for (area_id a = 1; a <= AREAS; a++)
		if (m->has_area[a])
			assert_memory_equal(&count[a],
					    &slots_area(&m->sl, a)->count,
					    sizeof(count[a]));
}

static void areas_step(struct areas_model *m)
{
	area_id area = 1 + pick(m, AREAS), other;

	if (!m->has_area[area]) {
		other = slots_add_area(&m->sl);
		assert_in_range(other, 1, AREAS);
		assert_false(m->has_area[other]);
		m->has_area[other] = true;
		return;
	}
	switch (pick(m, 40)) {
	case 0:
		area_end(m, area);
		return;
	case 1: case 2: case 3:
		area_grow(m, area);
		return;
	case 4: case 5:
		area_shrink(m, area);
		return;
	case 6:
		if (m->chain_count != 0)
			area_end_chain(m, pick(m, m->chain_count), BAD);
		return;
	default:
		if (pick(m, 2) == 0)
			area_get(m, area);
		else if (m->chain_count != 0)
			area_end_chain(m, pick(m, m->chain_count), FREE);
	}
}

static void test_areas_against_a_model(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 8; seed++) {
		static struct areas_model m;

		print_message("areas, seed %u\n", seed);
		memset(&m, 0, sizeof(m));
		m.seed = seed;
		assert_int_equal(slots_init(&m.sl, 1 << 13, AREAS), 0);
		assert_int_equal(m.sl.number_count, ARRAY_SIZE(m.owner));
		for (int i = 0; i < AREA_STEPS; i++) {
			areas_step(&m);
			if (i % 50 == 0)
				areas_check(&m);
		}
		areas_check(&m);
		slots_fini(&m.sl);
	}
}

static void test_areas_are_limited(void **state)
{
	struct slots sl;
	uint32_t first;

	(void)state;
	assert_int_equal(slots_init(&sl, 1 << 13, 2), 0);
	assert_int_equal(slots_add_area(&sl), 1);
	assert_int_equal(slots_add_area(&sl), 2);
	assert_int_equal(slots_add_area(&sl), 0);
	/* As many files as there are regions. */
	for (uint32_t i = 0; i < sl.number_count / SLOTS_REGION; i++)
		assert_int_equal(slots_add_file(&sl, 1, 256, &first), 0);
	assert_int_equal(slots_add_file(&sl, 2, 256, &first), -ENOSPC);
	slots_remove_area(&sl, 1);
	assert_int_equal(slots_add_file(&sl, 2, 256, &first), 0);
	assert_int_equal(slots_add_area(&sl), 1);
	slots_check(&sl);
	slots_fini(&sl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),
		cmocka_unit_test(test_runs_follow_each_other),
		cmocka_unit_test(test_chain_of_fragments),
		cmocka_unit_test(test_large_and_nearly_full),
		cmocka_unit_test(test_areas_against_a_model),
		cmocka_unit_test(test_areas_are_limited),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_few_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
