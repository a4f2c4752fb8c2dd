/* SPDX-License-Identifier: MIT */
/* The pager's answers, on their way to the client that asked.  These functions
 * are called from inside the pager: they only queue, and do not call the
 * pager. */
#ifndef MEMD_SERVE_PAGING_H
#define MEMD_SERVE_PAGING_H

#include "daemon/pager/pager.h"

/* In an embedded memd: pager_ops.install_for.  The page is installed through
 * the mapping in which it was touched.  Returns false if it was not installed,
 * or only partly. */
bool paging_install(void *serve, struct fault *fault, const void *bytes,
		    size_t length);

/* The callbacks get the struct serve as ctx. */
extern const struct pager_callbacks paging_callbacks;

/* pager_callbacks.done, for all requests but faults. */
void paging_done(void *serve, uint64_t cookie, int result, uint64_t count);

#endif
