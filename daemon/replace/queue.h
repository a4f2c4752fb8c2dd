/* SPDX-License-Identifier: MIT */
/* Queues of frames.  A frame is in one queue at most. */
#ifndef MEMD_REPLACE_QUEUE_H
#define MEMD_REPLACE_QUEUE_H

#include "daemon/replace/state.h"

/* The frame was not aged in this queue yet. */
void queue_push_tail(struct replace *rp, struct queue *q, frame_id id);
/* At the head, and in the aged part. */
void queue_push_aged(struct replace *rp, struct queue *q, frame_id id);
void queue_remove(struct replace *rp, struct queue *q, frame_id id);
/* Take the frame at the edge, which there must be, into the aged part. */
frame_id queue_age_next(struct replace *rp, struct queue *q);
void queue_check(const struct replace *rp, const struct queue *q);

#endif
