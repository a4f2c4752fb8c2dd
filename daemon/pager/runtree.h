/* SPDX-License-Identifier: MIT */
/* A tree over a bitmap of the caller.  It finds a run of set bits that is
 * long enough, in logarithmic time.  A search of the map itself would look at
 * all of it when hardly any bit is set.
 *
 * A leaf covers RUNTREE_LEAF_BITS bits.  Each node has three lengths: of the
 * run at its start, of the one at its end, and of the longest one.  The
 * lengths of two neighbours give those of their parent.  The nodes are in a
 * flat table, like a heap: 1 is the root, and 2n and 2n + 1 are below n.
 *
 * The bitmap is authoritative; the tree only summarizes it.  The caller reports
 * every change with runtree_update(). */
#ifndef MEMD_PAGER_RUNTREE_H
#define MEMD_PAGER_RUNTREE_H

#include "common/checks.h"
#include "common/table.h"
#include <stdbool.h>
#include <stdint.h>

enum { RUNTREE_LEAF_BITS = 512 };

struct runtree {
	struct table nodes;
	const uint64_t *map;	/* borrowed */
	uint32_t bit_count;
	uint32_t leaf_count;	/* a power of two */
};

/* Make the tree of `map`, whose bits must all be clear.  Returns 0 or
 * -errno. */
int runtree_init(struct runtree *rt, const uint64_t *map, uint32_t bit_count)
	MUST_CHECK;

/* Accepts a zeroed struct, and one whose init has failed. */
void runtree_fini(struct runtree *rt);

/* Bits [first, first + count) of the map have changed: update the tree. */
void runtree_update(struct runtree *rt, uint32_t first, uint32_t count);

/* The length of the longest run inside [first, first + count).  `count` is
 * RUNTREE_LEAF_BITS times a power of two, and `first` a multiple of it. */
uint32_t runtree_longest(const struct runtree *rt, uint32_t first,
			 uint32_t count);

/* The start of the first run of `count` (> 0) set bits inside [from,
 * bit_count); bit_count if there is none. */
uint32_t runtree_find(const struct runtree *rt, uint32_t from, uint32_t count);

/* ASSERT that every node agrees with the map. */
void runtree_check(const struct runtree *rt);

#endif
