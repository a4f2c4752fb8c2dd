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
	off_t start = (off_t)(offset + (uint64_t)io->slot * SWAP_SLOT_BYTES);

	while (moved < length) {
		char *at = (char *)io->buffer + moved;
		ssize_t n = io->is_write ?
			pwrite(fd, at, length - moved, start + (off_t)moved) :
			pread(fd, at, length - moved, start + (off_t)moved);

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

int swapstore_submit(struct swapstore *st, const struct swap_io *io)
{
	int err;

	ASSERT(io->slot_count >= 1 && io->slot_count <= SWAP_IO_SLOTS_MAX);
	ASSERT(io->slot < st->slot_count);
	ASSERT(io->slot_count <= st->slot_count - io->slot);
	ASSERT(io->buffer != NULL);
	ASSERT((uintptr_t)io->buffer % SWAP_SLOT_BYTES == 0);

	err = st->ops->submit(st, io);
	if (err == 0)
		st->in_flight++;
	return err;
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
		ASSERT(done[i].result <= 0);
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
