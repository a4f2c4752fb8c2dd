/* SPDX-License-Identifier: MIT */
/* The mirror: see store_mirror.h.  This file has its ops, new epochs, and its
 * constructor.  Reads and writes are in mirror_request.c, copies in
 * mirror_copy.c. */
#include "swapstore/store_mirror.h"

#include "swapstore/mirror_copy.h"
#include "swapstore/mirror_request.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct store_mirror *mirror_of(struct swapstore *st)
{
	return (struct store_mirror *)st;
}

/* ---- epochs */

/* The child has come back and has lost its slots, except those that are on
 * their way to it. */
static void forget_lost(struct store_mirror *sm, unsigned c)
{
	const struct store_mirror_child *child = &sm->child[c];
	uint32_t end = sm->base.slot_count;

	for (uint32_t slot = mirror_bits_next(&sm->bits, c, 0); slot < end;
	     slot = mirror_bits_next(&sm->bits, c, slot + 1)) {
		if (child->has(child->store, slot))
			continue;
		mirror_bits_set(&sm->bits, c, slot, 1, false);
		sm->lost_slots[c] += !mirror_bits_test(&sm->bits, 1 - c, slot);
	}
}

static void watch_epochs(struct store_mirror *sm)
{
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		uint64_t epoch = sm->child[c].epoch(sm->child[c].store);

		if (epoch == sm->epoch[c])
			continue;
		sm->epoch[c] = epoch;
		forget_lost(sm, c);
		mirror_copies_void(sm, 0, sm->base.slot_count);
	}
}

/* ---- the ops */

static int mirror_submit(struct swapstore *st, const struct swap_io *io)
{
	struct store_mirror *sm = mirror_of(st);
	struct mirror_request *rq = TAILQ_FIRST(&sm->in[MIRROR_FREE]);

	watch_epochs(sm);
	if (rq == NULL)
		return -EAGAIN;
	rq->io = *io;
	rq->at = 0;
	rq->is_careful = false;
	rq->asked = 0;
	if (io->is_write)
		return mirror_write_start(sm, rq);
	mirror_read_ask(sm, rq);
	return 0;
}

static int mirror_flush(struct swapstore *st)
{
	struct store_mirror *sm = mirror_of(st);
	int err = 0;

	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		int one = swapstore_flush(sm->child[c].store);

		err = err != 0 ? err : one;
	}
	return err;
}

static void child_ended(struct store_mirror *sm, unsigned c,
			const struct swap_done *done)
{
	if (done->cookie >= MIRROR_REQUESTS)
		mirror_copy_ended(sm, (unsigned)done->cookie - MIRROR_REQUESTS,
				  done->result);
	else
		mirror_request_ended(sm, &sm->requests[done->cookie], c,
				     done->result);
}

static void reap_children(struct store_mirror *sm)
{
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		struct swap_done done[64];
		unsigned count = swapstore_reap(sm->child[c].store, done,
						ARRAY_SIZE(done));

		/* A new epoch changes what these results mean: look first. */
		watch_epochs(sm);
		for (unsigned i = 0; i < count; i++)
			child_ended(sm, c, &done[i]);
	}
}

static unsigned mirror_reap(struct swapstore *st, struct swap_done *done,
			    unsigned max)
{
	struct store_mirror *sm = mirror_of(st);
	struct mirror_request *rq;
	unsigned count = 0;

	reap_children(sm);
	mirror_held_start(sm);
	mirror_copies_start(sm);
	/* On failure, the next flush sends them. */
	(void)mirror_flush(st);
	while (count < max &&
	       (rq = TAILQ_FIRST(&sm->in[MIRROR_ENDED])) != NULL) {
		mirror_request_enter(sm, rq, MIRROR_FREE);
		done[count++] = swap_io_done(&rq->io, rq->result);
	}
	return count;
}

static int mirror_event_fd(struct swapstore *st)
{
	return mirror_of(st)->epoll_fd;
}

static void mirror_discard(struct swapstore *st, uint32_t slot, uint32_t count)
{
	struct store_mirror *sm = mirror_of(st);

	mirror_copies_void(sm, slot, count);
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		mirror_bits_set(&sm->bits, c, slot, count, false);
		swapstore_discard(sm->child[c].store, slot, count);
	}
}

