/* SPDX-License-Identifier: MIT */
/* Memory that ends exactly where an inaccessible page begins: whoever reads
 * or writes one byte too far dies at that instruction, in libraries without
 * sanitizers too. */
#ifndef MEMD_TESTS_PROTO_GUARDED_H
#define MEMD_TESTS_PROTO_GUARDED_H

#include "common/checks.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded {
	void *map;
	size_t map_bytes;
	uint8_t *end;		/* first byte that must not be touched */
};

static inline void guarded_init(struct guarded *g, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t usable = DIV_ROUND_UP(bytes + 1, page) * page;

	g->map_bytes = usable + page;
	g->map = mmap(NULL, g->map_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(g->map != MAP_FAILED);
	g->end = (uint8_t *)g->map + usable;
	ASSERT(mprotect(g->end, page, PROT_NONE) == 0);
}

static inline void guarded_fini(struct guarded *g)
{
	ASSERT(munmap(g->map, g->map_bytes) == 0);
}

#endif
