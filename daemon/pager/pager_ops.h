/* SPDX-License-Identifier: MIT */
/* What the pager asks for, and whom it tells: two tables of operations. */
#ifndef MEMD_PAGER_PAGER_OPS_H
#define MEMD_PAGER_PAGER_OPS_H

#include "daemon/pager/pager_types.h"
#include "swapstore/swapstore.h"
#include <stdbool.h>
#include <stdint.h>

/* Units that are captured together: taken out of the data file, with their
 * bytes. */
struct pager_capture {
	segment_id segment;
	uint64_t unit, count;
	/* count * PAGER_UNIT_BYTES bytes; NULL: the bytes are not needed. */
	void *to;
	int error;		/* result: 0 or -errno */
	/* Result, if error is -EINPROGRESS: captures with the same ticket end
	 * together.  1 … PAGER_TICKETS_MAX. */
	uint32_t ticket;
	/* Result: units [lost, lost_end) were taken out, but their bytes could
	 * not be read and are lost.  0, 0: none. */
	uint64_t lost, lost_end;
};

enum {
	PAGER_CAPTURES_MAX = 64,	/* in one call of capture */
	PAGER_TICKETS_MAX = 64,
};

/* Pages of a segment with a book, whose entries say BUSY (book.h). */
struct pager_claim {
	segment_id segment;
	uint64_t first;
	uint32_t count;			/* at most 64 */
	bool asks_present;
	/* Result, a bit for each page: */
	uint64_t open;			/* an intent is open on it */
	uint64_t present;		/* if asked: it is in the data file */
};

/* What the pager asks for.  The pager calls these from inside pager_*() calls;
 * they must not call the pager. */
struct pager_ops {
	/* Make units [unit, unit + count) of the data file present, with the
	 * content `bytes` (NULL: zeros).  A unit that is present already keeps
	 * its bytes.  Returns 0, or -ENOMEM: no memory now; some units may have
	 * been made present, and the pager asks again later.  No other error is
	 * allowed. */
	int (*install)(void *ctx, segment_id segment, uint64_t unit,
		       uint64_t count, const void *bytes);
	/* As install, for the page that this fault waits for.  If this returns
	 * 0, the pager calls reply for the fault before it returns, with this
	 * page only and without a mark.  So the answer may be sent to the
	 * client together with the bytes.  NULL: the pager uses install. */
	int (*install_for)(void *ctx, struct fault *fault, uint64_t unit,
			   uint64_t count, const void *bytes);
	/* Take `count` runs of units out: unmap them everywhere, and copy their
	 * final bytes to `to`.  Each run has its own result:
	 *
	 *   0                 it is out
	 *   -EINPROGRESS      it is being taken out.  The owner calls
	 *                     pager_capture_done() with its ticket later.
	 *                     Clients may use the units until then.
	 *   -EAGAIN           not now: others are under way
	 *   -EBUSY            the same, and one of them may never end
	 *   -ENOTRECOVERABLE  nothing of this segment can ever be taken out
	 *   other             it has failed
	 *
	 * In the last four cases nothing of the run was taken out.  Runs of one
	 * call have all a `to` or none, and pages of the same order.  A run
	 * without a `to` that is being taken out does not fail. */
	void (*capture)(void *ctx, struct pager_capture *capture,
			unsigned count);
	/* This ticket has ended: return its runs with their results, in their
	 * order.  Copy their bytes to `to`, one run behind the other, also for
	 * runs that have failed (NULL: the bytes are not needed).  The ticket
	 * is free then. */
	unsigned (*collect)(void *ctx, uint32_t ticket, void *to,
			    struct pager_capture ret_run[PAGER_CAPTURES_MAX]);
	/* No page of the segment is left, and none will come.  Give back what
	 * remains of its data file, a piece at a time.  *budget is > 0 and
	 * falls by 1 for each unit that is taken out; a piece that costs more
	 * may exceed it.  Returns true when all is given back; else the pager
	 * asks again.  NULL: there is nothing to do. */
	bool (*shed)(void *ctx, segment_id segment, uint32_t *budget);
	/* Fence, and then look which of these pages programs are faulting in by
	 * themselves.  NULL: no segment has a book. */
	void (*look)(void *ctx, struct pager_claim *claim, unsigned count);
	/* Queue one request of the swap store.  -EAGAIN: there is no room for
	 * one of its class; the pager asks again after the next completion.
	 * The owner passes io->cookie to pager_io_done(). */
	int (*submit)(void *ctx, const struct swap_io *io);
	/* The content of these slots is not needed any more.  No request for
	 * them is in flight.  May be NULL. */
	void (*discard_slots)(void *ctx, uint32_t slot, uint32_t count);
	/* True if the content of this slot is known to be lost.  The pager then
	 * does not drop a page in memory in favour of that slot.  NULL:
	 * never. */
	bool (*is_slot_lost)(void *ctx, uint32_t slot);
};

/* What the pager tells its users.  The same rule holds: callbacks must not call
 * the pager. */
struct pager_callbacks {
	/* Answer a fault, whose record is not the pager's any more. */
	void (*reply)(void *ctx, struct fault *fault);
	/* These pages have become resident ahead of a reader of `client`.  The
	 * client may map all of them except `mark` (see struct fault).
	 * Only a hint. */
	void (*ready)(void *ctx, uint32_t client, segment_id segment,
		      uint64_t first, uint64_t count, uint64_t mark);
	/* A page that was read ahead has been used: it was asked for, reported
	 * as touched, or passed by its reader.  NULL: nobody needs to know. */
	void (*used)(void *ctx, segment_id segment, uint64_t page);
	/* Ask all clients that map these pages to unmap them. */
	void (*age)(void *ctx, segment_id segment, uint64_t first,
		    uint64_t count);
	/* A request of pager_advise() has ended. */
	void (*done)(void *ctx, uint64_t cookie, int result, uint64_t count);
	/* Each slot of the file with this first slot was written once: no write
	 * into it allocates anything on the disk any more.  NULL: nobody needs
	 * to know. */
	void (*file_filled)(void *ctx, area_id area, uint32_t first);
	/* The segment is gone: nothing of it is in flight. */
	void (*segment_gone)(void *ctx, segment_id segment);
};

#endif
