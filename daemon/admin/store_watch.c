/* SPDX-License-Identifier: MIT */
#include "daemon/admin/store_watch.h"

#include "common/clock.h"
#include "common/log.h"
#include "daemon/system/system.h"
#include "swapstore/store_remote.h"

#define ULL(n)	((unsigned long long)(n))

/* The state of one other memd now. */
struct look {
	struct store_remote_status rs;
	bool is_mirrored;
	uint64_t lost;
	uint64_t slots, slot_count;	/* mirrored: slots that it has, of
					 * slot_count */
};

static void look_at(const struct swapstore *store, unsigned c,
		    struct look *ret_look)
{
	struct store_mirror_status ms;

	*ret_look = (struct look){ .is_mirrored = store_is_mirror(store) };
	if (!ret_look->is_mirrored) {
		store_remote_status_get(store, &ret_look->rs);
		ret_look->lost = ret_look->rs.lost_slots;
		return;
	}
	store_mirror_status_get(store, &ms);
	store_remote_status_get(store_mirror_child(store, c), &ret_look->rs);
	ret_look->lost = ms.lost_slots[c];
	ret_look->slots = ms.slots[c];
	ret_look->slot_count = ms.slot_count;
}

static unsigned count_others(const struct swapstore *store)
{
	if (store_is_mirror(store))
		return STORE_MIRROR_CHILDREN;
	return store_is_remote(store) ? 1 : 0;
}

static void remember(struct store_watch_other *o, const struct look *l)
{
	if (o->is_up && !l->rs.is_up)
		o->away_since_ns = clock_now_ns() - l->rs.down_ns;
	o->is_up = l->rs.is_up;
	o->reconnects = l->rs.reconnects;
	o->epoch = l->rs.epoch;
	o->forgotten = l->rs.lost_slots;
	o->lost = l->lost;
}

static void log_away(const char *address, const char *reason)
{
	char text[CHANNEL_REASON_BYTES];

	log_event(LOG_LEVEL_WARNING, "store-away", "address=%s reason=\"%s\"",
		  address, system_printable(reason, text, sizeof(text)));
}

static void log_back(const char *address, uint64_t away_ns)
{
	log_event(LOG_LEVEL_NOTICE, "store-back", "address=%s seconds=%.1f",
		  address, (double)away_ns / 1e9);
}

static void watch_link(struct store_watch_other *o, const struct look *l)
{
	const char *address = l->rs.address;

	if (o->is_up && !l->rs.is_up) {
		log_away(address, l->rs.reason);
	} else if (!o->is_up && l->rs.is_up) {
		log_back(address, clock_now_ns() - o->away_since_ns);
	} else if (l->rs.is_up && l->rs.reconnects != o->reconnects) {
		/* It broke and came back between two looks. */
		log_away(address, "the connection broke");
		log_back(address, 0);
	} else {
		return;
	}
	o->is_filling |= l->is_mirrored && l->rs.is_up;
}

static void watch_memory(const struct store_watch_other *o,
			 const struct look *l)
{
	uint64_t forgotten = l->rs.lost_slots - o->forgotten;
	uint64_t lost = l->lost - o->lost;

	if (lost != 0)
		log_event(LOG_LEVEL_ERROR, "store-forgot", "address=%s "
			  "pages=%llu lost=%llu reason=\"programs that touch "
			  "what is lost get SIGBUS\"", l->rs.address,
			  ULL(forgotten), ULL(lost));
	else if (l->rs.epoch != o->epoch && forgotten != 0)
		log_event(LOG_LEVEL_NOTICE, "store-forgot", "address=%s "
			  "pages=%llu lost=0 reason=\"the other one has them: "
			  "it is being filled\"", l->rs.address,
			  ULL(forgotten));
}

static void watch_filling(struct store_watch_other *o, const struct look *l)
{
	if (!o->is_filling || !l->rs.is_up || l->slots != l->slot_count)
		return;
	o->is_filling = false;
	log_event(LOG_LEVEL_NOTICE, "store-filled", "address=%s pages=%llu",
		  l->rs.address, ULL(l->slots));
}

void store_watch_init(struct store_watch *w, const struct swapstore *store)
{
	struct look look;

	*w = (struct store_watch){ 0 };
	for (unsigned c = 0; c < count_others(store); c++) {
		look_at(store, c, &look);
		w->other[c].is_up = true;
		remember(&w->other[c], &look);
	}
}

void store_watch_tick(struct store_watch *w, const struct swapstore *store)
{
	struct look look;

	for (unsigned c = 0; c < count_others(store); c++) {
		struct store_watch_other *o = &w->other[c];

		look_at(store, c, &look);
		watch_link(o, &look);
		watch_memory(o, &look);
		watch_filling(o, &look);
		remember(o, &look);
	}
}
