/* SPDX-License-Identifier: MIT */
/* See guard.h.  The handler runs on the thread that touched the memory, which
 * is not in the middle of changing the list: no code here touches guarded
 * memory.  mmap() is a plain system call. */
#include "daemon/system/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static LIST_HEAD(, guarded) ranges = LIST_HEAD_INITIALIZER(ranges);
static int spare_fd = -1;
static struct sigaction before;

static struct guarded *guard_find(uintptr_t address)
{
	struct guarded *g;

	LIST_FOREACH(g, &ranges, link)
		if (address - (uintptr_t)g->start < g->length)
			return g;
	return NULL;
}

static bool cover(struct guarded *g)
{
	if (g == NULL || g->is_lost ||
	    mmap(g->start, g->length, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, spare_fd, 0) == MAP_FAILED)
		return false;
	g->is_lost = 1;
	return true;
}

static void guard_on_sigbus(int sig, siginfo_t *info, void *context)
{
	struct sigaction end = { .sa_handler = SIG_DFL };
	int saved = errno;

	(void)context;
	if (info->si_code <= 0 ||
	    !cover(guard_find((uintptr_t)info->si_addr))) {
		/* Not of ours: let it have its end, at the right place. */
		(void)sigaction(sig, &end, NULL);
		if (info->si_code <= 0)
			(void)raise(sig);
	}
	errno = saved;
}

/* All of it is there, so it gives no SIGBUS itself. */
static int make_spare(size_t length)
{
	int fd = memfd_create("memd-spare", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, (off_t)length) != 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	spare_fd = fd;
	return 0;
}

int guard_init(size_t length)
{
	struct sigaction sa = {.sa_sigaction = guard_on_sigbus,
			       .sa_flags = SA_SIGINFO};
	int err = make_spare(length);

	if (err != 0)
		return err;
	if (sigaction(SIGBUS, &sa, &before) != 0) {
		err = -errno;
		close(spare_fd);
		spare_fd = -1;
	}
	return err;
}

void guard_fini(void)
{
	if (spare_fd < 0)
		return;
	(void)sigaction(SIGBUS, &before, NULL);
	close(spare_fd);
	spare_fd = -1;
}

void guard_add(struct guarded *g, void *start, size_t length)
{
	*g = (struct guarded){ .start = start, .length = length };
	if (spare_fd >= 0)
		LIST_INSERT_HEAD(&ranges, g, link);
}

void guard_remove(struct guarded *g)
{
	if (spare_fd >= 0)
		LIST_REMOVE(g, link);
}
