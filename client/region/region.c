/* SPDX-License-Identifier: MIT */
/* The table of regions: see region.h.
 *
 * Why regions_find() is right without a lock:
 *
 * R1  Only the library's thread writes, so writers do not race.
 * R2  The writer makes `sequence` odd, changes copy 0, makes `sequence` even,
 *     and changes copy 1.  A reader reads `sequence`, searches the copy that it
 *     calls stable, and reads `sequence` again.  If the number is the same,
 *     that copy was not written in between; else the reader repeats.
 * R3  Every word of the index is atomic, stored with release and loaded with
 *     acquire.  So no store moves before the change of `sequence` that
 *     announces it, and no load moves behind the second look at `sequence`.
 * R4  Arrays that have become too small stay mapped until regions_fini().  A
 *     late reader reads old numbers, never unmapped memory, and R2 rejects the
 *     numbers.
 * R5  A reader repeats only if the set of regions has changed meanwhile.  It
 *     never waits for the writer to run. */
#include "client/region/region.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { FIRST_CAPACITY = 64 };

/* Not malloc(): the library's thread calls this. */
static void *map_zeroed(size_t length)
{
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

void regions_init(struct regions *rs)
{
	memset(rs, 0, sizeof(*rs));
}

static void unmap_entries(struct region_index *index)
{
	struct region_entry *entries = atomic_load(&index->entries);

	if (entries != NULL)
		munmap(entries, index->capacity * sizeof(*entries));
}

void regions_fini(struct regions *rs)
{
	for (unsigned i = 0; i < 2; i++)
		unmap_entries(&rs->index[i]);
	for (size_t i = 0; i < rs->outgrown_count; i++)
		munmap(rs->outgrown[i].entries, rs->outgrown[i].length);
	for (size_t i = 0; i < REGION_CHUNKS_MAX; i++)
		if (rs->chunk[i] != NULL)
			munmap(rs->chunk[i], REGIONS_PER_CHUNK *
					     sizeof(struct region));
	memset(rs, 0, sizeof(*rs));
}

/* ---- slots */

static struct region *slot(struct regions *rs, size_t idx)
{
	return &rs->chunk[idx / REGIONS_PER_CHUNK][idx % REGIONS_PER_CHUNK];
}

int regions_get(struct regions *rs, struct region **ret_region)
{
	struct region *r = rs->free;
	size_t idx = rs->used_count;

	if (r != NULL) {
		rs->free = r->next_free;
		idx = r->idx;
	} else {
		size_t chunk = idx / REGIONS_PER_CHUNK;

		if (chunk >= REGION_CHUNKS_MAX)
			return -EMFILE;
		if (rs->chunk[chunk] == NULL)
			rs->chunk[chunk] = map_zeroed(REGIONS_PER_CHUNK *
						      sizeof(*r));
		if (rs->chunk[chunk] == NULL)
			return -ENOMEM;
		r = slot(rs, idx);
		rs->used_count++;
	}
	memset(r, 0, sizeof(*r));
	r->idx = (uint16_t)idx;
	*ret_region = r;
	return 0;
}

void regions_put(struct regions *rs, struct region *r)
{
	atomic_store(&r->state, REGION_FREE);
	r->next_free = rs->free;
	rs->free = r;
}

static bool has_own(struct region *r, uint64_t page)
{
	for (unsigned i = 0; i < REGION_OWN_FAULTS; i++)
		if (atomic_load_explicit(&r->own[i], memory_order_relaxed) ==
		    (uint32_t)(page + 1))
			return true;
	return false;
}

bool region_is_stepping(struct region *r, uint64_t page)
{
	for (unsigned i = 0; i < REGION_OWN_FAULTS; i++) {
		uint64_t before = atomic_load_explicit(&r->own[i],
						       memory_order_relaxed);
		uint64_t step = page + 1 - before;

		if (before != 0 && step != 0 && step < before &&
		    has_own(r, before - 1 - step))
			return true;
		step = before - (page + 1);
		if (before != 0 && step != 0 && step < UINT32_MAX &&
		    has_own(r, before - 1 + step))
			return true;
	}
	return false;
}

void region_note_own(struct region *r, uint64_t page)
{
	uint32_t at = atomic_fetch_add_explicit(&r->own_next, 1,
						memory_order_relaxed);

	atomic_store_explicit(&r->own[at % REGION_OWN_FAULTS],
			      (uint32_t)(page + 1), memory_order_relaxed);
}

struct region *regions_at(struct regions *rs, size_t idx)
{
	struct region *r;

	if (idx >= rs->used_count)
		return NULL;
	r = slot(rs, idx);
	return atomic_load(&r->state) == REGION_FREE ? NULL : r;
}

/* ---- the index by address */

static void entry_set(struct region_entry *e, uintptr_t start, uintptr_t end,
		      struct region *r)
{
	atomic_store_explicit(&e->start, start, memory_order_release);
	atomic_store_explicit(&e->end, end, memory_order_release);
	atomic_store_explicit(&e->region, r, memory_order_release);
}

static void entry_copy(struct region_entry *to, const struct region_entry *from)
{
	entry_set(to, atomic_load(&from->start), atomic_load(&from->end),
		  atomic_load(&from->region));
}

/* Make room for one more entry.  The old array is kept (R4). */
static int index_grow(struct regions *rs, struct region_index *index)
{
	struct region_entry *from = atomic_load(&index->entries);
	size_t count = atomic_load(&index->count);
	size_t capacity = MAX(index->capacity * 2, (size_t)FIRST_CAPACITY);
	struct region_entry *to;

	if (count < index->capacity)
		return 0;
	to = map_zeroed(capacity * sizeof(*to));
	if (to == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		entry_copy(&to[i], &from[i]);
	atomic_store_explicit(&index->entries, to, memory_order_release);
	if (from != NULL) {
		ASSERT(rs->outgrown_count < REGION_OUTGROWN_MAX);
		rs->outgrown[rs->outgrown_count].entries = from;
		rs->outgrown[rs->outgrown_count++].length =
			index->capacity * sizeof(*from);
	}
	index->capacity = capacity;
	return 0;
}

static void index_insert(struct region_index *index, struct region *r)
{
	struct region_entry *e = atomic_load(&index->entries);
	size_t i = atomic_load(&index->count);

	for (; i > 0 && atomic_load(&e[i - 1].start) > r->start; i--)
		entry_copy(&e[i], &e[i - 1]);
	entry_set(&e[i], r->start, r->start + r->length, r);
	atomic_fetch_add_explicit(&index->count, 1, memory_order_release);
}

static void index_delete(struct region_index *index, struct region *r)
{
	struct region_entry *e = atomic_load(&index->entries);
	size_t count = atomic_load(&index->count);
	size_t i = 0;

	while (i < count && atomic_load(&e[i].region) != r)
		i++;
	ASSERT(i < count);
	for (; i + 1 < count; i++)
		entry_copy(&e[i], &e[i + 1]);
	atomic_store_explicit(&index->count, count - 1, memory_order_release);
}

/* ---- the index by segment */

static struct region_bucket *bucket_of(struct regions *rs, uint32_t segment)
{
	return &rs->bucket[segment % REGION_BUCKETS];
}

static void bucket_insert(struct regions *rs, struct region *r)
{
	LIST_INSERT_HEAD(bucket_of(rs, atomic_load(&r->segment)), r,
			 bucket_link);
}

void regions_set_segment(struct regions *rs, struct region *r, uint32_t segment)
{
	LIST_REMOVE(r, bucket_link);
	atomic_store(&r->segment, segment);
	bucket_insert(rs, r);
}

struct region *regions_of_segment(struct regions *rs, uint32_t segment,
				  const struct region *after)
{
	struct region *r = after != NULL ? LIST_NEXT(after, bucket_link) :
					   LIST_FIRST(bucket_of(rs, segment));

	while (r != NULL && (atomic_load(&r->segment) != segment ||
			     atomic_load(&r->state) != REGION_LIVE))
		r = LIST_NEXT(r, bucket_link);
	return r;
}

/* ---- both indexes */

/* Send the readers to the other copy (R2). */
static void switch_copy(struct regions *rs)
{
	atomic_fetch_add(&rs->sequence, 1);
}

/* Both copies grow before either is changed, so an addition cannot fail half
 * way. */
int regions_add(struct regions *rs, struct region *r)
{
	for (unsigned i = 0; i < 2; i++) {
		int err;

		switch_copy(rs);
		err = index_grow(rs, &rs->index[i]);
		if (err != 0) {
			if (i == 0)
				switch_copy(rs);
			return err;
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		switch_copy(rs);
		index_insert(&rs->index[i], r);
	}
	bucket_insert(rs, r);
	return 0;
}

void regions_remove(struct regions *rs, struct region *r)
{
	for (unsigned i = 0; i < 2; i++) {
		switch_copy(rs);
		index_delete(&rs->index[i], r);
	}
	LIST_REMOVE(r, bucket_link);
}

/* The region of the last entry that starts at or before `address`, if it holds
 * `address`. */
static struct region *search(struct region_index *index, uintptr_t address)
{
	size_t high = atomic_load_explicit(&index->count, memory_order_acquire);
	struct region_entry *e = atomic_load_explicit(&index->entries,
						      memory_order_acquire);
	size_t low = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (atomic_load_explicit(&e[middle].start,
					 memory_order_acquire) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || address >= atomic_load_explicit(&e[low - 1].end,
							memory_order_acquire))
		return NULL;
	return atomic_load_explicit(&e[low - 1].region, memory_order_acquire);
}

struct region *regions_find(struct regions *rs, uintptr_t address)
{
	for (;;) {
		uint32_t seen = atomic_load_explicit(&rs->sequence,
						     memory_order_acquire);
		struct region *r = search(&rs->index[seen & 1], address);

		if (atomic_load_explicit(&rs->sequence,
					 memory_order_relaxed) == seen)
			return r;
	}
}

struct region *regions_nth(struct regions *rs, size_t i)
{
	struct region_index *index = &rs->index[0];

	if (i >= atomic_load(&index->count))
		return NULL;
	return atomic_load(&atomic_load(&index->entries)[i].region);
}

/* Count the regions in the index by segment, and ASSERT that each is in its
 * bucket. */
static size_t check_buckets(struct regions *rs)
{
	const struct region *r;
	size_t count = 0;

	for (size_t i = 0; i < REGION_BUCKETS; i++)
		LIST_FOREACH(r, &rs->bucket[i], bucket_link) {
			ASSERT(atomic_load(&r->segment) % REGION_BUCKETS == i);
			ASSERT(regions_find(rs, r->start) == r);
			count++;
		}
	return count;
}

void regions_check(struct regions *rs)
{
	struct region_entry *e0 = atomic_load(&rs->index[0].entries);
	struct region_entry *e1 = atomic_load(&rs->index[1].entries);
	size_t count = atomic_load(&rs->index[0].count);

	ASSERT((atomic_load(&rs->sequence) & 1) == 0);
	ASSERT(count == atomic_load(&rs->index[1].count));
	for (size_t i = 0; i < count; i++) {
		struct region *r = atomic_load(&e0[i].region);

		ASSERT(r == atomic_load(&e1[i].region));
		ASSERT(r == regions_at(rs, r->idx));
		ASSERT(r->start == atomic_load(&e0[i].start));
		ASSERT(r->start == atomic_load(&e1[i].start));
		ASSERT(r->start + r->length == atomic_load(&e0[i].end));
		ASSERT(i == 0 || atomic_load(&e0[i - 1].end) <= r->start);
	}
	ASSERT(check_buckets(rs) == count);
}
