/* SPDX-License-Identifier: MIT */
#include "common/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES 4096u

static size_t mapped_bytes(const struct table *t)
{
	size_t bytes = t->element_bytes * t->element_count;

	return DIV_ROUND_UP(bytes, PAGE_BYTES) * PAGE_BYTES;
}

int table_init(struct table *t, const char *name, size_t element_bytes,
	       size_t element_count)
{
	int err;

	*t = (struct table){
		.fd = -1,
		.element_bytes = element_bytes,
		.element_count = element_count,
	};
	t->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (t->fd < 0)
		return -errno;
	if (ftruncate(t->fd, (off_t)mapped_bytes(t)) != 0)
		goto fail;
	t->base = mmap(NULL, mapped_bytes(t), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_NORESERVE, t->fd, 0);
	if (t->base == MAP_FAILED) {
		t->base = NULL;
		goto fail;
	}
	/* Huge folios would use 2 MiB for one touched element. */
	(void)madvise(t->base, mapped_bytes(t), MADV_NOHUGEPAGE);
	return 0;
fail:
	err = -errno;
	table_fini(t);
	return err;
}

void table_fini(struct table *t)
{
	if (t->base != NULL) {
		munmap(t->base, mapped_bytes(t));
		close(t->fd);
	} else if (t->element_count != 0 && t->fd >= 0) {
		close(t->fd);
	}
	*t = (struct table){ .fd = -1 };
}

int table_reserve(struct table *t, size_t first, size_t count)
{
	int err;

	ASSERT(count != 0 && first + count <= t->element_count);
	do
		err = fallocate(t->fd, 0, (off_t)(first * t->element_bytes),
				(off_t)(count * t->element_bytes)) != 0 ?
			-errno : 0;
	while (err == -EINTR);
	return err;
}

void table_discard(struct table *t, size_t first, size_t count)
{
	uintptr_t start = (uintptr_t)t->base + first * t->element_bytes;
	uintptr_t end = start + count * t->element_bytes;
	uintptr_t mask = ~(uintptr_t)(PAGE_BYTES - 1);
	uintptr_t whole = (start + PAGE_BYTES - 1) & mask;
	uintptr_t whole_end = end & mask;

	ASSERT(first + count <= t->element_count);
	if (whole >= whole_end ||
	    madvise((void *)whole, whole_end - whole, MADV_REMOVE) != 0) {
		memset((void *)start, 0, end - start);
		return;
	}
	memset((void *)start, 0, whole - start);
	memset((void *)whole_end, 0, end - whole_end);
}

size_t table_next_used(const struct table *t, size_t first)
{
	off_t at = lseek(t->fd, (off_t)(first * t->element_bytes), SEEK_DATA);

	if (at < 0)
		return t->element_count;
	return MAX((size_t)at / t->element_bytes, first);
}

size_t table_memory_bytes(const struct table *t)
{
	struct stat st;

	if (t->base == NULL || fstat(t->fd, &st) != 0)
		return 0;
	return (size_t)st.st_blocks * 512;
}
