/* SPDX-License-Identifier: MIT */
#include "swapstore/swap_background.h"

void swap_background_init(struct swap_background *bg)
{
	*bg = (struct swap_background){ 0 };
	for (unsigned c = 0; c < SWAP_CLASSES; c++)
		STAILQ_INIT(&bg->waiting[c]);
}

void swap_background_add(struct swap_background *bg,
			 struct background_item *item)
{
	ASSERT(item->class != SWAP_DEMAND && item->slot_count != 0);
	STAILQ_INSERT_TAIL(&bg->waiting[item->class], item, link);
}

static unsigned waiting_classes(const struct swap_background *bg)
{
	unsigned waiting = 0;

	for (unsigned c = 0; c < SWAP_CLASSES; c++)
		waiting |= STAILQ_EMPTY(&bg->waiting[c]) ? 0 : BIT(c);
	return waiting;
}

bool swap_background_is_waiting(const struct swap_background *bg)
{
	return waiting_classes(bg) != 0;
}

static bool has_room(const struct swap_background *bg, uint32_t slot_count,
		     bool has_demand)
{
	bool is_quiet = !has_demand &&
			bg->quiet_slots == BACKGROUND_QUIET_AFTER_SLOTS;
	uint32_t most = is_quiet ? BACKGROUND_QUIET_SLOTS :
				   BACKGROUND_BUSY_SLOTS;

	return bg->given_slots == 0 || bg->given_slots + slot_count <= most;
}

struct background_item *swap_background_next(struct swap_background *bg,
					     bool has_demand)
{
	unsigned waiting = waiting_classes(bg);
	struct background_item *item;
	enum swap_class class;

	if (waiting == 0)
		return NULL;
	class = swap_order_next(&bg->order, waiting);
	item = STAILQ_FIRST(&bg->waiting[class]);
	if (!has_room(bg, item->slot_count, has_demand))
		return NULL;
	swap_order_take(&bg->order, waiting, waiting, class);
	STAILQ_REMOVE_HEAD(&bg->waiting[class], link);
	bg->given_slots += item->slot_count;
	bg->quiet_slots = MIN(bg->quiet_slots + item->slot_count,
			      (uint32_t)BACKGROUND_QUIET_AFTER_SLOTS);
	return item;
}

void swap_background_ended(struct swap_background *bg,
			   const struct background_item *item)
{
	ASSERT(bg->given_slots >= item->slot_count);
	bg->given_slots -= item->slot_count;
}
