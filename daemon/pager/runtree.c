/* SPDX-License-Identifier: MIT */
/* The tree of runs.  `span` is the number of bits that a node covers.  Bits
 * behind the end of the map count as clear. */
#include "daemon/pager/runtree.h"

#include "common/bitmap.h"

#include <errno.h>

struct node {
	uint32_t head;		/* length of the run at the start */
	uint32_t tail;		/* length of the run at the end */
	uint32_t best;		/* length of the longest run */
};

enum { ROOT = 1, LEAF_WORDS = RUNTREE_LEAF_BITS / 64 };

static struct node *node_at(const struct runtree *rt, uint32_t idx)
{
	return (struct node *)rt->nodes.base + idx;
}

static uint64_t word_at(const struct runtree *rt, uint32_t word)
{
	uint32_t whole = rt->bit_count / 64, rest = rt->bit_count % 64;

	if (word < whole)
		return rt->map[word];
	if (word == whole && rest != 0)
		return rt->map[word] & ~(~UINT64_C(0) << rest);
	return 0;
}

/* Walk through one word of a leaf; `clear` has the bits that are clear in it.
 * `run` is the length of the run that reaches into the word.  Runs that end in
 * the word are noted in the leaf.  Returns the length of the run that reaches
 * the end of the word. */
static uint32_t step_through_word(uint64_t clear, uint32_t run, bool *has_clear,
				  struct node *leaf)
{
	unsigned bit = 0;

	while (bit < 64) {
		uint64_t rest = clear >> bit;

		if (rest == 0)
			return run + 64 - bit;
		run += (uint32_t)__builtin_ctzll(rest);
		bit += (unsigned)__builtin_ctzll(rest);
		if (!*has_clear)
			leaf->head = run;
		*has_clear = true;
		leaf->best = MAX(leaf->best, run);
		run = 0;
		rest = ~(clear >> bit);
		bit += rest == 0 ? 64 : (unsigned)__builtin_ctzll(rest);
	}
	return run;
}

static struct node look_at_leaf(const struct runtree *rt, uint32_t idx)
{
	uint32_t word = (idx - rt->leaf_count) * LEAF_WORDS, run = 0;
	struct node leaf = { 0 };
	bool has_clear = false;

	for (uint32_t i = 0; i < LEAF_WORDS; i++)
		run = step_through_word(~word_at(rt, word + i), run,
					&has_clear, &leaf);
	leaf.tail = run;
	leaf.best = MAX(leaf.best, run);
	if (!has_clear)
		leaf.head = run;
	return leaf;
}

/* Make node idx from the two nodes below it, which cover `span` bits each. */
static struct node runtree_join(const struct runtree *rt, uint32_t idx,
				uint64_t span)
{
	struct node left = *node_at(rt, 2 * idx);
	struct node right = *node_at(rt, 2 * idx + 1);
	struct node both = {
		.head = left.head < span ? left.head : left.head + right.head,
		.tail = right.tail < span ? right.tail : right.tail + left.tail,
		.best = MAX(left.best, right.best),
	};

	both.best = MAX(both.best, left.tail + right.head);
	return both;
}

/* Update the levels above leaves [first, last]. */
static void join_upward(struct runtree *rt, uint32_t first, uint32_t last)
{
	uint64_t span = RUNTREE_LEAF_BITS;

	for (; first > ROOT; span *= 2) {
		first /= 2;
		last /= 2;
		for (uint32_t idx = first; idx <= last; idx++)
			*node_at(rt, idx) = runtree_join(rt, idx, span);
	}
}

int runtree_init(struct runtree *rt, const uint64_t *map, uint32_t bit_count)
{
	uint32_t wanted = bit_count / RUNTREE_LEAF_BITS + 1;

	*rt = (struct runtree){
		.map = map,
		.bit_count = bit_count,
		.leaf_count = 1,
	};
	while (rt->leaf_count < wanted)
		rt->leaf_count *= 2;
	/* Nodes of zeros are right for a map of zeros. */
	return table_init(&rt->nodes, "memd-runtree", sizeof(struct node),
			  2 * (size_t)rt->leaf_count);
}

