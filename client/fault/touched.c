/* SPDX-License-Identifier: MIT */
/* Minor faults on their way to the daemon: see touched.h.
 *
 * The ring has many producers and one consumer.  A producer takes a place by
 * adding to `head`, and stores its note there if the place is empty.  The
 * consumer empties the places up to `head`.  If a producer was slow, its place
 * is read one round later.  No thread waits for another. */
#include "client/fault/touched.h"

#include <stdlib.h>

/* A note is never 0, because the page is stored plus one. */
static uint64_t note_pack(const struct region *r, uint64_t page)
{
	return (uint64_t)r->idx << 48 | (page + 1);
}

static size_t note_idx(uint64_t note)
{
	return (size_t)(note >> 48);
}

static uint64_t note_page(uint64_t note)
{
	return (note & ((UINT64_C(1) << 48) - 1)) - 1;
}

void touched_add(struct touched *t, const struct region *r, uint64_t page,
		 uint64_t ns)
{
	uint64_t place = atomic_fetch_add_explicit(&t->head, 1,
						   memory_order_relaxed);
	uint64_t empty = 0;

	atomic_compare_exchange_strong(&t->cell[place % TOUCHED_RING], &empty,
				       note_pack(r, page));
	atomic_fetch_add_explicit(&t->fault_count, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&t->total_ns, ns, memory_order_relaxed);
}

bool touched_is_pending(struct touched *t)
{
	return atomic_load_explicit(&t->head, memory_order_relaxed) != t->tail;
}

/* Move notes from the ring into the batch, as far as there is room. */
static void collect(struct touched *t)
{
	uint64_t head = atomic_load_explicit(&t->head, memory_order_relaxed);

	if (head - t->tail > TOUCHED_RING)
		t->tail = head - TOUCHED_RING;
	t->batch_count = 0;
	while (t->tail != head && t->batch_count < TOUCHED_BATCH) {
		uint64_t note = atomic_exchange(
			&t->cell[t->tail++ % TOUCHED_RING], 0);

		if (note != 0)
			t->batch[t->batch_count++] = note;
	}
}

/* Shellsort.  Not qsort(), which may call malloc(). */
static void sort(uint64_t *a, size_t count)
{
	for (size_t gap = count / 2; gap > 0; gap /= 2)
		for (size_t i = gap; i < count; i++) {
			uint64_t v = a[i];
			size_t j = i;

			for (; j >= gap && a[j - gap] > v; j -= gap)
				a[j] = a[j - gap];
			a[j] = v;
		}
}

/* Make ranges of the notes [first, end), which are all of one region.  Returns
 * how many. */
static size_t make_ranges(const struct touched *t, const struct region *r,
			  size_t first, size_t end, Memd__Range *range,
			  Memd__Range **pointer)
{
	static const Memd__Range range_init = MEMD__RANGE__INIT;
	size_t count = 0;

	for (size_t i = first; i < end; i++) {
		uint64_t page = note_page(t->batch[i]);

		if (page >= region_page_count(r))
			continue;
		if (count > 0 && page < range[count - 1].first +
					range[count - 1].count)
			continue;
		if (count > 0 && page == range[count - 1].first +
					 range[count - 1].count) {
			range[count - 1].count++;
			continue;
		}
		range[count] = range_init;
		range[count].first = page;
		range[count].count = 1;
		pointer[count] = &range[count];
		count++;
	}
	return count;
}

/* Send one message about the notes [first, end), all of one region; `ns` for
 * each. */
static void send_region(struct touched *t, const struct region *r,
			size_t first, size_t end, uint64_t ns, struct link *l)
{
	Memd__Touched message = MEMD__TOUCHED__INIT;
	Memd__Range *range = (void *)l->arena;
	Memd__Range **pointer = (void *)(range + TOUCHED_BATCH);
	size_t count = make_ranges(t, r, first, end, range, pointer);

	_Static_assert(LINK_ARENA_BYTES >= TOUCHED_BATCH *
		       (sizeof(Memd__Range) + sizeof(void *)), "room");
	if (count == 0)
		return;
	message.segment = atomic_load(&r->segment);
	message.n_range = count;
	message.range = pointer;
	message.has_fault_count = message.has_total_ns = 1;
	message.fault_count = end - first;
	message.total_ns = (end - first) * ns;
	/* If the link has no room, this hint is lost. */
	(void)!link_send(l, MEMD__MESSAGE_TYPE__TYPE_TOUCHED, 0, &message.base);
}

static void send_batch(struct touched *t, struct regions *rs, uint64_t ns,
		       struct link *l)
{
	size_t first = 0;

	sort(t->batch, t->batch_count);
	while (first < t->batch_count) {
		size_t idx = note_idx(t->batch[first]);
		const struct region *r = regions_at(rs, idx);
		size_t end = first;

		while (end < t->batch_count && note_idx(t->batch[end]) == idx)
			end++;
		if (r != NULL && atomic_load(&r->state) == REGION_LIVE)
			send_region(t, r, first, end, ns, l);
		first = end;
	}
}

void touched_send(struct touched *t, struct regions *rs, struct link *l)
{
	uint64_t count = atomic_exchange(&t->fault_count, 0);
	uint64_t total_ns = atomic_exchange(&t->total_ns, 0);
	uint64_t mean_ns = count > 0 ? total_ns / count : 0;

	do {
		collect(t);
		send_batch(t, rs, mean_ns, l);
	} while (t->batch_count == TOUCHED_BATCH);
}
