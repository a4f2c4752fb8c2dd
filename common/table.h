/* SPDX-License-Identifier: MIT */
/* A flat array in a sparse memfd: zero-filled, never moved, without pointers.
 * Memory is used only for elements that were touched, and can be given back by
 * range.  Because the bytes are in a memfd, a process that inherits the
 * descriptor finds the array as it was left. */
#ifndef MEMD_COMMON_TABLE_H
#define MEMD_COMMON_TABLE_H

#include "common/checks.h"
#include <stddef.h>

struct table {
	int fd;
	void *base;		/* the elements; page-aligned */
	size_t element_bytes;
	size_t element_count;	/* capacity, not used elements */
};

/* Make a table of `element_count` elements, which are zeros.  `name` is shown
 * in /proc/PID/maps.  Returns 0 or -errno (-ENOMEM, -EMFILE, …). */
int table_init(struct table *t, const char *name, size_t element_bytes,
	       size_t element_count) MUST_CHECK;

/* Accepts a zeroed table, and one whose init has failed. */
void table_fini(struct table *t);

/* Provide the memory for elements [first, first + count), which keep their
 * values.  (To touch an element that no memory can be had for is a SIGBUS.)
 * Returns 0, or -ENOMEM or -ENOSPC. */
int table_reserve(struct table *t, size_t first, size_t count) MUST_CHECK;

/* Make elements [first, first + count) zeros again.  Whole memory pages inside
 * the range are given back to the system. */
void table_discard(struct table *t, size_t first, size_t count);

/* The first element at or after `first` that is in a touched memory page;
 * element_count: there is none.  Elements between use no memory. */
size_t table_next_used(const struct table *t, size_t first);

/* Bytes of memory that the table uses now. */
size_t table_memory_bytes(const struct table *t);

#endif
