/* SPDX-License-Identifier: MIT */
#include "swapstore/mirror_copy.h"

#include <errno.h>
#include <stdlib.h>

static const unsigned copy_next[] = {
	[COPY_IDLE] = BIT(COPY_READING),
	[COPY_READING] = BIT(COPY_READ) | BIT(COPY_IDLE),
	[COPY_READ] = BIT(COPY_WRITING) | BIT(COPY_IDLE),
	[COPY_WRITING] = BIT(COPY_IDLE),
};

static void copy_enter(struct mirror_copy *cp, enum mirror_copy_state next)
{
	ASSERT(copy_next[cp->state] & BIT(next));
	cp->state = next;
}

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

/* ---- what to copy */

static bool is_being_copied(const struct store_mirror *sm, uint32_t slot)
{
	for (unsigned i = 0; i < MIRROR_COPIES; i++)
		if (sm->copy[i].state != COPY_IDLE &&
		    slot >= sm->copy[i].slot &&
		    slot < sm->copy[i].slot + sm->copy[i].count)
			return true;
	return false;
}

/* True if child `to` misses more slots than are on their way to it. */
static bool has_work(const struct store_mirror *sm, unsigned to)
{
	uint64_t on_the_way = 0;

	for (unsigned i = 0; i < MIRROR_COPIES; i++)
		if (sm->copy[i].to == to &&
		    (sm->copy[i].state == COPY_READING ||
		     sm->copy[i].state == COPY_READ))
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

/* Find slots that child `to` misses, from the cursor on and then from the
 * start.  Returns how many there are from *ret_slot on. */
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

static int copy_submit(struct store_mirror *sm, const struct mirror_copy *cp,
		       bool is_write)
{
	const struct swap_io io = {
		.cookie = MIRROR_REQUESTS + (uint64_t)(cp - sm->copy),
		.buffer = cp->bytes,
		.slot = cp->slot,
		.slot_count = cp->count,
		.is_write = is_write,
		.is_ahead = !is_write,
	};
	unsigned c = is_write ? cp->to : 1u - cp->to;

	return swapstore_submit(sm->child[c].store, &io);
}

static void copy_start_read(struct store_mirror *sm, struct mirror_copy *cp,
			    unsigned to)
{
	uint32_t slot, count = find_work(sm, to, &slot);

	if (count == 0)
		return;
	cp->slot = slot;
	cp->count = count;
	cp->to = (uint8_t)to;
	cp->is_void = false;
	if (copy_submit(sm, cp, false) != 0)
		return;
	copy_enter(cp, COPY_READING);
	if (sm->careful_count != 0)
		sm->careful_count--;
}

/* MI3: a later write of these slots goes to the child after this one. */
static void copy_start_write(struct store_mirror *sm, struct mirror_copy *cp)
{
	if (cp->is_void || !mirror_is_up(sm, cp->to)) {
		copy_enter(cp, COPY_IDLE);
		return;
	}
	if (copy_submit(sm, cp, true) != 0)
		return;
	copy_enter(cp, COPY_WRITING);
	mirror_bits_set(&sm->bits, cp->to, cp->slot, cp->count, true);
	sm->copied_slots += cp->count;
}

void mirror_copies_start(struct store_mirror *sm)
{
	bool are_up = mirror_is_up(sm, 0) && mirror_is_up(sm, 1);

	for (unsigned i = 0; i < MIRROR_COPIES; i++) {
		struct mirror_copy *cp = &sm->copy[i];

		if (cp->state == COPY_READ)
			copy_start_write(sm, cp);
		for (unsigned to = 0; to < STORE_MIRROR_CHILDREN; to++)
			if (are_up && cp->state == COPY_IDLE &&
			    has_work(sm, to))
				copy_start_read(sm, cp, to);
	}
}

/* One of the slots could not be read.  If there were several, read them one by
 * one, to find out which; otherwise all would count as lost. */
static void copy_read_failed(struct store_mirror *sm,
			     const struct mirror_copy *cp)
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
		copy_enter(cp, COPY_READ);
		copy_start_write(sm, cp);
		return;
	}
	/* If the copy is void, its slots may have other content by now: leave
	 * the bits alone. */
	if (cp->state == COPY_READING && result != -ENOTCONN &&
	    result != -EAGAIN && !cp->is_void)
		copy_read_failed(sm, cp);
	if (cp->state == COPY_WRITING && result != 0 && !cp->is_void)
		mirror_bits_set(&sm->bits, cp->to, cp->slot, cp->count, false);
	copy_enter(cp, COPY_IDLE);
}
