/* SPDX-License-Identifier: MIT */
/* The swap store: an array of 4 KiB slots that outlive frames.
 *
 * One interface, several implementations, each in a file of its own:
 *
 *   uring   io_uring, O_DIRECT, registered staging memory   (production)
 *   sync    pread/pwrite in worker threads                  (no io_uring)
 *   mem     an array                                        (tests, simulator)
 *   remote  another memd, over TCP or TLS: store_remote.h
 *   mirror  two others: store_mirror.h
 *
 * Requests are queued by swapstore_submit(), handed over in one go by
 * swapstore_flush(), and come back in any order from swapstore_reap().  The
 * store neither knows pages nor keeps checksums: it moves slots.  Which slots
 * are free, and what each must contain, the pager knows.
 *
 * Threads: a store belongs to one thread, which makes all calls. */
#ifndef MEMD_SWAPSTORE_SWAPSTORE_H
#define MEMD_SWAPSTORE_SWAPSTORE_H

#include "common/checks.h"
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SWAP_SLOT_BYTES = 4096 };

/* A run of neighbouring slots to read into, or write from, one buffer. */
struct swap_io {
	uint64_t cookie;	/* comes back with the completion */
	void *buffer;		/* slot_count * SWAP_SLOT_BYTES, 4 KiB aligned;
				 * borrowed until the completion is reaped */
	uint32_t slot;
	uint32_t slot_count;	/* 1 … SWAP_IO_SLOTS_MAX */
	bool is_write;
};

enum { SWAP_IO_SLOTS_MAX = 512 };

/* What a read ends with (negative) when what a slot contained is lost, but the
 * slot is as good as any: once it is discarded it can be written again.  Any
 * other error says that the slot cannot be trusted.  No disk and no filesystem
 * ends a request with this errno; ENODATA, for one, is a bad sector's. */
#define SWAP_ELOST EOWNERDEAD

struct swap_done {
	uint64_t cookie;
	int result;		/* 0 = all bytes moved, else -errno; a short
				 * transfer is -EIO, never a partial success */
	uint16_t slot_count;	/* of the request */
	bool is_write;
};

/* What `io` ends with. */
static inline struct swap_done swap_io_done(const struct swap_io *io,
					    int result)
{
	return (struct swap_done){
		.cookie = io->cookie,
		.result = result,
		.slot_count = (uint16_t)io->slot_count,
		.is_write = io->is_write,
	};
}

struct swapstore;

struct swapstore_ops {
	const char *name;
	/* Queue one request.  0, or -EAGAIN: the queue is full; reap, then
	 * ask again.  Never blocks on the disk. */
	int (*submit)(struct swapstore *st, const struct swap_io *io);
	/* Hand what is queued to the backend.  0, or -errno: what was not
	 * taken stays queued, flush again. */
	int (*flush)(struct swapstore *st);
	/* Collect up to `max` completions; 0 when none is ready. */
	unsigned (*reap)(struct swapstore *st, struct swap_done *done,
			 unsigned max);
	/* A descriptor to poll, readable (level) while completions may be
	 * waiting, or -1.  Only for poll: reap() alone resets it.  Belongs to
	 * the store. */
	int (*event_fd)(struct swapstore *st);
	/* These slots are free again: what is in them is not needed any more.
	 * No request for any of them is in flight.  NULL: does not matter. */
	void (*discard)(struct swapstore *st, uint32_t slot, uint32_t count);
	/* Is it known already that a read of this slot, which was written,
	 * would end with SWAP_ELOST?  NULL: never. */
	bool (*has_lost)(const struct swapstore *st, uint32_t slot);
	void (*destroy)(struct swapstore *st);
};

/* Embedded first in every backend's own struct. */
struct swapstore {
	const struct swapstore_ops *ops;
	uint32_t slot_count;
	uint32_t in_flight;	/* submitted, not yet reaped */
	uint64_t reads, writes;	/* requests completed well */
	uint64_t read_bytes, write_bytes;
	uint64_t read_errors, write_errors;
	uint64_t refused;	/* requests for which the kernel had no thread
				 * or memory, and which were then waited for */
};

/* Staging memory that all buffers of requests come from; may be NULL/0.
 * Backends that can register it do. */
struct swapstore_buffers {
	void *base;
	size_t length_bytes;
};

/* Constructors.  `fd` is an open swap file (swapfile.h), *taken* on success,
 * whose first slot lies at byte `offset`.  Each returns 0 or -errno. */

/* -EPERM, -ENOSYS, -EACCES, -ENOMEM: no io_uring for this process; use sync.
 * -EINVAL: no slots, or a depth of 0 or above 4096. */
int store_uring_create(int fd, uint64_t offset, uint32_t slot_count,
		       const struct swapstore_buffers *buffers,
		       unsigned queue_depth, struct swapstore **ret_store)
	MUST_CHECK;

/* Threads that the kernel may start for it, besides. */
enum { STORE_URING_WORKERS_MAX = 64 };

/* True when `st` (a store_uring) has its buffers registered: false costs a
 * little time per request; a larger RLIMIT_MEMLOCK cures it. */
bool store_uring_has_fixed_buffers(const struct swapstore *st);

/* With fewer threads where no more are to be had.
 * -EINVAL (no or more than 64 threads), -EAGAIN (no thread to be had). */
int store_sync_create(int fd, uint64_t offset, uint32_t slot_count,
		      unsigned thread_count, struct swapstore **ret_store)
	MUST_CHECK;
unsigned store_sync_threads(const struct swapstore *st);
int store_mem_create(uint32_t slot_count, struct swapstore **ret_store)
	MUST_CHECK;

/* For backends that have a file: move all bytes of one request, and wait for
 * that.  What the kernel moves short is continued.  Returns 0 or -errno. */
int swapstore_transfer(int fd, uint64_t offset, const struct swap_io *io)
	MUST_CHECK;

/* Checked wrappers: bounds, alignment and limits are asserted here, once,
 * for all backends; the counters in struct swapstore are kept here too. */
int swapstore_submit(struct swapstore *st, const struct swap_io *io) MUST_CHECK;
int swapstore_flush(struct swapstore *st) MUST_CHECK;
unsigned swapstore_reap(struct swapstore *st, struct swap_done *done,
			unsigned max);
int swapstore_event_fd(struct swapstore *st);
void swapstore_discard(struct swapstore *st, uint32_t slot, uint32_t count);
bool swapstore_has_lost(const struct swapstore *st, uint32_t slot);
void swapstore_destroy(struct swapstore *st);	/* waits for in-flight I/O */

#endif
