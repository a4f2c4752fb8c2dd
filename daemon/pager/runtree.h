/* SPDX-License-Identifier: MIT */
/* Where in a bitmap is a run of clear bits that is long enough?  A tree over
 * the caller's bitmap answers in logarithmic time, also when nearly every bit
 * is set, where a search of the map itself would look at all of it.
 *
 * Leaves stand for RUNTREE_LEAF_BITS bits each.  A node knows three lengths
 * of its stretch: the clear run it begins with, the one it ends with, and the
 * longest inside; two neighbours' lengths give those of both together.  Nodes
 * lie in a flat table as in a heap: 1 is the root, 2n and 2n + 1 are below n.
 *
 * The bitmap stays the truth: the tree only repeats it, and is told of every
 * change by runtree_update(). */
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

/* Make the tree of `map`, whose bits are all clear.  0 or -errno. */
int runtree_init(struct runtree *rt, const uint64_t *map, uint32_t bit_count)
	MUST_CHECK;

/* Accepts a zeroed or failed struct. */
void runtree_fini(struct runtree *rt);

/* Bits [first, first + count) of the map have changed. */
void runtree_update(struct runtree *rt, uint32_t first, uint32_t count);

/* Length of the longest clear run. */
uint32_t runtree_longest(const struct runtree *rt);

/* Start of a run of `count` (> 0) clear bits that lies in [from, bit_count),
 * the first such; bit_count when there is none. */
uint32_t runtree_find(const struct runtree *rt, uint32_t from, uint32_t count);

/* ASSERT that every node tells the truth about the map. */
void runtree_check(const struct runtree *rt);

#endif
