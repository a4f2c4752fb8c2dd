/* SPDX-License-Identifier: MIT */
#include "tests/bench/awake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Without a driver the kernel has one way of doing nothing, and takes it
 * whatever is asked of it. */
static bool has_driver(void)
{
	FILE *f = fopen("/sys/devices/system/cpu/cpuidle/current_driver",
			"re");
	char name[64] = "";
	bool is_named;

	if (f == NULL)
		return false;
	is_named = fscanf(f, "%63s", name) == 1 && strcmp(name, "none") != 0;
	fclose(f);
	return is_named;
}

int awake_begin(void)
{
	const int32_t wake_us = 0;
	int fd;

	if (!has_driver())
		return -EOPNOTSUPP;
	fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);
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
