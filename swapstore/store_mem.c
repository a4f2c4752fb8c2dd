/* SPDX-License-Identifier: MIT */
/* The swap store as an array in memory, for tests and the simulator.  No
 * threads, no disk; requests are done in the order of the flushes, and of their
 * classes in one flush (so none waits for ever).
 *
 * Bytes are moved as late as the interface allows, when a request is reaped.
 * So if an owner touches a buffer in flight, or forgets to flush, the bytes
 * show it. */
#include "swapstore/swapstore.h"

#include "common/table.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MEM_QUEUE_DEPTH = 512 };		/* a power of two */

/* The queue is a ring.  Its three positions only grow (modulo 2^32):
 *
 *   reaped <= flushed <= submitted <= reaped + MEM_QUEUE_DEPTH
 *
 * Requests [reaped, flushed) are ready; [flushed, submitted) wait for a flush.
 * The event descriptor, if there is one, is readable iff reaped < flushed. */
struct store_mem {
	struct swapstore base;
	struct table slots;
	struct swap_io queue[MEM_QUEUE_DEPTH];
	uint32_t reaped, flushed, submitted;
	int event_fd;		/* -1 until event_fd() is called */
};

static int mem_submit(struct swapstore *st, const struct swap_io *io)
{
	struct store_mem *sm = (struct store_mem *)st;

	if (sm->submitted - sm->reaped == MEM_QUEUE_DEPTH)
		return -EAGAIN;
	sm->queue[sm->submitted++ % MEM_QUEUE_DEPTH] = *io;
	return 0;
}

/* Put what waits for the flush in the order of classes, which is stable. */
static void sort_by_class(struct store_mem *sm)
{
	struct swap_io sorted[MEM_QUEUE_DEPTH];
	uint32_t count = 0;

	for (unsigned c = 0; c < SWAP_CLASSES; c++)
		for (uint32_t at = sm->flushed; at != sm->submitted; at++) {
			const struct swap_io *io =
				&sm->queue[at % MEM_QUEUE_DEPTH];

			if (swap_io_class(io) == c)
				sorted[count++] = *io;
		}
	for (uint32_t i = 0; i < count; i++)
		sm->queue[(sm->flushed + i) % MEM_QUEUE_DEPTH] = sorted[i];
}

static int mem_flush(struct swapstore *st)
{
	struct store_mem *sm = (struct store_mem *)st;
	bool was_empty = sm->reaped == sm->flushed;

	sort_by_class(sm);
	sm->flushed = sm->submitted;
	if (sm->event_fd >= 0 && was_empty && sm->reaped != sm->flushed)
		(void)eventfd_write(sm->event_fd, 1);
	return 0;
}

static void move_bytes(struct store_mem *sm, const struct swap_io *io)
{
	char *slot = (char *)sm->slots.base +
		     (size_t)io->slot * SWAP_SLOT_BYTES;
	size_t bytes = (size_t)io->slot_count * SWAP_SLOT_BYTES;

	if (io->is_write)
		memcpy(slot, io->buffer, bytes);
	else
		memcpy(io->buffer, slot, bytes);
}

static unsigned mem_reap(struct swapstore *st, struct swap_done *done,
			 unsigned max)
{
	struct store_mem *sm = (struct store_mem *)st;
	unsigned count = 0;
	eventfd_t ignored;

	while (count < max && sm->reaped != sm->flushed) {
		const struct swap_io *io =
			&sm->queue[sm->reaped++ % MEM_QUEUE_DEPTH];

		move_bytes(sm, io);
		done[count++] = swap_io_done(io, 0);
	}
	if (sm->event_fd >= 0 && count > 0 && sm->reaped == sm->flushed)
		(void)eventfd_read(sm->event_fd, &ignored);
	return count;
}

static int mem_event_fd(struct swapstore *st)
{
	struct store_mem *sm = (struct store_mem *)st;

	if (sm->event_fd < 0)
		sm->event_fd = eventfd(sm->reaped != sm->flushed,
				       EFD_CLOEXEC | EFD_NONBLOCK);
	return sm->event_fd;
}

static void mem_destroy(struct swapstore *st)
{
	struct store_mem *sm = (struct store_mem *)st;

	if (sm->event_fd >= 0)
		close(sm->event_fd);
	table_fini(&sm->slots);
	free(sm);
}

static const struct swapstore_ops mem_ops = {
	.name = "mem",
	.submit = mem_submit,
	.flush = mem_flush,
	.reap = mem_reap,
	.event_fd = mem_event_fd,
	.destroy = mem_destroy,
};

int store_mem_create(uint32_t slot_count, struct swapstore **ret_store)
{
	struct store_mem *sm;
	int err;

	if (slot_count == 0)
		return -EINVAL;
	sm = calloc(1, sizeof(*sm));
	if (sm == NULL)
		return -ENOMEM;
	sm->base.ops = &mem_ops;
	sm->base.slot_count = slot_count;
	sm->base.queue_depth = MEM_QUEUE_DEPTH;
	sm->event_fd = -1;
	err = table_init(&sm->slots, "memd-store", SWAP_SLOT_BYTES, slot_count);
	if (err != 0) {
		free(sm);
		return err;
	}
	*ret_store = &sm->base;
	return 0;
}
