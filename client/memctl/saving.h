/* SPDX-License-Identifier: MIT */
/* What `memctl trace --save` does with the faults: collects which pages came,
 * finds out the names of their segments, and writes the file.  Its functions
 * print their failures and return exit codes. */
#ifndef MEMD_MEMCTL_SAVING_H
#define MEMD_MEMCTL_SAVING_H

#include "client/memctl/memctl.h"
#include "client/memctl/order.h"

struct saving {
	const struct memctl *mc;
	const char *path;
	struct order order;
	struct order_file file;
	Memd__SegmentsReply *known;	/* as last asked; NULL: not yet */
};

/* See that the file can be made. */
int saving_begin(struct saving *sv, const struct memctl *mc, const char *path)
	MUST_CHECK;

/* A fault has been answered. */
int saving_take(struct saving *sv, const Memd__TraceEvent *ev) MUST_CHECK;

/* Write the file and say what is in it. */
int saving_commit(struct saving *sv) MUST_CHECK;

/* Free all.  Without a saving_commit() before, no file is left. */
void saving_end(struct saving *sv);

#endif
