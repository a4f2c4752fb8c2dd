/* SPDX-License-Identifier: MIT */
/* Types that replace.h and the files of this room share. */
#ifndef MEMD_REPLACE_REPLACE_TYPES_H
#define MEMD_REPLACE_REPLACE_TYPES_H

#include "common/checks.h"

#include <stdbool.h>
#include <stdint.h>

/* A frame of the pool, from 1 on.  0: none. */
typedef uint32_t frame_id;

/* The highest frame: 4 TiB with frames of 4 KiB. */
#define FRAMES_MAX	((UINT32_C(1) << 30) - 1)

/* 0: the pool, or none. */
typedef uint32_t group_id;

/* What the owner is asked.  Both are called inside of replace_next() alone. */
struct replace_owner {
	/* Make the programs unmap the page in the frame.  False: this cannot be
	 * done now, and the frame keeps its reference bit. */
	bool (*age)(void *ctx, frame_id frame);
	/* May the page in the frame be evicted now? */
	bool (*may_go)(void *ctx, frame_id frame);
};

struct replace_config {
	uint32_t frame_count;		/* of the pool */
	uint32_t group_count;		/* most groups at a time */
	const char *policy;		/* NULL: the first of all */
};

/* One search; all looks at frames are counted, and what was aged as some. */
struct replace_search {
	uint32_t looks_left;
	uint64_t looks;			/* done */
	/* Set by the caller: take what may go, one frame after the other,
	 * whatever is known of it. */
	bool takes_any;
	bool is_cut_short;		/* stopped by looks_left */
	/* Looked at all frames and found none. */
	bool is_vain;
};

#endif
