/* SPDX-License-Identifier: MIT */
/* userfaultfd: see uffd.h.  Built with the headers of Linux 6.1 and run on any
 * kernel from 5.14 on.  What is newer than the headers is defined here.  The
 * kernel is asked at run time what it can do. */
#include "client/region/uffd.h"
#include "common/descriptor.h"
#include "common/uffd_poison.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of 6.1. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

enum {
	MESSAGES_MAX = 64,
	TRIES_MAX = 64,		/* EAGAIN results before giving up */
};

/* ---- opening */

/* Try the ways to get a userfaultfd, the most capable first. */
static int open_any(bool *ret_is_user_only)
{
	int flags = O_CLOEXEC | O_NONBLOCK;
	int device = descriptor_raise(open("/dev/userfaultfd",
					   O_RDWR | O_CLOEXEC));
	int fd = -1;

	*ret_is_user_only = false;
	if (device >= 0) {
		fd = ioctl(device, USERFAULTFD_IOC_NEW, flags);
		close(device);
	}
	if (fd < 0)
		fd = (int)syscall(SYS_userfaultfd, flags);
	if (fd < 0) {
		*ret_is_user_only = true;
		fd = (int)syscall(SYS_userfaultfd,
				  flags | UFFD_USER_MODE_ONLY);
	}
	fd = descriptor_raise(fd);
	if (fd >= 0)
		return fd;
	return errno == ENOSYS || errno == EACCES ? -EPERM : -errno;
}

/* UFFDIO_API works once for each descriptor, so asking for the features needs a
 * descriptor of its own.  (Asking for a feature that is missing fails.) */
static int query_features(uint64_t *ret_features)
{
	struct uffdio_api api = { .api = UFFD_API };
	bool is_user_only;
	int fd = open_any(&is_user_only);
	int err = 0;

	if (fd < 0)
		return fd;
	if (ioctl(fd, UFFDIO_API, &api) != 0)
		err = -EOPNOTSUPP;
	close(fd);
	if (err == 0)
		*ret_features = api.features;
	return err;
}

