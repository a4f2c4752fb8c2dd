/* SPDX-License-Identifier: MIT */
/* The frame table: who gets one, and lines of frames to be looked at. */
#ifndef MEMD_PAGER_FRAME_H
#define MEMD_PAGER_FRAME_H

#include "daemon/pager/tables.h"

/* 0 when there is none; *ret_account then says whose limit is in the way (0:
 * the pool is empty). */
frame_id frame_get(struct pager *pg, segment_id segment, page_id page,
		   account_id *ret_account);
void frame_put(struct pager *pg, frame_id id);
/* How many more pages of the segment, `most` at most, have room within all
 * limits and without touching the last quarter of the low watermark: what
 * readahead may take.  With a waiter, who would soon ask for the others too,
 * half of that quarter's rest as well. */
uint32_t frame_room(const struct pager *pg, const struct pager_segment *sg,
		    bool has_waiter, uint32_t most);
/* The account whose limit leaves no room for a page of the segment, or 0. */
account_id frame_limited_by(const struct pager *pg,
			    const struct pager_segment *sg);
void frame_set_flags(struct pager *pg, frame_id id, uint8_t set,
		     uint8_t clear);
/* Lines of frames.  _add: if it is not in it yet.  _take: 0 when it is
 * empty. */
void frame_line_add(struct pager *pg, struct frame_line *line, frame_id id);
frame_id frame_line_take(struct pager *pg, struct frame_line *line);

#endif
