/* SPDX-License-Identifier: MIT */
/* Age messages on their way to clients: ranges are gathered per attachment
 * and sent at the end of the turn, in one message.  A client that does not
 * read gets none: its pages then count as unused, which slows only itself. */
#ifndef MEMD_SERVE_AGE_H
#define MEMD_SERVE_AGE_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct attachment;
struct daemon;

struct age_range {
	uint64_t first, count;
};

/* Of one attachment. */
struct age_list {
	struct age_range *ranges;
	uint32_t count, capacity;
	bool is_queued;
	TAILQ_ENTRY(attachment) link;
};

struct ages {
	TAILQ_HEAD(, attachment) queued;
};

void ages_init(struct ages *as);

/* May be called from inside the pager. */
void ages_add(struct daemon *d, struct attachment *a, uint64_t first,
	      uint64_t count);

/* The attachment goes. */
void ages_forget(struct ages *as, struct attachment *a);

/* Send what has gathered. */
void ages_send(struct daemon *d);

#endif
