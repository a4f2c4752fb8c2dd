/* SPDX-License-Identifier: MIT */
/* In which order programs came to use which pages of which segments, and the
 * file it is kept in: what `trace --save` writes and `replay` reads.  Asks
 * memd nothing and prints nothing.
 *
 * The file is text.  Its first line is "memd-order 1".  Each line after it has
 * a segment's name, its first page and how many there are, separated by one
 * tab; pages are counted from 0 in pages of the segment.  In place of a name a
 * private segment has '/' and its number, for a name contains no '/'. */
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
	char name[WIRE_NAME_BYTES_MAX + 1];	/* empty: private */
	uint32_t number;		/* of a private one, or if traced */
	uint64_t page_count;
	struct seen_pages seen;		/* while it is traced: to take each
					 * page once */
};

/* Pages [first, first + count); the end is at most ORDER_PAGE_END. */
struct order_run {
	uint32_t first, count;
};

/* Pages of one segment that came one after the other. */
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
	bool is_full;			/* takes no more */
};

void order_init(struct order *o);
void order_fini(struct order *o);

/* The segment with this number, or NULL. */
struct order_segment *order_find(const struct order *o, uint32_t number);

/* Find one by number (0: has a name) and name, beginning at *segment_idx and
 * leaving its index there.  False: it is not known. */
bool order_find_named(const struct order *o, uint32_t number, const char *name,
		      uint32_t *segment_idx);

/* Make a segment known, once; name: "" for a private one.  NULL: no memory, or
 * too many.  Pointers to others become invalid. */
struct order_segment *order_add_segment(struct order *o, uint32_t number,
					const char *name);

/* These pages of a known segment came; those that had come are left out. */
void order_add(struct order *o, struct order_segment *segment, uint64_t first,
	       uint64_t count);

/* The same without looking whether they had come. */
void order_add_run(struct order *o, struct order_segment *segment,
		   struct order_run run);

/* Read a file.  0; or -errno and a line in ret_reason that names the file, and
 * where its content is wrong (-EINVAL) the line. */
int order_read(struct order *o, const char *path, char *ret_reason,
	       size_t reason_size) MUST_CHECK;

/* A file that appears under its name complete, or not at all. */
struct order_file {
	char *path, *temporary;
	FILE *stream;
};

/* Begin to write one.  What is there under that name must be a regular file,
 * and stays until order_file_commit().  0, or -errno and a line. */
int order_file_open(struct order_file *of, const char *path, char *ret_reason,
		    size_t reason_size) MUST_CHECK;

/* Write all and give it its name.  0, or -errno and a line.  The file is
 * closed in either case. */
int order_file_commit(struct order_file *of, const struct order *o,
		      char *ret_reason, size_t reason_size) MUST_CHECK;

/* Leave no trace of it.  Accepts one that was not opened, or is closed. */
void order_file_abort(struct order_file *of);

#endif
