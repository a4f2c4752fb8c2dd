/* SPDX-License-Identifier: MIT */
/* Logs what happens to another memd that keeps this memd's pages, once for each
 * change: store-away, store-back, store-forgot (it came back without the
 * pages), and for a mirror store-filled.  It only looks, once a second.  The
 * verdict reports the present state. */
#ifndef MEMD_ADMIN_STORE_WATCH_H
#define MEMD_ADMIN_STORE_WATCH_H

#include "swapstore/store_mirror.h"

struct store_watch {
	/* As last seen.  If the store is no mirror, only the first one is
	 * used. */
	struct store_watch_other {
		bool is_up;
		bool is_filling;	/* has come back to a mirror, and lacks
					 * pages */
		uint64_t away_since_ns;	/* if not up */
		uint64_t reconnects;
		uint64_t epoch;
		uint64_t forgotten;	/* pages that it has lost */
		uint64_t lost;		/* of these, pages that nobody else
					 * had */
	} other[STORE_MIRROR_CHILDREN];
};

/* Take the present state of the store as known.  Any kind of store may be
 * given. */
void store_watch_init(struct store_watch *w, const struct swapstore *store);

/* Look, and log the changes.  Call once a second. */
void store_watch_tick(struct store_watch *w, const struct swapstore *store);

#endif
