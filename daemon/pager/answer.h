/* SPDX-License-Identifier: MIT */
/* Answers to faults. */
#ifndef MEMD_PAGER_ANSWER_H
#define MEMD_PAGER_ANSWER_H

#include "daemon/pager/tables.h"

/* After any of these the record of the fault is not the pager's any more. */

/* It is about no page of a living segment, and was never counted as waiting. */
void answer_no_page(struct pager *pg, struct fault *f);
void answer_failed(struct pager *pg, struct fault *f, int error);
/* The fault's page is RESIDENT: answer with it and with `count` - 1 pages
 * behind it in the fault's direction, which are RESIDENT too.  io_ns is when
 * its I/O ended; 0: there was none. */
void answer_resident(struct pager *pg, struct fault *f, uint32_t count,
		     uint64_t io_ns);

#endif
