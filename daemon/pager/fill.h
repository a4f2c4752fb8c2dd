/* SPDX-License-Identifier: MIT */
/* Filling: files of which a good part was written get zeros into the
 * others.  Then programs may read such a file by themselves: no write into it
 * changes the file's layout on the disk any more.
 *
 *   L1  One request at a time, of slots that no page has.  The slots are used
 *       meanwhile.
 *   L2  callbacks.file_filled comes once for each file, when its last slot was
 *       written, whoever did that. */
#ifndef MEMD_PAGER_FILL_H
#define MEMD_PAGER_FILL_H

#include "daemon/pager/batch.h"

/* Begin a request if there is something to fill and none is under way. */
void fill_run(struct pager *pg);
/* The request of the FILL batch has ended. */
void fill_finish(struct pager *pg, batch_id id);
/* The chain was written well. */
void fill_note_chain(struct pager *pg, slot_id slot);

#endif
