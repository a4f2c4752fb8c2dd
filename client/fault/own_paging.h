/* SPDX-License-Identifier: MIT */
/* Faults of thread regions without memd: which of them own_faults.h can serve,
 * and what becomes of them in the table of faults.  Threads: the library's
 * thread. */
#ifndef MEMD_CLIENT_FAULT_OWN_PAGING_H
#define MEMD_CLIENT_FAULT_OWN_PAGING_H

#include "client/fault/paging.h"

/* False: paging_take_fault() must take it. */
bool own_paging_take_fault(struct paging *pg, const struct uffd_fault *uf);

/* Start reads, and take the pages that have been read. */
void own_paging_run(struct paging *pg);

#endif
