/* SPDX-License-Identifier: MIT */
/* How many connections come from each address, so that letting the next one in
 * is not a walk over all that are there.  An address is known while it has
 * connections. */
#ifndef MEMD_NET_ADDRESSES_H
#define MEMD_NET_ADDRESSES_H

#include "common/checks.h"
#include <stdint.h>

struct addresses {
	struct address *table;		/* uthash; NULL: none */
};

uint32_t addresses_count(const struct addresses *as, const char *host);

/* One more.  Returns 0 or -ENOMEM. */
int addresses_add(struct addresses *as, const char *host) MUST_CHECK;

/* One less, of those that were added. */
void addresses_remove(struct addresses *as, const char *host);

#endif
