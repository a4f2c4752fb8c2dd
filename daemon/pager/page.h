/* SPDX-License-Identifier: MIT */
/* Entries of the page table. */
#ifndef MEMD_PAGER_PAGE_H
#define MEMD_PAGER_PAGE_H

#include "daemon/pager/tables.h"

void page_enter(struct pager *pg, struct pager_segment *sg, page_id id,
		enum page_state next);
/* Its frame and batch are not needed any more: its bytes are safe elsewhere, or
 * lost. */
void page_release(struct pager *pg, struct pager_segment *sg, page_id id,
		  enum page_state next);
void page_set_slot(struct pager *pg, struct pager_segment *sg, page_id id,
		   slot_id slot);
void page_drop_slot(struct pager *pg, struct pager_segment *sg, page_id id);
/* Give a chain back that no page has (any more), and say so to the store. */
void page_put_chain(struct pager *pg, slot_id slot);
void page_set_writing(struct pager *pg, struct pager_segment *sg, page_id id,
		      bool is_writing);
/* Resident and whole: what a client may map.  `page` is an index, any. */
bool page_is_mappable(const struct pager *pg, const struct pager_segment *sg,
		      uint64_t page);
/* Somebody uses it. */
void page_mark_used(struct pager *pg, page_id id);
/* It stays in memory for now. */
void page_keep(struct pager *pg, page_id id);
struct checksum_key page_key(const struct pager *pg,
			     const struct pager_segment *sg, page_id id);
/* The first page at or after `page` (index) that may be other than ZERO;
 * sg->page_count when there is none.  Looks at `budget` chunks at most and
 * then returns where it stopped. */
uint64_t page_next_used(const struct pager *pg, const struct pager_segment *sg,
			uint64_t page, uint32_t budget);
/* Of any page of the segment, touched or not. */
enum page_state page_state_at(const struct pager *pg,
			      const struct pager_segment *sg, uint64_t page);

/* Zero what a zero-fill has left as holes.  False when there is no memory for
 * it now. */
bool page_fill_holes(struct pager *pg, page_id id);

#endif
