/* SPDX-License-Identifier: MIT */
#include "daemon/backing/capture_pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The most that an ordinary user gets. */
enum { PIPE_BYTES = 1 << 20 };

static int pipe_open(struct capture_pipe *p)
{
	int fd[2], bytes;

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0)
		return -errno;
	(void)fcntl(fd[1], F_SETPIPE_SZ, PIPE_BYTES);
	bytes = fcntl(fd[1], F_GETPIPE_SZ);
	p->read_fd = fd[0];
	p->write_fd = fd[1];
	p->capacity_units = (uint32_t)MAX(bytes, 0) / PAGER_UNIT_BYTES;
	return 0;
}

static void pipe_close(const struct capture_pipe *p)
{
	close(p->read_fd);
	close(p->write_fd);
}

int capture_pipes_init(struct capture_pipes *cp)
{
	uint32_t units = 0;

	/* All pipes together must hold the largest page.  If the user's pipe
	 * memory is short, the pipes are smaller, and more of them are made. */
	while (units < CAPTURE_UNITS_MAX && cp->count < CAPTURE_PIPES_MAX) {
		struct capture_pipe *p = &cp->pipe[cp->count];
		int err = pipe_open(p);

		if (err != 0)
			return err;
		cp->count++;
		if (p->capacity_units == 0)
			return -EPERM;
		units += p->capacity_units;
	}
	return units < CAPTURE_UNITS_MAX ? -EPERM : 0;
}

void capture_pipes_fini(struct capture_pipes *cp)
{
	for (unsigned i = 0; i < cp->count; i++)
		pipe_close(&cp->pipe[i]);
	cp->count = 0;
}

void capture_pipes_start(struct capture_pipes *cp)
{
	cp->filling = cp->emptying = 0;
}

int capture_pipes_take(struct capture_pipes *cp, int fd, uint64_t offset,
		       uint64_t length, uint64_t *ret_bytes)
{
	*ret_bytes = 0;
	while (*ret_bytes < length) {
		struct capture_pipe *p = &cp->pipe[cp->filling];
		uint64_t room = (uint64_t)p->capacity_units *
				PAGER_UNIT_BYTES - p->held_bytes;
		loff_t at = (loff_t)(offset + *ret_bytes);
		ssize_t n = 0;

		if (room > 0)
			n = splice(fd, &at, p->write_fd, NULL,
				   MIN(length - *ret_bytes, room),
				   SPLICE_F_NONBLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0) {
			if (cp->filling + 1 == cp->count)
				return -EIO;
			cp->filling++;
			continue;
		}
		p->held_bytes += (uint64_t)n;
		*ret_bytes += (uint64_t)n;
	}
	return 0;
}

/* The first bytes in the pipe cannot be read, because their memory has failed.
 * Move the rest of their unit out unread, so that the bytes behind it come
 * next.  Returns how many bytes went; if this is impossible, all bytes (`left`)
 * go. */
static uint64_t pipe_skip(struct capture_pipe *p, uint64_t left_of_unit,
			  uint64_t left)
{
	struct capture_pipe waste = { 0 };
	ssize_t n = -1;

	if (pipe_open(&waste) == 0) {
		n = splice(p->read_fd, NULL, waste.write_fd, NULL,
			   left_of_unit, SPLICE_F_NONBLOCK);
		pipe_close(&waste);
	}
	if (n > 0)
		return (uint64_t)n;
	/* Put an empty pipe in its place; if there is none, mark the pipe
	 * unusable. */
	pipe_close(p);
	if (pipe_open(p) != 0) {
		p->read_fd = p->write_fd = -1;
		p->capacity_units = 0;
	}
	return left;
}

/* Read bytes [done, end) of the capture out of this pipe. */
static void pipe_read(struct capture_pipe *p, struct pager_capture *c,
		      uint64_t done, uint64_t end)
{
	while (done < end) {
		ssize_t n = read(p->read_fd, (uint8_t *)c->to + done,
				 end - done);
		uint64_t unit = c->unit + done / PAGER_UNIT_BYTES;

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0) {
			done += (uint64_t)n;
			continue;
		}
		done += pipe_skip(p, PAGER_UNIT_BYTES -
				  done % PAGER_UNIT_BYTES, end - done);
		if (c->lost_end == 0)
			c->lost = unit;
		c->lost_end = c->unit + DIV_ROUND_UP(done, PAGER_UNIT_BYTES);
	}
}

void capture_pipes_read(struct capture_pipes *cp, struct pager_capture *c,
			uint64_t length)
{
	uint64_t done = 0;

	while (done < length) {
		struct capture_pipe *p = &cp->pipe[cp->emptying];
		uint64_t part = MIN(p->held_bytes, length - done);

		pipe_read(p, c, done, done + part);
		done += part;
		p->held_bytes -= part;
		if (p->held_bytes == 0)
			cp->emptying++;
	}
}
