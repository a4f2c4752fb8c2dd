/* SPDX-License-Identifier: MIT */
/* UFFDIO_COPY always inserts single pages of 4 KiB, whole or not at all.  A
 * write(2) could make a huge folio, and then absent pages beside the wanted one
 * would read as zeros. */
#include "daemon/backing/alias.h"

#include "daemon/pager/pager.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_MINOR_SHMEM
#define UFFD_FEATURE_MINOR_SHMEM (1 << 10)
#endif

int alias_open_uffd(int *ret_uffd)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_MISSING_SHMEM,
	};
	int fd = (int)syscall(SYS_userfaultfd,
			      O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	int err;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) != 0)
		err = errno == EINVAL ? -EOPNOTSUPP : -errno;
	else if (!(api.features & UFFD_FEATURE_MINOR_SHMEM))
		err = -EOPNOTSUPP;
	else {
		*ret_uffd = fd;
		return 0;
	}
	close(fd);
	return err;
}

int alias_map(int uffd, int fd, uint64_t length_bytes, uint8_t **ret_alias)
{
	struct uffdio_register reg = {
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	void *at = mmap(NULL, length_bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_NORESERVE, fd, 0);
	int err;

	if (at == MAP_FAILED)
		return -errno;
	(void)madvise(at, length_bytes, MADV_NOHUGEPAGE);
	(void)madvise(at, length_bytes, MADV_DONTDUMP);
	(void)madvise(at, length_bytes, MADV_DONTFORK);
	reg.range.start = (uintptr_t)at;
	reg.range.len = length_bytes;
	if (ioctl(uffd, UFFDIO_REGISTER, &reg) != 0) {
		err = -errno;
		munmap(at, length_bytes);
		return err;
	}
	*ret_alias = at;
	return 0;
}

/* One ioctl.  Returns the number of bytes installed (> 0), or -errno if
 * none. */
static int64_t install_some(int uffd, uint8_t *to, uint64_t length,
			    const uint8_t *bytes)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)to,
		.src = (uintptr_t)bytes,
		.len = length,
		.mode = UFFDIO_COPY_MODE_DONTWAKE,
	};
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)to, length },
		.mode = UFFDIO_ZEROPAGE_MODE_DONTWAKE,
	};
	int64_t moved;

	if (bytes != NULL)
		moved = ioctl(uffd, UFFDIO_COPY, &copy) == 0 ?
			(int64_t)length : copy.copy;
	else
		moved = ioctl(uffd, UFFDIO_ZEROPAGE, &zero) == 0 ?
			(int64_t)length : zero.zeropage;
	return moved != 0 ? moved : -errno;
}

int alias_install(int uffd, uint8_t *to, uint64_t length, const uint8_t *bytes)
{
	uint64_t done = 0;

	while (done < length) {
		int64_t moved = install_some(uffd, to + done, length - done,
					     bytes != NULL ? bytes + done :
							     NULL);

		if (moved > 0)
			done += (uint64_t)moved;
		else if (moved == -EEXIST)	/* present: keeps its bytes */
			done += PAGER_UNIT_BYTES;
		else if (moved != -EAGAIN)	/* ENOMEM, or unexpected */
			return -ENOMEM;
	}
	return 0;
}

/* Mapping the page answers that.  Not lseek(2): it takes the lock of the file,
 * which a client's write(2) may hold. */
int alias_is_present(int uffd, uint8_t *at)
{
	struct uffdio_continue c = {
		.range = { (uintptr_t)at, PAGER_UNIT_BYTES },
		.mode = UFFDIO_CONTINUE_MODE_DONTWAKE,
	};
	unsigned tries = 0;

	do {
		c.mapped = 0;
		if (ioctl(uffd, UFFDIO_CONTINUE, &c) == 0 || errno == EEXIST)
			return 1;
	} while (errno == EAGAIN && ++tries < 100);
	return errno == EFAULT || errno == ENOENT ? 0 : -EAGAIN;
}
