/* SPDX-License-Identifier: MIT */
/* Whether the loop looks around once more before it sleeps: to be woken costs
 * more than to look, and who has just been served often asks again. */
#ifndef MEMD_NET_AWAKE_H
#define MEMD_NET_AWAKE_H

#include "daemon/config/config.h"
#include <event2/event.h>
#include <event2/event_struct.h>

struct awake {
	const struct config *config;
	struct event look;		/* what looks is the loop's */
	bool is_due;			/* `look` is on its way */
	uint64_t until_ns;
};

/* A fault was served: another is likely soon. */
void awake_note_paging(struct awake *awake);

/* Look around once more before sleeping. */
void awake_look_again(struct awake *awake);

#endif
