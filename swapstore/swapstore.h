/* SPDX-License-Identifier: MIT */
/* The swap store: an array of 4 KiB slots, for pages that have no frames.
 *
 * One interface has several backends, each in a file of its own:
 *
 *   uring   files, with io_uring and registered staging     (production)
 *   sync    files, pread/pwrite in worker threads           (no io_uring)
 *   mem     an array                                        (tests, simulator)
 *   remote  another memd, over TCP or TLS: store_remote.h
 *   mirror  two other stores: store_mirror.h
 *
 * swapstore_submit() queues a request, swapstore_flush() hands all queued
 * requests over, and swapstore_reap() returns their results, in any order.  The
 * store moves slots.  It knows no pages and no checksums: the pager knows which
 * slots are free and what each must contain.
 *
 * uring and sync start without a file: swapstore_add_file() says which slots
 * are in which.  Only slots in a file can be read or written.
 *
 * Requests have classes (swap_order.h), because a program may be waiting for
 * one request and nobody for a hundred others: demand reads go before
 * readahead, and readahead before writes.
 *
 *   SW1  Of the requests that a store has not begun, it begins those of an
 *        earlier class first, save for SW2.  uring and sync also bound what
 *        they have begun of the later classes, since a disk serves what it is
 *        given in an order of its own.
 *   SW2  A class waits for at most SWAP_TURNS_MAX requests of earlier classes
 *        at a time, so that none waits for ever.
 *   SW3  A part of the queue is kept for each class: submit() takes no request
 *        that would need what is kept for another one.
 *
 * Threads: a store belongs to one thread, which makes all calls. */
#ifndef MEMD_SWAPSTORE_SWAPSTORE_H
#define MEMD_SWAPSTORE_SWAPSTORE_H

#include "common/checks.h"
#include "swapstore/swap_files.h"
#include "swapstore/swap_order.h"
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A read into, or write from, one buffer: a run of neighbouring slots. */
struct swap_io {
	uint64_t cookie;	/* returned in swap_done */
	/* slot_count * SWAP_SLOT_BYTES bytes, aligned to 4 KiB; borrowed until
	 * the result is reaped */
	void *buffer;
	uint32_t slot;
	uint32_t slot_count;	/* 1 … SWAP_IO_SLOTS_MAX */
	bool is_write;
	bool is_ahead;		/* a read that nobody waits for yet */
};

static inline enum swap_class swap_io_class(const struct swap_io *io)
{
	return swap_class_of(io->is_write, io->is_ahead);
}

enum { SWAP_IO_SLOTS_MAX = 512 };

/* Result (negative) of a read of a slot whose content is lost, while the slot
 * itself is good: after a discard it can be written again.  Any other error
 * says that the slot cannot be trusted.  No disk and no file system ends a
 * request with this errno number; ENODATA, for example, means a bad sector. */
#define SWAP_ELOST EOWNERDEAD

struct swap_done {
	uint64_t cookie;
	/* 0: all bytes were moved; else -errno.  A short transfer is -EIO. */
	int result;
	uint16_t slot_count;	/* of the request */
	bool is_write, is_ahead;
};

/* The result of `io`. */
static inline struct swap_done swap_io_done(const struct swap_io *io,
					    int result)
{
	return (struct swap_done){
		.cookie = io->cookie,
		.result = result,
		.slot_count = (uint16_t)io->slot_count,
		.is_write = io->is_write,
		.is_ahead = io->is_ahead,
	};
}

/* True if the request touches slots of [slot, slot + count). */
bool swap_io_overlaps(const struct swap_io *io, uint32_t slot, uint32_t count);

struct swapstore;

struct swapstore_ops {
	const char *name;
	/* Queue one request.  0, or -EAGAIN: there is no room for one of its
	 * class; reap, and try again.  Never blocks on the disk. */
	int (*submit)(struct swapstore *st, const struct swap_io *io);
	/* Hand all queued requests to the backend.  0, or -errno: the rest
	 * stays queued; flush again. */
	int (*flush)(struct swapstore *st);
	/* Return up to `max` results; 0: none is ready. */
	unsigned (*reap)(struct swapstore *st, struct swap_done *done,
			 unsigned max);
	/* A descriptor for poll(), which is readable (level-triggered) while
	 * results may be ready; -1: none.  Only reap() resets it.  Belongs to
	 * the store. */
	int (*event_fd)(struct swapstore *st);
	/* The content of these slots is not needed any more.  No request for
	 * them is in flight.  May be NULL. */
	void (*discard)(struct swapstore *st, uint32_t slot, uint32_t count);
	/* True if a read of this slot, which was written, would end with
	 * SWAP_ELOST.  NULL: never. */
	bool (*has_lost)(const struct swapstore *st, uint32_t slot);
	/* True if a request that was submitted and not reaped touches these
	 * slots.  NULL: a store without files. */
	bool (*is_in_use)(const struct swapstore *st, uint32_t slot,
			  uint32_t count);
	void (*destroy)(struct swapstore *st);
};