int uffd_open(bool is_sigbus, struct uffd *ret_uffd)
{
	uint64_t wanted = UFFD_FEATURE_MISSING_SHMEM |
			  UFFD_FEATURE_MINOR_SHMEM |
			  (is_sigbus ? UFFD_FEATURE_SIGBUS : 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffd uffd = { .fd = -1 };
	uint64_t features = 0;
	int err = query_features(&features);

	if (err != 0)
		return err;
	if ((features & wanted) != wanted)
		return -EOPNOTSUPP;
	uffd.can_poison = (features & UFFD_FEATURE_POISON) != 0;
	uffd.fd = open_any(&uffd.is_user_only);
	if (uffd.fd < 0)
		return uffd.fd;
	api.features = wanted | (features & (UFFD_FEATURE_POISON |
					     UFFD_FEATURE_EVENT_REMAP));
	if (ioctl(uffd.fd, UFFDIO_API, &api) != 0) {
		close(uffd.fd);
		return -EOPNOTSUPP;
	}
	*ret_uffd = uffd;
	return 0;
}

int uffd_register(int fd, uintptr_t start, size_t length, bool with_minor)
{
	struct uffdio_register r = {
		.range = { .start = start, .len = length },
		.mode = UFFDIO_REGISTER_MODE_MISSING |
			(with_minor ? UFFDIO_REGISTER_MODE_MINOR : 0),
	};

	return ioctl(fd, UFFDIO_REGISTER, &r) != 0 ? -errno : 0;
}

/* ---- reading */

size_t uffd_read(int fd, struct uffd_fault *faults, size_t max,
		 bool *ret_moved)
{
	struct uffd_msg messages[MESSAGES_MAX];
	size_t count = 0;
	ssize_t got;

	max = MIN(max, (size_t)MESSAGES_MAX);
	got = read(fd, messages, max * sizeof(messages[0]));
	if (got <= 0)
		return 0;
	for (size_t i = 0; i < (size_t)got / sizeof(messages[0]); i++) {
		uint64_t flags = messages[i].arg.pagefault.flags;

		if (messages[i].event == UFFD_EVENT_REMAP)
			*ret_moved = true;
		if (messages[i].event != UFFD_EVENT_PAGEFAULT)
			continue;
		faults[count].address =
			(uintptr_t)messages[i].arg.pagefault.address;
		faults[count].is_minor = flags & UFFD_PAGEFAULT_FLAG_MINOR;
		faults[count].is_write = flags & UFFD_PAGEFAULT_FLAG_WRITE;
		count++;
	}
	return count;
}

/* ---- mapping */

/* What the errno numbers of CONTINUE, POISON and ZEROPAGE mean.  Those of COPY
 * go to the engine, which then puts the page in itself, whatever the error was.
 * WAKE only fails with EINVAL. */
static enum uffd_outcome outcome_of(int error)
{
	switch (error) {
	case 0:
	case EEXIST: /* another thread was faster, or the page is poisoned */
		return UFFD_MAPPED;
	case EAGAIN:	/* mappings are changing, or only a part was done */
	case EBUSY:	/* the page is locked just now */
	case ENOMEM:	/* no memory for a page table */
		return UFFD_AGAIN;
	case EFAULT:	/* a hole in the data file */
		return UFFD_MISSING;
	case EIO:	/* the frame's memory is broken */
		return UFFD_LOST;
	case ENOENT:	/* not, or not only, one registered mapping */
	case EINVAL:	/* something else is mapped */
		return UFFD_FOREIGN;
	case ESRCH:	/* the address space is being torn down */
	case ENOSPC:	/* the same, on older kernels */
		return UFFD_EXITING;
	default:	/* EBADF, ENOTTY: no userfaultfd has this number */
		return UFFD_UNUSABLE;
	}
}

/* One ioctl on [at, at + length).  Returns how many bytes at the front are
 * done, or -errno: of the first unit, or (ENOENT) of the whole range. */
typedef int64_t uffd_step(int fd, uintptr_t at, size_t length);

static int64_t step_result(int result, int64_t done, size_t length)
{
	if (result == 0)
		return (int64_t)length;
	return errno == EAGAIN && done > 0 ? done : -errno;
}

static int64_t continue_step(int fd, uintptr_t at, size_t length)
{
	struct uffdio_continue c = {
		.range = { .start = at, .len = length },
	};
	int result = ioctl(fd, UFFDIO_CONTINUE, &c);

	return step_result(result, c.mapped, length);
}

static int64_t poison_step(int fd, uintptr_t at, size_t length)
{
	struct uffdio_poison p = {
		.range = {.start = at, .len = length},
	};
	int result = ioctl(fd, UFFDIO_POISON, &p);

	return step_result(result, p.updated, length);
}

/* A walk over a range that may have several mappings, because the program may
 * have changed the properties of a part of the region (mprotect() and others),
 * or mapped something else there.  The kernel refuses a range that crosses a
 * border of mappings as a whole.  So the walk halves a piece that is refused,
 * down to one unit, and doubles the next piece after a success. */
struct walk {
	int fd;
	uffd_step *step;
	uintptr_t at, end;
	size_t piece; /* bytes tried at once */
	unsigned tries;
};

static struct walk walk_of(int fd, uffd_step *step, uintptr_t start,
			   size_t length)
{
	return (struct walk){.fd = fd,
			     .step = step,
			     .at = start,
			     .end = start + length,
			     .piece = length};
}

/* Go on over the next bytes that have one outcome.  *ret_done is how many of
 * them this walk has done; 0 if another thread had done them. */
static enum uffd_outcome walk_on(struct walk *w, size_t *ret_done)
{
	for (;;) {
		size_t length = MIN(w->piece, (size_t)(w->end - w->at));
		int64_t done = w->step(w->fd, w->at, length);
		enum uffd_outcome outcome =
			outcome_of(done < 0 ? (int)-done : 0);

		*ret_done = done > 0 ? (size_t)done : 0;
		if (*ret_done == w->piece)
			w->piece *= 2;
		if (outcome == UFFD_FOREIGN && length > UFFD_UNIT_BYTES) {
			w->piece = MAX(length / 2 & -(size_t)UFFD_UNIT_BYTES,
				       (size_t)UFFD_UNIT_BYTES);
		} else if (outcome == UFFD_AGAIN && ++w->tries < TRIES_MAX) {
			sched_yield();
		} else {
			w->at += MAX(*ret_done, (size_t)UFFD_UNIT_BYTES);
			return outcome;
		}
	}
}

static bool is_final(enum uffd_outcome outcome)
{
	return outcome == UFFD_EXITING || outcome == UFFD_UNUSABLE;
}

/* The outcome of two neighbouring parts: the first one that is not MAPPED
 * counts.  A part that is not ours (FOREIGN) does not count. */
static enum uffd_outcome join_next(enum uffd_outcome before,
				   enum uffd_outcome next)
{
	if (before == UFFD_FOREIGN)
		return next;
	return before == UFFD_MAPPED && next != UFFD_FOREIGN ? next : before;
}

enum uffd_outcome uffd_map(int fd, uintptr_t start, size_t length,
			   uintptr_t want, size_t want_length)
{
	struct walk w = walk_of(fd, continue_step, start, length);
	bool is_any = false;
	enum uffd_outcome result = UFFD_FOREIGN;

	while (w.at < w.end) {
		uintptr_t at = w.at;
		size_t done;
		enum uffd_outcome outcome = walk_on(&w, &done);

		if (is_final(outcome))
			return outcome;
		if (at < want + want_length && w.at > want) {
			result = join_next(result, outcome);
			is_any = true;
		}
	}
	return is_any ? result : UFFD_MAPPED;
}

int uffd_copy(int fd, uintptr_t start, size_t length, const void *bytes)
{
	struct uffdio_copy c = {
		.dst = start,
		.src = (uintptr_t)bytes,
		.len = length,
		.mode = UFFDIO_COPY_MODE_DONTWAKE,
	};

	return ioctl(fd, UFFDIO_COPY, &c) != 0 ? -errno : 0;
}

int uffd_install(int fd, uintptr_t address, const void *bytes)
{
	struct uffdio_zeropage z = {
		.range = { .start = address, .len = UFFD_UNIT_BYTES },
		.mode = UFFDIO_ZEROPAGE_MODE_DONTWAKE,
	};

	if (bytes != NULL)
		return uffd_copy(fd, address, UFFD_UNIT_BYTES, bytes);
	return ioctl(fd, UFFDIO_ZEROPAGE, &z) != 0 ? -errno : 0;
}

void uffd_wake(int fd, uintptr_t start, size_t length)
{
	struct uffdio_range range = { .start = start, .len = length };

	/* Fails only for an invalid range, in which no thread waits. */
	(void)ioctl(fd, UFFDIO_WAKE, &range);
}

void uffd_zero(int fd, uintptr_t address)
{
	struct uffdio_zeropage z = {
		.range = { .start = address, .len = UFFD_UNIT_BYTES },
	};

	for (unsigned i = 0; i < TRIES_MAX; i++) {
		if (ioctl(fd, UFFDIO_ZEROPAGE, &z) == 0)
			return;
		if (outcome_of(errno) != UFFD_AGAIN)
			break;
		sched_yield();
	}
	/* Either the page is present already, and its waiters may not have been
	 * woken; or there is no memory now.  Woken threads fault again. */
	uffd_wake(fd, address, UFFD_UNIT_BYTES);
}

int uffd_poison(int fd, uintptr_t start, size_t length)
{
	struct walk w = walk_of(fd, poison_step, start, length);
	enum uffd_outcome result = UFFD_FOREIGN;
	size_t count = 0;

	while (w.at < w.end && !is_final(result)) {
		size_t done;

		result = join_next(result, walk_on(&w, &done));
		count += done / UFFD_UNIT_BYTES;
	}
	uffd_wake(fd, start, length);
	if (result == UFFD_MAPPED)
		return (int)count;
	return result == UFFD_FOREIGN || result == UFFD_EXITING ? -ENOENT
								: -EAGAIN;
}
