/* SPDX-License-Identifier: MIT */
/* HOST:PORT and [IPV6]:PORT as addresses to connect to.  Blocks while the name
 * is looked up; does not connect. */
#ifndef MEMD_SWAPSTORE_REMOTE_ADDRESS_H
#define MEMD_SWAPSTORE_REMOTE_ADDRESS_H

#include "common/checks.h"
#include "proto/channel.h"
#include <netdb.h>

struct remote_address {
	char text[CHANNEL_NAME_BYTES];	/* as it was given */
	char host[CHANNEL_NAME_BYTES];	/* the name, or number, in it */
	struct addrinfo *all;		/* owned */
	unsigned count;
};

/* Returns 0, or -EINVAL (not an address), -EHOSTUNREACH (no such host),
 * -ENOMEM with one line in ret_reason. */
int remote_address_init(struct remote_address *ra, const char *text,
			char *ret_reason, size_t reason_size) MUST_CHECK;

/* Accepts a zeroed struct. */
void remote_address_fini(struct remote_address *ra);

#endif