/* As for a read: a slot is lost when no child has it. */
static bool mirror_has_lost(const struct swapstore *st, uint32_t slot)
{
	const struct store_mirror *sm = (const struct store_mirror *)st;

	return !mirror_bits_test(&sm->bits, 0, slot) &&
	       !mirror_bits_test(&sm->bits, 1, slot);
}

/* Destroy the children first: they use the buffers until they are gone. */
static void mirror_destroy(struct swapstore *st)
{
	struct store_mirror *sm = mirror_of(st);

	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++)
		swapstore_destroy(sm->child[c].store);
	mirror_copies_fini(sm);
	mirror_bits_fini(&sm->bits);
	if (sm->epoll_fd >= 0)
		close(sm->epoll_fd);
	if (sm->ended_fd >= 0)
		close(sm->ended_fd);
	free(sm->requests);
	free(sm);
}

static const struct swapstore_ops mirror_ops = {
	.name = "mirror",
	.submit = mirror_submit,
	.flush = mirror_flush,
	.reap = mirror_reap,
	.event_fd = mirror_event_fd,
	.discard = mirror_discard,
	.has_lost = mirror_has_lost,
	.destroy = mirror_destroy,
};

/* ---- making a mirror */

static int mirror_watch(struct store_mirror *sm, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (fd >= 0 && epoll_ctl(sm->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		return -errno;
	return 0;
}

static int mirror_init(struct store_mirror *sm)
{
	int err = mirror_requests_init(sm);

	if (err == 0)
		err = mirror_bits_init(&sm->bits, sm->base.slot_count);
	if (err == 0)
		err = mirror_copies_init(sm);
	if (err != 0)
		return err;
	sm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (sm->epoll_fd < 0)
		return -errno;
	sm->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sm->ended_fd < 0)
		return -errno;
	err = mirror_watch(sm, sm->ended_fd);
	for (unsigned c = 0; err == 0 && c < STORE_MIRROR_CHILDREN; c++) {
		sm->epoch[c] = sm->child[c].epoch(sm->child[c].store);
		err = mirror_watch(sm, swapstore_event_fd(sm->child[c].store));
	}
	return err;
}

int store_mirror_create(const struct store_mirror_child
				child[STORE_MIRROR_CHILDREN],
			struct swapstore **ret_store)
{
	struct store_mirror *sm;
	int err;

	if (child[0].store->slot_count != child[1].store->slot_count)
		return -EINVAL;
	sm = calloc(1, sizeof(*sm));
	if (sm == NULL)
		return -ENOMEM;
	sm->base.ops = &mirror_ops;
	sm->base.slot_count = child[0].store->slot_count;
	sm->base.queue_depth = MIRROR_REQUESTS;
	sm->epoll_fd = sm->ended_fd = -1;
	memcpy(sm->child, child, sizeof(sm->child));
	err = mirror_init(sm);
	if (err != 0) {
		/* The children still belong to the caller. */
		memset(sm->child, 0, sizeof(sm->child));
		mirror_destroy(&sm->base);
		return err;
	}
	*ret_store = &sm->base;
	return 0;
}

/* ---- status */

bool store_is_mirror(const struct swapstore *st)
{
	return st->ops == &mirror_ops;
}

static const struct store_mirror *mirror_look_into(const struct swapstore *st)
{
	ASSERT(store_is_mirror(st));
	return (const struct store_mirror *)st;
}

struct swapstore *store_mirror_child(const struct swapstore *st, unsigned c)
{
	ASSERT(c < STORE_MIRROR_CHILDREN);
	return mirror_look_into(st)->child[c].store;
}

void store_mirror_status_get(const struct swapstore *st,
			     struct store_mirror_status *ret_status)
{
	const struct store_mirror *sm = mirror_look_into(st);

	*ret_status = (struct store_mirror_status){
		.slot_count = sm->bits.slots[0] + sm->bits.missing[0],
		.copied_slots = sm->copied_slots,
		.waiting = sm->held_count,
	};
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		ret_status->is_up[c] = mirror_is_up(sm, c);
		ret_status->slots[c] = sm->bits.slots[c];
		ret_status->lost_slots[c] = sm->lost_slots[c];
	}
}

void store_mirror_check(const struct swapstore *st)
{
	const struct store_mirror *sm = mirror_look_into(st);

	mirror_bits_check(&sm->bits);
	mirror_requests_check(sm);
}
