/* SPDX-License-Identifier: MIT */
#include "tests/bench/awake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

int awake_begin(void)
{
	const int32_t wake_us = 0;
	int fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, &wake_us, sizeof(wake_us)) != sizeof(wake_us)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

void awake_end(int fd)
{
	close(fd);
}
