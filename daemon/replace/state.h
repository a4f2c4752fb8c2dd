/* SPDX-License-Identifier: MIT */
/* The state of the replacement room.  Only files of this room include this.
 *
 *   R1  A frame is in the ring of its group exactly from replace_add() to
 *       replace_remove().
 *   R2  frames_below of a group == frames_of + frames_below of the groups in
 *       its ring of children, which are those with frames.
 *   R3  is_queued is set exactly if the frame is in one of the policy's queues;
 *       the count of a queue is right, and so is its aged_count.  If the policy
 *       has add(), each frame is in a queue, unless its page is leaving. */
#ifndef MEMD_REPLACE_STATE_H
#define MEMD_REPLACE_STATE_H

#include "common/table.h"
#include "daemon/replace/replace_types.h"

/* What is known of a frame. */
struct frame_state {
	/* The queue that it is in. */
	uint32_t next : 30;
	bool is_used : 1;
	bool is_referenced : 1;
	uint32_t prev : 30;
	bool is_queued : 1;
	bool is_aged : 1;		/* queue.h: in the aged part */
	/* The ring of its group's frames. */
	uint32_t ring_next : 30;
	bool is_expected : 1;		/* read ahead, and not used yet */
	bool is_passed : 1;		/* a reader in order is done with it */
	uint32_t ring_prev : 30;
	bool is_main : 1;		/* lirs.h: in the main queue */
	bool is_marked : 1;		/* age_marks.h */
};
_Static_assert(sizeof(struct frame_state) == 16, "16 bytes a frame");

/* Frames in an order.  The first ones, up to `edge`, were aged in the queue. */
struct queue {
	frame_id head, tail;
	frame_id edge;			/* the first that was not aged */
	uint32_t count, aged_count;
};

enum { AGE_MARKS = 64 };

/* When frames of the main queue were aged (age_marks.h). */
struct age_marks {
	struct age_mark {
		frame_id frame;
		uint32_t time;
	} mark[AGE_MARKS];
	uint32_t count;
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
	/* The frame has a page, or had one when this policy was chosen.  left:
	 * what leave() said when the page left memory; 0: nothing is known. */
	void (*add)(struct replace *rp, frame_id frame, uint32_t left);
	uint32_t (*leave)(struct replace *rp, frame_id frame);
	void (*stay)(struct replace *rp, frame_id frame);
	void (*remove)(struct replace *rp, frame_id frame);
	void (*expect)(struct replace *rp, frame_id frame);
	/* Called while the frame is as it was. */
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
	struct table frame_table, group_table;
	struct frame_state *frame;
	struct group *group;		/* [0]: frames without a group */
	uint32_t used_count;		/* frames with pages */
	frame_id frame_top;		/* no frame behind it was ever used */
	/* Looks at the pool since its last victim. */
	uint64_t vain_looks;
	uint32_t aged_count;		/* in this look */
	frame_id back_hand;		/* of a clock by number */

	/* two_hands.h */
	struct queue cold;

	/* lirs.h */
	struct queue small, main, expected;
	struct age_marks marks;
	uint32_t now;			/* pages that have come in; not 0 */
	/* The last victim of `main`, and when it was aged. */
	frame_id main_victim;
	uint32_t main_left;
	/* Frames in use after the last evictions; 0: there were none. */
	uint32_t full_count;
	uint32_t growth;		/* pages since, see note_victim() */
	uint32_t expected_peak;		/* of expected.count, lately */
	uint32_t small_extra;		/* see move_share() */
	bool is_filling;		/* `main` takes all that comes in */
	int32_t age_credit;		/* for ageing frames of `main` */
	uint32_t refusals;		/* frames that might not go, in a row */
};

/* As replace_touch(). */
void frame_touch(struct replace *rp, frame_id id);
/* Age the frame if it is referenced.  If it is expected, it is spared once, and
 * is expected no longer. */
void age_frame(struct replace *rp, frame_id id);
/* May the frame be evicted?  is_spared: not if it is referenced. */
bool is_victim(const struct replace *rp, frame_id id, bool is_spared);
/* The next frame in the order of numbers, if it may go.  0 does not mean that
 * there are no others. */
frame_id look_by_number(struct replace *rp, bool is_spared);

#endif
