/* SPDX-License-Identifier: MIT */
#include "daemon/pager/book.h"

static enum book_state state_for(const struct page *p)
{
	switch ((enum page_state)p->state) {
	case PAGE_ZERO:
		return BOOK_ZERO;
	case PAGE_SWAPPED:
		return BOOK_SWAPPED;
	case PAGE_RESIDENT:
		return BOOK_RESIDENT;
	case PAGE_LOADING:
	case PAGE_EVICTING:
	case PAGE_LOST:
	case PAGE_STATES:
		break;
	}
	return BOOK_BUSY;
}

void book_write(const struct pager *pg, const struct pager_segment *sg,
		page_id id)
{
	const struct page *p = &pg->page[id];
	enum book_state state = state_for(p);
	struct book_entry *e;

	if (sg->book == NULL || sg->state != SEGMENT_LIVE)
		return;
	e = &sg->book[page_index(sg, id)];
	if (state == BOOK_SWAPPED) {
		atomic_store_explicit(&e->slot, p->slot - 1,
				      memory_order_relaxed);
		atomic_store_explicit(&e->generation, p->generation,
				      memory_order_relaxed);
		atomic_store_explicit(&e->sum_low, p->sum.low,
				      memory_order_relaxed);
		atomic_store_explicit(&e->sum_high, p->sum.high,
				      memory_order_relaxed);
	}
	atomic_store_explicit(&e->state, state, memory_order_release);
}

void book_write_run(const struct pager *pg, const struct pager_segment *sg,
		    uint64_t first, uint64_t count)
{
	for (uint64_t page = first; page < first + count; page++)
		book_write(pg, sg, (page_id)(sg->first + page));
}

void book_mark_busy(const struct pager_segment *sg, uint64_t first,
		    uint64_t count)
{
	for (uint64_t page = first; page < first + count; page++)
		atomic_store_explicit(&sg->book[page].state, BOOK_BUSY,
				      memory_order_relaxed);
}

void pager_segment_publish(struct pager *pg, segment_id segment,
			   struct book_entry *book)
{
	struct pager_segment *sg = &pg->segment[segment];

	ASSERT(segment != 0 && sg->state == SEGMENT_LIVE && sg->order == 0);
	ASSERT(pg->ops->look != NULL && sg->book == NULL);
	for (unsigned state = PAGE_ZERO + 1; state < PAGE_STATES; state++)
		ASSERT(sg->count[state] == 0);
	sg->book = book;
}
