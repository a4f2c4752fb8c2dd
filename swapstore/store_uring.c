/* SPDX-License-Identifier: MIT */
/* The swap store on io_uring.  flush() hands requests to the kernel in one
 * system call, and reap() reads results off the ring without a system call.
 * Only this file knows liburing.
 *
 * The event descriptor is the ring's own.  It is readable exactly while
 * completions wait, so nothing must be drained, and an owner that never sleeps
 * pays nothing for it.
 *
 *	        submit      flush      room for it       completion
 *	FREE ──┬────▶ STAGED ──▶ WAITING ──▶ GIVEN ──────────────▶ FREE
 *	       └──────────────────────────────▲
 *	         submit: a demand read
 *
 *   UR1  GIVEN: the request has one entry in the submission ring, or one
 *        completion to come.  Each ring has room for all requests.
 *   UR2  A demand read is never STAGED or WAITING.
 *   UR3  After flush() and reap(), a request is WAITING only if another one of
 *        the background is GIVEN (SB2).  Its completion makes the owner call
 *        reap(), which gives the next.  If the kernel does not take what is in
 *        the ring, base.must_flush tells. */
#include "swapstore/swapstore.h"

#include "swapstore/swap_background.h"

#include <errno.h>
#include <liburing.h>

enum { URING_DEPTH_MAX = 4096, URING_RETRIES_MAX = 16 };

/* io.slot_count is 0 while the request is free. */
struct uring_request {
	struct swap_io io;
	struct swap_place place;
	uint32_t moved_bytes;
	uint32_t retries;
	struct background_item item;	/* not of demand reads */
};

struct store_uring {
	struct swapstore base;
	struct io_uring ring;
	bool has_ring;
	uintptr_t fixed_base;		/* registered memory */
	size_t fixed_bytes;		/* 0: none */
	uint32_t in_kernel;		/* handed over and not completed */
	struct uring_request *requests;	/* [base.queue_depth] */
	uint32_t *free_stack;		/* indexes of free requests */
	uint32_t free_count;
	struct background_items staged;
	struct swap_background background;
};

static bool is_fixed(const struct store_uring *su, const void *at, size_t bytes)
{
	uintptr_t start = (uintptr_t)at;

	return start >= su->fixed_base && bytes <= su->fixed_bytes &&
	       start - su->fixed_base <= su->fixed_bytes - bytes;
}

/* Put the rest of a request into the submission ring. */
static void queue_request(struct store_uring *su, uint32_t idx)
{
	const struct uring_request *rq = &su->requests[idx];
	struct io_uring_sqe *sqe = io_uring_get_sqe(&su->ring);
	char *at = (char *)rq->io.buffer + rq->moved_bytes;
	unsigned left = rq->io.slot_count * SWAP_SLOT_BYTES - rq->moved_bytes;
	uint64_t where = rq->place.offset + rq->moved_bytes;
	bool fixed = is_fixed(su, at, left);
	int fd = rq->place.fd;

	ASSERT(sqe != NULL);
	if (fixed && rq->io.is_write)
		io_uring_prep_write_fixed(sqe, fd, at, left, where, 0);
	else if (fixed)
		io_uring_prep_read_fixed(sqe, fd, at, left, where, 0);
	else if (rq->io.is_write)
		io_uring_prep_write(sqe, fd, at, left, where);
	else
		io_uring_prep_read(sqe, fd, at, left, where);
	io_uring_sqe_set_data64(sqe, idx);
}

static int uring_submit(struct swapstore *st, const struct swap_io *io)
{
	struct store_uring *su = (struct store_uring *)st;
	struct uring_request *rq;
	uint32_t idx;

	if (su->free_count == 0)
		return -EAGAIN;
	idx = su->free_stack[--su->free_count];
	rq = &su->requests[idx];
	*rq = (struct uring_request){
		.io = *io,
		.place = swapstore_place(st, io),
		.item = { .class = swap_io_class(io),
			  .slot_count = io->slot_count },
	};
	if (rq->item.class != SWAP_DEMAND) {
		STAILQ_INSERT_TAIL(&su->staged, &rq->item, link);
		return 0;
	}
	swap_background_disturb(&su->background);
	queue_request(su, idx);
	return 0;
}

/* Put what is WAITING into the ring, as far as there is room. */
static bool give_waiting(struct store_uring *su)
{
	bool has_demand = su->base.in_flight_of[SWAP_DEMAND] != 0;
	bool gives = false;
	struct background_item *item;

	while ((item = swap_background_next(&su->background,
					    has_demand)) != NULL) {
		const struct uring_request *rq = (const void *)
			((const char *)item -
			 offsetof(struct uring_request, item));

		queue_request(su, (uint32_t)(rq - su->requests));
		gives = true;
	}
	return gives;
}

/* Hand what is in the ring to the kernel. */
static int enter_kernel(struct store_uring *su)
{
	int count = 1;

	while (io_uring_sq_ready(&su->ring) > 0 &&
	       (count > 0 || count == -EINTR)) {
		count = io_uring_submit(&su->ring);
		su->in_kernel += (uint32_t)MAX(count, 0);
	}
	su->base.must_flush = io_uring_sq_ready(&su->ring) > 0;
	if (!su->base.must_flush)
		return 0;
	return count < 0 ? count : -EAGAIN;
}

