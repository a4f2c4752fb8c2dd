/* SPDX-License-Identifier: MIT */
/* See memory.h. */
#include "tests/bench/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* ---- memd's */

/* Ends a failed attempt: nothing is left. */
static int give_up_memd(struct memory *m, const char *what)
{
	char error[sizeof(m->error)];

	snprintf(error, sizeof(error), "%s: %.200s", what,
		 memclient_error(m->mc));
	memclient_close(m->mc);
	*m = (struct memory){ 0 };
	memcpy(m->error, error, sizeof(m->error));
	return -1;
}

static struct memclient_map_options map_options(uint32_t mode)
{
	return (struct memclient_map_options){
		.size = sizeof(struct memclient_map_options),
		.fault_mode = mode,
	};
}

int memory_map_memd(struct memory *m, const char *socket, uint32_t mode,
		    size_t bytes)
{
	const struct memclient_map_options options = map_options(mode);
	void *at;

	*m = (struct memory){ .bytes = bytes };
	if (memclient_open(socket, NULL, &m->mc) != 0)
		return give_up_memd(m, "memclient_open");
	if (memclient_map(m->mc, bytes, &options, &at) != 0)
		return give_up_memd(m, "memclient_map");
	m->words = at;
	return 0;
}

int memory_share_memd(struct memory *m, const char *socket, uint32_t mode,
		      const char *name, size_t bytes)
{
	const struct memclient_map_options options = map_options(mode);
	void *at;

	*m = (struct memory){ .bytes = bytes };
	if (memclient_open(socket, NULL, &m->mc) != 0)
		return give_up_memd(m, "memclient_open");
	if (memclient_segment_create(m->mc, name, bytes, NULL) != 0)
		return give_up_memd(m, "memclient_segment_create");
	if (memclient_attach(m->mc, name, &options, &at, NULL) != 0)
		return give_up_memd(m, "memclient_attach");
	m->words = at;
	return 0;
}

/* ---- the kernel's */

static int map_kernel(struct memory *m, int flags, int fd, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			flags | MAP_NORESERVE, fd, 0);
	int err = at == MAP_FAILED ? errno : 0;

	*m = (struct memory){ .bytes = bytes };
	if (err == 0 && madvise(at, bytes, MADV_NOHUGEPAGE) != 0) {
		err = errno;
		munmap(at, bytes);
	}
	if (err != 0) {
		snprintf(m->error, sizeof(m->error), "mmap: %s",
			 strerror(err));
		return -1;
	}
	m->words = at;
	return 0;
}

int memory_map_kernel(struct memory *m, size_t bytes)
{
	return map_kernel(m, MAP_PRIVATE | MAP_ANONYMOUS, -1, bytes);
}

int memory_share_kernel(struct memory *m, int memfd, size_t bytes)
{
	return map_kernel(m, MAP_SHARED, memfd, bytes);
}

/* ---- both */

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

void memory_unmap(struct memory *m)
{
	if (m->mc != NULL)
		memclient_close(m->mc);
	else if (m->words != NULL)
		munmap(m->words, m->bytes);
	*m = (struct memory){ 0 };
}
