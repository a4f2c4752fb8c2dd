/* SPDX-License-Identifier: MIT */
/* See fault_counter.h. */
#include "tests/bench/fault_counter.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

int fault_counter_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.exclude_kernel = 1,	/* or it takes a privilege */
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1,
			    PERF_FLAG_FD_CLOEXEC);
}

int64_t fault_counter_read(int fd)
{
	int64_t count;

	if (fd < 0 || read(fd, &count, sizeof(count)) !=
			      (ssize_t)sizeof(count))
		return -1;
	return count;
}
