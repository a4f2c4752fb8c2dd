/* SPDX-License-Identifier: MIT */
/* See kernel_swap.h. */
#include "tests/bench/kernel_swap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

/* Somebody else's pages in the area, of a cgroup that is full, do not come out
 * of it at once: ENOMEM. */
enum { TRIES = 500, PAUSE_US = 20 * 1000 };

static int write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

int kernel_swap_begin(const char *area, const char *cluster)
{
	int err = write_to("/proc/sys/vm/page-cluster", cluster);

	if (err == 0 &&
	    swapon(area, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK) != 0)
		err = -errno;
	return err;
}

int kernel_swap_end(const char *area)
{
	for (unsigned i = 0; swapoff(area) != 0; i++) {
		if (errno != ENOMEM || i == TRIES)
			return -errno;
		usleep(PAUSE_US);
	}
	return 0;
}

int kernel_swap_join(const char *group)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	return write_to(path, "0");
}
