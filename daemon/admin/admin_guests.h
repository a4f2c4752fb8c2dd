/* SPDX-License-Identifier: MIT */
/* The parts of replies to administrators that are about other hosts whose pages
 * are kept here. */
#ifndef MEMD_ADMIN_ADMIN_GUESTS_H
#define MEMD_ADMIN_ADMIN_GUESTS_H

#include "daemon/net/peer.h"
#include "proto/wire.h"

struct admin;
struct session;

/* Fill in how many hosts keep pages here, and how many pages.  Fills in nothing
 * if memd does not listen for other hosts. */
void admin_guests_fill_status(const struct admin *ad,
			      Memd__StatusReply *reply);

/* Fill in the row of a session of another host: its name, rates and pages.  The
 * row points to `peer`. */
void admin_guests_fill_session(const struct session *s,
			       char peer[PEER_NAME_BYTES],
			       Memd__SessionInfo *info);

/* Fill in the limit of a session of another host.  It has none of its own: what
 * it keeps here is charged to its user. */
void admin_guests_fill_limit(const struct session *s, Memd__Limit *limit);

#endif
