/* SPDX-License-Identifier: MIT */
/* A flat array in a sparse memfd: zero-filled, never moved, no pointers
 * inside.  Memory is spent only where elements have been touched, and can be
 * given back by range.  Because the bytes live in a memfd, a process that
 * inherits the descriptor finds the array as it was left. */
#ifndef MEMD_COMMON_TABLE_H
#define MEMD_COMMON_TABLE_H

#include "common/checks.h"
#include <stddef.h>

struct table {
	int fd;
	void *base;		/* the elements; page aligned */
	size_t element_bytes;
	size_t element_count;	/* capacity, not use */
};

/* Make a table of `element_count` zeroed elements.  `name` shows in
 * /proc/PID/maps.  Returns 0 or -errno (-ENOMEM, -EMFILE …). */
int table_init(struct table *t, const char *name, size_t element_bytes,
	       size_t element_count) MUST_CHECK;

/* Accepts a zeroed or failed table. */
void table_fini(struct table *t);

/* Make elements [first, first + count) zero again; whole memory pages inside
 * the range are given back to the system. */
void table_discard(struct table *t, size_t first, size_t count);

/* The first element at or after `first` of a memory page that has been
 * touched; element_count: there is none.  What lies between costs nothing. */
size_t table_next_used(const struct table *t, size_t first);

/* Bytes of memory the table really occupies now. */
size_t table_memory_bytes(const struct table *t);

#endif
