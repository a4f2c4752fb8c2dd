/* SPDX-License-Identifier: MIT */
#include "client/fault/own_faults.h"

#include <errno.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Swap files have so much of the table of descriptors. */
enum { FILES_PART = 4 };

/* ---- made and gone */

void own_faults_init(struct own_faults *of, struct client_desk *desk)
{
	struct rlimit files = { .rlim_cur = AREA_FILES_MAX };

	(void)getrlimit(RLIMIT_NOFILE, &files);
	of->files_max = (unsigned)MIN(files.rlim_cur / FILES_PART,
				      (rlim_t)AREA_FILES_MAX);
	of->desk = desk;
	of->uring.ring_fd = -1;
	TAILQ_INIT(&of->free);
	TAILQ_INIT(&of->queued);
	TAILQ_INIT(&of->reading);
	TAILQ_INIT(&of->ended);
	for (unsigned i = 0; i < DESK_INTENTS; i++) {
		of->fault[i].all = of;
		TAILQ_INSERT_TAIL(&of->free, &of->fault[i], link);
	}
}

/* A sandbox may forbid it: for ever. */
static bool is_forbidden(int error)
{
	return error == -EPERM || error == -EACCES || error == -ENOSYS;
}

static bool open_uring(struct own_faults *of)
{
	int err;

	if (of->is_refused || of->is_broken || of->uring.ring_fd >= 0)
		return !of->is_refused && !of->is_broken;
	err = io_uring_queue_init(DESK_INTENTS, &of->uring, 0);
	of->is_refused = is_forbidden(err);
	if (err != 0) {
		of->uring.ring_fd = -1;
		return false;
	}
	of->open_count++;
	(void)io_uring_ring_dontfork(&of->uring);
	return true;
}

static void close_uring(struct own_faults *of)
{
	io_uring_queue_exit(&of->uring);
	of->uring.ring_fd = -1;
	of->is_broken = false;
}

/* ---- swap files */

static void drop_own_file(struct own_faults *of, unsigned i)
{
	close(of->file[i].fd);
	of->file[i] = of->file[--of->file_count];
}

void own_faults_set_file(struct own_faults *of, uint32_t first, uint32_t count,
			 int fd)
{
	for (unsigned i = of->file_count; i-- > 0;)
		if (first == AREA_FILES_ALL || of->file[i].first == first)
			drop_own_file(of, i);
	if (fd >= 0 && of->file_count < of->files_max)
		of->file[of->file_count++] =
			(struct own_file){ first, count, fd };
	else if (fd >= 0)
		close(fd);
}

static const struct own_file *find_own_file(const struct own_faults *of,
					    uint32_t slot)
{
	for (unsigned i = 0; i < of->file_count; i++)
		if (slot >= of->file[i].first &&
		    slot - of->file[i].first < of->file[i].count)
			return &of->file[i];
	return NULL;
}

/* ---- steps */

/* The bell is in the program's table of descriptors, not in ours. */
static void note_ring(void *ctx)
{
	struct own_fault *own = ctx;

	own->all->must_ring = true;
}

static const struct onesided_ops own_ops = {
	.install = client_desk_install,
	.map = client_desk_map,
	.ring = note_ring,
};

static void own_enter(struct own_fault *own, struct own_fault_list *from,
		      struct own_fault_list *to)
{
	TAILQ_REMOVE(from, own, link);
	TAILQ_INSERT_TAIL(to, own, link);
}

static void step_until(struct own_fault *own, enum onesided_step last)
{
	struct onesided *o = &own->desk_fault.steps;

	while (o->step != ONESIDED_END && o->step != last)
		onesided_step(o);
	if (o->step == ONESIDED_END)
		client_desk_end(&own->desk_fault);
}

/* W2 */
static bool is_still_wanted(const struct own_fault *own)
{
	const struct desk_fault *df = &own->desk_fault;

	return own->waiter != NULL &&
	       atomic_load(&df->region->state) == REGION_LIVE &&
	       atomic_load(&df->desk->generation) == df->generation;
}

/* Its slot has been read, or not (-errno): do the rest. */
static void own_end(struct own_fault *own, struct own_fault_list *from,
		    int error)
{
	onesided_has_read(&own->desk_fault.steps,
			  is_still_wanted(own) ? error : -ECANCELED);
	step_until(own, ONESIDED_END);
	own_enter(own, from, &own->all->ended);
}

static enum own_result result_of(const struct own_fault *own)
{
	switch (own->desk_fault.steps.result) {
	case ONESIDED_ASK:
		return OWN_ASK;
	case ONESIDED_MAPPED:
		return OWN_FOUND;
	case ONESIDED_ZERO:
	case ONESIDED_SWAPPED:
		break;
	}
	return OWN_BROUGHT;
}

