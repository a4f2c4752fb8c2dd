/* SPDX-License-Identifier: MIT */
#include "swapstore/mirror_request.h"

#include "swapstore/mirror_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

/* Reads before a child that could not read is asked again. */
enum { SPARED_READS = 1024 };

/* ---- requests */

static const unsigned mirror_next[] = {
	[MIRROR_FREE] = BIT(MIRROR_ASKED) | BIT(MIRROR_HELD) |
			BIT(MIRROR_ENDED),
	[MIRROR_ASKED] = BIT(MIRROR_HELD) | BIT(MIRROR_ENDED),
	[MIRROR_HELD] = BIT(MIRROR_ASKED) | BIT(MIRROR_ENDED),
	[MIRROR_ENDED] = BIT(MIRROR_FREE),
};

int mirror_requests_init(struct store_mirror *sm)
{
	for (unsigned i = 0; i < MIRROR_STATES; i++)
		TAILQ_INIT(&sm->in[i]);
	sm->requests = calloc(MIRROR_REQUESTS, sizeof(*sm->requests));
	if (sm->requests == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < MIRROR_REQUESTS; i++)
		TAILQ_INSERT_TAIL(&sm->in[MIRROR_FREE], &sm->requests[i],
				  link);
	return 0;
}

void mirror_request_enter(struct store_mirror *sm, struct mirror_request *rq,
			  enum mirror_request_state next)
{
	struct mirror_requests *ended = &sm->in[MIRROR_ENDED];
	eventfd_t ignored;

	ASSERT(mirror_next[rq->state] & BIT(next));
	if (next == MIRROR_ENDED && TAILQ_EMPTY(ended))
		(void)eventfd_write(sm->ended_fd, 1);
	TAILQ_REMOVE(&sm->in[rq->state], rq, link);
	if (rq->state == MIRROR_ENDED && TAILQ_EMPTY(ended))
		(void)eventfd_read(sm->ended_fd, &ignored);
	sm->held_count -= rq->state == MIRROR_HELD;
	sm->held_count += next == MIRROR_HELD;
	rq->state = next;
	if (next == MIRROR_FREE)
		TAILQ_INSERT_HEAD(&sm->in[next], rq, link);
	else
		TAILQ_INSERT_TAIL(&sm->in[next], rq, link);
}

static void request_end(struct store_mirror *sm, struct mirror_request *rq,
			int result)
{
	rq->result = result;
	mirror_request_enter(sm, rq, MIRROR_ENDED);
}

void mirror_requests_check(const struct store_mirror *sm)
{
	const struct mirror_request *rq;
	uint32_t count = 0, held = 0;

	for (unsigned state = 0; state < MIRROR_STATES; state++) {
		TAILQ_FOREACH(rq, &sm->in[state], link) {
			ASSERT(rq->state == state);
			ASSERT(state != MIRROR_HELD || (!rq->io.is_write &&
			       rq->at < rq->io.slot_count));
			held += state == MIRROR_HELD;
			count++;
		}
	}
	ASSERT(count == MIRROR_REQUESTS && held == sm->held_count);
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
		.is_ahead = rq->io.is_ahead,
	};

	return swapstore_submit(sm->child[c].store, &io);
}

/* ---- reads */

/* Choose the child that reads the slot, among those that have it.  First
 * choice: it is up and not spared; then: it is up; then: any.  -1: the slot is
 * lost. */
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

/* How many slots, from the next one on, the same child can read. */
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

void mirror_read_ask(struct store_mirror *sm, struct mirror_request *rq)
{
	int child = choose_child(sm, rq->io.slot + rq->at);
	bool is_asked;

	if (child < 0) {
		request_end(sm, rq, -SWAP_ELOST);	/* MI2 */
		return;
	}
	is_asked = mirror_is_up(sm, (unsigned)child);
	if (is_asked) {
		rq->run = run_length(sm, rq, child);
		rq->epoch = sm->epoch[child];
		is_asked = submit_to(sm, rq, (unsigned)child, rq->at,
				     rq->run) == 0;
	}
	if (is_asked) {
		mirror_request_enter(sm, rq, MIRROR_ASKED);
		if (sm->spared[1 - child] > 0)
			sm->spared[1 - child]--;
	} else if (rq->state != MIRROR_HELD) {
		mirror_request_enter(sm, rq, MIRROR_HELD);
	}
}

static void held_start(struct store_mirror *sm, bool is_ahead)
{
	struct mirror_request *rq = TAILQ_FIRST(&sm->in[MIRROR_HELD]), *next;

	for (; rq != NULL; rq = next) {
		next = TAILQ_NEXT(rq, link);
		if (rq->io.is_ahead == is_ahead)
			mirror_read_ask(sm, rq);
	}
}

/* In the order of classes, of which each has room of its own in a child
 * (SW3). */
void mirror_held_start(struct store_mirror *sm)
{
	held_start(sm, false);
	held_start(sm, true);
}

/* The child does not have one of these slots.  If there are several, read them
 * one by one, to find out which. */
static void run_failed(struct store_mirror *sm, struct mirror_request *rq,
		       unsigned c)
{
	if (rq->run == 1)
		mirror_bits_set(&sm->bits, c, rq->io.slot + rq->at, 1, false);
	rq->is_careful = rq->run != 1;
}

static void read_ended(struct store_mirror *sm, struct mirror_request *rq,
		       unsigned c, int result)
{
	if (result == 0) {
		rq->at += rq->run;
	} else if (result == -EAGAIN) {
		/* if neither can read, ask them in turn */
		sm->spared[c] = SPARED_READS;
		sm->spared[1 - c] = 0;
	} else if (result != -ENOTCONN && rq->epoch == sm->epoch[c]) {
		run_failed(sm, rq, c);
	}
	if (rq->at == rq->io.slot_count)
		request_end(sm, rq, 0);
	else
		mirror_request_enter(sm, rq, MIRROR_HELD);
}

/* ---- writes */

/* The children that are up.  If none is up: all, which then keep the write for
 * later. */
static unsigned choose_writers(const struct store_mirror *sm)
{
	unsigned mask = 0;

	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++)
		mask |= mirror_is_up(sm, c) ? BIT(c) : 0;
	return mask != 0 ? mask : BIT(STORE_MIRROR_CHILDREN) - 1;
}

/* The slower child is asked first: if it has no room, the write waits for it.
 * If the other one then has no room, it gets a copy later. */
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
	rq->result = -EIO;		/* until one child has succeeded */
	mirror_request_enter(sm, rq, MIRROR_ASKED);
	return 0;
}

static void write_ended(struct store_mirror *sm, struct mirror_request *rq,
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

void mirror_request_ended(struct store_mirror *sm, struct mirror_request *rq,
			  unsigned c, int result)
{
	if (rq->io.is_write)
		write_ended(sm, rq, c, result);
	else
		read_ended(sm, rq, c, result);
}
