/* SPDX-License-Identifier: MIT */
/* Ready messages tell a client which pages have been read ahead.  Pages are
 * collected for each attachment and sent in one message, with the replies of
 * the same callback.  A client that does not read its messages gets no Ready:
 * then it finds the pages itself, one by one. */
#ifndef MEMD_SERVE_READY_H
#define MEMD_SERVE_READY_H

#include "daemon/pager/pager.h"
#include "proto/limits.h"
#include <sys/queue.h>

struct conn;
struct stats;

enum { READY_RANGES_MAX = 64, READY_MARKS_MAX = WIRE_MARKS_MAX };

/* The list of one attachment, made when first needed. */
struct ready_list {
	struct {
		uint64_t first, count;
	} range[READY_RANGES_MAX];
	uint64_t mark[READY_MARKS_MAX];
	uint32_t range_count, mark_count;
	struct conn *to;
	uint32_t segment_number;
	TAILQ_ENTRY(ready_list) link;		/* in readies.queued, if it is
						 * not empty */
};

struct readies {
	struct stats *stats;			/* borrowed */
	TAILQ_HEAD(, ready_list) queued;
};

void readies_init(struct readies *rs, struct stats *stats);

/* Make the list of an attachment; `to` gets its messages.  NULL: out of
 * memory. */
struct ready_list *ready_list_create(struct conn *to, uint32_t segment_number);

/* As pager_callbacks.ready.  If `list` is NULL, the pages are only counted as
 * dropped.  May be called from inside the pager. */
void readies_add(struct readies *rs, struct ready_list *list, uint64_t first,
		 uint64_t count, uint64_t mark);

/* The attachment ends: free `list`, which may be NULL. */
void readies_forget(struct readies *rs, struct ready_list *list);

/* Send all collected pages. */
void readies_send(struct readies *rs);

#endif