static bool queue_read(struct own_faults *of, struct own_fault *own)
{
	const struct onesided *o = &own->desk_fault.steps;
	const struct own_file *file = find_own_file(of, o->slot);
	struct io_uring_sqe *sqe = file != NULL && open_uring(of) ?
		io_uring_get_sqe(&of->uring) : NULL;

	if (sqe == NULL)
		return false;
	io_uring_prep_read(sqe, file->fd, onesided_buffer(o),
			   ONESIDED_PAGE_BYTES, (uint64_t)(o->slot -
			   file->first) * ONESIDED_PAGE_BYTES);
	io_uring_sqe_set_data(sqe, own);
	return true;
}

enum own_result own_faults_begin(struct own_faults *of, struct region *r,
				 int uffd, uintptr_t address,
				 uint64_t started_ns,
				 struct own_fault **ret_own)
{
	struct own_fault *own = TAILQ_FIRST(&of->free);
	struct onesided *o;

	if (own == NULL)
		return OWN_ASK;
	own->desk_fault = (struct desk_fault){
		.desk = of->desk, .region = r, .uffd = uffd,
	};
	if (!client_desk_begin(&own->desk_fault, &own_ops, address,
			       started_ns))
		return OWN_ASK;
	o = &own->desk_fault.steps;
	step_until(own, ONESIDED_READ);
	if (o->step == ONESIDED_READ && !queue_read(of, own)) {
		onesided_has_read(o, -ENOENT);
		step_until(own, ONESIDED_END);
	}
	if (o->step == ONESIDED_END)
		return result_of(own);
	own->waiter = NULL;
	own_enter(own, &of->free, &of->queued);
	*ret_own = own;
	return OWN_READING;
}

/* ---- reads */

/* Requests that were not submitted stay in the ring, and must not go out later,
 * for another fault: so nothing more is submitted, and when no read is under
 * way the ring is closed (W3). */
static void give_up_queued(struct own_faults *of, int error)
{
	struct own_fault *own;

	of->is_broken = true;
	of->is_refused |= is_forbidden(error);
	while ((own = TAILQ_FIRST(&of->queued)) != NULL)
		own_end(own, &of->queued, -ECANCELED);
}

void own_faults_submit(struct own_faults *of)
{
	struct own_fault *own;
	int taken;

	if (TAILQ_EMPTY(&of->queued))
		return;
	do
		taken = io_uring_submit(&of->uring);
	while (taken == -EINTR);
	for (int i = 0; i < taken; i++) {
		own = TAILQ_FIRST(&of->queued);
		own_enter(own, &of->queued, &of->reading);
	}
	if (!TAILQ_EMPTY(&of->queued))
		give_up_queued(of, taken);
}

void own_faults_reap(struct own_faults *of)
{
	struct io_uring_cqe *cqe;

	while (!TAILQ_EMPTY(&of->reading) &&
	       io_uring_peek_cqe(&of->uring, &cqe) == 0) {
		struct own_fault *own = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&of->uring, cqe);
		own_end(own, &of->reading,
			result == ONESIDED_PAGE_BYTES ? 0 : -EIO);
	}
	if (of->is_broken && TAILQ_EMPTY(&of->reading))
		close_uring(of);
}

struct fault *own_faults_next(struct own_faults *of,
			      enum own_result *ret_result)
{
	struct own_fault *own;

	while ((own = TAILQ_FIRST(&of->ended)) != NULL) {
		own_enter(own, &of->ended, &of->free);
		*ret_result = result_of(own);
		if (own->waiter != NULL)
			return own->waiter;
	}
	return NULL;
}

static void await_one(struct own_faults *of)
{
	static const struct timespec moment = { .tv_nsec = 1000000 };
	struct io_uring_cqe *cqe;

	/* A sandbox may forbid by now to wait in the kernel. */
	if (io_uring_wait_cqe(&of->uring, &cqe) < 0)
		nanosleep(&moment, NULL);
	own_faults_reap(of);
}

void own_faults_fini(struct own_faults *of)
{
	for (unsigned i = 0; i < DESK_INTENTS; i++)
		of->fault[i].waiter = NULL;
	if (!TAILQ_EMPTY(&of->queued))
		give_up_queued(of, -ECANCELED);
	while (!TAILQ_EMPTY(&of->reading))
		await_one(of);
	if (of->uring.ring_fd >= 0)
		close_uring(of);
	of->is_refused = true;
	own_faults_set_file(of, AREA_FILES_ALL, 0, -1);
}
