/* SPDX-License-Identifier: MIT */
/* Counts connections by address, so that a new connection is checked without
 * walking over all connections.  An address is in the table while it has
 * connections. */
#ifndef MEMD_NET_ADDRESSES_H
#define MEMD_NET_ADDRESSES_H

#include "common/checks.h"
#include <stdint.h>

struct addresses {
	struct address *table;		/* a hash table (uthash); NULL: empty */
};

/* The number of connections from `host`. */
uint32_t addresses_count(const struct addresses *as, const char *host);

/* Count one more connection.  Returns 0 or -ENOMEM. */
int addresses_add(struct addresses *as, const char *host) MUST_CHECK;

/* Count one connection less.  It was added before. */
void addresses_remove(struct addresses *as, const char *host);

#endif
