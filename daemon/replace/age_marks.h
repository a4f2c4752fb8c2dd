/* SPDX-License-Identifier: MIT */
/* Tell when the frame at the head of the main queue was aged.  To keep the time
 * with each frame would cost a quarter more memory for all of them; instead
 * some frames of the aged part are *marked*, and the time is kept for these.
 *
 *   M1  The first aged frame has a mark, and so has no frame that is not aged.
 *   M2  Marks are in the order of their frames in the queue, and of their
 *       times. */
#ifndef MEMD_REPLACE_AGE_MARKS_H
#define MEMD_REPLACE_AGE_MARKS_H

#include "daemon/replace/state.h"

/* The frame has just gone into the aged part of the main queue. */
void age_marks_add(struct replace *rp, frame_id id);
/* The frame is about to leave the main queue. */
void age_marks_remove(struct replace *rp, frame_id id);
/* In the clock of replace.now; it may be some pages too early.  The queue must
 * have an aged part. */
uint32_t age_marks_first(const struct replace *rp);
void age_marks_check(const struct replace *rp);

#endif
