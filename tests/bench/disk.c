/* SPDX-License-Identifier: MIT */
/* See disk.h.  Each page of the file begins with its own number. */
#include "tests/bench/disk.h"

#include "common/clock.h"
#include "tests/bench/child.h"
#include "tests/bench/order.h"
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	PAGE_BYTES = 4096,
	DEPTH_MAX = 32,
	BLOCK_MAX = 1 << 20,
};

const struct disk_kind disk_kinds[DISK_KINDS] = {
	{ 4, 1, true, false }, { 4, 2, true, false }, { 4, 8, true, false },
	{ 4, 16, true, false }, { 4, 32, true, false },
	{ 128, 4, false, false }, { 128, 8, false, false },
	{ 128, 16, false, false },
	{ 256, 4, false, false }, { 256, 8, false, false },
	{ 256, 16, false, false },
	{ 512, 4, false, false }, { 512, 8, false, false },
	{ 512, 16, false, false },
	{ 1024, 4, false, false }, { 1024, 8, false, false },
	{ 1024, 16, false, false },
	{ 256, 8, false, true },
};

void disk_kind_name(const struct disk_kind *kind,
		    char to[DISK_KIND_NAME_BYTES])
{
	snprintf(to, DISK_KIND_NAME_BYTES, "%s %u KiB, depth %u",
		 kind->is_mixed ? "half writes" :
		 kind->is_random ? "random" : "in order", kind->block_kib,
		 kind->depth);
}

/* One measurement under way. */
struct run {
	const struct disk *disk;
	const struct disk_kind *kind;
	struct io_uring ring;
	uint8_t *buffers;		/* depth blocks */
	size_t block_bytes;
	uint64_t block_count;		/* to choose from */
	size_t request_count;		/* to be made */
	size_t started, ended;
	uint64_t block_of[DEPTH_MAX];	/* under way in each buffer */
	bool is_write[DEPTH_MAX];
};

/* ---- the file */

static void number_pages(uint8_t *at, uint64_t first, size_t bytes)
{
	for (size_t i = 0; i < bytes / PAGE_BYTES; i++) {
		uint64_t number = first + i;

		memcpy(at + i * PAGE_BYTES, &number, sizeof(number));
	}
}

static bool are_pages_right(const uint8_t *at, uint64_t first, size_t bytes)
{
	for (size_t i = 0; i < bytes / PAGE_BYTES; i++) {
		uint64_t number;

		memcpy(&number, at + i * PAGE_BYTES, sizeof(number));
		if (number != first + i)
			return false;
	}
	return true;
}

static uint8_t *get_buffers(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* Random bytes too, lest a layer below finds them easy. */
static void fill_buffer(uint8_t *at)
{
	for (uint64_t i = 0; i < BLOCK_MAX; i += sizeof(uint64_t)) {
		uint64_t value = order_mix(i);

		memcpy(at + i, &value, sizeof(value));
	}
}

static int write_file(const struct disk *d)
{
	uint8_t *buffer = get_buffers(BLOCK_MAX);
	int err = buffer == NULL ? -ENOMEM : 0;

	if (err == 0)
		fill_buffer(buffer);
	for (uint64_t at = 0; err == 0 && at < d->bytes; at += BLOCK_MAX) {
		ssize_t n;

		number_pages(buffer, at / PAGE_BYTES, BLOCK_MAX);
		n = pwrite(d->fd, buffer, BLOCK_MAX, (off_t)at);
		if (n != BLOCK_MAX)
			err = n < 0 ? -errno : -EIO;
		else if (child_stop_signal())
			err = -EINTR;
	}
	if (err == 0 && fsync(d->fd) != 0)
		err = -errno;
	if (buffer != NULL)
		munmap(buffer, BLOCK_MAX);
	return err;
}

int disk_open(struct disk *d, const char *folder, uint64_t bytes,
	      char *reason, size_t reason_size)
{
	char path[320];
	int err;

	snprintf(path, sizeof(path), "%s/disk", folder);
	*d = (struct disk){ .bytes = bytes / BLOCK_MAX * BLOCK_MAX };
	d->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC,
		     0600);
	if (d->fd < 0) {
		snprintf(reason, reason_size, "no file with O_DIRECT in %s: %s",
			 folder, strerror(errno));
		(void)unlink(path);	/* made, where O_DIRECT is refused */
		return -1;
	}
	(void)unlink(path);
	err = write_file(d);
	if (err == 0)
		return 0;
	disk_close(d);
	snprintf(reason, reason_size, "writing a file in %s: %s", folder,
		 strerror(-err));
	return err == -EINTR ? -EINTR : -1;
}

