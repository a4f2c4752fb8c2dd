/* SPDX-License-Identifier: MIT */
/* Entries of the page table. */
#ifndef MEMD_PAGER_PAGE_H
#define MEMD_PAGER_PAGE_H

#include "daemon/pager/tables.h"

/* The frame of a page in any state; 0: it has none. */
frame_id page_frame(const struct page *p);
void page_enter(struct pager *pg, struct pager_segment *sg, page_id id,
		enum page_state next);
/* Put the frame of the page, leave its batch, and enter `next`.  The bytes must
 * be safe elsewhere, or lost. */
void page_release(struct pager *pg, struct pager_segment *sg, page_id id,
		  enum page_state next);
/* The segment is dying: the page leaves its batch, and its bytes are not
 * needed.  has_data: some units are in the data file, so teardown must take
 * them out before the frame is put. */
void page_abandon(struct pager *pg, struct pager_segment *sg, page_id id,
		  bool has_data);
void page_set_slot(struct pager *pg, struct pager_segment *sg, page_id id,
		   slot_id slot);
void page_drop_slot(struct pager *pg, struct pager_segment *sg, page_id id);
/* Free a chain of slots that no page has (any more), and tell the store. */
void page_put_chain(struct pager *pg, slot_id slot);
void page_set_writing(struct pager *pg, struct pager_segment *sg, page_id id,
		      bool is_writing);
/* True if the page is RESIDENT and whole, so that a client may map it.  `page`
 * is any index, also one past the end. */
bool page_is_mappable(const struct pager *pg, const struct pager_segment *sg,
		      uint64_t page);
/* A client uses the page: note this for the clock and for readahead. */
void page_mark_used(struct pager *pg, page_id id);
/* Keep the page in memory for now, as if it had been used. */
void page_keep(struct pager *pg, page_id id);
struct checksum_key page_key(const struct pager *pg,
			     const struct pager_segment *sg, page_id id);
/* The first page at or after `page` (an index) that may be in a state other
 * than ZERO; sg->page_count if there is none.  After `budget` chunks it stops
 * and returns the page that it has reached. */
uint64_t page_next_used(const struct pager *pg, const struct pager_segment *sg,
			uint64_t page, uint32_t budget);
/* The state of any page of the segment, also one that was never touched. */
enum page_state page_state_at(const struct pager *pg,
			      const struct pager_segment *sg, uint64_t page);

/* Fill with zeros the holes that an interrupted zero-fill has left.  False: no
 * memory now. */
bool page_fill_holes(struct pager *pg, page_id id);

#endif
