/* SPDX-License-Identifier: MIT */
/* The swap store with pread and pwrite in worker threads.  It is the simple
 * reference, and runs where io_uring is not allowed.
 *
 *   free -> staged -> pending -> (in a worker) -> done -> free
 *
 * A request is on the list of its state, and of its class while it is pending.
 * Only the owner's thread uses `free` and `staged`.  What is below the lock in
 * the struct, and the event descriptor, change under it, so the descriptor is
 * readable iff `done` is not empty.
 *
 *   SY1  At most half of the workers write, and at most all but one write or
 *        read ahead, so a demand read finds a worker at once as long as fewer
 *        wait than are kept for it.  (Of one worker there is no half: it does
 *        all in turn.)
 *   SY2  If a worker sleeps, no more requests may begin than workers are awake
 *        and without one.  A flush adds requests, and wakes one worker for one
 *        request, all for several.  A worker that ends its request is awake,
 *        and by SY1 at most one more may begin because of that.  A worker
 *        that begins one takes one off both sides.  It sleeps only when none
 *        may begin.  So none waits while a worker sleeps that could do it. */
#include "swapstore/swapstore.h"

#include "common/thread.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

enum {
	SYNC_QUEUE_DEPTH = 256,
	SYNC_THREADS_MAX = 64,
	STACK_BYTES = 128 * 1024,
};

/* io.slot_count is 0 while the request is free. */
struct sync_request {
	struct swap_io io;
	struct swap_place place;
	int result;
	STAILQ_ENTRY(sync_request) link;
};

STAILQ_HEAD(sync_requests, sync_request);

struct store_sync {
	struct swapstore base;
	int event_fd;
	struct sync_request requests[SYNC_QUEUE_DEPTH];
	struct sync_requests free, staged;

	pthread_mutex_t lock;
	pthread_cond_t work;	/* a class is ready, or stopping */
	struct sync_requests pending[SWAP_CLASSES], done;
	unsigned busy[SWAP_CLASSES];	/* workers, by what they do */
	struct swap_order order;
	bool stopping;

	pthread_t threads[SYNC_THREADS_MAX];
	/* Threads that were started; constant when something is pending. */
	unsigned thread_count;
};

static void add_done(struct store_sync *sy, struct sync_request *rq)
{
	bool was_empty = STAILQ_EMPTY(&sy->done);

	STAILQ_INSERT_TAIL(&sy->done, rq, link);
	if (was_empty)
		(void)eventfd_write(sy->event_fd, 1);
}

/* SY1.  Who is stopping has no more demand reads to keep workers for. */
static bool may_begin(const struct store_sync *sy, enum swap_class class)
{
	unsigned count = sy->thread_count;
	unsigned background = sy->busy[SWAP_AHEAD] + sy->busy[SWAP_WRITE];

	if (class == SWAP_DEMAND || sy->stopping)
		return true;
	if (background >= MAX(count - 1, 1u))
		return false;
	return class != SWAP_WRITE ||
	       sy->busy[SWAP_WRITE] < MAX(count / 2, 1u);
}

static unsigned ready_classes(const struct store_sync *sy,
			      unsigned *ret_waiting)
{
	unsigned waiting = 0, ready = 0;

	for (unsigned c = 0; c < SWAP_CLASSES; c++) {
		if (STAILQ_EMPTY(&sy->pending[c]))
			continue;
		waiting |= BIT(c);
		ready |= may_begin(sy, (enum swap_class)c) ? BIT(c) : 0;
	}
	*ret_waiting = waiting;
	return ready;
}

/* NULL: no class is ready. */
static struct sync_request *begin_next(struct store_sync *sy)
{
	unsigned waiting, ready = ready_classes(sy, &waiting);
	struct sync_request *rq;
	enum swap_class class;

	if (ready == 0)
		return NULL;
	class = swap_order_next(&sy->order, ready);
	swap_order_take(&sy->order, waiting, ready, class);
	rq = STAILQ_FIRST(&sy->pending[class]);
	STAILQ_REMOVE_HEAD(&sy->pending[class], link);
	sy->busy[class]++;
	return rq;
}

/* Workers stop only when nothing is pending, so destroy() waits for all I/O. */
static void *worker_main(void *arg)
{
	struct store_sync *sy = arg;

	pthread_mutex_lock(&sy->lock);
	for (;;) {
		struct sync_request *rq = begin_next(sy);

		if (rq != NULL) {
			pthread_mutex_unlock(&sy->lock);
			rq->result = swapstore_transfer(rq->place.fd,
							rq->place.offset,
							&rq->io);
			pthread_mutex_lock(&sy->lock);
			sy->busy[swap_io_class(&rq->io)]--;
			add_done(sy, rq);
		} else if (sy->stopping) {
			break;
		} else {
			pthread_cond_wait(&sy->work, &sy->lock);
		}
	}
	pthread_mutex_unlock(&sy->lock);
	return NULL;
}

static int sync_submit(struct swapstore *st, const struct swap_io *io)
{
	struct store_sync *sy = (struct store_sync *)st;
	struct sync_request *rq = STAILQ_FIRST(&sy->free);

	if (rq == NULL)
		return -EAGAIN;
	STAILQ_REMOVE_HEAD(&sy->free, link);
	rq->io = *io;
	rq->place = swapstore_place(st, io);
	STAILQ_INSERT_TAIL(&sy->staged, rq, link);
	return 0;
}

