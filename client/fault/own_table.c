/* SPDX-License-Identifier: MIT */
/* A thread with its own table of descriptors: see own_table.h. */
#include "client/fault/own_table.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1u << 1)
#endif

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer assumes that all threads have one table of descriptors.  With
 * a table of our own, what looks like two threads racing for one number is two
 * descriptors. */
const char *__tsan_default_suppressions(void);
#define OWN_TABLE(call) "race_top:interceptor_" #call "$\n"

__attribute__((visibility("default"), weak))
const char *__tsan_default_suppressions(void)
{
	return OWN_TABLE(close) OWN_TABLE(open) OWN_TABLE(dup) OWN_TABLE(pipe)
	       OWN_TABLE(pipe2) OWN_TABLE(socket) OWN_TABLE(connect)
	       OWN_TABLE(accept4) OWN_TABLE(read) OWN_TABLE(write)
	       OWN_TABLE(ioctl) OWN_TABLE(send) OWN_TABLE(recvmsg)
	       OWN_TABLE(epoll_create1) OWN_TABLE(epoll_ctl)
	       OWN_TABLE(epoll_wait);
}
#endif

/* qsort() may call malloc(). */
static void sort_numbers(int *number, size_t count)
{
	for (size_t i = 1; i < count; i++)
		for (size_t j = i; j > 0 && number[j - 1] > number[j]; j--) {
			int n = number[j];

			number[j] = number[j - 1];
			number[j - 1] = n;
		}
}

/* For sandboxes that do not allow close_range(). */
static int enter_slowly(const int *keep, size_t count)
{
	long most = sysconf(_SC_OPEN_MAX);
	size_t next = 0;

	if (unshare(CLONE_FILES) != 0)
		return -EPERM;
	for (int fd = 0; fd < (int)MIN(MAX(most, 1024L), 65536L); fd++)
		if (next < count && fd == keep[next])
			next++;
		else
			close(fd);
	return 0;
}

/* Close what is below the last one. */
static int close_gaps(const int *keep, size_t count)
{
	unsigned from = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned fd = (unsigned)keep[i];

		if (fd > from && close_range(from, fd - 1, 0) != 0)
			return -errno;
		from = fd + 1;
	}
	return 0;
}

int own_table_enter(int *keep, size_t count)
{
	ASSERT(count > 0 && count <= OWN_TABLE_KEEP);
	sort_numbers(keep, count);
	if (close_range((unsigned)keep[count - 1] + 1, ~0u,
			CLOSE_RANGE_UNSHARE) != 0)
		return enter_slowly(keep, count);
	return close_gaps(keep, count);
}

int own_table_fill_standard(void)
{
	for (;;) {
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (fd < 0)
			fd = memfd_create("memclient-null", MFD_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (fd > STDERR_FILENO) {
			close(fd);
			return 0;
		}
	}
}
