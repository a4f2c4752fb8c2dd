/* SPDX-License-Identifier: MIT */
/* Keeps the loop from sleeping right after a fault.  A client that has been
 * served often faults again soon, and to wake the loop costs more than to look
 * once more. */
#ifndef MEMD_NET_AWAKE_H
#define MEMD_NET_AWAKE_H

#include "daemon/config/config.h"
#include <event2/event.h>
#include <event2/event_struct.h>

struct awake {
	const struct config *config;
	struct event look;		/* loop.c handles it */
	bool is_due;			/* `look` is pending */
	uint64_t until_ns;		/* keep looking until then */
};

/* A fault was served.  Keep looking for the time of the setting busy_poll. */
void awake_note_paging(struct awake *awake);

/* Have the loop look once more before it sleeps. */
void awake_look_again(struct awake *awake);

#endif
