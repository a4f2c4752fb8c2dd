/* SPDX-License-Identifier: MIT */
/* What answers to administrators say of other hosts that keep pages here. */
#ifndef MEMD_ADMIN_ADMIN_GUESTS_H
#define MEMD_ADMIN_ADMIN_GUESTS_H

#include "daemon/net/peer.h"
#include "proto/wire.h"

struct admin;
struct session;

/* How many, and how much they keep.  Nothing where memd does not listen. */
void admin_guests_fill_status(const struct admin *ad,
			      Memd__StatusReply *reply);

/* Of a session of another host: who and how.  The row borrows `peer`. */
void admin_guests_fill_session(const struct session *s,
			       char peer[PEER_NAME_BYTES],
			       Memd__SessionInfo *info);

/* Of a session of another host: what it has, and that no limit of its own
 * counts. */
void admin_guests_fill_limit(const struct session *s, Memd__Limit *limit);

#endif
