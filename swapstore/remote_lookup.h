/* SPDX-License-Identifier: MIT */
/* Looks up a host's name on a thread of its own: a resolver may take any time,
 * and the owner must not wait for it. */
#ifndef MEMD_SWAPSTORE_REMOTE_LOOKUP_H
#define MEMD_SWAPSTORE_REMOTE_LOOKUP_H

#include "common/checks.h"
#include <netdb.h>

struct remote_lookup;

/* The texts are copied.  Returns 0, or -ENOMEM, -EMFILE, -EAGAIN (no
 * thread). */
int remote_lookup_start(const char *host, const char *port,
			struct remote_lookup **ret_lookup) MUST_CHECK;

/* A descriptor that is readable when the lookup has ended.  Belongs to the
 * lookup. */
int remote_lookup_event_fd(const struct remote_lookup *lk);

/* The result: 0 and the addresses, which the caller frees with freeaddrinfo(3);
 * an EAI_… of getaddrinfo(3); EAI_INPROGRESS: the lookup has not ended. */
int remote_lookup_take(struct remote_lookup *lk, struct addrinfo **ret_all)
	MUST_CHECK;

/* Release the lookup, whether it has ended or not.  Does not wait.  Accepts
 * NULL. */
void remote_lookup_destroy(struct remote_lookup *lk);

#endif
