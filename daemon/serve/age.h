/* SPDX-License-Identifier: MIT */
/* Age messages on their way to clients: ranges are gathered per attachment
 * and sent at the end of the turn, in one message.  A client that does not
 * read gets none: its pages then count as unused, which slows only itself. */
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

/* Of one attachment. */
struct age_list {
	struct conn *to;
	uint32_t segment_number;
	struct age_range *ranges;	/* owned */
	uint32_t count, capacity;
	TAILQ_ENTRY(age_list) link;	/* while it has any */
};

struct ages {
	struct stats *stats;		/* borrowed, as the next one */
	struct deferred *deferred;
	struct deferred_work work;	/* sends what has gathered */
	TAILQ_HEAD(, age_list) queued;
};

void ages_init(struct ages *as, struct stats *stats,
	       struct deferred *deferred);

/* May be called from inside the pager. */
void ages_add(struct ages *as, struct age_list *list, uint64_t first,
	      uint64_t count);

/* The attachment goes. */
void ages_forget(struct ages *as, struct age_list *list);

#endif
