/* SPDX-License-Identifier: MIT */
/* Unmapping of pages, so that their next touch is a fault; their bytes stay in
 * the file.  Many ranges go in one system call where process_madvise(2) can do
 * that to the caller (about Linux 6.14).  Newer kernels interrupt the
 * processors that run the program only once for all of them, to forget the
 * pages.
 *
 * Threads: the library's thread. */
#ifndef MEMD_CLIENT_REGION_ZAP_H
#define MEMD_CLIENT_REGION_ZAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { ZAP_RANGES_MAX = 64 };

/* All zeros to begin with. */
struct zap {
	struct iovec range[ZAP_RANGES_MAX];
	unsigned count;
	bool is_one_by_one;	/* the kernel cannot take several */
};

/* Pages of [start, start + length) are to go, now or in zap_flush(). */
void zap_add(struct zap *z, uintptr_t start, size_t length);

/* All pages that were added are unmapped now.  What the program has locked in
 * memory stays. */
void zap_flush(struct zap *z);

#endif
