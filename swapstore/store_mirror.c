/* SPDX-License-Identifier: MIT */
/* See store_mirror.h: the ops, new epochs, and making a mirror.  Reads and
 * writes are mirror_request.c's, copies mirror_copy.c's. */
#include "swapstore/store_mirror_internal.h"

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

/* The child came back without what it had, but for what is on its way to it. */
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
	struct mirror_request *rq = STAILQ_FIRST(&sm->free);
	int err = 0;

	watch_epochs(sm);
	if (rq == NULL)
		return -EAGAIN;
	STAILQ_REMOVE_HEAD(&sm->free, link);
	*rq = (struct mirror_request){ .io = *io };
	if (io->is_write)
		err = mirror_write_start(sm, rq);
	else
		mirror_read_start(sm, rq);
	if (err != 0)
		STAILQ_INSERT_HEAD(&sm->free, rq, link);
	return err;
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
	struct mirror_request *rq;

	if (done->cookie >= MIRROR_REQUESTS) {
		mirror_copy_ended(sm, (unsigned)done->cookie - MIRROR_REQUESTS,
				  done->result);
		return;
	}
	rq = &sm->requests[done->cookie];
	if (rq->io.is_write)
		mirror_write_ended(sm, rq, c, done->result);
	else
		mirror_read_ended(sm, rq, c, done->result);
}

static void reap_children(struct store_mirror *sm)
{
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		struct swap_done done[64];
		unsigned count = swapstore_reap(sm->child[c].store, done,
						ARRAY_SIZE(done));

		/* First, for a new epoch says what these still mean. */
		watch_epochs(sm);
		for (unsigned i = 0; i < count; i++)
			child_ended(sm, c, &done[i]);
	}
}

static unsigned take_ended(struct store_mirror *sm, struct swap_done *done,
			   unsigned max)
{
	struct mirror_request *rq;
	unsigned count = 0;
	eventfd_t ignored;

	while (count < max && (rq = STAILQ_FIRST(&sm->ended)) != NULL) {
		STAILQ_REMOVE_HEAD(&sm->ended, link);
		STAILQ_INSERT_HEAD(&sm->free, rq, link);
		done[count++] = (struct swap_done){
			.cookie = rq->io.cookie,
			.result = rq->result,
			.slot_count = (uint16_t)rq->io.slot_count,
			.is_write = rq->io.is_write,
		};
	}
	if (count != 0 && STAILQ_EMPTY(&sm->ended))
		(void)eventfd_read(sm->ended_fd, &ignored);
	return count;
}

static unsigned mirror_reap(struct swapstore *st, struct swap_done *done,
			    unsigned max)
{
	struct store_mirror *sm = mirror_of(st);

	reap_children(sm);
	mirror_held_start(sm);
	mirror_copies_start(sm);
	(void)mirror_flush(st);		/* the next one, if not this */
	return take_ended(sm, done, max);
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

/* As in a read: lost when nobody has it. */
static bool mirror_has_lost(const struct swapstore *st, uint32_t slot)
{
	const struct store_mirror *sm = (const struct store_mirror *)st;

	return !mirror_bits_test(&sm->bits, 0, slot) &&
	       !mirror_bits_test(&sm->bits, 1, slot);
}

/* The children first: until they are gone, they use the buffers. */
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

/* ---- making it */

static int watch(struct store_mirror *sm, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (fd >= 0 && epoll_ctl(sm->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		return -errno;
	return 0;
}

static int watch_all(struct store_mirror *sm)
{
	int err;

	sm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (sm->epoll_fd < 0)
		return -errno;
	sm->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sm->ended_fd < 0)
		return -errno;
	err = watch(sm, sm->ended_fd);
	for (unsigned c = 0; err == 0 && c < STORE_MIRROR_CHILDREN; c++)
		err = watch(sm, swapstore_event_fd(sm->child[c].store));
	return err;
}

static int init(struct store_mirror *sm)
{
	int err;

	STAILQ_INIT(&sm->free);
	STAILQ_INIT(&sm->held);
	STAILQ_INIT(&sm->ended);
	sm->requests = calloc(MIRROR_REQUESTS, sizeof(*sm->requests));
	if (sm->requests == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < MIRROR_REQUESTS; i++)
		STAILQ_INSERT_TAIL(&sm->free, &sm->requests[i], link);
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++)
		sm->epoch[c] = sm->child[c].epoch(sm->child[c].store);
	err = mirror_bits_init(&sm->bits, sm->base.slot_count);
	if (err == 0)
		err = mirror_copies_init(sm);
	return err != 0 ? err : watch_all(sm);
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
	sm->epoll_fd = sm->ended_fd = -1;
	memcpy(sm->child, child, sizeof(sm->child));
	err = init(sm);
	if (err != 0) {
		/* They are the caller's still. */
		memset(sm->child, 0, sizeof(sm->child));
		mirror_destroy(&sm->base);
		return err;
	}
	*ret_store = &sm->base;
	return 0;
}

/* ---- looking in */

bool store_is_mirror(const struct swapstore *st)
{
	return st->ops == &mirror_ops;
}

static const struct store_mirror *look_into(const struct swapstore *st)
{
	ASSERT(store_is_mirror(st));
	return (const struct store_mirror *)st;
}

struct swapstore *store_mirror_child(const struct swapstore *st, unsigned c)
{
	ASSERT(c < STORE_MIRROR_CHILDREN);
	return look_into(st)->child[c].store;
}

void store_mirror_status_get(const struct swapstore *st,
			     struct store_mirror_status *ret_status)
{
	const struct store_mirror *sm = look_into(st);

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
	const struct store_mirror *sm = look_into(st);
	const struct mirror_request *rq;
	uint32_t held = 0;

	mirror_bits_check(&sm->bits);
	STAILQ_FOREACH(rq, &sm->held, link) {
		ASSERT(!rq->io.is_write && rq->at < rq->io.slot_count);
		held++;
	}
	ASSERT(held == sm->held_count);
}
