/* SPDX-License-Identifier: MIT */
/* See memory.h. */
#include "tests/bench/memory.h"

#include <errno.h>
#include <sys/mman.h>

static int map_memd(struct memory *m, const char *socket, uint32_t mode,
		    const char *name)
{
	const struct memclient_map_options options = {
		.size = sizeof(options),
		.fault_mode = mode,
	};
	void *at;

	if (memclient_open(socket, NULL, &m->mc) != 0)
		return -1;
	if (name == NULL) {
		if (memclient_map(m->mc, m->bytes, &options, &at) != 0)
			return -1;
	} else if (memclient_segment_create(m->mc, name, m->bytes, NULL) != 0 ||
		   memclient_attach(m->mc, name, &options, &at, NULL) != 0) {
		return -1;
	}
	m->words = at;
	return 0;
}

int memory_map_memd(struct memory *m, const char *socket, uint32_t mode,
		    const char *name, size_t bytes)
{
	*m = (struct memory){ .bytes = bytes };
	if (map_memd(m, socket, mode, name) == 0)
		return 0;
	fprintf(stderr, "paging: no memory of memd: %s\n",
		memclient_error(m->mc));
	return -1;
}

int memory_map_kernel(struct memory *m, int memfd, size_t bytes)
{
	int kind = memfd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			kind | MAP_NORESERVE, memfd, 0);

	if (at == MAP_FAILED || madvise(at, bytes, MADV_NOHUGEPAGE) != 0) {
		perror("paging: mmap");
		return -1;
	}
	*m = (struct memory){ .words = at, .bytes = bytes };
	return 0;
}

int memory_forget(const struct memory *m, size_t offset, size_t bytes)
{
	return madvise((char *)m->words + offset, bytes, MADV_DONTNEED) != 0 ?
		       -errno : 0;
}

int memory_drop(const struct memory *m, size_t offset, size_t bytes)
{
	if (m->mc == NULL)
		return memory_forget(m, offset, bytes);
	return memclient_advise(m->mc, (char *)m->words + offset, bytes,
				MEMCLIENT_ADVICE_DONTNEED);
}
