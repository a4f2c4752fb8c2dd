/* SPDX-License-Identifier: MIT */
/* Page replacement: which page leaves memory next.
 *
 * This room knows the frames of the pool by number, and what its owner, the
 * pager, tells it of the page in each: that the page came in, was touched, was
 * advised cold, left.  It knows neither pages nor programs, makes no system
 * call, and looks at no clock; so the tests run these very files on traces of
 * page accesses.
 *
 * A mapped page does not tell when it is used.  Therefore the policy *ages*
 * frames: it takes the reference bit away, and the owner makes the programs
 * unmap the page.  The next access is a fault, which the owner reports by
 * replace_touch().  A policy sees first touches after ageing, and no more.
 *
 * Frames are charged to groups, which form a tree (the pager's accounts).  A
 * search is for a victim of the whole pool, by the policy that was configured,
 * or of one group and the groups below it, by the clock of that group, which
 * looks at no other frames (groups.h).
 *
 * A search takes several calls where a call may not look at more frames than
 * the caller allows: what a search costs others does not grow with the pool. */
#ifndef MEMD_REPLACE_REPLACE_H
#define MEMD_REPLACE_REPLACE_H

#include "daemon/replace/replace_types.h"

struct replace;

/* Name number `i` of a policy; NULL: there are no more. */
const char *replace_policy_name(unsigned i);

/* Returns 0, or -EINVAL (there is no such policy, or too many frames), -ENOMEM
 * or another error of table_init(). */
int replace_create(const struct replace_config *config,
		   const struct replace_owner *owner, void *owner_ctx,
		   struct replace **ret_replace) MUST_CHECK;
/* Accepts NULL. */
void replace_destroy(struct replace *rp);
/* Go on with another policy, which knows of each frame only whether it is
 * referenced.  Takes time for each frame of the pool.  Returns 0 or -EINVAL. */
int replace_choose(struct replace *rp, const char *policy) MUST_CHECK;

/* Ids of groups are the owner's choice, 1 … group_count.  A group that is
 * removed has no frames and no groups below it. */
void replace_group_add(struct replace *rp, group_id group, group_id parent);
void replace_group_remove(struct replace *rp, group_id group);
/* Frames of the group and of all groups below it; group 0: of the pool. */
uint32_t replace_frames_below(const struct replace *rp, group_id group);
/* Frames of the group itself. */
uint32_t replace_frames_of(const struct replace *rp, group_id group);

/* A page has come into the frame, and counts as referenced.  group 0: it is
 * charged to none.  left: what replace_leave() said of the page when it left
 * memory; 0: it never did, or that is not known. */
void replace_add(struct replace *rp, group_id group, frame_id frame,
		 uint32_t left);
/* The page is being evicted, and may come back.  Returns when it was used last,
 * as far as is known, counted in pages that come in: the caller keeps this with
 * the page.  (A page that has left, and of which this is known, is called a
 * ghost in papers.)  It stays in its frame until replace_remove(), or goes on
 * there after replace_stay() or replace_touch(). */
uint32_t replace_leave(struct replace *rp, frame_id frame) MUST_CHECK;
/* The page has not left: others go before it is tried again.  Does nothing if
 * it was not leaving. */
void replace_stay(struct replace *rp, frame_id frame);
void replace_remove(struct replace *rp, group_id group, frame_id frame);
/* The page was brought in before anybody asked for it: spare it once, as its
 * reader may be about to come. */
void replace_expect(struct replace *rp, frame_id frame);
/* The page was used, or is to be treated as if it had been. */
void replace_touch(struct replace *rp, frame_id frame);
/* A reader in order has passed the page. */
void replace_pass(struct replace *rp, frame_id frame);
/* The page is not expected to be used soon: it is among the next to go, unless
 * it is touched before. */
void replace_cool(struct replace *rp, frame_id frame);
/* True if the page may go along with the latest victim, its neighbour: it has
 * not been touched since it was aged, or a reader in order has passed it; and
 * it would be next soon. */
bool replace_is_idle(const struct replace *rp, frame_id frame);

/* True if the page was aged, and not used since. */
bool replace_is_aged(const struct replace *rp, frame_id frame);

/* The next frame to evict, of `group` or of the pool (0).  Returns 0 if there
 * is none, or none was found before the search was cut short.  In the latter
 * case the next call goes on where this one stopped. */
frame_id replace_next(struct replace *rp, group_id group,
		      struct replace_search *search);
/* Earlier searches of the pool and of the groups from `group` up found nothing
 * for a reason that is gone. */
void replace_search_anew(struct replace *rp, group_id group);

/* ASSERT that links and counts agree.  leaving: frames whose pages are leaving.
 * Slow. */
void replace_check(const struct replace *rp, uint32_t leaving);
/* Memory that the tables use now, in bytes.  Slow: it asks the system. */
uint64_t replace_memory_bytes(const struct replace *rp);

#endif
