/* SPDX-License-Identifier: MIT */
/* Preloaded into a program, gives its main thread memory of memd: what it
 * allocates, and what it maps without a file.  `memctl trace` then shows the
 * program's page accesses as faults.  A tool of record.sh, not of the tests.
 *
 * The allocator is jemalloc, which many servers use.  Its own mmap() comes here
 * like the program's.  Other threads, the library's among them, keep the memory
 * of libc: a thread that answers faults must not need memd's memory.  Stacks,
 * globals and what was allocated before main() are not recorded.
 *
 * Addresses are given out once.  A child of fork() has no such memory, so the
 * program must not go on in one. */
#include "client/include/memclient.h"

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096 };

#define REGION_BYTES	((size_t)512 << 20)

/* glibc's own, by the names that nothing replaces. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *old);

static char *region, *unused;		/* NULL until it is mapped */
static _Thread_local bool is_recorded;	/* this thread */

/* The arenas that jemalloc has until now have memory of before. */
static void recorder_take_arena(void)
{
	unsigned arena;
	size_t bytes = sizeof(arena);

	if (mallctl("thread.tcache.flush", NULL, NULL, NULL, 0) != 0 ||
	    mallctl("arenas.create", &arena, &bytes, NULL, 0) != 0 ||
	    mallctl("thread.arena", NULL, NULL, &arena, bytes) != 0) {
		fprintf(stderr, "recorder: jemalloc gives no arena\n");
		exit(1);
	}
}

__attribute__((constructor))
static void recorder_start(void)
{
	struct memclient *mc;
	void *addr;

	if (memclient_open(NULL, NULL, &mc) != 0 ||
	    memclient_map(mc, REGION_BYTES, NULL, &addr) != 0) {
		fprintf(stderr, "recorder: %s\n", memclient_error(NULL));
		exit(1);
	}
	region = unused = addr;
	is_recorded = true;
	recorder_take_arena();
}

static bool recorder_owns(const void *addr)
{
	return (uintptr_t)addr - (uintptr_t)region < REGION_BYTES &&
	       region != NULL;
}

/* ---- maps */

void *mmap(void *addr, size_t length, int protection, int flags, int fd,
	   off_t offset)
{
	size_t bytes = (length + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	char *start = unused;

	if (!is_recorded || addr != NULL ||
	    protection != (PROT_READ | PROT_WRITE) ||
	    (flags & (MAP_ANONYMOUS | MAP_PRIVATE)) !=
		    (MAP_ANONYMOUS | MAP_PRIVATE))
		return (void *)syscall(SYS_mmap, addr, length, protection,
				       flags, fd, offset);
	if (bytes > (size_t)(region + REGION_BYTES - unused)) {
		static const char text[] = "recorder: the region is full\n";

		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
		_exit(1);
	}
	unused += bytes;
	return start;
}

void *mmap64(void *addr, size_t length, int protection, int flags, int fd,
	     off_t offset)
{
	return mmap(addr, length, protection, flags, fd, offset);
}

int munmap(void *addr, size_t length)
{
	return recorder_owns(addr) ? 0 :
	       (int)syscall(SYS_munmap, addr, length);
}

/* Nothing is dropped: the allocator is told so. */
int madvise(void *addr, size_t length, int advice)
{
	if (!recorder_owns(addr))
		return (int)syscall(SYS_madvise, addr, length, advice);
	errno = EINVAL;
	return -1;
}

/* ---- the heap */

static void *check_memory(void *addr)
{
	if (addr == NULL)
		errno = ENOMEM;
	return addr;
}

void *malloc(size_t size)
{
	return is_recorded ? check_memory(mallocx(size != 0 ? size : 1, 0)) :
	       __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	size_t bytes;

	if (!is_recorded)
		return __libc_calloc(count, size);
	if (__builtin_mul_overflow(count, size, &bytes))
		return check_memory(NULL);
	return check_memory(mallocx(bytes != 0 ? bytes : 1, MALLOCX_ZERO));
}

void free(void *old)
{
	if (recorder_owns(old))
		dallocx(old, 0);
	else
		__libc_free(old);
}

/* What was allocated elsewhere stays there. */
void *realloc(void *old, size_t size)
{
	if (old == NULL)
		return malloc(size);
	if (!recorder_owns(old))
		return __libc_realloc(old, size);
	if (size != 0)
		return check_memory(rallocx(old, size, 0));
	free(old);
	return NULL;
}

void *memalign(size_t alignment, size_t size)
{
	return is_recorded ? check_memory(mallocx(size != 0 ? size : 1,
						  MALLOCX_ALIGN(alignment))) :
	       __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **ret_addr, size_t alignment, size_t size)
{
	void *addr = memalign(alignment, size);

	if (addr == NULL)
		return ENOMEM;
	*ret_addr = addr;
	return 0;
}

/* Of libc's memory no more is known than that something is there. */
size_t malloc_usable_size(void *addr)
{
	return recorder_owns(addr) ? sallocx(addr, 0) : 0;
}
