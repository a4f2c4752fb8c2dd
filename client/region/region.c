/* SPDX-License-Identifier: MIT */
/* The table of regions: see region.h.
 *
 * What makes regions_find() right:
 *
 * R1  Only the handler thread writes, so writers do not race.
 * R2  The writer makes `sequence` odd, changes copy 0, makes it even, changes
 *     copy 1.  A reader uses the copy that its first look at `sequence` calls
 *     stable and believes what it found only if a second look gives the same
 *     number: then that copy was not written in between.
 * R3  Every word of the index is an atomic, stored with release and loaded
 *     with acquire: no store moves before the change of `sequence` that
 *     announces it, no load behind the look that confirms it.
 * R4  Arrays that are outgrown stay mapped until regions_fini(): a reader
 *     that is late reads old numbers, never unmapped memory, and R2 rejects
 *     them.
 * R5  A reader repeats only when the set of regions changed meanwhile; it
 *     never waits for the writer to be scheduled.
 */
#include "client/region/region.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { FIRST_CAPACITY = 64 };

/* How far around the asked page a reply is believed: more than any daemon
 * maps ahead, little enough that a wrong count costs no time. */
enum { REPLY_UNITS_MAX = 1024 };

enum {
	EDGE_REACH = 2,		/* pages: readers may leave some out */
	PIECE_UNITS = 16,	/* mapped at a time for one who goes backward */
	MINOR_PAGES = 32,	/* mapped instead of the handler */
	MISSING_RUN = 16,	/* faults after which the next one is expected
				 * to be alike */
	MISSING_LOOK = 8,	/* but for one in so many */
};

/* Not malloc(): the handler calls this. */
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

/* Room for one more.  The old array is kept, R4. */
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

/* ---- both */

/* Send the readers to the other copy, R2. */
static void turn(struct regions *rs)
{
	atomic_fetch_add(&rs->sequence, 1);
}

/* Both copies grow before either is changed, so that adding cannot stop half
 * way. */
