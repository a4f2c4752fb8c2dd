/* SPDX-License-Identifier: MIT */
/* A swap store on two others (its children).  Either child may go away and come
 * back, with its slots or without.  Every slot is written to both, or to the
 * one that is up.  It is read from a child that has it, and copied in the
 * background to a child that has come back without it.
 *
 *   MI1  has[c] says for each slot whether child c has its latest bytes.  A
 *        write sets the bits of the children that took it, and clears those of
 *        the other.  A new epoch of a child clears the bits of the slots that
 *        it lost.
 *   MI2  A slot is lost only if no child has it; a read of it is then
 *        -SWAP_ELOST.  While the children that have it are away, reads of it
 *        wait.
 *   MI3  A copy sets bits only if, since it was read, its slots were not
 *        written and no epoch has begun. */
#ifndef MEMD_SWAPSTORE_STORE_MIRROR_H
#define MEMD_SWAPSTORE_STORE_MIRROR_H

#include "swapstore/mirror_child.h"

/* Both children must have the same number of slots; they are taken on success.
 * 0, -EINVAL, -ENOMEM, -EMFILE. */
int store_mirror_create(const struct store_mirror_child
				child[STORE_MIRROR_CHILDREN],
			struct swapstore **ret_store) MUST_CHECK;

struct store_mirror_status {
	bool is_up[STORE_MIRROR_CHILDREN];
	uint64_t slots[STORE_MIRROR_CHILDREN];	/* slots that it has */
	/* Slots that at least one has. */
	uint64_t slot_count;
	uint64_t copied_slots;			/* since the start */
	/* Slots that it came back without and the other did not have; since the
	 * start. */
	uint64_t lost_slots[STORE_MIRROR_CHILDREN];
	/* Reads that wait for a child. */
	uint64_t waiting;
};
void store_mirror_status_get(const struct swapstore *st,
			     struct store_mirror_status *ret_status);

/* Count everything again, and ASSERT that the counters agree.  Slow: for
 * tests. */
void store_mirror_check(const struct swapstore *st);

struct swapstore *store_mirror_child(const struct swapstore *st, unsigned c);
bool store_is_mirror(const struct swapstore *st);

#endif
