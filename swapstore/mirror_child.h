/* SPDX-License-Identifier: MIT */
/* What a mirror needs of each of its two stores, besides struct swapstore_ops:
 *   - A write is either taken at once, with its bytes copied, or refused with
 *     -EAGAIN.  A write of up to 64 slots is not refused if nothing else waits.
 *     A write that was taken succeeds.
 *   - While the store is not up, reads end with -ENOTCONN.  If it is up but
 *     cannot read now, they end with -EAGAIN; the mirror then asks the other
 *     child for a while.
 *   - When the store has come back empty, its epoch is another.  has() is then
 *     true for the slots that the store has all the same, or that are on their
 *     way to it. */
#ifndef MEMD_SWAPSTORE_MIRROR_CHILD_H
#define MEMD_SWAPSTORE_MIRROR_CHILD_H

#include "swapstore/swapstore.h"

enum { STORE_MIRROR_CHILDREN = 2 };

struct store_mirror_child {
	struct swapstore *store;	/* owned by the mirror */
	bool (*is_up)(const struct swapstore *st);
	uint64_t (*epoch)(const struct swapstore *st);
	bool (*has)(const struct swapstore *st, uint32_t slot);
};

#endif
