/* SPDX-License-Identifier: MIT */
/* The pager's answers, on their way to whoever asked.  Called from inside the
 * pager: they queue, and call nothing of it. */
#ifndef MEMD_SERVE_PAGING_H
#define MEMD_SERVE_PAGING_H

#include "daemon/pager/pager.h"

/* Inside of a program: install_for of struct pager_ops, where the page was
 * touched.  False: not done, or not wholly. */
bool paging_install(void *serve, uint64_t cookie, const void *bytes,
		    size_t length);

/* ctx: the struct serve. */
extern const struct pager_callbacks paging_callbacks;

void paging_done(void *serve, uint64_t cookie, int result, uint64_t count);

#endif