int regions_add(struct regions *rs, struct region *r)
{
	for (unsigned i = 0; i < 2; i++) {
		int err;

		turn(rs);
		err = index_grow(rs, &rs->index[i]);
		if (err != 0) {
			if (i == 0)
				turn(rs);
			return err;
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		turn(rs);
		index_insert(&rs->index[i], r);
	}
	bucket_insert(rs, r);
	return 0;
}

void regions_remove(struct regions *rs, struct region *r)
{
	for (unsigned i = 0; i < 2; i++) {
		turn(rs);
		index_delete(&rs->index[i], r);
	}
	LIST_REMOVE(r, bucket_link);
}

/* The last entry that starts at or before `address`. */
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

/* How many regions the index by segment has, each in its bucket. */
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

/* ---- replies */

static void note_add(struct region_notes *notes, uint64_t page)
{
	uint32_t place = atomic_fetch_add_explicit(&notes->next, 1,
						   memory_order_relaxed);

	atomic_store_explicit(&notes->page[place % REGION_NOTES], page + 1,
			      memory_order_release);
}

/* Replace one page by another.  False: it was not noted. */
static bool note_move(struct region_notes *notes, uint64_t from, uint64_t to)
{
	for (unsigned i = 0; i < REGION_NOTES && from != REGION_NO_PAGE; i++) {
		uint64_t expected = from + 1;

		if (atomic_load_explicit(&notes->page[i],
					 memory_order_acquire) == expected &&
		    atomic_compare_exchange_strong(&notes->page[i], &expected,
						   to + 1))
			return true;
	}
	return false;
}

static bool note_has(const struct region_notes *notes, uint64_t page)
{
	for (unsigned i = 0; i < REGION_NOTES; i++)
		if (atomic_load_explicit(&notes->page[i],
					 memory_order_relaxed) == page + 1)
			return true;
	return false;
}

bool region_take_mark(struct region *r, uint64_t page)
{
	return note_move(&r->marks, page, REGION_NO_PAGE);
}

bool region_take_edge(struct region *r, uint64_t page)
{
	for (uint64_t i = 0; i < EDGE_REACH; i++)
		if (note_move(&r->edges, page - i, REGION_NO_PAGE) ||
		    (i > 0 && note_move(&r->edges, page + i, REGION_NO_PAGE)))
			return true;
	return false;
}

/* Nothing depends on it but speed: threads may overwrite each other's count. */
bool region_expects_missing(struct region *r, uint64_t page)
{
	uint32_t run = atomic_load_explicit(&r->missing_run,
					    memory_order_relaxed);

	if (run < MISSING_RUN || run % MISSING_LOOK == 0 ||
	    (page >= atomic_load(&r->ready_first) &&
	     page < atomic_load(&r->ready_end)) ||
	    note_has(&r->marks, page))
		return false;
	region_note_missing(r, true);
	return true;
}

void region_note_missing(struct region *r, bool is_missing)
{
	uint32_t run = atomic_load_explicit(&r->missing_run,
					    memory_order_relaxed);

	atomic_store_explicit(&r->missing_run, is_missing ? run + 1 : 0,
			      memory_order_relaxed);
}

/* Map the pages [first, end) but for the mark.  Returns the outcome for the
 * unit at `address` (0: none), whose page is not left out as the mark. */
static enum uffd_outcome map_around(struct region *r, int uffd, uint64_t first,
				    uint64_t end, uint64_t mark,
				    uintptr_t address)
{
	uintptr_t want = uffd_unit_start(address);
	size_t want_length = address != 0 ? UFFD_UNIT_BYTES : 0;
	enum uffd_outcome before = UFFD_MAPPED, after = UFFD_MAPPED;
	bool has_mark = mark >= first && mark < end &&
			(address == 0 || mark != region_page_at(r, address));
	uint64_t stop = has_mark ? mark : end;
	uint64_t next = has_mark ? mark + 1 : end;

	/* Before the page can be touched. */
	if (has_mark)
		note_add(&r->marks, mark);
	if (first < stop)
		before = uffd_map(uffd, region_page_start(r, first),
				  (size_t)(stop - first) << r->page_shift,
				  want, want_length);
	if (next < end)
		after = uffd_map(uffd, region_page_start(r, next),
				 (size_t)(end - next) << r->page_shift, want,
				 want_length);
	return before != UFFD_MAPPED ? before : after;
}

/* How many pages are believed of one reply. */
static uint64_t reply_reach(const struct region *r)
{
	return MAX(REPLY_UNITS_MAX * (uint64_t)UFFD_UNIT_BYTES >>
		   r->page_shift, (uint64_t)1);
}

enum uffd_outcome region_map_reply(struct region *r, int uffd,
				   uintptr_t address,
				   const struct region_told *told)
{
	uint64_t page_count = region_page_count(r), reach = reply_reach(r);
	uint64_t page = region_page_at(r, address);
	uint64_t low = page > reach ? page - reach : 0;
	uint64_t high = MIN(page + reach, page_count);
	uint64_t first = MAX(told->first, low), end;

	end = told->count > high - MIN(told->first, high) ?
		high : told->first + told->count;
	if (first > page || end <= page) {
		first = page;
		end = page + 1;
	}
	/* A reader goes on at the end that is not its own page. */
	if (end - first > 1)
		atomic_store_explicit(&r->is_backward, page == end - 1,
				      memory_order_relaxed);
	if (end - first > 1 && page == first)
		note_add(&r->edges, end);
	else if (end - first > 1 && page == end - 1)
		note_add(&r->edges, first - 1);
	return map_around(r, uffd, first, end, told->mark, address);
}

/* What we are told of ends at `to` now.  Where it ended at `from`, that end is
 * none any more.  (Single pages are of one who leaves more out.) */
static void continue_edge(struct region *r, uint64_t from, uint64_t to)
{
	if (!note_move(&r->edges, from, to) && from + 1 != to &&
	    to + 1 != from)
		note_add(&r->edges, to);
}

static bool is_backward(struct region *r)
{
	return atomic_load_explicit(&r->is_backward, memory_order_relaxed);
}

/* From above, where the reader comes from. */
static void map_backward(struct region *r, int uffd, uint64_t first,
			 uint64_t end, uint64_t mark)
{
	uint64_t piece = MAX(PIECE_UNITS * (uint64_t)UFFD_UNIT_BYTES >>
			     r->page_shift, (uint64_t)1);

	while (end > first) {
		uint64_t low = end - MIN(end - first, piece);

		(void)map_around(r, uffd, low, end, mark, 0);
		end = low;
	}
}

void region_map_ready(struct region *r, int uffd,
		      const struct region_told *told)
{
	uint64_t page_count = region_page_count(r), first = told->first, end;

	if (first >= page_count)
		return;
	end = first + MIN(MIN(told->count, page_count - first),
			  reply_reach(r));
	if (end == first)
		return;
	atomic_store(&r->ready_first, first);
	atomic_store(&r->ready_mark, told->mark);
	atomic_store(&r->ready_end, end);
	if (is_backward(r))
		map_backward(r, uffd, first, end, told->mark);
	else
		(void)map_around(r, uffd, first, end, told->mark, 0);
	atomic_store(&r->ready_end, 0);
	if (is_backward(r))
		continue_edge(r, end - 1, first - 1);
	else
		continue_edge(r, first, end);
}

/* These three may be of different Readies: then pages are mapped that are, or
 * were, there to be mapped, or none. */
enum uffd_outcome region_map_minor(struct region *r, int uffd,
				   uintptr_t address)
{
	uint64_t page = region_page_at(r, address);
	uint64_t end = atomic_load(&r->ready_end);
	uint64_t first = atomic_load(&r->ready_first);
	uint64_t mark = atomic_load(&r->ready_mark);
	uint64_t low = page, high = page + 1;

	if (page >= first && page < end && is_backward(r))
		low = page - MIN(page - first, (uint64_t)MINOR_PAGES);
	else if (page >= first && page < end)
		high = page + MIN(end - page, (uint64_t)MINOR_PAGES);
	/* The handler notes the mark. */
	if (mark < page)
		low = MAX(low, mark + 1);
	else if (mark > page)
		high = MIN(high, mark);
	return uffd_map(uffd, region_page_start(r, low),
			(size_t)(high - low) << r->page_shift,
			uffd_unit_start(address), UFFD_UNIT_BYTES);
}
