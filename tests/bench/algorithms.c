/* SPDX-License-Identifier: MIT */
/* See algorithms.h. */
#include "tests/bench/algorithms.h"

#include "common/checks.h"
#include "tests/bench/order.h"

enum { SORT_SMALL = 24 };	/* sorted by insertion */

/* ---- the table */

static size_t slot_count(const struct table *t)
{
	return t->page_count * TABLE_PAGE_SLOTS;
}

uint64_t table_key(const struct table *t, size_t page, unsigned idx)
{
	uint64_t first = page * TABLE_PAGE_SLOTS;

	return first + order_mix(first + idx) % TABLE_PAGE_SLOTS +
	       (idx + 1) * slot_count(t);
}

uint64_t table_value(uint64_t key)
{
	return order_mix(~key) | 1;
}

/* Where the key is, or else would be. */
static struct table_slot *find(const struct table *t, uint64_t key)
{
	size_t count = slot_count(t), at = key % count;

	while (t->slots[at].key != key && t->slots[at].key != 0)
		at = at + 1 < count ? at + 1 : 0;
	return &t->slots[at];
}

void table_put(struct table *t, uint64_t key, uint64_t value)
{
	*find(t, key) = (struct table_slot){ key, value };
}

uint64_t table_get(const struct table *t, uint64_t key)
{
	return find(t, key)->value;
}

/* ---- the sort */

static void insert_all(uint64_t *keys, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		uint64_t key = keys[i];
		size_t at = i;

		for (; at > 0 && keys[at - 1] > key; at--)
			keys[at] = keys[at - 1];
		keys[at] = key;
	}
}

/* Hoare's: how many keys, at least 1 and not all, are not above the others. */
static size_t divide(uint64_t *keys, size_t count)
{
	uint64_t a = keys[0], b = keys[count / 2], c = keys[count - 1];
	uint64_t middle = MAX(MIN(a, b), MIN(MAX(a, b), c));
	uint64_t *low = keys, *high = keys + count - 1;

	for (;; low++, high--) {
		uint64_t key;

		while (*low < middle)
			low++;
		while (*high > middle)
			high--;
		if (low >= high)
			return (size_t)(high - keys) + 1;
		key = *low;
		*low = *high;
		*high = key;
	}
}

/* The smaller part is sorted first, so calls are nested at most 64 deep. */
void sort_keys(uint64_t *keys, size_t count)
{
	while (count > SORT_SMALL) {
		size_t left = divide(keys, count), right = count - left;

		if (left < right) {
			sort_keys(keys, left);
			keys += left;
			count = right;
		} else {
			sort_keys(keys + left, right);
			count = left;
		}
	}
	insert_all(keys, count);
}
