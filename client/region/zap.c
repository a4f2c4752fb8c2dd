/* SPDX-License-Identifier: MIT */
#include "client/region/zap.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* PIDFD_SELF_THREAD of <linux/pidfd.h>, which older headers lack. */
enum { OWN_PROCESS = -10000 };

/* How many of the ranges are gone: fewer where the kernel stopped at one.
 * -1: it refused. */
static int zap_several(const struct iovec *range, unsigned count)
{
	long bytes = syscall(SYS_process_madvise, OWN_PROCESS, range,
			     (unsigned long)count, MADV_DONTNEED, 0u);
	unsigned done = 0;

	if (bytes < 0)
		return -1;
	while (done < count && bytes >= (long)range[done].iov_len)
		bytes -= (long)range[done++].iov_len;
	return (int)done;
}

/* False, with EINVAL: the program has locked the range, so it stays. */
static bool zap_one(const struct iovec *range)
{
	return madvise(range->iov_base, range->iov_len, MADV_DONTNEED) == 0;
}

void zap_flush(struct zap *z)
{
	unsigned count = z->count, done = 0;

	z->count = 0;
	while (done < count) {
		const struct iovec *next = &z->range[done];
		int more = z->is_one_by_one || count - done == 1 ? 0 :
			zap_several(next, count - done);

		if (more > 0) {
			done += (unsigned)more;
			continue;
		}
		/* It stopped at this one: either the kernel cannot take
		 * several, or the range is locked. */
		if (zap_one(next) && more < 0)
			z->is_one_by_one = true;
		done++;
	}
}

void zap_add(struct zap *z, uintptr_t start, size_t length)
{
	z->range[z->count++] = (struct iovec){ (void *)start, length };
	if (z->count == ZAP_RANGES_MAX)
		zap_flush(z);
}
