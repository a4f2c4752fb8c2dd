/* SPDX-License-Identifier: MIT */
/* Clock2Q+: a clock that scans do not spoil.
 *
 * A page that comes in waits in a small queue, a tenth of the pool.  When half
 * of that queue has come behind it, the page is aged; if it is used again
 * before it comes to the queue's head, it goes to the main queue, and if not,
 * it leaves.  A page that comes back not long after it has left goes to the
 * main queue at once.  The main queue is a clock: what comes to its head and
 * was used since it was aged, three quarters of the queue earlier, goes round
 * again.
 *
 *            ghost                  used again
 *   page in ──────▶ main ◀──────────────────────── small ◀── page in
 *                   │  ▲                            │
 *            unused │  └── used: goes round         │ unused
 *                   ▼                               ▼
 *                  out                             out, and is a ghost
 *
 * What a stream has passed leaves before (behind.h), if it is in the small
 * queue.  One victim of four is taken in turn all the same, or a stream that
 * never ends would keep everything that was there before it.
 *
 * Pages that were read ahead wait in a queue of their own for their reader, at
 * most a quarter of the pool.  When they are used, they go to the other two.
 *
 * (S3-FIFO, Yang et al., SOSP 2023; its window for references that belong
 * together is from Clock2Q+.) */
#ifndef MEMD_REPLACE_CLOCK2Q_H
#define MEMD_REPLACE_CLOCK2Q_H

#include "daemon/replace/state.h"

extern const struct pool_policy clock2q;

#endif
