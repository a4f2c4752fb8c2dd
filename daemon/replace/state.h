/* SPDX-License-Identifier: MIT */
/* The state of the replacement room.  Only files of this room include this.
 *
 *   R1  A frame is in the ring of its group exactly from replace_add() to
 *       replace_remove().
 *   R2  frames_below of a group == frames_of + frames_below of the groups in
 *       its ring of children, which are those with frames.
 *   R3  IN_COLD is set exactly if the frame's number is in the line, where it
 *       stays when the page leaves.  IS_COLD is set only if IN_COLD is. */
#ifndef MEMD_REPLACE_STATE_H
#define MEMD_REPLACE_STATE_H

#include "daemon/replace/replace_types.h"

enum {
	IS_USED = BIT(0),
	IS_REFERENCED = BIT(1),
	IS_EXPECTED = BIT(2),		/* spare it once */
	IS_COLD = BIT(3),
	IN_COLD = BIT(4),
};

/* The ring of its group's frames. */
struct ring_link {
	frame_id next, prev;
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

struct replace {
	struct replace_config config;
	const struct replace_owner *owner;
	void *owner_ctx;
	struct table flag_table, link_table, group_table;
	struct frame_line cold;
	uint8_t *flags;			/* of each frame */
	struct ring_link *link;
	struct group *group;		/* [0]: frames without a group */
	frame_id back_hand;		/* of the pool's clock: two_hands.h */
	frame_id frame_top;		/* no frame behind it was ever used */
	/* Looks at the pool since its last victim. */
	uint64_t vain_looks;
};

/* Set and clear flags of the frame. */
void frame_mark(struct replace *rp, frame_id id, uint8_t set, uint8_t clear);
/* Age the frame, if it is referenced and not spared. */
void age_frame(struct replace *rp, frame_id id);
/* May the frame be evicted?  is_spared: not if it is referenced. */
bool is_victim(const struct replace *rp, frame_id id, bool is_spared);

#endif
