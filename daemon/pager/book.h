/* SPDX-License-Identifier: MIT */
/* The book of a segment (proto/book.h): programs see its entries, and fault
 * pages in by themselves.
 *
 * The pager does not see such a fault.  A program says later what it has done
 * (pager_installed()), in a record that may come late or never.  So a page of a
 * segment with a book may be *uncounted*: present in the data file, though its
 * state here is ZERO, SWAPPED or LOST.  Its frame is one of those that are
 * lent.
 *
 *   O1  Before it takes a page out, forgets its slot, or says that it is lost,
 *       the pager *claims* it: the entry says BUSY, and after that ops.look has
 *       seen no open intent on it.  Where an intent is open, the page stays as
 *       it is, and its entry is written again.  (K1 in proto/desk.h)
 *   O2  So while a thread uses what it has read in an entry, the page is not
 *       taken out.  The slot of an absent page is neither freed nor changed
 *       meanwhile: what a thread reads there is the page's.
 *   O3  A page that is absent here may be uncounted.  Whoever forgets its slot
 *       asks for that, too, when claiming it.
 *   O4  A record is a hint: the page is counted if it is there and was not
 *       counted before.  Whatever a record says, one credit ends with it.
 *   O5  free + lent + resident + loading + evicting == pool.
 *   O6  What brings a page in needs no claim: the data file keeps what came
 *       first, and both are the same bytes.  The entry says BUSY before a slot
 *       is read, and RESIDENT only when the page is there; but that of a page
 *       of zeros says so just before.  Who tries to map it then asks memd.
 *   O7  A RESIDENT page may lose its slot, while a thread that began before the
 *       page came in still reads it.  The checksum disagrees then, or the page
 *       is there already: the thread cannot install anything. */
#ifndef MEMD_PAGER_BOOK_H
#define MEMD_PAGER_BOOK_H

#include "daemon/pager/tables.h"

/* Write the entry of a page as the page is now. */
void book_write(const struct pager *pg, const struct pager_segment *sg,
		page_id id);
/* The same for `count` pages from index `first` on. */
void book_write_run(const struct pager *pg, const struct pager_segment *sg,
		    uint64_t first, uint64_t count);

void book_mark_busy(const struct pager_segment *sg, uint64_t first,
		    uint64_t count);

#endif