void disk_close(struct disk *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

/* ---- measuring */

/* Mixed: reads go through the first half of the file, writes the second. */
static uint64_t choose_block(const struct run *r, size_t request)
{
	if (r->kind->is_mixed)
		return request / 2 + (request % 2) * (r->block_count / 2);
	return r->kind->is_random ? order_mix(request) % r->block_count :
				    request;
}

static void start_request(struct run *r, unsigned slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
	uint8_t *at = r->buffers + slot * r->block_bytes;
	uint64_t block = choose_block(r, r->started);
	unsigned bytes = (unsigned)r->block_bytes;

	ASSERT(sqe != NULL);	/* the ring has `depth` of them */
	r->block_of[slot] = block;
	r->is_write[slot] = r->kind->is_mixed && r->started % 2 != 0;
	if (r->is_write[slot]) {
		number_pages(at, block * bytes / PAGE_BYTES, bytes);
		io_uring_prep_write_fixed(sqe, r->disk->fd, at, bytes,
					  block * bytes, 0);
	} else {
		io_uring_prep_read_fixed(sqe, r->disk->fd, at, bytes,
					 block * bytes, 0);
	}
	io_uring_sqe_set_data64(sqe, slot);
	r->started++;
}

static int end_request(struct run *r, const struct io_uring_cqe *cqe)
{
	size_t slot = (size_t)cqe->user_data;
	uint64_t first = r->block_of[slot] * (r->block_bytes / PAGE_BYTES);

	r->ended++;
	if (cqe->res != (int)r->block_bytes)
		return cqe->res < 0 ? cqe->res : -EIO;
	if (r->is_write[slot] ||
	    are_pages_right(r->buffers + slot * r->block_bytes, first,
			    r->block_bytes))
		return 0;
	return -EILSEQ;
}

/* Take what has completed, and start as many again. */
static int turn_over(struct run *r)
{
	unsigned head, seen = 0, slots[DEPTH_MAX];
	struct io_uring_cqe *cqe;
	int err = 0;

	io_uring_for_each_cqe(&r->ring, head, cqe) {
		int result = end_request(r, cqe);

		if (err == 0)
			err = result;
		slots[seen++] = (unsigned)cqe->user_data;
	}
	io_uring_cq_advance(&r->ring, seen);
	for (unsigned i = 0; i < seen; i++)
		if (err == 0 && r->started < r->request_count)
			start_request(r, slots[i]);
	return err;
}

static int run_requests(struct run *r, uint64_t *ret_ns)
{
	uint64_t begin = clock_now_ns();
	int err = 0;

	for (unsigned slot = 0; slot < r->kind->depth &&
				r->started < r->request_count; slot++)
		start_request(r, slot);
	/* Also after an error: the buffers are not ours before all have come
	 * back. */
	while (r->ended < r->started) {
		int n = io_uring_submit_and_wait(&r->ring, 1), result;

		if (n < 0 && n != -EINTR && n != -EAGAIN)
			return n;
		result = turn_over(r);
		if (err == 0)
			err = result;
		if (err == 0 && child_stop_signal())
			err = -EINTR;
		if (err != 0)
			r->request_count = r->started;
	}
	*ret_ns = clock_now_ns() - begin;
	return err;
}

static int run_on_ring(struct run *r, uint64_t *ret_ns)
{
	struct iovec iov = {
		.iov_base = r->buffers,
		.iov_len = r->block_bytes * r->kind->depth,
	};
	int err = io_uring_queue_init(r->kind->depth, &r->ring, 0);

	if (err != 0)
		return err;
	err = io_uring_register_buffers(&r->ring, &iov, 1);
	if (err == 0)
		err = run_requests(r, ret_ns);
	io_uring_queue_exit(&r->ring);
	return err;
}

int disk_run(const struct disk *d, const struct disk_kind *kind,
	     size_t read_count, struct disk_result *ret_result)
{
	size_t block_bytes = (size_t)kind->block_kib * 1024;
	struct run r = {
		.disk = d, .kind = kind,
		.block_bytes = block_bytes,
		.block_count = d->bytes / block_bytes,
	};
	uint64_t ns = 0;
	int err;

	r.request_count = kind->is_random ? read_count : r.block_count;
	r.buffers = get_buffers(block_bytes * kind->depth);
	if (r.buffers == NULL)
		return -ENOMEM;
	err = run_on_ring(&r, &ns);
	munmap(r.buffers, block_bytes * kind->depth);
	if (err != 0)
		return err;
	ret_result->bytes_per_s = (double)r.request_count *
				  (double)block_bytes * 1e9 / (double)ns;
	ret_result->ns_per_page = PAGE_BYTES * 1e9 / ret_result->bytes_per_s;
	return 0;
}