void runtree_fini(struct runtree *rt)
{
	table_fini(&rt->nodes);
}

void runtree_update(struct runtree *rt, uint32_t first, uint32_t count)
{
	uint32_t leaf = rt->leaf_count + first / RUNTREE_LEAF_BITS;
	uint32_t last = rt->leaf_count +
			(first + count - 1) / RUNTREE_LEAF_BITS;

	ASSERT(count > 0 && first < rt->bit_count &&
	       count <= rt->bit_count - first);
	for (uint32_t idx = leaf; idx <= last; idx++)
		*node_at(rt, idx) = look_at_leaf(rt, idx);
	join_upward(rt, leaf, last);
}

uint32_t runtree_longest(const struct runtree *rt, uint32_t first,
			 uint32_t count)
{
	uint32_t leaves = count / RUNTREE_LEAF_BITS;

	ASSERT(leaves != 0 && (leaves & (leaves - 1)) == 0 &&
	       count % RUNTREE_LEAF_BITS == 0 && first % count == 0 &&
	       leaves <= rt->leaf_count);
	return node_at(rt, (rt->leaf_count + first / RUNTREE_LEAF_BITS) /
			   leaves)->best;
}

/* Node `idx` covers `span` bits from `start` on, and has a run of `count`
 * bits.  Returns where the first one begins. */
static uint32_t descend(const struct runtree *rt, uint32_t idx,
			uint64_t start, uint64_t span, uint32_t count)
{
	size_t first = 0, length;

	while (idx < rt->leaf_count) {
		const struct node *left = node_at(rt, 2 * idx);
		const struct node *right = node_at(rt, 2 * idx + 1);

		span /= 2;
		idx *= 2;
		if (left->best >= count)
			continue;
		if (left->tail + right->head >= count)
			return (uint32_t)(start + span - left->tail);
		idx++;
		start += span;
	}
	length = bitmap_find_run(rt->map, MIN(start + span,
						    rt->bit_count),
				       start, count, &first);
	ASSERT(length == count);
	return (uint32_t)first;
}

/* Walk to the right, over larger and larger parts.  `carry` is the length of
 * the run that ends where the next part begins; it does not reach back
 * before `from`. */
uint32_t runtree_find(const struct runtree *rt, uint32_t from, uint32_t count)
{
	uint32_t idx = rt->leaf_count + from / RUNTREE_LEAF_BITS, carry;
	uint64_t span = RUNTREE_LEAF_BITS;
	uint64_t end = (uint64_t)from / span * span + span;
	size_t first = 0;

	if (from >= rt->bit_count)
		return rt->bit_count;
	if (bitmap_find_run(rt->map, MIN(end, rt->bit_count), from,
				  count, &first) == count)
		return (uint32_t)first;
	carry = (uint32_t)MIN(node_at(rt, idx)->tail, end - from);
	for (; idx != ROOT; idx /= 2, span *= 2) {
		const struct node *next = node_at(rt, idx + 1);

		if (idx % 2 == 1)
			continue;
		if (carry + next->head >= count)
			return (uint32_t)(end - carry);
		if (next->best >= count)
			return descend(rt, idx + 1, end, span, count);
		carry = next->tail < span ? next->tail : carry + next->tail;
		end += span;
	}
	return rt->bit_count;
}

static bool is_same(struct node a, struct node b)
{
	return a.head == b.head && a.tail == b.tail && a.best == b.best;
}

void runtree_check(const struct runtree *rt)
{
	uint64_t span = RUNTREE_LEAF_BITS;
	uint32_t level = rt->leaf_count;

	for (uint32_t idx = level; idx < 2 * level; idx++)
		ASSERT(is_same(*node_at(rt, idx), look_at_leaf(rt, idx)));
	for (level /= 2; level >= ROOT; level /= 2, span *= 2)
		for (uint32_t idx = level; idx < 2 * level; idx++)
			ASSERT(is_same(*node_at(rt, idx),
				       runtree_join(rt, idx, span)));
}
