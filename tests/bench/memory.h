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
};

/* Memory of memd: private, or with a name the segment of that name, which is
 * made unless it is there.  mode: MEMCLIENT_FAULT_…  Returns 0, or -1 after
 * saying why on stderr. */
int memory_map_memd(struct memory *m, const char *socket, uint32_t mode,
		    const char *name, size_t bytes) MUST_CHECK;

/* Memory of the kernel, no huge pages: private, or that of a memfd (else -1).
 * Returns 0, or -1 after saying why on stderr. */
int memory_map_kernel(struct memory *m, int memfd, size_t bytes) MUST_CHECK;

/* Take a part out of this process's page tables.  The memory has to be shared,
 * or memd's: its bytes stay.  Returns 0 or -errno. */
int memory_forget(const struct memory *m, size_t offset, size_t bytes)
	MUST_CHECK;

/* Make a part zero, as if it had never been touched.  The memory has to be
 * private.  Returns 0 or -errno. */
int memory_drop(const struct memory *m, size_t offset, size_t bytes)
	MUST_CHECK;

#endif
