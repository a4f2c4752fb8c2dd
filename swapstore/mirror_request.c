/* SPDX-License-Identifier: MIT */
/* Reads and writes of a mirror.  A write is given to each child that is up; a
 * read is done run after run, each with a child that has all of it.  A run that
 * failed because its child went away, or could not read just then, is *held*,
 * and asked of whoever has it when that one is up. */
#include "swapstore/store_mirror_internal.h"

#include <errno.h>
#include <sys/eventfd.h>

/* ---- requests */

static void request_end(struct store_mirror *sm, struct mirror_request *rq,
			int result)
{
	if (STAILQ_EMPTY(&sm->ended))
		(void)eventfd_write(sm->ended_fd, 1);
	rq->result = result;
	STAILQ_INSERT_TAIL(&sm->ended, rq, link);
}

static int submit_to(struct store_mirror *sm, const struct mirror_request *rq,
		     unsigned c, uint32_t at, uint32_t count)
{
	const struct swap_io io = {
		.cookie = (uint64_t)(rq - sm->requests),
		.buffer = (uint8_t *)rq->io.buffer +
			  (size_t)at * SWAP_SLOT_BYTES,
		.slot = rq->io.slot + at,
		.slot_count = count,
		.is_write = rq->io.is_write,
	};

	return swapstore_submit(sm->child[c].store, &io);
}

/* ---- reads */

static void hold(struct store_mirror *sm, struct mirror_request *rq)
{
	STAILQ_INSERT_TAIL(&sm->held, rq, link);
	sm->held_count++;
}

/* Whom to ask for the slot: one that has it and is up, and not one that is
 * spared if it can be another; else one that has it; -1: it is lost. */
static int choose_child(const struct store_mirror *sm, uint32_t slot)
{
	bool is_found_up = false;
	int found = -1;

	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		bool is_up = mirror_is_up(sm, c);

		if (!mirror_bits_test(&sm->bits, c, slot))
			continue;
		if (is_up && sm->spared[c] == 0)
			return (int)c;
		if (found < 0 || (is_up && !is_found_up)) {
			found = (int)c;
			is_found_up = is_up;
		}
	}
	return found;
}

/* How many slots from the next one on the same child can be asked for. */
static uint32_t run_length(const struct store_mirror *sm,
			   const struct mirror_request *rq, int child)
{
	uint32_t left = rq->io.slot_count - rq->at, n = 1;

	if (rq->is_careful)
		return 1;
	while (n < left &&
	       choose_child(sm, rq->io.slot + rq->at + n) == child)
		n++;
	return n;
}

/* Ask for the next run.  False: it must wait. */
static bool start_read(struct store_mirror *sm, struct mirror_request *rq)
{
	int child = choose_child(sm, rq->io.slot + rq->at);

	if (child < 0) {
		request_end(sm, rq, -SWAP_ELOST);	/* MI2 */
		return true;
	}
	if (!mirror_is_up(sm, (unsigned)child))
		return false;
	rq->run = run_length(sm, rq, child);
	rq->epoch = sm->epoch[child];
	if (submit_to(sm, rq, (unsigned)child, rq->at, rq->run) != 0)
		return false;
	if (sm->spared[1 - child] > 0)
		sm->spared[1 - child]--;
	return true;
}

void mirror_held_start(struct store_mirror *sm)
{
	for (uint32_t left = sm->held_count; left != 0; left--) {
		struct mirror_request *rq = STAILQ_FIRST(&sm->held);

		STAILQ_REMOVE_HEAD(&sm->held, link);
		sm->held_count--;
		if (!start_read(sm, rq))
			hold(sm, rq);
	}
}

/* The child says that it does not have one of these slots: which? */
static void read_failed(struct store_mirror *sm, struct mirror_request *rq,
			unsigned c)
{
	if (rq->run == 1)
		mirror_bits_set(&sm->bits, c, rq->io.slot + rq->at, 1, false);
	rq->is_careful = rq->run != 1;
}

/* Where neither can, they are asked in turn. */
static void spare(struct store_mirror *sm, unsigned c)
{
	sm->spared[c] = MIRROR_SPARED_READS;
	sm->spared[1 - c] = 0;
}

void mirror_read_start(struct store_mirror *sm, struct mirror_request *rq)
{
	if (!start_read(sm, rq))
		hold(sm, rq);
}

void mirror_read_ended(struct store_mirror *sm, struct mirror_request *rq,
		       unsigned c, int result)
{
	if (result == 0)
		rq->at += rq->run;
	else if (result == -EAGAIN)
		spare(sm, c);
	else if (result != -ENOTCONN && rq->epoch == sm->epoch[c])
		read_failed(sm, rq, c);
	if (rq->at == rq->io.slot_count)
		request_end(sm, rq, 0);
	else
		hold(sm, rq);
}

/* ---- writes */

/* Those that are up; when none is, all: they keep it for later. */
static unsigned choose_writers(const struct store_mirror *sm)
{
	unsigned mask = 0;

	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++)
		mask |= mirror_is_up(sm, c) ? BIT(c) : 0;
	return mask != 0 ? mask : BIT(STORE_MIRROR_CHILDREN) - 1;
}

/* The slower one is asked first, and waited for.  Where the other one then has
 * no room, it is given a copy later. */
int mirror_write_start(struct store_mirror *sm, struct mirror_request *rq)
{
	const struct swap_io *io = &rq->io;
	unsigned mask = choose_writers(sm), slow = sm->slow;

	for (unsigned i = 0; i < STORE_MIRROR_CHILDREN; i++) {
		unsigned c = i == 0 ? slow : 1 - slow;

		if ((mask & BIT(c)) == 0)
			continue;
		if (submit_to(sm, rq, c, 0, io->slot_count) == 0) {
			rq->asked |= BIT(c);
			continue;
		}
		sm->slow = c;
		if (rq->asked == 0)
			return -EAGAIN;
	}
	mirror_copies_void(sm, io->slot, io->slot_count);
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++)
		mirror_bits_set(&sm->bits, c, io->slot, io->slot_count,
				(rq->asked & BIT(c)) != 0);
	rq->result = -EIO;		/* until one has ended well */
	return 0;
}

void mirror_write_ended(struct store_mirror *sm, struct mirror_request *rq,
			unsigned c, int result)
{
	ASSERT((rq->asked & BIT(c)) != 0);
	rq->asked &= ~BIT(c);
	if (result == 0)
		rq->result = 0;
	else
		mirror_bits_set(&sm->bits, c, rq->io.slot, rq->io.slot_count,
				false);
	if (rq->asked == 0)
		request_end(sm, rq, rq->result);
}
