/* SPDX-License-Identifier: MIT */
/* One-sided faults: a thread brings its page in by itself, without memd.
 *
 * It takes a frame that memd has lent to the session (a credit), reads the page
 * from the swap file, verifies its checksum, and installs it.  memd learns of
 * it later, from the record in the credit's cell.  (One-sided reads are known
 * from RDMA systems, for example FaRM.)
 *
 * The fault goes in steps.  Between any two of them the simulator (tests/sim)
 * lets threads stop and die:
 *
 *   OPEN ▶ LOOK ▶ TAKE ▶ READ ▶ INSTALL ▶ NOTE ▶ CLOSE     brought in
 *            │      │      │       │ EEXIST
 *            │      │      │       └▶ RETURN ▶ MAP ▶ CLOSE  it was there
 *            │      │      └────────▶ RETURN ─────▶ CLOSE   ask memd
 *            │      └─────────────────────────────▶ CLOSE   ask memd: no credit
 *            ├─▶ MAP ▶ CLOSE                                it was there
 *            └───────────────────────────────────▶ CLOSE    ask memd
 *
 * Invariants (proto/desk.h has those of both sides: K1 ... K4):
 *   F1  The intent is open from before the entry is read until after the last
 *       use of what was read.  (K1, K2)
 *   F2  Nothing is installed but zeros where the entry says ZERO, and bytes
 *       that agree with the entry's checksum.
 *   F3  The cell says INSTALLED before the intent is closed, and only if this
 *       thread has installed the page.  Otherwise it is LENT again.
 *   F4  A fault that waits for memd has no open intent.  (The kernel may
 *       reclaim memory during INSTALL.)
 *   F5  Whatever disagrees means "ask memd".  A page is never called lost here.
 *
 * Nothing here allocates or takes a lock; any thread, also in a signal
 * handler. */
#ifndef MEMD_CLIENT_FAULT_ONESIDED_H
#define MEMD_CLIENT_FAULT_ONESIDED_H

#include "common/checks.h"
#include "proto/book.h"
#include "proto/desk.h"
#include <stddef.h>

enum { ONESIDED_PAGE_BYTES = 4096 };

struct onesided_ops {
	/* Read a slot into the buffer.  0 or -errno.  Not needed by callers
	 * that replace ONESIDED_READ by onesided_has_read(). */
	int (*read)(void *ctx, uint32_t slot, void *buffer);
	/* Put the page into the data file; NULL: zeros.  0, -EEXIST (it was
	 * there), or -errno. */
	int (*install)(void *ctx, uint32_t page, const void *bytes);
	/* Map the page, which is there.  0 or -errno. */
	int (*map)(void *ctx, uint32_t page);
	/* Few credits are left: wake memd. */
	void (*ring)(void *ctx);
};

enum onesided_step {
	ONESIDED_OPEN, ONESIDED_LOOK, ONESIDED_TAKE, ONESIDED_READ,
	ONESIDED_INSTALL, ONESIDED_NOTE, ONESIDED_RETURN, ONESIDED_MAP,
	ONESIDED_CLOSE, ONESIDED_END,
};

enum onesided_result {
	ONESIDED_ASK,		/* memd must do it */
	ONESIDED_MAPPED,	/* the page was there */
	ONESIDED_ZERO, ONESIDED_SWAPPED,	/* brought in */
};

/* One fault.  The caller sets the first part, and zeros for the rest. */
struct onesided {
	const struct onesided_ops *ops;
	void *ctx;
	struct desk *desk;
	uint8_t *staging;	/* a page for each intent, aligned */
	const struct book_entry *entry, *end;	/* of the page; of the book */
	uint64_t serial;	/* of the segment: in the checksum */
	uint32_t segment, page;
	uint64_t start_ns;
	unsigned hint;		/* intent and cells to begin with */

	enum onesided_step step;
	enum onesided_result result;
	unsigned intent;
	struct desk_credit *credit;
	uint32_t state, slot, generation;
	uint64_t sum_low, sum_high;
	uint64_t io_ns;
};

/* One step.  After ONESIDED_END the result counts. */
void onesided_step(struct onesided *o);

/* All steps. */
enum onesided_result onesided_run(struct onesided *o) MUST_CHECK;

/* At ONESIDED_READ: where the bytes of slot o->slot are wanted, 4 KiB. */
void *onesided_buffer(const struct onesided *o);

/* In place of the step ONESIDED_READ: they are there, or reading them has
 * failed (-errno). */
void onesided_has_read(struct onesided *o, int error);

#endif
