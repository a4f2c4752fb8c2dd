/* SPDX-License-Identifier: MIT */
/* Opens, resumes, closes and expires guests: see guest.h. */
#ifndef MEMD_LEND_GUESTS_H
#define MEMD_LEND_GUESTS_H

#include "common/checks.h"
#include "daemon/lend/guest.h"
#include <stddef.h>

struct conn;

/* The parameters of StoreOpen. */
struct guest_wish {
	uint32_t slot_count;
	const uint8_t *token;		/* NULL: a new one */
};

void guests_init(struct guests *gs);
/* Ends all guests.  Call while the pager exists, or if it has never existed. */
void guests_fini(struct guests *gs);

/* Make a guest for session `s`; or with a token, give `s` the guest it had.
 * Returns 0, or -errno with a line in ret_reason: -ENOENT (no such store),
 * -EINVAL (another size), and the errors of segments_add(). */
int guests_open(struct guests *gs, struct session *s,
		const struct guest_wish *wish, char *ret_reason,
		size_t reason_size) MUST_CHECK;

/* Session `s`, which has a guest, ends.  The guest is kept for guest_keep,
 * unless nothing was ever written to it. */
void guests_leave(struct session *s);

/* Close the guest and drop its pages.  Unfinished requests are answered with
 * ECANCELED.  `request_id` is answered with Ok when the room is free.  Returns
 * 0, -EBUSY or -ENOMEM; on error nothing has changed. */
int guests_close(struct guest *guest, uint64_t request_id) MUST_CHECK;

/* The same for another client, which asks on `c`.  The guest's connection is
 * closed; when the guest connects again, its store is gone. */
int guests_drop(struct guest *guest, struct conn *c, uint64_t request_id)
	MUST_CHECK;

/* Returns NULL if there is no such guest. */
struct guest *guests_find(const struct guests *gs, uint32_t id);

/* memd stops: destroy all guests. */
void guests_end(struct guests *gs);

/* Destroy guests that have been disconnected for guest_keep.  Call now and
 * then. */
void guests_expire(struct guests *gs);

/* Compute the rates that are shown.  Call about once a second. */
void guests_watch_rates(struct guests *gs, uint64_t elapsed_ns);

/* Pages of the guest that are not zero: resident or in the swap store. */
uint64_t guest_page_count(const struct guest *guest);

#endif