static int uring_flush(struct swapstore *st)
{
	struct store_uring *su = (struct store_uring *)st;
	struct background_item *item;

	while ((item = STAILQ_FIRST(&su->staged)) != NULL) {
		STAILQ_REMOVE_HEAD(&su->staged, link);
		swap_background_add(&su->background, item);
	}
	(void)give_waiting(su);
	return enter_kernel(su);
}

/* True if the result says nothing of the disk: the kernel has no memory or no
 * thread for the request.  (-ECANCELED: no thread could be made for the rest of
 * a request.) */
static bool uring_is_refused(int result)
{
	return result == -EINTR || result == -EAGAIN || result == -ENOMEM ||
	       result == -ECANCELED;
}

/* The kernel has refused the request again and again, because of a limit on
 * threads.  Move the bytes here, and wait: a slow read is better than a lost
 * page. */
static int move_here(struct store_uring *su, const struct uring_request *rq)
{
	su->base.refused++;
	return swapstore_transfer(rq->place.fd, rq->place.offset, &rq->io);
}

/* Take one completion.  False: the request goes on, because the kernel moved
 * only a part, or asks to try again.  O_DIRECT can go on only at the start of a
 * block, so a partly moved slot is moved again. */
static bool finish_request(struct store_uring *su, uint32_t idx, int result,
			   struct swap_done *ret_done)
{
	struct uring_request *rq = &su->requests[idx];

	if (uring_is_refused(result) && rq->retries++ < URING_RETRIES_MAX) {
		queue_request(su, idx);
		return false;
	}
	if (uring_is_refused(result)) {
		result = move_here(su, rq);
	} else if (result >= SWAP_SLOT_BYTES) {
		rq->moved_bytes += (uint32_t)result / SWAP_SLOT_BYTES *
				   SWAP_SLOT_BYTES;
		if (rq->moved_bytes < rq->io.slot_count * SWAP_SLOT_BYTES) {
			queue_request(su, idx);
			return false;
		}
		result = 0;
	} else if (result >= 0) {
		result = -EIO;
	}
	*ret_done = swap_io_done(&rq->io, result);
	if (rq->item.class != SWAP_DEMAND)
		swap_background_ended(&su->background, &rq->item);
	rq->io.slot_count = 0;
	su->free_stack[su->free_count++] = idx;
	return true;
}

/* Read completions off the ring.  *ret_goes_on: a request is in the ring
 * again. */
static unsigned uring_collect(struct store_uring *su, struct swap_done *done,
			      unsigned max, bool *ret_goes_on)
{
	unsigned head, seen = 0, count = 0;
	struct io_uring_cqe *cqe;

	/* Completions may wait until this thread enters the kernel. */
	if (io_uring_cq_ready(&su->ring) == 0 &&
	    (IO_URING_READ_ONCE(*su->ring.sq.kflags) & IORING_SQ_TASKRUN))
		(void)io_uring_get_events(&su->ring);
	io_uring_for_each_cqe(&su->ring, head, cqe) {
		if (count == max)
			break;
		seen++;
		if (finish_request(su, (uint32_t)cqe->user_data, cqe->res,
				   &done[count]))
			count++;
		else
			*ret_goes_on = true;
	}
	io_uring_cq_advance(&su->ring, seen);
	su->in_kernel -= seen;
	return count;
}

static unsigned uring_reap(struct swapstore *st, struct swap_done *done,
			   unsigned max)
{
	struct store_uring *su = (struct store_uring *)st;
	bool goes_on = false;
	unsigned count = uring_collect(su, done, max, &goes_on);

	if (give_waiting(su) || goes_on)
		(void)enter_kernel(su);		/* UR3 */
	return count;
}

static int uring_event_fd(struct swapstore *st)
{
	return ((struct store_uring *)st)->ring.ring_fd;
}

static bool uring_is_in_use(const struct swapstore *st, uint32_t slot,
			    uint32_t count)
{
	const struct store_uring *su = (const struct store_uring *)st;

	for (uint32_t i = 0; i < st->queue_depth; i++)
		if (su->requests[i].io.slot_count != 0 &&
		    swap_io_overlaps(&su->requests[i].io, slot, count))
			return true;
	return false;
}

static void wait_for_one(struct store_uring *su)
{
	struct io_uring_cqe *cqe;
	int err;

	do
		err = io_uring_wait_cqe(&su->ring, &cqe);
	while (err == -EINTR || err == -EAGAIN);
	ASSERT(err == 0);
}

/* Requests that were flushed are carried out before the store ends, unless the
 * kernel does not take them. */
static void finish_waiting(struct store_uring *su)
{
	struct swap_done done;

	while (swap_background_is_waiting(&su->background) &&
	       enter_kernel(su) == 0) {
		wait_for_one(su);
		(void)uring_reap(&su->base, &done, 1);
	}
}

