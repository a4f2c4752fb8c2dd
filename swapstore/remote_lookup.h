/* SPDX-License-Identifier: MIT */
/* A host's name being looked up, on a thread of its own: that can take as long
 * as its resolver likes, and nobody may wait for it. */
#ifndef MEMD_SWAPSTORE_REMOTE_LOOKUP_H
#define MEMD_SWAPSTORE_REMOTE_LOOKUP_H

#include "common/checks.h"
#include <netdb.h>

struct remote_lookup;

/* Texts are copied.  Returns 0, or -ENOMEM, -EMFILE, -EAGAIN (no thread). */
int remote_lookup_start(const char *host, const char *port,
			struct remote_lookup **ret_lookup) MUST_CHECK;

/* Readable when it has ended.  Belongs to the lookup. */
int remote_lookup_event_fd(const struct remote_lookup *lk);

/* What has come of it: 0 and the addresses, *taken* from it, for
 * freeaddrinfo(3); an EAI_… of getaddrinfo(3); EAI_INPROGRESS: not yet. */
int remote_lookup_take(struct remote_lookup *lk, struct addrinfo **ret_all)
	MUST_CHECK;

/* Not wanted any more, ended or not.  Does not wait.  Accepts NULL. */
void remote_lookup_destroy(struct remote_lookup *lk);

#endif
