/* SPDX-License-Identifier: MIT */
/* A swap store on two others, of which either may go away and come back, with
 * what it had or with nothing: every slot is written to both, or to the one
 * that is there; read from one that has it; and copied, in the background, to
 * one that has come back without it.
 *
 *   MI1  has[c] says of each slot whether child c has its latest bytes.  A
 *        write sets the bit of every child that took it and clears the others';
 *        a new epoch of a child clears those that it lost.
 *   MI2  A slot is lost only when no child has it: a read of it is -SWAP_ELOST
 *        then.  While those that have it are away, reads wait.
 *   MI3  A copy ends in a bit only if nothing has been written to its slots,
 *        and no epoch has begun, since it was read. */
#ifndef MEMD_SWAPSTORE_STORE_MIRROR_H
#define MEMD_SWAPSTORE_STORE_MIRROR_H

#include "swapstore/mirror_child.h"

/* Both have as many slots.  0, -EINVAL, -ENOMEM, -EMFILE. */
int store_mirror_create(const struct store_mirror_child
				child[STORE_MIRROR_CHILDREN],
			struct swapstore **ret_store) MUST_CHECK;

struct store_mirror_status {
	bool is_up[STORE_MIRROR_CHILDREN];
	uint64_t slots[STORE_MIRROR_CHILDREN];	/* that it has */
	uint64_t slot_count;			/* that any has */
	uint64_t copied_slots;			/* in all */
	uint64_t lost_slots[STORE_MIRROR_CHILDREN];	/* in all: that it came
						 * back without, and the other
						 * did not have */
	uint64_t waiting;			/* reads, for one to be up */
};
void store_mirror_status_get(const struct swapstore *st,
			     struct store_mirror_status *ret_status);

/* Count anew what is counted, and assert that it is the same.  Slow: tests. */
void store_mirror_check(const struct swapstore *st);

struct swapstore *store_mirror_child(const struct swapstore *st, unsigned c);
bool store_is_mirror(const struct swapstore *st);

#endif
