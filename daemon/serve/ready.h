/* SPDX-License-Identifier: MIT */
/* Ready messages on their way to clients: pages that have come in ahead of
 * their readers are gathered per attachment and sent, in one message, with
 * the replies of the same callback.  A client that does not read gets none: it
 * finds the pages by itself then, one by one. */
#ifndef MEMD_SERVE_READY_H
#define MEMD_SERVE_READY_H

#include "daemon/pager/pager.h"
#include "proto/limits.h"
#include <sys/queue.h>

struct conn;
struct stats;

enum { READY_RANGES_MAX = 64, READY_MARKS_MAX = WIRE_MARKS_MAX };

/* Of one attachment; made when it is first needed. */
struct ready_list {
	struct {
		uint64_t first, count;
	} range[READY_RANGES_MAX];
	uint64_t mark[READY_MARKS_MAX];
	uint32_t range_count, mark_count;
	struct conn *to;
	uint32_t segment_number;
	TAILQ_ENTRY(ready_list) link;		/* while it has any */
};

struct readies {
	struct stats *stats;			/* borrowed */
	TAILQ_HEAD(, ready_list) queued;
};

void readies_init(struct readies *rs, struct stats *stats);

/* Of an attachment that is to be told through `to`; NULL: out of memory. */
struct ready_list *ready_list_create(struct conn *to, uint32_t segment_number);

/* As pager_callbacks.ready; list NULL: nobody is told.  May be called from
 * inside the pager. */
void readies_add(struct readies *rs, struct ready_list *list, uint64_t first,
		 uint64_t count, uint64_t mark);

/* The attachment goes; NULL is allowed. */
void readies_forget(struct readies *rs, struct ready_list *list);

/* Send what has gathered. */
void readies_send(struct readies *rs);

#endif
