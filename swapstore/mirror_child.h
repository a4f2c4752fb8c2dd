/* SPDX-License-Identifier: MIT */
/* What a mirror needs of each of its two stores: besides struct swapstore_ops,
 *   - a write either is taken at once, its bytes copied, or refused with
 *     -EAGAIN, which one of 64 slots is not when nothing else waits; taken,
 *     it ends well;
 *   - while it is not up, reads end with -ENOTCONN; and with -EAGAIN where
 *     it is, but cannot read now: the other one is asked for a while then;
 *   - after it has come back empty its epoch is another, and has() is true
 *     of the slots that it has all the same, or that are on their way to it. */
#ifndef MEMD_SWAPSTORE_MIRROR_CHILD_H
#define MEMD_SWAPSTORE_MIRROR_CHILD_H

#include "swapstore/swapstore.h"

enum { STORE_MIRROR_CHILDREN = 2 };

struct store_mirror_child {
	struct swapstore *store;	/* taken */
	bool (*is_up)(const struct swapstore *st);
	uint64_t (*epoch)(const struct swapstore *st);
	bool (*has)(const struct swapstore *st, uint32_t slot);
};

#endif
