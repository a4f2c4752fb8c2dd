/* SPDX-License-Identifier: MIT */
/* Maps and unmaps data files: see mapping.h.
 *
 * The order matters.  A fresh mapping that is not registered reads as zeros,
 * and a touch would put pages into the data file past the daemon.  So the
 * mapping is made PROT_NONE.  It loses its lock, because mlockall(MCL_FUTURE)
 * would fill it.  Then it is registered, and only then becomes accessible. */
#include "client/region/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24		/* Linux 5.18 */
#endif

/* The seals: the daemon must not be able to shrink the file under the library,
 * and the library must not be able to grow it. */
static int check_file(const struct region *r, int fd, struct stat *ret_st)
{
	int sealed = F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fcntl(fd, F_GET_SEALS);

	if (fstat(fd, ret_st) != 0)
		return -errno;
	if (seals < 0 || (seals & sealed) != sealed ||
	    !S_ISREG(ret_st->st_mode) || ret_st->st_size < 0 ||
	    (uint64_t)ret_st->st_size != r->length)
		return -EPROTO;
	return 0;
}

/* Reserve `length` bytes of address space, aligned to `align`. */
static int reserve(size_t length, size_t align, uintptr_t *ret_start)
{
	size_t slack = align > UFFD_UNIT_BYTES ? align : 0;
	uintptr_t start, tail;
	void *at;

	if (length > SIZE_MAX - slack)
		return -ENOMEM;
	at = mmap(NULL, length + slack, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	start = ((uintptr_t)at + align - 1) & ~(uintptr_t)(align - 1);
	tail = start + length;
	if (start > (uintptr_t)at)
		munmap(at, start - (uintptr_t)at);
	if ((uintptr_t)at + length + slack > tail)
		munmap((void *)tail, (uintptr_t)at + length + slack - tail);
	*ret_start = start;
	return 0;
}

/* Set the properties of every mapping.  NOHUGEPAGE: only single pages can be
 * taken out one by one.  DONTFORK: a child's copy would not be registered, and
 * would read as zeros.  DONTDUMP: a core dump would show zeros for pages that
 * are not mapped. */
static int set_up(void *at, size_t length)
{
	if (madvise(at, length, MADV_NOHUGEPAGE) != 0 && errno != EINVAL)
		return -errno;	/* EINVAL: the kernel has no huge pages */
	if (madvise(at, length, MADV_DONTFORK) != 0 ||
	    madvise(at, length, MADV_DONTDUMP) != 0 ||
	    munlock(at, length) != 0)
		return -errno;
	return 0;
}

/* A read-only descriptor cannot be mapped MAP_SHARED here: registering needs
 * the right to write, which a private mapping has.  The mapping is never
 * written, so it shows the pages of the file. */
static int map_file(const struct region *r, int fd, int uffd, void *at)
{
	int protection = r->is_read_only ? PROT_READ : PROT_READ | PROT_WRITE;
	int sharing = r->is_read_only ? MAP_PRIVATE : MAP_SHARED;
	int err;

	if (mmap(at, r->length, PROT_NONE, sharing | MAP_FIXED, fd, 0) ==
	    MAP_FAILED)
		return -errno;
	err = set_up(at, r->length);
	if (err == 0)
		err = uffd_register(uffd, (uintptr_t)at, r->length, true);
	if (err == 0 && mprotect(at, r->length, protection) != 0)
		err = -errno;
	return err;
}

int mapping_create(struct region *r, int fd, int uffd)
{
	uintptr_t start = 0;
	struct stat st;
	int err = check_file(r, fd, &st);

	if (err != 0)
		return err;
	err = reserve(r->length, region_page_bytes(r), &start);
	if (err != 0)
		return err;
	err = map_file(r, fd, uffd, (void *)start);
	if (err != 0) {
		munmap((void *)start, r->length);
		return err;
	}
	r->start = start;
	r->file_dev = st.st_dev;
	r->file_ino = st.st_ino;
	return 0;
}

void mapping_add_book(struct region *r, int fd)
{
	int sealed = F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fcntl(fd, F_GET_SEALS);
	size_t length = book_bytes(region_page_count(r));
	struct stat st;
	void *at;

	if (seals < 0 || (seals & sealed) != sealed || fstat(fd, &st) != 0 ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size != length)
		return;
	/* Without its lock, or mlockall(MCL_FUTURE) would fill all of it. */
	at = mmap(NULL, length, PROT_NONE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return;
	(void)madvise(at, length, MADV_DONTFORK);
	(void)madvise(at, length, MADV_DONTDUMP);
	if (munlock(at, length) != 0 || mprotect(at, length, PROT_READ) != 0) {
		munmap(at, length);
		return;
	}
	r->book_map = at;
	r->book_length = length;
}

void mapping_drop_book(struct region *r)
{
	atomic_store(&r->book, NULL);
	if (r->book_map != NULL)
		munmap((void *)(uintptr_t)r->book_map, r->book_length);
	r->book_map = NULL;
}

bool mapping_destroy(struct region *r, int uffd)
{
	bool is_gone;

	mapping_drop_book(r);

	/* Whole mappings go, so this needs no memory.  It fails only at the
	 * limit of mappings, if the region has neighbours of the same kind.
	 * Then it stays registered, which is safe. */
	is_gone = munmap((void *)r->start, r->length) == 0;
	uffd_wake(uffd, r->start, r->length);
	return is_gone;
}

bool mapping_is_of(const struct region *r, int fd)
{
	struct stat st;

	return check_file(r, fd, &st) == 0 && st.st_dev == r->file_dev &&
	       st.st_ino == r->file_ino;
}

/* Map an empty file there: a touch behind the end of a file is SIGBUS. */
static bool map_empty(uintptr_t start, size_t length, int empty)
{
	return mmap((void *)start, length, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, empty, 0) != MAP_FAILED;
}

/* True if the unit must be covered.  A unit that is present stays, and so does
 * anything that the program has mapped in its place. */
static bool must_cover(uintptr_t unit, int uffd)
{
	enum uffd_outcome outcome =
		uffd_map(uffd, unit, UFFD_UNIT_BYTES, unit, UFFD_UNIT_BYTES);

	return outcome != UFFD_MAPPED && outcome != UFFD_FOREIGN;
}

static bool cover_missing(uintptr_t start, size_t length, int uffd, int empty)
{
	uintptr_t end = start + length, next;
	bool is_covered = true;

	for (uintptr_t at = start; at < end && is_covered; at = next) {
		next = at;
		while (next < end && must_cover(next, uffd))
			next += UFFD_UNIT_BYTES;
		if (next > at)
			is_covered = map_empty(at, next - at, empty);
		else
			next += UFFD_UNIT_BYTES;
	}
	return is_covered;
}

void mapping_cover(struct region *r, uintptr_t start, size_t length, int uffd)
{
	int empty = memfd_create("memclient-lost", MFD_CLOEXEC);

	/* If there is no descriptor left, forbid access: SIGSEGV in place of
	 * SIGBUS. */
	if ((empty < 0 || !cover_missing(start, length, uffd, empty)) &&
	    (empty < 0 || !map_empty(r->start, r->length, empty)))
		(void)mprotect((void *)r->start, r->length, PROT_NONE);
	if (empty >= 0)
		close(empty);
	uffd_wake(uffd, r->start, r->length);
}

void *mapping_create_bells(size_t length, int uffd)
{
	void *at = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	if (at == MAP_FAILED)
		return NULL;
	if (set_up(at, length) == 0 &&
	    uffd_register(uffd, (uintptr_t)at, length, false) == 0 &&
	    mprotect(at, length, PROT_READ) == 0)
		return at;
	munmap(at, length);
	return NULL;
}

void mapping_drop(uintptr_t start, size_t length)
{
	void *at = (void *)start;
	int saved = errno;

	/* The program may have locked the page, perhaps with mlockall(). */
	if (madvise(at, length, MADV_DONTNEED) != 0 &&
	    madvise(at, length, MADV_DONTNEED_LOCKED) != 0) {
		(void)munlock(at, length);
		(void)madvise(at, length, MADV_DONTNEED);
	}
	errno = saved;
}
