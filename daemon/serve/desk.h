/* SPDX-License-Identifier: MIT */
/* The desk of one session (proto/desk.h), memd's side: it lends frames, counts
 * what the program has done with them, and sees which pages it is faulting in.
 *
 *   S1  A cell is FREE, or its bit in `given` is set and the pager counts one
 *       frame as lent to the account for it.  What the cell says itself is the
 *       program's word.
 *   S2  desk_settle() before advice on a segment, and before its end, for each
 *       desk that may have it: what a program did before it asked is known
 *       then.
 *   S3  desk_end() only when the program's memory is gone (its userfaultfd
 *       says ESRCH), or it has unmapped everything (Goodbye): before, its
 *       threads may still install pages.  What they have taken is read like a
 *       record then.
 *
 * Threads: one. */
#ifndef MEMD_SERVE_DESK_H
#define MEMD_SERVE_DESK_H

#include "daemon/pager/pager.h"
#include "proto/desk.h"

/* What happened to one page. */
struct desk_record {
	segment_id segment;
	uint64_t page;
	uint32_t number;	/* what the session calls it */
	enum fault_kind kind;
	bool is_counted;	/* the pager did not know */
	uint64_t start_ns;
	uint32_t io_ns, total_ns;	/* io_ns 0: no slot was read */
};

struct desk_ops {
	/* The pager's number of what the session calls `segment`, if it may
	 * write there; else 0. */
	segment_id (*find)(void *ctx, uint32_t segment);
	/* Is the page in the data file?  1, 0, or -EAGAIN: ask again later. */
	int (*is_present)(void *ctx, segment_id segment, uint64_t page);
	void (*record)(void *ctx, const struct desk_record *record);
};

struct desk_side {
	struct desk *desk;	/* shared; not owned */
	struct pager *pager;
	account_id account;
	const struct desk_ops *ops;
	void *ctx;
	uint64_t given[DESK_CREDIT_WORDS];
	uint32_t given_count;
	uint32_t wanted;	/* how many it should have */
	uint32_t most;		/* how many it may have */
	unsigned next;		/* cell to lend next */
};

/* The first three are set; nothing is lent. */
void desk_init(struct desk_side *side, struct desk *desk, struct pager *pager,
	       account_id account, const struct desk_ops *ops, void *ctx);

/* Lend frames until it has the smaller of `wanted` and `most`, as far as there
 * are any. */
void desk_lend(struct desk_side *side);

/* Read the records, in the order of their times.  Returns how many there
 * were. */
uint32_t desk_collect(struct desk_side *side, uint64_t now_ns);

/* S2: as desk_collect(), and count the pages of this segment that are there
 * while the program is still busy with them.  False: no frame was free for
 * one. */
bool desk_settle(struct desk_side *side, segment_id segment,
		 uint64_t now_ns) MUST_CHECK;

/* Take back what it has not taken. */
void desk_recall(struct desk_side *side);

/* S3: everything comes back. */
void desk_end(struct desk_side *side, uint64_t now_ns);

/* After a full fence: is an intent open on any page of the segment? */
bool desk_has_open(const struct desk_side *side, uint32_t segment);

/* After a full fence: is an intent open on page first + i?  Sets these bits. */
uint64_t desk_look(const struct desk_side *side, uint32_t segment,
		   uint64_t first, uint32_t count);

#endif