/* Wait for all requests: the kernel must not move bytes after the owner takes
 * its buffers back. */
static void wait_for_kernel(struct store_uring *su)
{
	struct swap_done done;
	bool ignored;

	while (su->in_kernel > 0) {
		wait_for_one(su);
		(void)uring_collect(su, &done, 1, &ignored);
	}
}

static void uring_destroy(struct swapstore *st)
{
	struct store_uring *su = (struct store_uring *)st;

	if (su->has_ring) {
		finish_waiting(su);
		wait_for_kernel(su);
		io_uring_queue_exit(&su->ring);
	}
	swap_files_fini(&su->base.files);
	free(su->free_stack);
	free(su->requests);
	free(su);
}

static const struct swapstore_ops uring_ops = {
	.name = "uring",
	.submit = uring_submit,
	.flush = uring_flush,
	.reap = uring_reap,
	.event_fd = uring_event_fd,
	.is_in_use = uring_is_in_use,
	.destroy = uring_destroy,
};

bool store_uring_has_fixed_buffers(const struct swapstore *st)
{
	ASSERT(st->ops == &uring_ops);
	return ((const struct store_uring *)st)->fixed_bytes > 0;
}

/* Some sandboxes allow a process to make a ring, but not to enter it.  Send a
 * no-op through it now, so that the failure is seen here and not at the first
 * page. */
static int try_ring(struct store_uring *su)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&su->ring);
	struct io_uring_cqe *cqe;
	int err;

	ASSERT(sqe != NULL);
	io_uring_prep_nop(sqe);
	do
		err = io_uring_submit_and_wait(&su->ring, 1);
	while (err == -EINTR);
	if (err < 0)
		return err;
	err = io_uring_wait_cqe(&su->ring, &cqe);
	if (err != 0)
		return err;
	err = cqe->res;
	io_uring_cqe_seen(&su->ring, cqe);
	return err;
}

/* Registering saves the kernel work for each request.  If the kernel refuses
 * (RLIMIT_MEMLOCK), requests name the memory.  Files are not registered: what
 * that would save does not show beside a request's own time. */
static void register_resources(struct store_uring *su,
			       const struct swapstore_buffers *buffers)
{
	unsigned workers[2] = { STORE_URING_WORKERS_MAX,
				STORE_URING_WORKERS_MAX };

	/* The default is four for each CPU, which may be more tasks than the
	 * service may have. */
	(void)io_uring_register_iowq_max_workers(&su->ring, workers);
	if (buffers != NULL && buffers->length_bytes > 0) {
		struct iovec iov = { .iov_base = buffers->base,
				     .iov_len = buffers->length_bytes };

		if (io_uring_register_buffers(&su->ring, &iov, 1) == 0) {
			su->fixed_base = (uintptr_t)buffers->base;
			su->fixed_bytes = buffers->length_bytes;
		}
	}
}

/* The store belongs to one thread, which enters the kernel often enough to take
 * completions without being interrupted for each.  Tell the kernel, if it can
 * use this (6.0). */
static int make_ring(unsigned queue_depth, struct io_uring *ring)
{
	int err = io_uring_queue_init(queue_depth, ring,
				      IORING_SETUP_SINGLE_ISSUER |
					      IORING_SETUP_COOP_TASKRUN |
					      IORING_SETUP_TASKRUN_FLAG);

	if (err == -EINVAL)
		err = io_uring_queue_init(queue_depth, ring, 0);
	/* A child of the program would keep the ring. */
	if (err == 0)
		(void)io_uring_ring_dontfork(ring);
	return err;
}

int store_uring_create(uint32_t slot_limit,
		       const struct swapstore_buffers *buffers,
		       unsigned queue_depth, struct swapstore **ret_store)
{
	struct store_uring *su;
	int err;

	if (queue_depth == 0 || queue_depth > URING_DEPTH_MAX ||
	    slot_limit == 0)
		return -EINVAL;
	su = calloc(1, sizeof(*su));
	if (su == NULL)
		return -ENOMEM;
	su->base.ops = &uring_ops;
	su->base.slot_count = slot_limit;
	su->base.queue_depth = queue_depth;
	STAILQ_INIT(&su->staged);
	swap_background_init(&su->background);
	err = swap_files_init(&su->base.files, slot_limit);
	if (err != 0)
		goto fail;
	err = -ENOMEM;
	su->requests = calloc(queue_depth, sizeof(*su->requests));
	su->free_stack = calloc(queue_depth, sizeof(*su->free_stack));
	if (su->requests == NULL || su->free_stack == NULL)
		goto fail;
	for (uint32_t i = 0; i < queue_depth; i++)
		su->free_stack[su->free_count++] = queue_depth - 1 - i;
	err = make_ring(queue_depth, &su->ring);
	if (err != 0)
		goto fail;
	su->has_ring = true;
	err = try_ring(su);
	if (err != 0)
		goto fail;
	register_resources(su, buffers);
	*ret_store = &su->base;
	return 0;
fail:
	uring_destroy(&su->base);
	return err;
}
