/* SPDX-License-Identifier: MIT */
/* Guests come, come back, and go: see guest.h. */
#ifndef MEMD_LEND_GUESTS_H
#define MEMD_LEND_GUESTS_H

#include "common/checks.h"
#include "daemon/lend/guest.h"
#include <stddef.h>

struct conn;

/* What a client asks for. */
struct guest_wish {
	uint32_t slot_count;
	const uint8_t *token;		/* NULL: a new one */
};

void guests_init(struct guests *gs);
/* Ends all guests.  The pager must still be there, or never have been. */
void guests_fini(struct guests *gs);

/* Make one for a session, or give it the one it had.  Returns 0, or -errno
 * with a line in ret_reason: -ENOENT (no such store), -EINVAL (not its size),
 * -EDQUOT, -ENOSPC … as segments_add(). */
int guests_open(struct guests *gs, struct session *s,
		const struct guest_wish *wish, char *ret_reason,
		size_t reason_size) MUST_CHECK;

/* The session, which has one, ends: keep that for a while. */
void guests_leave(struct session *s);

/* Its bytes go; what was asked for and not done is answered with ECANCELED, and
 * `request_id` with Ok when the store's room is free.  Returns 0; or -EBUSY,
 * -ENOMEM, and it is as it was. */
int guests_close(struct guest *guest, uint64_t request_id) MUST_CHECK;

/* The same, asked for by somebody else, on `c`: a connection that has it is
 * closed, and finds it gone when it comes back. */
int guests_drop(struct guest *guest, struct conn *c, uint64_t request_id)
	MUST_CHECK;

struct guest *guests_find(const struct guests *gs, uint32_t id);

/* memd stops: all of them. */
void guests_end(struct guests *gs);

/* Now and then: those that nobody came back for. */
void guests_expire(struct guests *gs);

/* About once a second. */
void guests_watch_rates(struct guests *gs, uint64_t elapsed_ns);

/* Pages of it that are not zero, wherever they are. */
uint64_t guest_page_count(const struct guest *guest);

#endif
