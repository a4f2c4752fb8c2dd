/* SPDX-License-Identifier: MIT */
/* The room that guests use: tells a client when the room of its closed store is
 * free, and explains why there is no room for a new one.  guests.c checks the
 * limits.
 *
 * A guest whose connection broke keeps its room for guest_keep.  Its room
 * cannot be given away before, not even to a host that claims to be the same:
 * only the token proves that, and a host that has crashed has lost its
 * token. */
#ifndef MEMD_LEND_GUEST_ROOM_H
#define MEMD_LEND_GUEST_ROOM_H

#include "common/checks.h"
#include "daemon/net/peer.h"
#include "daemon/lend/guest.h"
#include <stddef.h>
#include <stdint.h>

struct conn;
struct guest_room_wait;

/* A segment is being removed.  Answer the request with Ok when it is gone and
 * its room is free.  Returns 0, -EBUSY or -ENOMEM; on error no answer will
 * come. */
int guest_room_await(struct guests *gs, struct conn *c, uint64_t request_id,
		     segment_id segment) MUST_CHECK;

/* As pager_callbacks.segment_gone.  Called from inside the pager. */
void guest_room_freed(struct guests *gs, segment_id segment);

/* There was no room at all (-ENOSPC), or this peer is at its limit (-EDQUOT):
 * append to `reason` how much of that is kept for clients that have gone.  Any
 * other `error` changes nothing. */
void guest_room_explain(const struct guests *gs, const struct peer *peer,
			int error, char *reason, size_t reason_size);

void guest_room_fini(struct guests *gs);

#endif
