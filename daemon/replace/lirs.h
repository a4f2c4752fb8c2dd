/* SPDX-License-Identifier: MIT */
/* LIRS for a pager: pages stay whose last two uses were near each other.
 *
 * A page that comes in for the first time waits in the *small* queue, a
 * twentieth of the pool.  When a third of that queue has come behind it, it
 * is aged; if it is used again before it comes to the head, it goes to the main
 * queue, and if not, it leaves.
 *
 * The *main* queue is in the order of the last use that was seen.  Its first
 * frames are aged.  A page that comes back is compared with the head: has it
 * been used since the frame at the head was aged?  Then it is worth more than
 * the page there, and goes to the main queue at once; the head leaves instead.
 *
 *            comes back early             used again
 *   page in ─────────────────▶ main ◀──────────────── small ◀── page in
 *                              │  ▲                    │
 *                       unused │  └── used: to its end │ unused
 *                              ▼                       ▼
 *                             out                     out
 *
 * So a reader of more pages than the pool has, however often it comes round,
 * takes the small queue alone from pages that are used more often than it comes
 * round.  And of a loop over twice the pool, half is found in memory.  Pages of
 * the main queue that are not used any more become older than anything that
 * comes back, and give way to it.
 *
 * What a stream has passed is not aged, but leaves the small queue as if it had
 * not been used: to find out costs a fault for each page, and a page that is
 * wanted comes back early.
 *
 * Ageing a page that is in use costs a fault, so frames of the main queue are
 * aged one for each page that was waited for, and one for eight that were read
 * ahead, which cost their reader little.
 *
 * Pages that were read ahead wait in a queue of their own for their reader, at
 * most half of the pool.  When they are used, they go to the other two.
 *
 * (LIRS: Jiang and Zhang, SIGMETRICS 2002.  Its stack is replaced by times, as
 * in CLOCK-Pro, USENIX 2005, and Linux's mm/workingset.c.  The small queue with
 * its window for uses that belong together is that of S3-FIFO, SOSP 2023, and
 * Clock2Q+, VLDB 2026.) */
#ifndef MEMD_REPLACE_LIRS_H
#define MEMD_REPLACE_LIRS_H

#include "daemon/replace/state.h"

extern const struct pool_policy lirs;

#endif
