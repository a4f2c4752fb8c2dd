/* SPDX-License-Identifier: MIT */
/* The state of the replacement room.  Only files of this room include this.
 *
 *   R1  A frame is in the ring of its group exactly from replace_add() to
 *       replace_remove().
 *   R2  frames_below of a group == frames_of + frames_below of the groups in
 *       its ring of children, which are those with frames.
 *   R3  IS_QUEUED is set exactly if the frame is in one of the policy's queues;
 *       the count of a queue is right, and so is its aged_count. */
#ifndef MEMD_REPLACE_STATE_H
#define MEMD_REPLACE_STATE_H

#include "common/table.h"
#include "daemon/replace/replace_types.h"

enum {
	IS_USED = BIT(0),
	IS_REFERENCED = BIT(1),
	IS_EXPECTED = BIT(2),		/* read ahead, and not used yet */
	IS_QUEUED = BIT(3),
	IS_MAIN = BIT(4),		/* clock2q.h: in the main queue */
	IS_AGED = BIT(5),		/* queue.h: in the aged part */
	IS_BEHIND = BIT(6),		/* behind.h */
};

struct frame_link {
	frame_id next, prev;
};

/* Frames in an order.  The first ones, up to `edge`, were aged in the queue. */
struct queue {
	frame_id head, tail;
	frame_id edge;			/* the first that was not aged */
	uint32_t count, aged_count;
};

/* Pages that left lately, as fingerprints of their keys.  (Ghosts: 2Q, Johnson
 * and Shasha, VLDB 1994.) */
struct ghosts {
	struct table table;
	uint16_t *print;		/* 0: none */
	uint32_t set_count;
};

enum { BEHIND_NEAR = 64, BEHIND_FAR = 1024 };

/* Pages that streams have passed. */
struct behind {
	frame_id near[BEHIND_NEAR];	/* the newest; a ring */
	frame_id far[BEHIND_FAR];	/* those before; a ring */
	uint32_t near_next, far_next, far_count;
};

/* The clock of a group has two rings: the group's own frames, and the groups
 * below it that have frames.  The clock goes round the first ring, and then
 * round the rings of each group in the second. */
struct group {
	group_id parent;
	bool is_used;
	uint32_t frames_of, frames_below;
	uint32_t child_count;		/* groups in the second ring */
	frame_id hand;			/* next in the first ring */
	group_id child;			/* next in the second ring */
	group_id next, prev;		/* the second ring of the parent */
	/* The group whose frames are looked at now: itself, or one below. */
	group_id looking_at;
	/* How many more frames of `looking_at`. */
	uint32_t looks_left;
	/* Groups below that come before its own frames again. */
	uint32_t children_left;
	uint64_t vain_looks;		/* looks since the last victim */
};

struct replace;

/* What a policy for the pool does.  Each may be NULL but `look`. */
struct pool_policy {
	const char *name;
	/* The frame has a page, or had one when this policy was chosen.
	 * is_ghost: the page left memory not long ago. */
	void (*add)(struct replace *rp, frame_id frame, bool is_ghost);
	void (*remove)(struct replace *rp, frame_id frame);
	void (*expect)(struct replace *rp, frame_id frame);
	/* Called while the frame has its old flags. */
	void (*touch)(struct replace *rp, frame_id frame);
	void (*cool)(struct replace *rp, frame_id frame);
	void (*pass)(struct replace *rp, frame_id frame);
	/* One look at the pool.  is_spared: what is referenced stays.  A
	 * victim, or 0. */
	frame_id (*look)(struct replace *rp, bool is_spared);
};

struct replace {
	struct replace_config config;
	const struct replace_owner *owner;
	void *owner_ctx;
	const struct pool_policy *policy;
	struct table flag_table, ring_table, queue_table, group_table;
	uint8_t *flags;			/* of each frame */
	struct frame_link *ring;	/* of its group's frames */
	struct frame_link *link;	/* of the queue that it is in */
	struct group *group;		/* [0]: frames without a group */
	uint32_t used_count;		/* frames with pages */
	frame_id frame_top;		/* no frame behind it was ever used */
	/* Looks at the pool since its last victim. */
	uint64_t vain_looks;
	struct ghosts ghosts;

	/* The policies' own. */
	frame_id back_hand;		/* of a clock by number */
	struct queue cold;
	struct queue small, main, expected;	/* clock2q.h */
	struct behind behind;
	uint32_t behind_run;		/* victims of `behind` in a row */
	uint32_t refusals;		/* frames that might not go, in a row */
};

/* Set and clear flags of the frame. */
void frame_mark(struct replace *rp, frame_id id, uint8_t set, uint8_t clear);
/* As replace_touch(). */
void frame_touch(struct replace *rp, frame_id id);
/* Age the frame if it is referenced.  If it is expected, it is spared once, and
 * is expected no longer. */
void age_frame(struct replace *rp, frame_id id);
/* May the frame be evicted?  is_spared: not if it is referenced. */
bool is_victim(const struct replace *rp, frame_id id, bool is_spared);

#endif
