/* SPDX-License-Identifier: MIT */
/* What the daemon tells of pages: see told.h. */
#include "client/region/told.h"

/* How far from the page asked for a reply is believed: further than any daemon
 * maps ahead, and near enough that a wrong count costs no time. */
enum { REPLY_UNITS_MAX = 1024 };

enum {
	EDGE_REACH = 2,		/* pages: a reader may leave some out */
	/* Mapped at a time for a reader that goes backward. */
	PIECE_UNITS = 16,
	/* Mapped by a faulting thread, ahead of the library's thread. */
	MINOR_PAGES = 32,
	/* After this many missing pages the next is expected to be missing. */
	MISSING_RUN = 16,
	MISSING_LOOK = 8,	/* one fault in this many looks all the same */
};

/* ---- notes of pages */

static void note_add(struct region_notes *notes, uint64_t page)
{
	uint32_t place = atomic_fetch_add_explicit(&notes->next, 1,
						   memory_order_relaxed);

	atomic_store_explicit(&notes->page[place % REGION_NOTES], page + 1,
			      memory_order_release);
}

/* Replace page `from` by `to`.  False: `from` was not noted. */
static bool note_move(struct region_notes *notes, uint64_t from, uint64_t to)
{
	for (unsigned i = 0; i < REGION_NOTES && from != TOLD_NO_PAGE; i++) {
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

bool told_take_mark(struct region *r, uint64_t page)
{
	return note_move(&r->marks, page, TOLD_NO_PAGE);
}

bool told_take_edge(struct region *r, uint64_t page)
{
	for (uint64_t i = 0; i < EDGE_REACH; i++)
		if (note_move(&r->edges, page - i, TOLD_NO_PAGE) ||
		    (i > 0 && note_move(&r->edges, page + i, TOLD_NO_PAGE)))
			return true;
	return false;
}

/* The count only affects speed, so threads may overwrite each other's count. */
bool told_expects_missing(struct region *r, uint64_t page)
{
	uint32_t run = atomic_load_explicit(&r->missing_run,
					    memory_order_relaxed);

	if (run < MISSING_RUN || run % MISSING_LOOK == 0 ||
	    (page >= atomic_load(&r->ready_first) &&
	     page < atomic_load(&r->ready_end)) ||
	    note_has(&r->marks, page))
		return false;
	told_note_missing(r, true);
	return true;
}

void told_note_missing(struct region *r, bool is_missing)
{
	uint32_t run = atomic_load_explicit(&r->missing_run,
					    memory_order_relaxed);

	atomic_store_explicit(&r->missing_run, is_missing ? run + 1 : 0,
			      memory_order_relaxed);
}

/* ---- mapping */

/* Map pages [first, end) without the mark.  Returns the outcome for the unit at
 * `address` (0: none).  If the mark is the page of `address`, it is mapped
 * too. */
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

	/* Note the mark before the page can be touched. */
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

/* The most pages that are believed on one side of the page asked for. */
static uint64_t reply_reach(const struct region *r)
{
	return MAX(REPLY_UNITS_MAX * (uint64_t)UFFD_UNIT_BYTES >>
		   r->page_shift, (uint64_t)1);
}

enum uffd_outcome told_map_reply(struct region *r, int uffd,
				 uintptr_t address, const struct told *told)
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
	/* A reader goes on at the end where its own page is not. */
	if (end - first > 1)
		atomic_store_explicit(&r->is_backward, page == end - 1,
				      memory_order_relaxed);
	if (end - first > 1 && page == first)
		note_add(&r->edges, end);
	else if (end - first > 1 && page == end - 1)
		note_add(&r->edges, first - 1);
	return map_around(r, uffd, first, end, told->mark, address);
}

/* The pages that we were told of end at `to` now.  If they ended at `from`,
 * that note moves.  A new range of a single page makes no note: it belongs to a
 * reader that leaves pages out. */
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

/* Map from above, because the reader comes from there. */
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

void told_map_ready(struct region *r, int uffd, const struct told *told)
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

/* The three values may belong to different Readies.  Then this maps pages that
 * are, or were, allowed to be mapped, or none. */
enum uffd_outcome told_map_minor(struct region *r, int uffd,
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
	/* the library's thread notes the mark */
	if (mark < page)
		low = MAX(low, mark + 1);
	else if (mark > page)
		high = MIN(high, mark);
	return uffd_map(uffd, region_page_start(r, low),
			(size_t)(high - low) << r->page_shift,
			uffd_unit_start(address), UFFD_UNIT_BYTES);
}
