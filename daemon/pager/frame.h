/* SPDX-License-Identifier: MIT */
/* The frame table. */
#ifndef MEMD_PAGER_FRAME_H
#define MEMD_PAGER_FRAME_H

#include "daemon/pager/tables.h"

/* Take a frame (of the segment's order) for a page.  Returns 0 if there is
 * none; *ret_account is then the account whose limit is in the way, or 0 if the
 * pool has not enough free frames. */
frame_id frame_get(struct pager *pg, segment_id segment, page_id page,
		   account_id *ret_account);
/* The same without regard to limits; a frame of 4 KiB must be free. */
frame_id frame_take(struct pager *pg, segment_id segment, page_id page);
void frame_put(struct pager *pg, frame_id id);
/* How many more pages of the segment readahead may bring in, `most` at most: as
 * many as fit into the account's limits and leave a quarter of the low
 * watermark free.  With a waiter, which will soon ask for the other pages too:
 * at least as many as fit into half of the free frames. */
uint32_t frame_room(const struct pager *pg, const struct pager_segment *sg,
		    bool has_waiter, uint32_t most);
/* The account whose limit leaves no room for another page of the segment, or
 * 0. */
account_id frame_limited_by(const struct pager *pg,
			    const struct pager_segment *sg);
/* The page has come in.  is_ahead: nobody asked for it. */
void frame_note_intake(struct pager *pg, frame_id id, bool is_ahead);
/* FRAME_AHEAD is cleared when the page is used: callbacks.used. */
void frame_set_flags(struct pager *pg, frame_id id, uint8_t set,
		     uint8_t clear);
/* The frame's page has a slot that reclaim_slots() may take.  Does nothing if
 * the frame is noted already. */
void frame_note_slotted(struct pager *pg, frame_id id);
/* A frame that was noted; 0: there is none. */
frame_id frame_take_slotted(struct pager *pg);

#endif
