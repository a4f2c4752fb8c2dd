/* SPDX-License-Identifier: MIT */
/* What the pager and its owner call things, and the record of one fault. */
#ifndef MEMD_PAGER_PAGER_TYPES_H
#define MEMD_PAGER_PAGER_TYPES_H

#include <stdint.h>

enum { PAGER_UNIT_BYTES = 4096 };

/* The most frames and slots, together, of one pager: they have numbers of 32
 * bits, and 0 and the largest number have other meanings. */
#define PAGER_UNITS_MAX		(UINT32_MAX - UINT32_C(1))

struct pager;
typedef uint32_t segment_id;	/* 0: no segment */
typedef uint32_t account_id;	/* 0: no account, no limit */
typedef uint32_t area_id;	/* 0: no area */

enum fault_kind {
	FAULT_ZERO,		/* first touch: a zeroed frame */
	FAULT_HIT,		/* the page was resident */
	FAULT_SWAP_IN,		/* its slot was read */
	/* The page was being evicted, and was put back. */
	FAULT_PUT_BACK,
	FAULT_LOST,		/* its bytes are lost */
	FAULT_KINDS
};

const char *fault_kind_name(enum fault_kind kind);

#define PAGER_NO_PAGE UINT64_MAX

/* One outstanding fault: the only record of it, from pager_fault() to
 * callbacks.reply.  Whoever asks owns it and sets its first three fields; most
 * make it the first part of a record of their own, which says who waits.  In
 * between it is the pager's, and must stay where it is.
 *
 * The answer: if error is 0, pages [first, first + count), which include
 * `page`, are resident and may be mapped, except `mark`.  The first touch of
 * `mark` must be reported at once with pager_touched().  PAGER_NO_PAGE: no
 * mark.
 *
 * error: 0, -EIO (the page is lost), -EFAULT (no such page, or the segment is
 * gone), -ENOMEM (no frame can be freed now, because all pages are pinned or
 * the store has failed; try again later), or -EBUSY (the page is being taken
 * out, and that may never end: pager_capture_stuck(); try again later). */
struct fault {
	segment_id segment;
	/* The client that callbacks.ready tells of pages that are read ahead
	 * for it; 0: none.  Then the pager reads no more than the answer can
	 * cover. */
	uint32_t client;
	uint64_t page;

	/* The answer. */
	uint64_t first, count;
	uint64_t mark;
	enum fault_kind kind;
	int error;
	uint64_t start_ns;	/* time of pager_fault() */
	uint64_t frame_ns;	/* when it got a frame; start_ns if at once */
	/* When its slot had been read; frame_ns if nothing was read. */
	uint64_t io_ns;
	uint64_t end_ns;	/* time of the answer */

	/* The pager's own.  The fault is in the queue of the pool, of an
	 * account or of a batch. */
	struct fault *next;
	/* It waited for the limit of this account. */
	account_id served_by;
	/* How many pages the answer may cover: `around` in all, in the
	 * direction `step`, while their frames have one of `around_flags`.
	 * `hold`: if fewer pages are resident, it is worth waiting for more. */
	int8_t step;
	uint8_t around_flags;
	uint16_t around, hold;
};

#endif
