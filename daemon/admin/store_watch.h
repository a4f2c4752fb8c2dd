/* SPDX-License-Identifier: MIT */
/* Says in the log what becomes of another memd that keeps this one's pages,
 * once at each change: store-away, store-back, store-forgot (it came back
 * without them) and, of a mirror, store-filled.  Only looks, once a second;
 * how it is now is the verdict's. */
#ifndef MEMD_ADMIN_STORE_WATCH_H
#define MEMD_ADMIN_STORE_WATCH_H

#include "swapstore/store_mirror.h"

struct store_watch {
	/* As last seen; a store that is no mirror is the first one. */
	struct store_watch_other {
		bool is_up;
		bool is_filling;	/* has come back to a mirror */
		uint64_t away_since_ns;	/* not up */
		uint64_t reconnects;
		uint64_t epoch;
		uint64_t forgotten;	/* pages that it has lost */
		uint64_t lost;		/* of these nobody else had */
	} other[STORE_MIRROR_CHILDREN];
};

/* What is so now is no news.  Any store. */
void store_watch_init(struct store_watch *w, const struct swapstore *store);

void store_watch_tick(struct store_watch *w, const struct swapstore *store);

#endif
