/* SPDX-License-Identifier: MIT */
/* The pager's answers, on their way to whoever asked.  Called from inside the
 * pager: they queue, and call nothing of it. */
#ifndef MEMD_SERVE_PAGING_H
#define MEMD_SERVE_PAGING_H

#include "daemon/pager/pager.h"

struct serve;

/* Inside of a program: install_for of struct pager_ops, where the page was
 * touched.  False: not done, or not wholly. */
bool paging_install(struct serve *sv, uint64_t cookie, const void *bytes,
		    size_t length);
void paging_reply(struct serve *sv, const struct pager_reply *reply);
void paging_ready(struct serve *sv, uint32_t session, segment_id segment,
		  uint64_t first, uint64_t count, uint64_t mark);
void paging_age(struct serve *sv, segment_id segment, uint64_t first,
		uint64_t count);
void paging_done(struct serve *sv, uint64_t cookie, int result,
		 uint64_t count);

#endif
