/* SPDX-License-Identifier: MIT */
/* The room that guests take: who is told when it is free, and what is said to
 * those who find none.  What a guest has, and its limits, are guests.h's.
 *
 * A guest whose connection broke keeps its room for guest_keep.  It cannot be
 * given to another before, nor to a host that says it is the same: only the
 * token shows who may come back for it, and who has died does not have that any
 * more. */
#ifndef MEMD_LEND_GUEST_ROOM_H
#define MEMD_LEND_GUEST_ROOM_H

#include "common/checks.h"
#include "daemon/net/peer.h"
#include "daemon/lend/guest.h"
#include <stddef.h>
#include <stdint.h>

struct conn;
struct guest_room_wait;

/* A segment is about to go: answer the request with Ok when it is gone and its
 * room free.  0, -EBUSY or -ENOMEM: nobody would be answered. */
int guest_room_await(struct guests *gs, struct conn *c, uint64_t request_id,
		     segment_id segment) MUST_CHECK;

/* As pager_callbacks.segment_gone. */
void guest_room_freed(struct guests *gs, segment_id segment);

/* No room (-ENOSPC), or none of this peer's (-EDQUOT): add to the reason how
 * much of it is kept for clients that have gone. */
void guest_room_explain(const struct guests *gs, const struct peer *peer,
			int error, char *reason, size_t reason_size);

void guest_room_fini(struct guests *gs);

#endif