static int sync_flush(struct swapstore *st)
{
	struct store_sync *sy = (struct store_sync *)st;
	struct sync_request *rq = STAILQ_FIRST(&sy->staged);
	bool is_one;

	if (rq == NULL)
		return 0;
	is_one = STAILQ_NEXT(rq, link) == NULL;
	pthread_mutex_lock(&sy->lock);
	while ((rq = STAILQ_FIRST(&sy->staged)) != NULL) {
		STAILQ_REMOVE_HEAD(&sy->staged, link);
		STAILQ_INSERT_TAIL(&sy->pending[swap_io_class(&rq->io)], rq,
				   link);
	}
	if (is_one)
		pthread_cond_signal(&sy->work);
	else
		pthread_cond_broadcast(&sy->work);
	pthread_mutex_unlock(&sy->lock);
	return 0;
}

static unsigned sync_reap(struct swapstore *st, struct swap_done *done,
			  unsigned max)
{
	struct store_sync *sy = (struct store_sync *)st;
	unsigned count = 0;
	eventfd_t ignored;

	pthread_mutex_lock(&sy->lock);
	while (count < max && !STAILQ_EMPTY(&sy->done)) {
		struct sync_request *rq = STAILQ_FIRST(&sy->done);

		STAILQ_REMOVE_HEAD(&sy->done, link);
		STAILQ_INSERT_HEAD(&sy->free, rq, link);
		done[count++] = swap_io_done(&rq->io, rq->result);
		rq->io.slot_count = 0;
	}
	if (count > 0 && STAILQ_EMPTY(&sy->done))
		(void)eventfd_read(sy->event_fd, &ignored);
	pthread_mutex_unlock(&sy->lock);
	return count;
}

static int sync_event_fd(struct swapstore *st)
{
	return ((struct store_sync *)st)->event_fd;
}

/* Workers only read `io`, and only the owner's thread writes it. */
static bool sync_is_in_use(const struct swapstore *st, uint32_t slot,
			   uint32_t count)
{
	const struct store_sync *sy = (const struct store_sync *)st;

	for (unsigned i = 0; i < SYNC_QUEUE_DEPTH; i++)
		if (sy->requests[i].io.slot_count != 0 &&
		    swap_io_overlaps(&sy->requests[i].io, slot, count))
			return true;
	return false;
}

static void sync_destroy(struct swapstore *st)
{
	struct store_sync *sy = (struct store_sync *)st;

	pthread_mutex_lock(&sy->lock);
	sy->stopping = true;
	pthread_cond_broadcast(&sy->work);
	pthread_mutex_unlock(&sy->lock);
	for (unsigned i = 0; i < sy->thread_count; i++)
		pthread_join(sy->threads[i], NULL);
	pthread_cond_destroy(&sy->work);
	pthread_mutex_destroy(&sy->lock);
	if (sy->event_fd >= 0)
		close(sy->event_fd);
	swap_files_fini(&sy->base.files);
	free(sy);
}

static const struct swapstore_ops sync_ops = {
	.name = "sync",
	.submit = sync_submit,
	.flush = sync_flush,
	.reap = sync_reap,
	.event_fd = sync_event_fd,
	.is_in_use = sync_is_in_use,
	.destroy = sync_destroy,
};

/* Start as many threads as possible, thread_count at most.  An error only if
 * there is none. */
static int start_threads(struct store_sync *sy, unsigned thread_count)
{
	int err = 0;

	while (err == 0 && sy->thread_count < thread_count) {
		pthread_t *thread = &sy->threads[sy->thread_count];

		err = thread_start(thread, STACK_BYTES, worker_main, sy);
		if (err == 0) {
			(void)pthread_setname_np(*thread, "memd-swap");
			sy->thread_count++;
		}
	}
	return sy->thread_count != 0 ? 0 : err;
}

unsigned store_sync_threads(const struct swapstore *st)
{
	ASSERT(st->ops == &sync_ops);
	return ((const struct store_sync *)st)->thread_count;
}

int store_sync_create(uint32_t slot_limit, unsigned thread_count,
		      struct swapstore **ret_store)
{
	struct store_sync *sy;
	int err;

	if (thread_count == 0 || thread_count > SYNC_THREADS_MAX ||
	    slot_limit == 0)
		return -EINVAL;
	sy = calloc(1, sizeof(*sy));
	if (sy == NULL)
		return -ENOMEM;
	sy->base.ops = &sync_ops;
	sy->base.slot_count = slot_limit;
	sy->base.queue_depth = SYNC_QUEUE_DEPTH;
	STAILQ_INIT(&sy->free);
	STAILQ_INIT(&sy->staged);
	for (unsigned c = 0; c < SWAP_CLASSES; c++)
		STAILQ_INIT(&sy->pending[c]);
	STAILQ_INIT(&sy->done);
	for (unsigned i = 0; i < SYNC_QUEUE_DEPTH; i++)
		STAILQ_INSERT_TAIL(&sy->free, &sy->requests[i], link);
	pthread_mutex_init(&sy->lock, NULL);	/* cannot fail on Linux */
	pthread_cond_init(&sy->work, NULL);
	sy->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = sy->event_fd < 0 ? -errno :
	      swap_files_init(&sy->base.files, slot_limit);
	if (err == 0)
		err = start_threads(sy, thread_count);
	if (err != 0) {
		sync_destroy(&sy->base);
		return err;
	}
	*ret_store = &sy->base;
	return 0;
}
