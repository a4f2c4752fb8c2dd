/* SPDX-License-Identifier: MIT */
/* Frames that are lent to programs, and pages that programs have brought in. */
#ifndef MEMD_PAGER_LOAN_H
#define MEMD_PAGER_LOAN_H

#include "daemon/pager/tables.h"

/* Count an uncounted page (book.h).  False: no frame is free. */
bool loan_adopt(struct pager *pg, segment_id segment, page_id id);

#endif
