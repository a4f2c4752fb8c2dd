/* SPDX-License-Identifier: MIT */
/* The checked wrappers around a backend's ops, and the counters.  A backend
 * need not check what is asserted here. */
#include "swapstore/swapstore.h"

#include <unistd.h>

/* O_DIRECT can go on only at the start of a block, so a partly moved slot is
 * moved again. */
int swapstore_transfer(int fd, uint64_t offset, const struct swap_io *io)
{
	size_t length = (size_t)io->slot_count * SWAP_SLOT_BYTES, moved = 0;

	while (moved < length) {
		char *at = (char *)io->buffer + moved;
		off_t where = (off_t)(offset + moved);
		ssize_t n = io->is_write ?
			pwrite(fd, at, length - moved, where) :
			pread(fd, at, length - moved, where);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n < SWAP_SLOT_BYTES)
			return -EIO;
		moved += (size_t)n / SWAP_SLOT_BYTES * SWAP_SLOT_BYTES;
	}
	return 0;
}

struct swap_place swapstore_place(const struct swapstore *st,
				  const struct swap_io *io)
{
	struct swap_place place;
	bool is_within = swap_files_find(&st->files, io->slot, io->slot_count,
					 &place);

	ASSERT(is_within);
	return place;
}

int swapstore_add_file(struct swapstore *st, uint32_t first, uint32_t count,
		       int fd)
{
	ASSERT(st->ops->is_in_use != NULL);
	return swap_files_add(&st->files, first, count, fd);
}

void swapstore_remove_file(struct swapstore *st, uint32_t first, uint32_t count)
{
	ASSERT(st->ops->is_in_use != NULL);
	ASSERT(!st->ops->is_in_use(st, first, count));
	swap_files_remove(&st->files, first, count);
}

bool swap_io_overlaps(const struct swap_io *io, uint32_t slot, uint32_t count)
{
	return io->slot < (uint64_t)slot + count &&
	       slot < (uint64_t)io->slot + io->slot_count;
}

int swapstore_submit(struct swapstore *st, const struct swap_io *io)
{
	enum swap_class class = swap_io_class(io);
	int err;

	ASSERT(io->slot_count >= 1 && io->slot_count <= SWAP_IO_SLOTS_MAX);
	ASSERT(io->slot < st->slot_count);
	ASSERT(io->slot_count <= st->slot_count - io->slot);
	ASSERT(io->buffer != NULL);
	ASSERT((uintptr_t)io->buffer % SWAP_SLOT_BYTES == 0);

	ASSERT(st->queue_depth != 0);
	if (!swap_order_has_room(st->queue_depth, st->in_flight_of, class))
		return -EAGAIN;
	err = st->ops->submit(st, io);
	if (err != 0)
		return err;
	st->in_flight++;
	st->in_flight_of[class]++;
	return 0;
}

int swapstore_flush(struct swapstore *st)
{
	return st->ops->flush(st);
}

static void swapstore_count_done(struct swapstore *st,
				 const struct swap_done *done)
{
	uint64_t bytes = (uint64_t)done->slot_count * SWAP_SLOT_BYTES;

	if (done->is_write && done->result != 0) {
		st->write_errors++;
	} else if (done->is_write) {
		st->writes++;
		st->write_bytes += bytes;
	} else if (done->result != 0) {
		st->read_errors++;
	} else {
		st->reads++;
		st->read_bytes += bytes;
	}
}

unsigned swapstore_reap(struct swapstore *st, struct swap_done *done,
			unsigned max)
{
	unsigned count = st->ops->reap(st, done, max);

	ASSERT(count <= max && count <= st->in_flight);
	for (unsigned i = 0; i < count; i++) {
		enum swap_class class = swap_class_of(done[i].is_write,
						      done[i].is_ahead);

		ASSERT(done[i].result <= 0);
		ASSERT(st->in_flight_of[class] > 0);
		st->in_flight_of[class]--;
		swapstore_count_done(st, &done[i]);
	}
	st->in_flight -= count;
	return count;
}

int swapstore_event_fd(struct swapstore *st)
{
	return st->ops->event_fd(st);
}

void swapstore_discard(struct swapstore *st, uint32_t slot, uint32_t count)
{
	ASSERT(slot < st->slot_count && count != 0 &&
	       count <= st->slot_count - slot);
	if (st->ops->discard != NULL)
		st->ops->discard(st, slot, count);
}

bool swapstore_has_lost(const struct swapstore *st, uint32_t slot)
{
	ASSERT(slot < st->slot_count);
	return st->ops->has_lost != NULL && st->ops->has_lost(st, slot);
}

void swapstore_destroy(struct swapstore *st)
{
	if (st != NULL)
		st->ops->destroy(st);
}
