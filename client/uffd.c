/* SPDX-License-Identifier: MIT */
/* userfaultfd: see uffd.h.  Built with the headers of Linux 6.1 and run on
 * any kernel from 5.14 on: what is newer than the headers is defined here,
 * and what a kernel can do is asked of it at run time. */
#include "client/uffd.h"
#include "common/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the 6.1 headers. */
#ifndef UFFD_FEATURE_POISON
#define UFFD_FEATURE_POISON (1 << 14)
#endif
#ifndef UFFDIO_POISON
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};
#define UFFDIO_POISON _IOWR(UFFDIO, 0x08, struct uffdio_poison)
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

enum {
	MESSAGES_MAX = 64,
	TRIES_MAX = 64,		/* of EAGAIN, before the caller is told */
};

/* ---- opening */

/* The ways to get one, the most able first. */
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

/* UFFDIO_API works once per descriptor, so the question "what is there?"
 * takes one of its own.  (Asking for a feature that is not there fails.) */
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
	api.features = wanted | (features & UFFD_FEATURE_POISON);
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

size_t uffd_read(int fd, struct uffd_fault *faults, size_t max)
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

/* The one place where errno numbers of CONTINUE get their meaning. */
static enum uffd_outcome continue_outcome(int error)
{
	switch (error) {
	case 0:
	case EEXIST:	/* somebody else was faster */
		return UFFD_MAPPED;
	case EAGAIN:	/* mappings are changing; or only a part was done */
	case ENOMEM:	/* no page for a page table */
		return UFFD_AGAIN;
	case EFAULT:	/* a hole in the data file */
		return UFFD_MISSING;
	case EIO:	/* the frame's memory is broken */
		return UFFD_LOST;
	case ENOENT:	/* not, or not only, a registered mapping */
	case EINVAL:	/* a mapping of something else */
		return UFFD_FOREIGN;
	case ESRCH:	/* the address space is being torn down; older */
	case ENOSPC:	/* kernels say it this way */
		return UFFD_EXITING;
	default:	/* EBADF, ENOTTY: the number is not our descriptor */
		return UFFD_UNUSABLE;
	}
}

/* One ioctl.  ret_done: how many bytes of the front need no second try. */
static enum uffd_outcome map_once(int fd, uintptr_t at, size_t length,
				  size_t *ret_done)
{
	struct uffdio_continue c = {
		.range = { .start = at, .len = length },
	};
	int error = ioctl(fd, UFFDIO_CONTINUE, &c) != 0 ? errno : 0;

	if (error == 0)
		*ret_done = length;
	else if (error == EAGAIN && c.mapped > 0)
		*ret_done = (size_t)c.mapped;
	else if (error == EEXIST)
		*ret_done = UFFD_UNIT_BYTES;
	else
		*ret_done = 0;
	return continue_outcome(error);
}

/* Is the unit at `at` one that the caller of uffd_map() must have? */
static bool is_wanted(uintptr_t at, uintptr_t want, size_t want_length)
{
	return at >= want && at - want < want_length;
}

enum uffd_outcome uffd_map(int fd, uintptr_t start, size_t length,
			   uintptr_t want, size_t want_length)
{
	enum uffd_outcome result = UFFD_MAPPED;
	uintptr_t end = start + length;
	unsigned tries = 0;

	for (uintptr_t at = start; at < end;) {
		size_t done;
		enum uffd_outcome outcome = map_once(fd, at, end - at, &done);

		at += done;
		if (done > 0)
			continue;
		if (outcome == UFFD_EXITING || outcome == UFFD_UNUSABLE)
			return outcome;
		if (outcome == UFFD_AGAIN && ++tries < TRIES_MAX) {
			sched_yield();
			continue;
		}
		if (is_wanted(at, want, want_length) && result == UFFD_MAPPED)
			result = outcome;
		at += UFFD_UNIT_BYTES;
	}
	return result;
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

void uffd_wake(int fd, uintptr_t start, size_t length)
{
	struct uffdio_range range = { .start = start, .len = length };

	/* Fails only for a range that is none, and then nobody waits. */
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
		if (errno != EAGAIN && errno != ENOMEM)
			break;
		sched_yield();
	}
	/* There already: its waiters may not have been told.  Or not to be
	 * had now: they fault again, and we are asked again. */
	uffd_wake(fd, address, UFFD_UNIT_BYTES);
}

int uffd_poison(int fd, uintptr_t start, size_t length)
{
	uintptr_t end = start + length;
	unsigned tries = 0;
	int done = 0;

	for (uintptr_t at = start; at < end;) {
		struct uffdio_poison p = {
			.range = { .start = at, .len = end - at },
		};
		int error = ioctl(fd, UFFDIO_POISON, &p) != 0 ? errno : 0;

		if (p.updated > 0)
			done += (int)(p.updated / UFFD_UNIT_BYTES);
		if (error == 0)
			break;
		if (error == EAGAIN && p.updated > 0) {
			at += (uintptr_t)p.updated;
		} else if (error == EEXIST) {
			at += UFFD_UNIT_BYTES;
		} else if ((error == EAGAIN || error == ENOMEM) &&
			   ++tries < TRIES_MAX) {
			sched_yield();
		} else {
			return -error;
		}
	}
	uffd_wake(fd, start, length);
	return done;
}
