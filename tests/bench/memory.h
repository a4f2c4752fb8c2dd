/* SPDX-License-Identifier: MIT */
/* Memory to work on, from one of the contestants: mapped through memd, or the
 * kernel's own.  Knows nothing of limits: memd's pool and the cgroup that the
 * process has joined set them. */
#ifndef MEMD_BENCH_MEMORY_H
#define MEMD_BENCH_MEMORY_H

#include "common/checks.h"
#include <memclient.h>
#include <stddef.h>
#include <stdint.h>

struct memory {
	uint64_t *words;
	size_t bytes;
	struct memclient *mc;	/* NULL: not memd's */
	char error[256];	/* after a failure, one line */
};

/* All return 0, or -1 with `error` set; then nothing is left behind. */

/* Private memory of memd.  mode: MEMCLIENT_FAULT_… */
int memory_map_memd(struct memory *m, const char *socket, uint32_t mode,
		    size_t bytes) MUST_CHECK;

/* A named segment of memd, made unless there is one of that name. */
int memory_share_memd(struct memory *m, const char *socket, uint32_t mode,
		      const char *name, size_t bytes) MUST_CHECK;

/* Private memory of the kernel, no huge pages. */
int memory_map_kernel(struct memory *m, size_t bytes) MUST_CHECK;

/* Shared memory of the kernel: a memfd. */
int memory_share_kernel(struct memory *m, int memfd, size_t bytes) MUST_CHECK;

/* Take a part out of this process's page tables.  The memory has to be shared,
 * or memd's: its bytes stay.  Returns 0 or -errno. */
int memory_forget(const struct memory *m, size_t offset, size_t bytes)
	MUST_CHECK;

/* Make a part zero, as if it had never been touched.  The memory has to be
 * private.  Returns 0 or -errno. */
int memory_drop(const struct memory *m, size_t offset, size_t bytes)
	MUST_CHECK;

void memory_unmap(struct memory *m);

#endif
