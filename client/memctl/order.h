/* SPDX-License-Identifier: MIT */
/* The order in which programs used pages of segments, and the file for it,
 * which `trace --save` writes and `replay` reads.  This module does not ask
 * memd, and prints nothing.
 *
 * The file is text.  Its first line is "memd-order 1".  Each other line has the
 * name of a segment, the first page, and the number of pages, separated by one
 * tab.  Pages are counted from 0, in pages of the segment.  A private segment
 * has '/' and its number in place of a name; a name contains no '/'. */
#ifndef MEMD_MEMCTL_ORDER_H
#define MEMD_MEMCTL_ORDER_H

#include "common/checks.h"
#include "client/memctl/seen_pages.h"
#include "proto/limits.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define ORDER_PAGE_END	UINT32_MAX

enum {
	ORDER_STEPS_MAX = 4 << 20,
	ORDER_SEGMENTS_MAX = 4096,
	ORDER_REASON_BYTES = 512,
};

struct order_segment {
	char name[WIRE_NAME_BYTES_MAX + 1];	/* "": private */
	uint32_t number;		/* set if private, or while tracing */
	uint64_t page_count;
	/* While tracing: to take each page once. */
	struct seen_pages seen;
};

/* Pages [first, first + count); the end is at most ORDER_PAGE_END. */
struct order_run {
	uint32_t first, count;
};

/* Consecutive pages of one segment. */
struct order_step {
	uint32_t segment_idx;
	struct order_run run;
};

struct order {
	struct order_segment *segment;
	uint32_t segment_count, segment_capacity;
	struct order_step *step;
	uint32_t step_count, step_capacity;
	uint64_t page_count;
	bool is_full;			/* no more can be added */
};

void order_init(struct order *o);
void order_fini(struct order *o);

/* The segment with this number; NULL: none. */
struct order_segment *order_find(const struct order *o, uint32_t number);

/* Find a segment by number (0: it has a name) and name.  The search starts at
 * *segment_idx, which becomes its index.  False: there is none. */
bool order_find_named(const struct order *o, uint32_t number, const char *name,
		      uint32_t *segment_idx);

/* Add a segment, once; name "": private.  NULL: no memory, or too many.
 * Pointers to other segments become invalid. */
struct order_segment *order_add_segment(struct order *o, uint32_t number,
					const char *name);

/* Add pages of a segment, except those that were added before. */
void order_add(struct order *o, struct order_segment *segment, uint64_t first,
	       uint64_t count);

/* As order_add(), without looking for pages that were added before. */
void order_add_run(struct order *o, struct order_segment *segment,
		   struct order_run run);

/* Read a file.  0; or -errno, with one line in ret_reason that names the file
 * and, if its content is wrong (-EINVAL), the line. */
int order_read(struct order *o, const char *path, char *ret_reason,
	       size_t reason_size) MUST_CHECK;

/* A file that appears under its name completely or not at all. */
struct order_file {
	char *path, *temporary;
	FILE *stream;
};

/* Begin to write a file.  If the name exists, it must be a regular file, which
 * stays until order_file_commit().  0, or -errno with a reason. */
int order_file_open(struct order_file *of, const char *path, char *ret_reason,
		    size_t reason_size) MUST_CHECK;

/* Write everything, and rename the file to its name.  0, or -errno with a
 * reason.  The file is closed in either case. */
int order_file_commit(struct order_file *of, const struct order *o,
		      char *ret_reason, size_t reason_size) MUST_CHECK;

/* Remove the unfinished file.  Accepts one that was not opened, or is
 * closed. */
void order_file_abort(struct order_file *of);

#endif
