/* SPDX-License-Identifier: MIT */
/* What programs do with much memory: a hash table with open addressing, and a
 * sort in place.  Neither knows where the memory comes from. */
#ifndef MEMD_BENCH_ALGORITHMS_H
#define MEMD_BENCH_ALGORITHMS_H

#include <stddef.h>
#include <stdint.h>

/* Collisions go to the next slot, and from the last one to the first. */
struct table {
	struct table_slot {
		uint64_t key, value;	/* an empty slot: both 0 */
	} *slots;
	size_t page_count;
};

enum {
	TABLE_PAGE_SLOTS = 256,		/* of 4 KiB */
	TABLE_PAGE_KEYS = 179,		/* 70 % */
	TABLE_PAGE_KEYS_MAX = 250,	/* so that no search is endless */
};

/* Key number `idx` of those that hash to a random slot of this page.  The hash
 * is the key modulo the number of slots.  All keys differ; none is 0. */
uint64_t table_key(const struct table *t, size_t page, unsigned idx);

/* What is put under a key; never 0. */
uint64_t table_value(uint64_t key);

void table_put(struct table *t, uint64_t key, uint64_t value);

/* The value, or 0: there is no such key. */
uint64_t table_get(const struct table *t, uint64_t key);

/* Quicksort. */
void sort_keys(uint64_t *keys, size_t count);

#endif
