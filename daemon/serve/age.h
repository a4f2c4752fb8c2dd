/* SPDX-License-Identifier: MIT */
/* Age messages ask a client to unmap pages, so that memd hears when they are
 * touched again.  Ranges are collected for each attachment and sent in one
 * message at the end of the turn.  A client that does not read its messages
 * gets none: its pages then count as unused, which slows only that client. */
#ifndef MEMD_SERVE_AGE_H
#define MEMD_SERVE_AGE_H

#include "common/checks.h"
#include "common/deferred.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct conn;
struct stats;

struct age_range {
	uint64_t first, count;
};

/* The ranges of one attachment. */
struct age_list {
	struct conn *to;
	uint32_t segment_number;
	struct age_range *ranges;	/* owned */
	uint32_t count, capacity;
	TAILQ_ENTRY(age_list) link;	/* in ages.queued, if it is not empty */
};

struct ages {
	struct stats *stats;		/* borrowed, as the next one */
	struct deferred *deferred;
	struct deferred_work work;	/* sends the collected ranges */
	TAILQ_HEAD(, age_list) queued;
};

void ages_init(struct ages *as, struct stats *stats,
	       struct deferred *deferred);

/* As pager_callbacks.age.  May be called from inside the pager. */
void ages_add(struct ages *as, struct age_list *list, uint64_t first,
	      uint64_t count);

/* The attachment ends: free its ranges. */
void ages_forget(struct ages *as, struct age_list *list);

#endif
