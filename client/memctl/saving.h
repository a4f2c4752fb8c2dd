/* SPDX-License-Identifier: MIT */
/* Saving, for `memctl trace --save`: collects which pages programs have used,
 * not what memd has brought in besides, finds the names of their segments, and
 * writes the file.  The functions print their failures and return exit
 * codes. */
#ifndef MEMD_MEMCTL_SAVING_H
#define MEMD_MEMCTL_SAVING_H

#include "client/memctl/memctl.h"
#include "client/memctl/order.h"

struct saving {
	const struct memctl *mc;
	const char *path;
	struct order order;
	struct order_file file;
	/* The last answer; NULL: not asked yet. */
	Memd__SegmentsReply *known;
};

/* Begin; checks that the file can be made. */
int saving_begin(struct saving *sv, const struct memctl *mc, const char *path)
	MUST_CHECK;

/* Take an event: the pages that it proves to be used. */
int saving_take(struct saving *sv, const Memd__TraceEvent *ev) MUST_CHECK;

/* Write the file, and print what it contains. */
int saving_commit(struct saving *sv) MUST_CHECK;

/* Free everything.  Without saving_commit() before, no file is left. */
void saving_end(struct saving *sv);

#endif
