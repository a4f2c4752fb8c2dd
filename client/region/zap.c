/* SPDX-License-Identifier: MIT */
#include "client/region/zap.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In place of a pidfd: the process that asks. */
enum { OWN_PROCESS = -10000 };

/* How many of the ranges are gone: fewer where the kernel stopped at one. */
static unsigned zap_several(const struct iovec *range, unsigned count)
{
	long bytes = syscall(SYS_process_madvise, OWN_PROCESS, range,
			     (unsigned long)count, MADV_DONTNEED, 0u);
	unsigned done = 0;

	while (done < count && bytes >= (long)range[done].iov_len)
		bytes -= (long)range[done++].iov_len;
	return done;
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
		bool is_tried = !z->is_one_by_one && count - done > 1;
		unsigned more = !is_tried ? 0 :
			zap_several(&z->range[done], count - done);

		done += more;
		/* It stopped at the next one, because of that or of what it
		 * is. */
		if (more == 0 && zap_one(&z->range[done++]) && is_tried)
			z->is_one_by_one = true;
	}
}

void zap_add(struct zap *z, uintptr_t start, size_t length)
{
	z->range[z->count++] = (struct iovec){ (void *)start, length };
	if (z->count == ZAP_RANGES_MAX)
		zap_flush(z);
}
