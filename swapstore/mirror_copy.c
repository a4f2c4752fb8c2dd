/* SPDX-License-Identifier: MIT */
/* Copies of a mirror: slots that only one child has are read from it and
 * written to the other, in the background, while both are up.  Not for who
 * reads or writes the mirror: store_mirror.c. */
#include "swapstore/store_mirror_internal.h"

#include <errno.h>
#include <stdlib.h>

int mirror_copies_init(struct store_mirror *sm)
{
	for (unsigned i = 0; i < MIRROR_COPIES; i++) {
		sm->copy[i].bytes = aligned_alloc(
			SWAP_SLOT_BYTES, MIRROR_COPY_SLOTS * SWAP_SLOT_BYTES);
		if (sm->copy[i].bytes == NULL)
			return -ENOMEM;
	}
	return 0;
}

void mirror_copies_fini(struct store_mirror *sm)
{
	for (unsigned i = 0; i < MIRROR_COPIES; i++)
		free(sm->copy[i].bytes);
}

void mirror_copies_void(struct store_mirror *sm, uint32_t slot, uint32_t count)
{
	for (unsigned i = 0; i < MIRROR_COPIES; i++) {
		struct mirror_copy *cp = &sm->copy[i];

		if (slot < cp->slot + cp->count && cp->slot < slot + count)
			cp->is_void = true;
	}
}

/* ---- what is to be copied */

/* Its slots are still missing, but on their way. */
static bool is_on_its_way(const struct mirror_copy *cp)
{
	return cp->state == COPY_READING || cp->state == COPY_READ;
}

static bool is_being_copied(const struct store_mirror *sm, uint32_t slot)
{
	for (unsigned i = 0; i < MIRROR_COPIES; i++)
		if (sm->copy[i].state != COPY_IDLE &&
		    slot >= sm->copy[i].slot &&
		    slot < sm->copy[i].slot + sm->copy[i].count)
			return true;
	return false;
}

/* Are there slots for `to` besides those that are on their way? */
static bool has_work(const struct store_mirror *sm, unsigned to)
{
	uint64_t on_the_way = 0;

	for (unsigned i = 0; i < MIRROR_COPIES; i++)
		if (sm->copy[i].to == to && is_on_its_way(&sm->copy[i]))
			on_the_way += sm->copy[i].count;
	return sm->bits.missing[to] > on_the_way;
}

static uint32_t next_wanted(const struct store_mirror *sm, unsigned to,
			    uint32_t slot)
{
	do
		slot = mirror_bits_next_missed(&sm->bits, to, slot);
	while (slot < sm->bits.slot_count && is_being_copied(sm, slot) &&
	       ++slot != 0);
	return slot;
}

/* From the cursor on, and around.  Returns how many from *ret_slot on. */
static uint32_t find_work(struct store_mirror *sm, unsigned to,
			  uint32_t *ret_slot)
{
	uint32_t end = sm->bits.slot_count, count = 0;
	uint32_t slot = next_wanted(sm, to, sm->copy_cursor);
	uint32_t most = sm->careful_count != 0 ? 1 : MIRROR_COPY_SLOTS;

	if (slot == end)
		slot = next_wanted(sm, to, 0);
	*ret_slot = slot;
	while (slot < end && count < most &&
	       mirror_bits_misses(&sm->bits, to, slot) &&
	       !is_being_copied(sm, slot)) {
		count++;
		slot++;
	}
	sm->copy_cursor = slot;
	return count;
}

/* ---- one copy */

static int submit(struct store_mirror *sm, const struct mirror_copy *cp,
		  bool is_write)
{
	const struct swap_io io = {
		.cookie = MIRROR_REQUESTS + (uint64_t)(cp - sm->copy),
		.buffer = cp->bytes,
		.slot = cp->slot,
		.slot_count = cp->count,
		.is_write = is_write,
	};
	unsigned c = is_write ? cp->to : 1u - cp->to;

	return swapstore_submit(sm->child[c].store, &io);
}

static void start_read(struct store_mirror *sm, struct mirror_copy *cp,
		       unsigned to)
{
	uint32_t slot, count = find_work(sm, to, &slot);

	if (count == 0)
		return;
	cp->slot = slot;
	cp->count = count;
	cp->to = (uint8_t)to;
	cp->is_void = false;
	if (submit(sm, cp, false) != 0)
		return;
	cp->state = COPY_READING;
	if (sm->careful_count != 0)
		sm->careful_count--;
}

/* MI3: what is written to these slots after this goes out after it. */
static void start_write(struct store_mirror *sm, struct mirror_copy *cp)
{
	if (cp->is_void || !mirror_is_up(sm, cp->to)) {
		cp->state = COPY_IDLE;
		return;
	}
	if (submit(sm, cp, true) != 0)
		return;
	cp->state = COPY_WRITING;
	mirror_bits_set(&sm->bits, cp->to, cp->slot, cp->count, true);
	sm->copied_slots += cp->count;
}

void mirror_copies_start(struct store_mirror *sm)
{
	bool are_up = mirror_is_up(sm, 0) && mirror_is_up(sm, 1);

	for (unsigned i = 0; i < MIRROR_COPIES; i++) {
		struct mirror_copy *cp = &sm->copy[i];

		if (cp->state == COPY_READ)
			start_write(sm, cp);
		for (unsigned to = 0; to < STORE_MIRROR_CHILDREN; to++)
			if (are_up && cp->state == COPY_IDLE &&
			    has_work(sm, to))
				start_read(sm, cp, to);
	}
}

/* One of the slots is not there: find out which, lest the others be taken for
 * lost with it. */
static void read_failed(struct store_mirror *sm, const struct mirror_copy *cp)
{
	if (cp->count == 1) {
		mirror_bits_set(&sm->bits, 1u - cp->to, cp->slot, 1, false);
		return;
	}
	sm->copy_cursor = cp->slot;
	sm->careful_count = cp->count;
}

void mirror_copy_ended(struct store_mirror *sm, unsigned which, int result)
{
	struct mirror_copy *cp = &sm->copy[which];

	ASSERT(cp->state == COPY_READING || cp->state == COPY_WRITING);
	if (cp->state == COPY_READING && result == 0) {
		cp->state = COPY_READ;
		start_write(sm, cp);
		return;
	}
	/* What it was about may be another's by now: void. */
	if (cp->state == COPY_READING && result != -ENOTCONN &&
	    result != -EAGAIN && !cp->is_void)
		read_failed(sm, cp);
	if (cp->state == COPY_WRITING && result != 0 && !cp->is_void)
		mirror_bits_set(&sm->bits, cp->to, cp->slot, cp->count, false);
	cp->state = COPY_IDLE;
}