/* The first member of every backend's struct. */
struct swapstore {
	const struct swapstore_ops *ops;
	uint32_t slot_count;	/* their numbers are below this */
	struct swap_files files;	/* zeros: a store without files */
	/* Requests that the queue takes, of all classes (SW3). */
	uint32_t queue_depth;
	uint32_t in_flight;	/* submitted and not reaped */
	uint32_t in_flight_of[SWAP_CLASSES];
	/* Requests that were flushed could not be handed over, and nothing will
	 * wake the owner: it must flush again. */
	bool must_flush;
	uint64_t reads, writes;	/* requests that succeeded */
	uint64_t read_bytes, write_bytes;
	uint64_t read_errors, write_errors;
	/* Requests for which the kernel had no thread or memory; the store then
	 * waited for them. */
	uint64_t refused;
};

/* The memory that contains all buffers of requests; NULL and 0: unknown.
 * Backends register it if they can. */
struct swapstore_buffers {
	void *base;
	size_t length_bytes;
};

/* Constructors.  Each returns 0 or -errno.  Those of stores with files make a
 * space of `slot_limit` slot numbers in which no slot is in a file yet. */

/* -EPERM, -ENOSYS, -EACCES, -ENOMEM: this process cannot use io_uring; use
 * sync.  -EINVAL: no slots, or a depth of 0 or above 4096. */
int store_uring_create(uint32_t slot_limit,
		       const struct swapstore_buffers *buffers,
		       unsigned queue_depth, struct swapstore **ret_store)
	MUST_CHECK;

/* Threads that the kernel may start for the ring. */
enum { STORE_URING_WORKERS_MAX = 64 };

/* True if the buffers of `st` (a store_uring) are registered.  If not, each
 * request costs a little more; a larger RLIMIT_MEMLOCK helps. */
bool store_uring_has_fixed_buffers(const struct swapstore *st);

/* Starts fewer threads if no more can be made.  -EINVAL (no slots, no threads
 * or more than 64), -EAGAIN (no thread can be made). */
int store_sync_create(uint32_t slot_limit, unsigned thread_count,
		      struct swapstore **ret_store) MUST_CHECK;
unsigned store_sync_threads(const struct swapstore *st);
int store_mem_create(uint32_t slot_count, struct swapstore **ret_store)
	MUST_CHECK;

/* For backends with files: move all bytes of one request, of which the first is
 * at `offset` in the file, and wait for that.  Short transfers are continued.
 * Returns 0 or -errno. */
int swapstore_transfer(int fd, uint64_t offset, const struct swap_io *io)
	MUST_CHECK;
/* For backends with files: where the slots of a request are.  A request that is
 * not within one file is an ASSERT. */
struct swap_place swapstore_place(const struct swapstore *st,
				  const struct swap_io *io);

/* For stores with files (others: an ASSERT): slots [first, first + count) are
 * in `fd` from now on, from its byte 0 on.  They are in no other file; first
 * and count are multiples of SWAP_FILE_SLOTS.  A request must not go from one
 * file into the next.
 *
 * fd  is *borrowed* until swapstore_remove_file() or swapstore_destroy() has
 *     returned.  The store sets no flags on it.  With O_DIRECT, requests go
 *     past the page cache.
 *
 * Returns 0, or -ENOMEM or -ENOSPC (no memory).  Blocks on nothing. */
int swapstore_add_file(struct swapstore *st, uint32_t first, uint32_t count,
		       int fd) MUST_CHECK;
/* The slots of one file, exactly, are in no file any more.  All requests for
 * them were reaped (ASSERT).  With io_uring the kernel may have the file for a
 * moment longer than its descriptor is open. */
void swapstore_remove_file(struct swapstore *st, uint32_t first,
			   uint32_t count);

/* The wrappers check bounds, alignment and limits (ASSERT) for all backends,
 * and keep the counters of struct swapstore. */
int swapstore_submit(struct swapstore *st, const struct swap_io *io) MUST_CHECK;
int swapstore_flush(struct swapstore *st) MUST_CHECK;
unsigned swapstore_reap(struct swapstore *st, struct swap_done *done,
			unsigned max);
int swapstore_event_fd(struct swapstore *st);
void swapstore_discard(struct swapstore *st, uint32_t slot, uint32_t count);
bool swapstore_has_lost(const struct swapstore *st, uint32_t slot);
void swapstore_destroy(struct swapstore *st);	/* waits for I/O in flight */

#endif
